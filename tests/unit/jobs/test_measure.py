"""The figures mean what they say."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from livedream.core.frame import Frame, Picture
from livedream.jobs.measure import measure, paired

FramesOf = Callable[..., list[Frame]]


def _pattern(seed: int, picture: Picture, level: float = 10.0) -> np.ndarray:
    import cv2

    noise = np.random.default_rng(seed).normal(size=picture.shape).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3.0)
    return np.asarray(smooth / smooth.std() * level)


def _add(picture: Picture, residual: np.ndarray) -> Picture:
    return np.clip(picture.astype(np.float32) + residual, 0, 255).round().astype(np.uint8)


@pytest.fixture
def calm(texture: Picture) -> Picture:
    """The texture in the middle of the range, so that nothing is clipped."""
    return (64 + texture.astype(np.float32) / 2).astype(np.uint8)


def test_the_source_itself_has_no_residual(calm: Picture, frames_of: FramesOf) -> None:
    found = measure(frames_of(*[calm] * 5), frames_of(*[calm] * 5))
    assert found.strength == 0.0
    assert found.flicker is None
    assert found.drift == 0.0


def test_the_response_is_that_of_each_video(calm: Picture, frames_of: FramesOf) -> None:
    dream = _add(calm, np.full(calm.shape, 8.0))
    found = measure(frames_of(*[calm] * 3), frames_of(*[dream] * 3), lambda p: float(p.mean()))
    assert found.response_input == pytest.approx(float(calm.mean()))
    assert found.response_output == pytest.approx(float(calm.mean()) + 8.0, abs=0.5)


def test_a_frozen_dream_neither_flickers_nor_renews(calm: Picture, frames_of: FramesOf) -> None:
    dream = _add(calm, _pattern(0, calm))
    found = measure(frames_of(*[calm] * 60), frames_of(*[dream] * 60))
    assert found.flicker == pytest.approx(0.0, abs=1e-6)
    assert found.renewal == pytest.approx(0.0, abs=1e-3)
    assert found.strength == pytest.approx(10.0, rel=0.03)


def test_independent_dreams_flicker_and_renew_entirely(calm: Picture, frames_of: FramesOf) -> None:
    dreams = [_add(calm, _pattern(seed, calm)) for seed in range(60)]
    found = measure(frames_of(*[calm] * 60), frames_of(*dreams))
    # |a - b| of two independent fields of one level is sqrt(2) of |a|.
    assert found.flicker == pytest.approx(2**0.5, rel=0.05)
    assert found.renewal == pytest.approx(1.0, abs=0.1)


def test_a_dream_that_rides_on_the_motion_does_not_flicker(
    calm: Picture, frames_of: FramesOf
) -> None:
    residual = _pattern(3, calm)
    shifts = range(0, 24, 2)
    source = [np.roll(calm, s, 1)[:, 40:300] for s in shifts]
    riding = [np.roll(_add(calm, residual), s, 1)[:, 40:300] for s in shifts]
    standing = [_add(picture, residual[:, 40:300]) for picture in source]
    assert (measure(frames_of(*source), frames_of(*riding)).flicker or 0) < 0.15
    assert (measure(frames_of(*source), frames_of(*standing)).flicker or 0) > 0.4


def test_drift_is_the_tint_gained(calm: Picture, frames_of: FramesOf) -> None:
    tints = np.linspace(0, 12, 75)
    dreams = [_add(calm, np.array([tint, 0, 0], np.float32)) for tint in tints]
    found = measure(frames_of(*[calm] * 75), frames_of(*dreams))
    assert found.drift == pytest.approx(8.0, abs=0.6)  # the means of the first and last 25


def test_other_sizes_and_rates_are_brought_together(calm: Picture, frames_of: FramesOf) -> None:
    import cv2

    small = np.asarray(cv2.resize(calm, (160, 90), interpolation=cv2.INTER_AREA), np.uint8)
    found = measure(frames_of(*[calm] * 20), frames_of(*[small] * 10, fps=12))
    assert found.frames == 20
    assert found.width == calm.shape[1]


def test_pairs_are_by_time_and_a_short_output_is_told(frames_of: FramesOf) -> None:
    pictures = [np.full((8, 8, 3), value, np.uint8) for value in range(10)]
    source = frames_of(*pictures)
    later = [Frame(f.rgb, f.pts + 1000, f.time_base, f.index, 1) for f in source[:6]]
    pairs = list(paired(source, later))
    assert [pair and int(pair[1].rgb[0, 0, 0]) for pair in pairs[:6]] == list(range(6))
    assert pairs[-1] is None
    found = measure(source, later)
    assert found.notes
    assert Fraction(1, 25) == source[0].time_base


def test_flat_places_are_looked_at(frames_of: FramesOf) -> None:
    sky = np.full((270, 480, 3), 128, np.uint8)
    net = np.broadcast_to(20 * np.cos(np.pi / 2 * np.arange(480))[:, None], sky.shape)
    found = measure(frames_of(*[sky] * 3), frames_of(*[_add(sky, net)] * 3))
    assert found.flat_fine == pytest.approx(1.0, abs=0.02)
    assert found.flat_spots is not None


def test_what_moves_is_compared_with_what_stands_still(calm: Picture, frames_of: FramesOf) -> None:
    """The lower half slides by 3 px a frame and carries half of the upper half's dream."""
    middle = calm.shape[0] // 2
    source, dream = [], []
    for step in range(4):
        picture = calm.copy()
        picture[middle:] = np.roll(calm[middle:], 3 * step, 1)
        residual = _pattern(0, calm)
        residual[middle:] /= 2
        source.append(picture)
        dream.append(_add(picture, residual))
    found = measure(frames_of(*source), frames_of(*dream))
    assert found.moving == pytest.approx(0.5, abs=0.08)  # the border of both is mixed
    assert measure(frames_of(*[calm] * 3), frames_of(*dream[:1] * 3)).moving is None
