"""Guides that move: the features of a moment, whatever came before, and no dream waits for them."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from installed import with_openvino
from recorded import Pool, stay_on_device
from torch import Tensor
from waiting import until

from livedream.capture.live import MemoryInput, Opened
from livedream.capture.live.beside import LivePictures
from livedream.core.errors import ObjectiveError, RegionError, SourceError
from livedream.core.frame import Frame, Picture
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import BoundObjective, bind
from livedream.dream.objectives.moving_guides import MovingGuides
from livedream.dream.objectives.place_terms import GuidePart
from livedream.dream.objectives.value import guide
from livedream.region.planes import PlaneReader
from livedream.region.wanted import wanted_of


def shade(number: int) -> Picture:
    """Something else to see in each."""
    x, y = np.meshgrid(np.arange(80), np.arange(48))
    wave = 127 + 120 * np.sin(x / (2 + 3 * number)) * np.cos(y / (3 + number))
    return np.stack([wave, 255 - wave, np.roll(wave, 9, 0)], -1).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures that are a film of 25 a second."""
    made = tmp_path / "guide"
    made.mkdir()
    for number in range(10):
        cv2.imwrite(str(made / f"{number:03d}.png"), shade(number)[:, :, ::-1])
    return made


def features_of(objective: BoundObjective) -> Tensor:
    (part,) = (part for parts in objective.parts for part in parts if isinstance(part, GuidePart))
    return part.features


def direction(objective: BoundObjective) -> Tensor:
    shape = features_of(objective).shape[0], 6, 7
    activation = torch.randn(1, *shape, generator=torch.Generator().manual_seed(3)).abs()
    (found,) = objective.grad_outputs((activation,))
    return found


def test_a_film_draws_as_its_picture_of_that_time_does(dreamnet: Network, folder: Path) -> None:
    moving = bind(f"guide(eyes, {folder})", dreamnet)
    guides = MovingGuides(dreamnet, moving)
    assert not direction(moving).any(), "nothing is seen yet"
    # Looked at five times a second, and from the beginning after 0.4 s.
    times = [(0.0, 0), (0.2, 5), (0.39, 5), (0.0, 0), (0.35, 5), (1.0, 5), (0.4, 0)]
    for rate, seen in ((None, times), (Fraction(10), [(0.4, 4), (1.2, 2)]), (None, [(0.4, 0)])):
        for time_s, number in seen:
            guides.follow(time_s, rate)
            still = bind(guide("eyes", shade(number)), dreamnet)
            torch.testing.assert_close(direction(moving), direction(still))


def test_features_keep_their_place_and_number(dreamnet: Network, folder: Path) -> None:
    moving = bind(f"guide(eyes, {folder}) + guide(strokes, {folder})", dreamnet)
    before = [(dial.data_ptr(), dial.shape) for dial in moving.dials]
    guides = MovingGuides(dreamnet, moving)
    guides.follow(0.2)
    cv2.imwrite(str(folder / "000.png"), np.full((200, 30, 3), 77, np.uint8))  # of another shape
    guides.follow(0.0)
    assert [(dial.data_ptr(), dial.shape) for dial in moving.dials] == before
    assert all(dial.isfinite().all() for dial in moving.dials)


@pytest.mark.parametrize("engine", ["torch", pytest.param("openvino", marks=with_openvino)])
def test_a_film_dreams_the_same_again(dreamnet: Network, folder: Path, engine: str) -> None:
    settings = DreamSettings(
        size="48p", flow="none", octaves=1, engine=engine, precision="fp32", rise=0.0,
        objective=f"guide(eyes, {folder})",
    )  # fmt: skip
    frames = [Frame(shade(2), number, Fraction(1, 10), number, 1) for number in range(5)]
    whole, first, rest = (Dreamer(settings, dreamnet) for _ in range(3))
    wanted = [frame.rgb for frame in whole.frames(frames)]
    found = [frame.rgb for frame in first.frames(frames[:3])]
    rest.restore(first.state.arrays())
    found += [dream.frame.rgb for dream in rest.dreams(frames[3:], before=frames[2])]
    assert np.array_equal(wanted, found)
    still = Dreamer(settings.replace(objective=f"guide(eyes, {folder}/000.png)"), dreamnet)
    stayed = [frame.rgb for frame in still.frames(frames)]
    assert np.array_equal(wanted[:2], stayed[:2])
    assert np.abs(wanted[3].astype(int) - stayed[3]).mean() > 0.5, "it does not move"


def test_a_part_of_a_film_is_drawn_by_what_there_is_to_see_in_the_film_then(
    dreamnet: Network, folder: Path
) -> None:
    settings = DreamSettings(
        size="48p", flow="none", octaves=1, precision="fp32", rise=0.0,
        objective=f"guide(eyes, {folder})",
    )  # fmt: skip
    late = [Frame(shade(2), number, Fraction(1, 10), number) for number in (2, 3)]
    part = [Frame(shade(2), number, Fraction(1, 10), number) for number in (0, 1)]
    whole, cut_off = (Dreamer(settings, dreamnet) for _ in range(2))
    cut_off.start_s = 0.2
    wanted = [frame.rgb for frame in whole.frames(late)]
    assert np.array_equal(wanted, [frame.rgb for frame in cut_off.frames(part)])


def test_on_the_device_as_elsewhere(
    dreamnet: Network, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = DreamSettings(
        size="48p", flow="none", octaves=1, engine="torch", precision="fp32", rise=0.0,
        objective=f"guide(eyes, {folder})",
    )  # fmt: skip
    frames = [Frame(shade(2), number, Fraction(1, 10), number, 1) for number in range(6)]
    wanted = [frame.rgb for frame in Dreamer(settings, dreamnet).frames(frames)]
    stay_on_device(monkeypatch, Pool())
    resident = Dreamer(settings, dreamnet)
    assert resident.on_device(frames[0].rgb)
    found = [frame.rgb for frame in resident.frames(frames)]
    apart = [np.abs(a.astype(int) - b).mean() for a, b in zip(wanted, found, strict=True)]
    assert max(apart) < 0.5


def test_in_tiles(dreamnet: Network, folder: Path) -> None:
    settings = DreamSettings(
        size="source", flow="none", octaves=1, engine="torch", precision="fp32", rise=0.0,
        iterations=1, jitter=0, objective=f"guide(eyes, {folder})",
    )  # fmt: skip
    rgb = cv2.resize(shade(2), (320, 192))
    frames = [Frame(rgb, 2 * number, Fraction(1, 10), number, 1) for number in range(2)]
    whole, tiled = (
        [dream.frame.rgb for dream in Dreamer(own, dreamnet).dreams(frames)]
        for own in (settings, settings.replace(tile=160))
    )
    assert not np.array_equal(whole[0], whole[1])
    for one, other in zip(whole, tiled, strict=True):
        both = np.stack([one.astype(float).ravel(), other.astype(float).ravel()]) - rgb.ravel()
        assert np.corrcoef(both)[0, 1] > 0.9


class Camera(MemoryInput):
    """Shows what is put before it, until it is unplugged."""

    def __init__(self) -> None:
        super().__init__(Opened(80, 48, Fraction(25)), "camera:1")


@pytest.fixture
def camera() -> Camera:
    return Camera()


@pytest.fixture
def pictures(camera: Camera) -> Iterator[LivePictures]:
    with LivePictures(lambda text: camera) as made:
        yield made


def test_a_camera_draws_as_its_newest_picture_does_and_is_not_waited_for(
    dreamnet: Network, camera: Camera, pictures: LivePictures
) -> None:
    moving = bind("guide(eyes, camera:1)", dreamnet)
    guides = MovingGuides(dreamnet, moving, pictures)
    guides.follow(0.0)
    assert not direction(moving).any(), "nothing is seen yet"

    def sees(number: int) -> bool:
        guides.follow(0.0)
        still = direction(bind(guide("eyes", shade(number)), dreamnet))
        return torch.allclose(direction(moving), still, atol=1e-4)

    for number in (1, 4):
        camera.pending = [shade(number)]
        until(lambda number=number: sees(number))  # type: ignore[misc]
    camera.pending = [SourceError("unplugged")]
    until(lambda: bool(pictures.notes()))
    assert sees(4), "what was seen last stays"
    camera.pending = [shade(6)]
    until(lambda: sees(6))


def test_only_a_show_sees_what_is_live(dreamnet: Network, pictures: LivePictures) -> None:
    text = "eyes + guide(eyes, camera:1)"
    with pytest.raises(ObjectiveError, match="give a film") as wrong:
        Dreamer(DreamSettings(objective=text), dreamnet)
    assert wrong.value.position == text.index("guide")
    with pytest.raises(RegionError, match="give a film"):
        Dreamer(DreamSettings(where="left & mask(camera:1)"), dreamnet)
    Dreamer(DreamSettings(objective=text, where="mask(camera:1)"), dreamnet, pictures=pictures)
    with pytest.raises(ObjectiveError, match="nowhere"):
        Dreamer(DreamSettings(objective="guide(eyes, nowhere.mp4)"), dreamnet)


def test_a_camera_is_a_mask(camera: Camera, pictures: LivePictures) -> None:
    wanted = wanted_of(DreamSettings(where="mask(camera:1)", feather=0.0), (), live=True)
    assert wanted is not None
    reader, memory = PlaneReader(pictures), dict[str, np.ndarray]()

    def grow() -> np.ndarray:
        planes = reader.step(
            wanted, memory, shade(0), None, size=(80, 48), seconds=0.04, fade=0.9
        )  # fmt: skip
        assert planes.grow is not None
        return planes.grow

    assert not grow().any(), "nowhere before the first picture"
    half = np.zeros((48, 80, 3), np.uint8)
    half[:, :40] = 255
    camera.pending = [half]
    until(lambda: bool(grow()[:, :30].min() == 1.0))
    assert not grow()[:, 42:].any()
