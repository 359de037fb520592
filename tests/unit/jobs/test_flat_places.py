"""The figures of flat places see nets and spots, there and nowhere else."""

import numpy as np
import pytest

from livedream.core.frame import Picture
from livedream.jobs.flat_places import FlatPlaces, is_flat

HEIGHT, WIDTH = 270, 480


def _sky(level: int = 128) -> Picture:
    return np.full((HEIGHT, WIDTH, 3), level, np.uint8)


def _half_grass() -> Picture:
    """Flat above, noise below."""
    picture = _sky()
    noise = np.random.default_rng(1).integers(64, 192, (HEIGHT // 2, WIDTH, 1))
    picture[-(HEIGHT // 2) :] = noise
    return picture


def _waves(period_px: float, size: float = 20.0) -> np.ndarray:
    """(H, W, 1) of upright waves."""
    x = np.arange(WIDTH)
    return np.broadcast_to(size * np.cos(2 * np.pi * x / period_px), (HEIGHT, WIDTH))[..., None]


def _laid_on(picture: Picture, residual: np.ndarray) -> Picture:
    return np.clip(picture + residual, 0, 255).round().astype(np.uint8)


def _found(source: Picture, dream: Picture) -> FlatPlaces:
    flat = FlatPlaces()
    flat.add(source, dream)
    return flat


@pytest.mark.parametrize(("period_px", "share"), [(4, 1.0), (8, 0.0)])
def test_waves_shorter_than_five_pixels_are_fine(period_px: float, share: float) -> None:
    found = _found(_sky(), _laid_on(_sky(), _waves(period_px)))
    assert found.fine == pytest.approx(share, abs=0.02)


def test_the_share_is_of_energy() -> None:
    mixed = _waves(4, 10.0) + _waves(16, 20.0)
    assert _found(_sky(), _laid_on(_sky(), mixed)).fine == pytest.approx(0.2, abs=0.01)


def test_sizes_are_brought_to_one_width() -> None:
    large = np.full((2 * HEIGHT, 2 * WIDTH, 3), 128, np.uint8)
    net = np.repeat(np.repeat(_waves(4), 2, 0), 2, 1)
    assert _found(large, _laid_on(large, net)).fine == pytest.approx(1.0, abs=0.02)


def test_only_flat_places_count() -> None:
    grass = _half_grass()
    flat = is_flat(grass)
    assert flat[: HEIGHT // 2 - 13].all()
    assert not flat[HEIGHT // 2 :].any()
    residual = np.where(np.arange(HEIGHT)[:, None, None] < 100, _waves(16), _waves(3))
    assert (_found(grass, _laid_on(grass, residual)).fine or 0.0) < 0.3
    assert (_found(_sky(), _laid_on(_sky(), residual)).fine or 0.0) > 0.5


def test_a_spot_is_a_pixel_off_its_surroundings_in_any_channel() -> None:
    dream = _laid_on(_sky(), _waves(32, 20.0))
    assert _found(_sky(), dream).spots == 0.0
    dream[50:250:20, 50:450:20, 2] += 60
    assert _found(_sky(), dream).spots == pytest.approx(200 / (HEIGHT * WIDTH))


def test_the_sources_own_spots_are_not_the_dreams() -> None:
    night = _sky(10)
    night[50:250:40, 50:450:40] = 90
    assert is_flat(night).all()
    assert _found(night, _laid_on(night, _waves(32, 8.0))).spots == 0.0


def test_without_a_flat_place_or_a_dream_there_is_no_figure() -> None:
    noise = np.random.default_rng(2).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    for source, dream in ((noise, 255 - noise), (_sky(), _sky())):
        found = _found(source, dream)
        assert found.fine is None
        assert found.spots is None


def test_frames_are_added_up_by_energy_and_area() -> None:
    flat = FlatPlaces()
    flat.add(_sky(), _laid_on(_sky(), _waves(4, 20.0)))
    flat.add(_sky(), _laid_on(_sky(), _waves(16, 40.0)))
    assert flat.fine == pytest.approx(0.2, abs=0.01)
