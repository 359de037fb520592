"""From frame to frame: what moved, what is new, what is a cut, and that nothing else counts."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scenes import Scene, half, moved_camera, moving_square, noisy, rounded, shrunk, textured

from livedream.core.frame import FlowField, Frame, Motion, Picture
from livedream.flow import FlowEstimator, Gray, ZeroFlow
from livedream.flow.classic import DisFlow, FarnebackFlow
from livedream.flow.motion import MotionEstimator, compare

FramesOf = Callable[..., list[Frame]]


class Told:
    """An estimator that knows the truth, and notes what it was asked."""

    def __init__(self, flow: FlowField, back: FlowField) -> None:
        self.flows = [flow, back]
        self.asked: list[tuple[Picture, Picture]] = []

    def estimate(self, current: Picture, previous: Picture) -> FlowField:
        self.asked.append((current, previous))
        return self.flows[len(self.asked) - 1]


def moved(scene: Scene, flow: FlowEstimator | None = None) -> Motion:
    return compare(flow or DisFlow(), scene.current, scene.previous)


@pytest.mark.parametrize("noise", [0.0, 4.0])
@pytest.mark.parametrize("camera", [(0, 0), (5, 3), (-7, 2)])
@pytest.mark.parametrize("flow", [DisFlow(), DisFlow("dis-fast")])
def test_a_square_before_a_wall(flow: FlowEstimator, camera: tuple[int, int], noise: float) -> None:
    """What it reveals is found; the square keeps its visibility and its motion."""
    scene = moving_square((9, 0), camera)
    found = moved(scene.noisy(noise) if noise else scene, flow)
    assert not found.cut
    body, rest = half(shrunk(scene.body, 4)), half(shrunk(~scene.hidden & ~scene.body, 6))
    assert found.visibility[half(shrunk(scene.hidden, 1))].mean() < 0.15
    assert found.visibility[body].mean() > 0.85
    assert found.visibility[rest].mean() > 0.97
    wanted = scene.flow[:, ::2, ::2] / 2
    assert np.median(np.hypot(*(found.flow - wanted))[body]) < 0.2
    assert np.median(np.hypot(*(found.flow - wanted))[rest]) < 0.1


@pytest.mark.parametrize("noise", [0.0, 1.0, 2.0, 8.0])
@pytest.mark.parametrize("flow", [DisFlow(), DisFlow("dis-fast"), FarnebackFlow()])
@pytest.mark.parametrize("kind", ["flat", "half flat"])
def test_a_still_camera_stands_still(flow: FlowEstimator, noise: float, kind: str) -> None:
    """Exactly, on flat places, where an estimator would follow the noise."""
    wall = np.full((180, 320, 3), 140, np.uint8)
    if kind == "half flat":
        wall[:, :160] = textured(180, 160)
    draw = np.random.default_rng(3)
    found = compare(flow, noisy(wall, noise, draw), noisy(wall, noise, draw))
    flat = slice(90 if kind == "half flat" else 0, None)
    assert not found.cut
    assert (found.flow[:, :, flat] == 0.0).mean() > 0.999
    assert found.visibility[:, flat].mean() > 0.999


def test_a_cut_is_a_cut() -> None:
    found = compare(DisFlow(), textured(180, 320, 1), textured(180, 320, 2))
    assert found.cut and not found.visibility.any()


@pytest.mark.parametrize(("first", "second", "cut"), [(90, 90, False), (90, 150, True)])
def test_two_flat_grays(first: int, second: int, cut: bool) -> None:
    pictures = [np.full((180, 320, 3), value, np.uint8) for value in (first, second)]
    found = compare(DisFlow(), pictures[1], pictures[0])
    assert found.cut == cut and found.visibility.mean() == (0.0 if cut else 1.0)


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 40.0), (1.4, 0.0), (0.6, 0.0), (0.5, 110.0)])
def test_a_flash_hides_nothing(gain: float, offset: float) -> None:
    """Neither a cut nor a revealed picture, though every pixel has changed."""
    scene = moving_square((9, 0))
    lit = Scene(
        rounded(scene.current * gain + offset), scene.previous, scene.flow, scene.hidden, scene.body
    )
    found = moved(lit)
    assert not found.cut and found.visibility.mean() > 0.9
    assert found.visibility[half(shrunk(scene.hidden, 1))].mean() < 0.3


def test_a_fade_is_followed_all_the_way() -> None:
    wall, flow = textured(120, 160), DisFlow()
    fading = [rounded(wall * (1 - step / 25)) for step in range(26)]
    found = [compare(flow, now, before) for before, now in pairwise(fading)]
    assert not any(motion.cut for motion in found)
    assert min(motion.visibility.mean() for motion in found[:20]) > 0.95


def test_both_ways_are_asked_in_order() -> None:
    scene, back = moving_square((9, 0)), moving_square((-9, 0))
    flow = Told(scene.flow, back.flow)
    found = moved(scene, flow)
    assert [id(picture) for pair in flow.asked for picture in pair] == [
        id(picture) for picture in (scene.current, scene.previous, scene.previous, scene.current)
    ]
    assert found.visibility[half(shrunk(scene.body, 4))].mean() > 0.97
    assert found.visibility[half(shrunk(scene.hidden, 1))].mean() < 0.05


def test_one_who_can_do_both_is_asked_once() -> None:
    class Both(DisFlow):
        asked = 0

        def both(self, now: Gray, before: Gray) -> tuple[FlowField, FlowField]:
            self.asked += 1
            return super().both(now, before)

        def estimate(self, current: Picture, previous: Picture) -> FlowField:
            raise AssertionError("both() says it all")

    flow = Both()
    moved(moving_square(), flow)
    assert flow.asked == 1


def test_the_first_frame_has_no_motion(frames_of: FramesOf) -> None:
    first, second = frames_of(textured(60, 80), textured(60, 80))
    motion = MotionEstimator(DisFlow())
    assert motion.step(first.rgb) is None
    found = motion.step(second.rgb)
    assert found is not None and not found.flow.any() and (found.visibility == 1).all()


def test_without_an_estimator_there_is_none(frames_of: FramesOf) -> None:
    motion = MotionEstimator(None)
    assert [motion.step(f.rgb) for f in frames_of(*[textured(60, 80)] * 3)] == [None] * 3


def test_a_frame_of_another_size_starts_anew(frames_of: FramesOf) -> None:
    wall = textured(60, 80)
    frames = frames_of(wall, wall, wall[:50], wall[:50])
    motion = MotionEstimator(DisFlow(), "source")
    assert [motion.step(f.rgb) is None for f in frames] == [True, False, True, False]


def test_nothing_moves_without_flow(frames_of: FramesOf) -> None:
    """One pixel, fully visible, no cut: `--flow none` compares nothing."""
    frames = frames_of(textured(60, 80, 1), textured(60, 80, 2))
    motion = MotionEstimator(ZeroFlow())
    assert motion.step(frames[0].rgb) is None
    found = motion.step(frames[1].rgb)
    assert found is not None and not found.cut
    assert found.flow.tolist() == [[[0.0]], [[0.0]]] and found.visibility.tolist() == [[1.0]]
    assert not ZeroFlow().estimate(frames[0].rgb, frames[1].rgb).any()


def test_zero_flow_has_the_picture_s_size() -> None:
    found = ZeroFlow().estimate(textured(6, 8), textured(6, 8))
    assert found.shape == (2, 6, 8) and found.dtype == np.float32


@pytest.mark.parametrize(
    ("size", "wanted"),
    [("45p", (22, 40)), ("90p", (45, 80)), ("160x40", (20, 80)), ("source", (90, 160)),
     ("720p", (90, 160)), ("999x90", (45, 160))],
)  # fmt: skip
def test_flow_is_computed_at_its_size_and_never_larger(
    frames_of: FramesOf, size: str, wanted: tuple[int, int]
) -> None:
    """The motion is half as large again: a pixel of it is four of what was compared."""
    scene = moved_camera(np.array([[0, 0, 8.0], [0, 0, 4.0]]))
    first, second = frames_of(scene.previous, scene.current)
    motion = MotionEstimator(DisFlow(), size)
    motion.step(first.rgb)
    found = motion.step(second.rgb)
    assert found is not None and found.flow.shape == (2, *wanted) and found.flow.dtype == np.float32
    assert found.visibility.shape == wanted
    middle = np.median(found.flow, (1, 2)) * (320 / wanted[1], 180 / wanted[0])
    assert middle == pytest.approx((8.0, 4.0), abs=0.4)


def test_cuts_are_found_without_most_of_the_flow() -> None:
    """The same ones as with it: between walls, not within them, however fast the camera."""
    walls = [textured(180, 400, seed) for seed in range(3)]
    frames = [
        np.ascontiguousarray(wall[:, step * n : step * n + 240])
        for wall in walls
        for step in (2, 16)
        for n in range(4)
    ]
    whole, quick = MotionEstimator(Counted()), MotionEstimator(counted := Counted())
    moves = [whole.step(frame) for frame in frames]
    found = [quick.cut(frame) for frame in frames]
    assert found == [move is not None and move.cut for move in moves]
    assert [n for n, cut in enumerate(found) if cut] == [8, 16]
    assert counted.asked < len(frames)


class Counted(DisFlow):
    """How many pairs it was asked for."""

    asked = 0

    def both(self, current: Gray, previous: Gray) -> tuple[FlowField, FlowField]:
        self.asked += 1
        return super().both(current, previous)
