"""The walk on the device, on CPU tensors: against the walk by OpenCV, recorded, and watched."""

import logging
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from recorded import (
    NewTensorError,
    Pool,
    Step,
    Stream,
    Traced,
    WaitedError,
    no_waits,
    stay_on_device,
)
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from livedream.capture.sky import Sky
from livedream.core.device import in_reach, resident
from livedream.core.frame import DeviceMotion, Frame, Motion
from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Ascent
from livedream.dream.dreamer import Dream, Dreamer
from livedream.dream.engines.cuda import CapturedStep, StepKind
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import bind
from livedream.dream.resident import FrameKind, FrameMemory, RecordedFrame, kind_of
from livedream.dream.transfer import Transfers
from livedream.flow import open_flow
from livedream.flow.motion import MotionEstimator
from livedream.warp.residual import carry, carry_tensor, uploaded

SETTINGS: dict[str, Any] = {
    "engine": "torch", "precision": "fp32", "device": "cpu", "network": "dreamnet",
    "size": "72p", "flow": "dis-fast", "flow_size": "54p", "seed": 5, "rise": 0.1, "laplacian": 0,
}  # fmt: skip
CPU = torch.device("cpu")


class Watched:
    """Runs frames as they are, and lets nothing wait."""

    def __call__(self, step: Step) -> Step:
        def run() -> None:
            with no_waits():
                step()

        return run


def frames_of(count: int, size: tuple[int, int] = (256, 144)) -> list[Frame]:
    sky = Sky(*size, 8.0, 3)
    return [
        Frame(np.ascontiguousarray(sky.paint(n / 25)), n, Fraction(1, 25), n, 1)
        for n in range(count)
    ]


def motions_of(frames: list[Frame]) -> list[Motion | None]:
    estimator = MotionEstimator(open_flow("dis-fast"), "54p")
    return [estimator.step(frame.rgb) for frame in frames]


@pytest.fixture
def resident_dreamer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Dreamer]]:
    """Makes one whose engine is CUDA's, on CPU tensors."""

    def make(capture: Any, **more: Any) -> Dreamer:
        with monkeypatch.context() as patch:
            stay_on_device(patch, capture)
            return Dreamer(DreamSettings(**{**SETTINGS, **more}))

    yield make


def alike(one: Dream, other: Dream) -> bool:
    near = pytest.approx((one.level, one.gain, one.flicker), rel=2e-3)
    apart = np.abs(one.frame.rgb.astype(int) - other.frame.rgb)
    # A class's direction is the same however quiet its place is, and so shows more of the rounding.
    close = apart.max() <= 6 and apart.mean() < 0.1
    return bool(near == (other.level, other.gain, other.flicker)) and close


def much_alike(one: Dream, other: Dream) -> bool:
    """Of several octaves or bands, which are shrunk by another filter each: dreams drift apart."""
    near = pytest.approx((one.gain, one.flicker), rel=0.03)
    same = bool(near == (other.gain, other.flicker)) and abs(one.level - other.level) < 0.01
    return same and bool(np.abs(one.frame.rgb.astype(float) - other.frame.rgb).mean() < 1.5)


CASES: list[dict[str, Any]] = [
    {"momentum": 0.0, "iterations": 2}, {"octaves": 3}, {"octaves": 1, "half_life": 0.0},
    {"keep_colours": True, "spread": 0.0}, {"smoothing": 1.0, "laplacian": 2, "rise": 0.0},
    {"size": "source", "jitter": 0, "spread": 1.0}, {"where": "moving | rect(0.1,0.2,0.6,0.5)"},
    {"objective": "eyes@left + weave@!left & !dark"}, {"laplacian": 2},
    {"network": "dreamnet-birds+dreamnet-insects"},
]  # fmt: skip


@pytest.mark.parametrize("more", CASES, ids=str)
def test_recorded_it_dreams_what_opencv_does(
    resident_dreamer: Callable[..., Dreamer], more: dict[str, Any]
) -> None:
    frames, capture = frames_of(9), Traced()
    found, plain = resident_dreamer(capture, **more), Dreamer(DreamSettings(**SETTINGS | more))
    for frame, motion in zip(frames, motions_of(frames), strict=True):
        wanted, dream = plain.step(frame, motion), found.step(frame, motion)
        shrunk = more.get("size") == "source" or "laplacian" in more
        near = much_alike if shrunk else alike
        assert near(wanted, dream), frame.index
        assert dream.state is not None and wanted.state is not None
        assert dream.state.age_s == pytest.approx(wanted.state.age_s)
    assert capture.captured >= 1
    assert dream.level > 5


def glided(n: int) -> dict[str, Any]:
    """What a show's sliders, waves and crossfades may move in each frame."""
    off = {"clean": 0.0, "tint": 1.0, "spread": 0.0, "momentum": 0.0}
    return {
        "objective": f"{0.2 + 0.05 * n:g}*eyes - {0.1 + 0.1 * n:g}*weave",
        "clean": 0.9 - 0.02 * n, "tint": 0.4 + 0.02 * n, "spread": 0.5 - 0.02 * n,
        "momentum": 0.06 + 0.01 * n, "flow_size": f"{54 + n}p", **(off if n > 13 else {}),
    }  # fmt: skip


def test_what_glides_is_not_recorded_anew(resident_dreamer: Callable[..., Dreamer]) -> None:
    frames, capture = frames_of(20), Traced()
    found = resident_dreamer(capture, **glided(0))
    plain, captured = Dreamer(DreamSettings(**SETTINGS | glided(0))), []
    for frame, motion in zip(frames, motions_of(frames), strict=True):
        for dreamer in (plain, found):
            dreamer.adopt(DreamSettings(**SETTINGS | glided(frame.index)))
        assert alike(plain.step(frame, motion), found.step(frame, motion)), frame.index
        captured.append(capture.captured)
    assert 1 <= captured[8] == captured[13] < captured[-1]  # what is off takes other operations


def test_nothing_in_a_frame_waits(resident_dreamer: Callable[..., Dreamer]) -> None:
    """Sixty frames, every one of them watched from its third kind on."""
    frames = frames_of(60)
    found, plain = resident_dreamer(Watched()), Dreamer(DreamSettings(**SETTINGS))
    late: list[tuple[Dream, Dream]] = []
    places = set()
    for frame, motion in zip(frames, motions_of(frames), strict=True):
        late.append((plain.step(frame, motion), found.step(frame, motion)))
        if frame.index:  # its motion has a size, so that all others are of its kind
            carried = found.state.residual, found.state.momentum, found.state.gain
            places.add(tuple(part.data_ptr() for part in carried if part is not None))
    assert len(places) == 1 and len(*places) == 3
    wanted, dreams = zip(*late[-30:], strict=True)
    for figure in ("level", "flicker"):
        of_each = [np.mean([getattr(d, figure) for d in each]) for each in (wanted, dreams)]
        assert of_each[1] == pytest.approx(of_each[0], rel=0.02)
    answers = [
        plain.ascent.response(plain.picture(each[-1].frame.rgb)) for each in (wanted, dreams)
    ]
    assert answers[1] == pytest.approx(answers[0], rel=0.03)


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames go up and come down as on CUDA."""
    streaming = partial(Transfers, stream=Stream())
    monkeypatch.setattr("livedream.dream.resident.Transfers", streaming)


@pytest.mark.parametrize("more", [{}, {"octaves": 3, "octave_scale": 1.05}], ids=str)
def test_from_frame_to_frame_no_memory_is_asked_for(
    resident_dreamer: Callable[..., Dreamer], streamed: None, more: dict[str, Any]
) -> None:
    """Between upload and download, that of the graph itself left out."""
    frames, pool = frames_of(24), Pool()
    found, begun = resident_dreamer(pool, **more), None
    for frame, motion in zip(frames, motions_of(frames), strict=True):
        if frame.index < 12:  # every kind of frame is recorded by then
            waiting = found.begin(frame, motion)
        else:
            with pool.nothing_new():
                waiting = found.begin(frame, motion)
        dream = begun() if begun is not None else None
        begun = waiting
    assert dream is not None and dream.level > 5
    with pool.nothing_new(), pytest.raises(NewTensorError):
        found.begin(frame, motion, keep=True)


def test_a_dreamer_that_is_given_up_is_gone_at_once(
    resident_dreamer: Callable[..., Dreamer],
) -> None:
    """And its network on the device with it: a search for cycles comes when it comes."""
    found = resident_dreamer(Pool())
    for frame in frames_of(4):
        found.step(frame)
    gone = weakref.ref(found)
    del found
    assert gone() is None


def test_what_comes_down_is_not_the_next_frame_s(
    resident_dreamer: Callable[..., Dreamer], streamed: None
) -> None:
    frames = frames_of(8)
    found = list(resident_dreamer(Traced()).dreams(frames))
    plain, motions = resident_dreamer(Traced()), motions_of(frames)
    for frame, motion, dream in zip(frames, motions, found, strict=True):
        wanted = plain.step(frame, motion)
        assert np.array_equal(dream.frame.rgb, wanted.frame.rgb)
        assert (dream.level, dream.flicker) == (wanted.level, wanted.flicker)


def test_a_mask_holds_on_the_device_too(
    resident_dreamer: Callable[..., Dreamer], tmp_path: Path
) -> None:
    mask = np.zeros((72, 128), np.uint8)
    cv2.circle(mask, (60, 40), 25, 255, -1, cv2.LINE_AA)
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    more = {"where": f'mask("{tmp_path / "mask.png"}")'}
    frames = frames_of(6)
    found, plain = resident_dreamer(Traced(), **more), Dreamer(DreamSettings(**SETTINGS | more))
    for frame, motion in zip(frames, motions_of(frames), strict=True):
        assert alike(plain.step(frame, motion), found.step(frame, motion)), frame.index


def test_what_cannot_be_recorded_is_launched_one_by_one(
    resident_dreamer: Callable[..., Dreamer], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(step: Step) -> Step:
        step()
        raise RuntimeError("operation not permitted when stream is capturing")

    frames = frames_of(6)
    found, plain = resident_dreamer(broken), Dreamer(DreamSettings(**SETTINGS))
    with caplog.at_level(logging.WARNING, "livedream"):
        for frame, motion in zip(frames, motions_of(frames), strict=True):
            assert alike(plain.step(frame, motion), found.step(frame, motion)), frame.index
    assert ["stream is capturing" in entry.getMessage() for entry in caplog.records] == [True]


@pytest.mark.parametrize(
    "look",
    [
        lambda x: float(x.sum()), lambda x: x.numpy(), lambda x: x[x > 0.5], lambda x: x.tolist(),
        lambda x: bool((x > 0).any()), lambda x: x.nonzero(), np.asarray,
        lambda x: torch.tensor(0.5), lambda x: x.cpu(),
    ],
)  # fmt: skip
def test_the_guard_sees(look: Callable[[torch.Tensor], object]) -> None:
    with no_waits(), pytest.raises(WaitedError):
        look(torch.rand(4))


def test_across_a_cut_the_dream_starts_afresh(resident_dreamer: Callable[..., Dreamer]) -> None:
    frames, capture = frames_of(14), Traced()
    motions: list[Any] = motions_of(frames)
    known = motions[7]
    motions[7] = Motion(known.flow, np.zeros_like(known.visibility), cut=True)
    found, plain = resident_dreamer(capture), Dreamer(DreamSettings(**SETTINGS))
    for frame, motion in zip(frames, motions, strict=True):
        wanted, dream = plain.step(frame, motion), found.step(frame, motion)
        assert alike(wanted, dream), frame.index
        assert dream.state is not None and wanted.state is not None
        assert dream.state.age_s == pytest.approx(wanted.state.age_s)
    assert dream.state.age_s == pytest.approx(7 / 25)


def test_a_film_s_frames_are_dreamed_several_times_there_too(
    resident_dreamer: Callable[..., Dreamer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each comes down once; a region holds it in each dream."""
    more = {"octaves": 1, "rise": 0.4, "where": "rect(0.1,0.2,0.7,0.6)", "feather": 30.0}
    found, plain = resident_dreamer(Traced(), **more), Dreamer(DreamSettings(**SETTINGS | more))
    found.warm_up_s = plain.warm_up_s = 0.2
    frames = [replace(frame, time_base=Fraction(1, 10)) for frame in frames_of(6)]
    motions = motions_of(frames)
    assert motions[3] is not None
    motions[3] = replace(motions[3], cut=True, visibility=np.zeros_like(motions[3].visibility))
    begin, down = Transfers.to_host_later, list[torch.Size]()

    def begun(self: Transfers, tensor: Tensor) -> Callable[[], Any]:
        down.append(tensor.shape)
        return begin(self, tensor)

    monkeypatch.setattr(Transfers, "to_host_later", begun)
    for frame, motion in zip(frames, motions, strict=True):
        wanted = plain.step(frame, motion)
        dream = found.step(frame, motion)
        apart = np.abs(dream.frame.rgb.astype(int) - wanted.frame.rgb)
        assert apart.mean() < 0.2, frame.index
        assert dream.level == pytest.approx(wanted.level, rel=2e-3)
        assert dream.state is not None and wanted.state is not None
        assert dream.state.age_s == pytest.approx(wanted.state.age_s)
        assert dream.state.frames == wanted.state.frames
    assert down.count(torch.Size(frames[0].rgb.shape)) == len(frames)
    assert found.state.frames == 5 + 2 * 2 + 5 + 2 * 2


def test_a_cut_that_only_the_device_knows_of_ends_the_dream(
    resident_dreamer: Callable[..., Dreamer],
) -> None:
    frames, found = frames_of(10), resident_dreamer(Traced(), rise=0.4)
    for frame, motion in zip(frames, motions_of(frames), strict=True):
        there = None if motion is None else uploaded(motion, CPU)
        if there is not None and frame.index == 6:
            there = DeviceMotion(
                there.flow, torch.zeros_like(there.visibility), torch.ones_like(there.cut)
            )
        dream = found.step(frame, there)
        ages = frame.index + 1 if frame.index < 6 else frame.index - 5
        assert dream.state is not None
        assert dream.state.age_s == pytest.approx(ages / 25)
        assert dream.level == pytest.approx(14 * ages / 25 / 0.4, rel=0.01)


def test_parameters_glide_without_another_recording(
    resident_dreamer: Callable[..., Dreamer],
) -> None:
    frames, capture = frames_of(12), Traced()
    # OpenCV and torch halve a picture's border differently, and a dream amplifies it.
    own: dict[str, Any] = {"momentum": 0.0, "clean": 0.0}
    found, plain = resident_dreamer(capture, **own), Dreamer(DreamSettings(**SETTINGS, **own))
    for frame, motion in zip(frames, motions_of(frames), strict=True):
        glided = {
            "strength": 8.0 + frame.index, "half_life": 0.3 + 0.1 * frame.index,
            "step_size": 1.0 + 0.2 * frame.index, "rise": 0.2 - 0.01 * frame.index,
        }  # fmt: skip
        for dreamer in (found, plain):
            dreamer.adopt(dreamer.settings.replace(**glided))
        assert alike(plain.step(frame, motion), found.step(frame, motion)), frame.index
    assert capture.captured == 1


def test_it_goes_on_from_the_state_of_the_dream_given(
    resident_dreamer: Callable[..., Dreamer],
) -> None:
    """The next frame is under way when a dream is given; its state is that dream's all the same."""
    frames = frames_of(10)
    first, again = resident_dreamer(Traced()), resident_dreamer(Traced())
    dreams = list(first.dreams(frames))
    assert [dream.state is None for dream in dreams] == [True] * 9 + [False]
    walked = resident_dreamer(Traced()).dreams(frames, keep=lambda: True)
    state = [next(walked).state for _ in range(6)][-1]
    walked.close()
    assert state is not None
    again.restore(state.arrays())
    rest = list(again.dreams(frames[6:], before=frames[5]))
    assert [dream.frame.index for dream in rest] == [6, 7, 8, 9]
    for dream, wanted in zip(rest, dreams[6:], strict=True):
        assert np.array_equal(dream.frame.rgb, wanted.frame.rgb)
        assert dream.level == wanted.level


def test_a_reset_between_frames_is_followed(resident_dreamer: Callable[..., Dreamer]) -> None:
    frames, found = frames_of(8), resident_dreamer(Traced())
    for frame, motion in zip(frames, motions_of(frames), strict=True):
        if frame.index == 5:
            found.reset()
        dream = found.step(frame, motion)
        if frame.index == 5:
            assert dream.flicker == pytest.approx(1.0)
            assert dream.state is not None and dream.state.age_s == pytest.approx(0.04)


def test_what_is_no_number_does_not_stay_on_the_device(
    resident_dreamer: Callable[..., Dreamer], caplog: pytest.LogCaptureFixture
) -> None:
    """Nor is it shown, or kept to go on from; the next frame is under way already."""
    frames, found = frames_of(12), resident_dreamer(Traced(), flow="none")
    dreams = found.dreams(frames, keep=lambda: True)
    levels = []
    for frame in frames:
        if frame.index == 4:
            assert found.state.residual is not None
            found.state.residual[0, 0, 5, 5] = torch.nan
        dream = next(dreams)
        levels.append(dream.level)
        if dream.level == 0.0:
            assert np.array_equal(dream.frame.rgb, found.ground(frame.rgb))
            assert dream.state is not None and dream.state.residual is None
    assert "was NaN" in caplog.text
    assert 0.0 in levels[:7] and levels[-1] == pytest.approx(14.0, rel=0.03)


class OnOneDevice(TorchDispatchMode):
    """Raises for an operation that touches another device than CUDA."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "grid_sampler" in str(func):  # the one that is not known without a device
            return torch.empty_like(args[0])
        result = func(*args, **(kwargs or {}))
        touched = [x for x in (*args, *(kwargs or {}).values(), result) if isinstance(x, Tensor)]
        if any(x.device.type != "cuda" for x in touched):
            raise WaitedError(f"{func}: {[str(x.device) for x in touched]}")
        return result


def test_a_motif_that_glides_is_recorded_by_its_octaves() -> None:
    rgb = np.zeros((720, 1280, 3), np.uint8)
    kinds = [
        kind_of(
            rgb, (1280, 720), None, octaves=slice(None), moving=True,
            settings=DreamSettings(motif=motif),
        )
        for motif in (0.4, 0.403, 0.8)
    ]  # fmt: skip
    assert kinds[0] == kinds[1] != kinds[2]


@pytest.mark.parametrize("octaves", [slice(None), slice(None, -1), slice(-1, None)], ids=str)
def test_with_tensors_of_cuda_every_operation_is_the_device_s(
    dreamnet: Network, octaves: slice
) -> None:
    """Shapes and devices are computed, numbers are not: that takes no card. The network's own
    gradient is left out; tests/gpu has it."""
    dreamer = Dreamer(DreamSettings(**SETTINGS, octaves=3), dreamnet)
    ascent, settings, cuda = dreamer.ascent, dreamer.settings, torch.device("cuda")
    margins = ascent.margins(640, 360, np.random.default_rng(0), octaves)
    sizes = ascent.octave_sizes(640, 360)[octaves]
    kind = FrameKind(
        (720, 1280), (640, 360), (180, 320), (octaves.start, octaves.stop), True, settings
    )
    with FakeTensorMode(allow_non_fake_inputs=True, allow_fallback_kernels=False):
        memory = FrameMemory(kind, cuda)
        steps = [
            CapturedStep(StepKind.of_size(size, own[0], settings), cuda, torch.tanh)
            for size, own in zip(sizes, margins, strict=True)
        ]
        frame = RecordedFrame(
            kind, memory, ascent, dreamer.grown, steps=steps, count=settings.iterations
        )
        with no_waits(), OnOneDevice():
            frame.run()
    assert memory.shown.device.type == "cuda" and memory.shown.shape == (720, 1280, 3)


def test_the_motion_grows_on_the_device() -> None:
    generator = torch.Generator().manual_seed(1)
    residual, momentum = (torch.randn(1, 3, 72, 128, generator=generator) / 20 for _ in range(2))
    picture = torch.rand(1, 3, 72, 128, generator=generator)
    flow = torch.randn(2, 27, 48, generator=generator).numpy() * 2
    motion = Motion(flow, torch.rand(27, 48, generator=generator).numpy())
    wanted = carry(residual, momentum, motion, picture, 0.9)
    with resident():
        assert not in_reach(residual)
        found = carry_tensor(residual, momentum, uploaded(motion, CPU), picture, 0.9)
    for one, other in zip(wanted, found, strict=True):
        assert one is not None and other is not None
        # cv2.remap places by a thirty-second of a pixel.
        assert float((one - other).abs().max()) < 0.02
        assert float((one - other).abs().mean()) < 6e-4


def test_shifts_are_drawn_as_on_a_cpu(dreamnet: Network) -> None:
    settings = DreamSettings(**SETTINGS)
    ascent = Ascent(dreamnet, bind("eyes", dreamnet), settings, CPU, torch.float32)
    seen: list[Any] = []
    ascent.engine.ascend = lambda x, shifts, own: seen.append(list(shifts))  # type: ignore[method-assign]
    ascent.addition(torch.rand(1, 3, 72, 128), np.random.default_rng([5, 7]))
    assert ascent.margins(128, 72, np.random.default_rng([5, 7])) == seen
