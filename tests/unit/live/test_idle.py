"""Idle: stillness is told from noise and from slow motion; the attract mode leaves no trace."""

import numpy as np
import pytest

from livedream.control.live_parameters import LiveParameters
from livedream.core.frame import Picture
from livedream.core.settings import DreamSettings
from livedream.live.idle import Attract, StillWatch


def test_noise_is_still_and_a_body_is_not(texture: Picture) -> None:
    random = np.random.default_rng(3)
    watch = StillWatch(10.0)

    def noisy(picture: Picture) -> Picture:
        grain = random.normal(0, 6, picture.shape)
        return np.clip(picture + grain, 0, 255).astype(np.uint8)

    found = [watch.update(noisy(texture), None, second * 0.5) for second in range(40)]
    assert not any(found[:20])
    assert all(found[21:])
    moved = texture.copy()
    moved[40:100, 20:60] = 255 - moved[40:100, 20:60]
    assert not any(watch.update(noisy(moved), None, 20.0 + 0.5 * i) for i in range(4))


def test_never_when_it_is_off(texture: Picture) -> None:
    watch = StillWatch(0.0)
    assert not any(watch.update(texture, None, float(second)) for second in range(100))


def test_the_attract_mode_moves_the_values_and_leaves_the_targets() -> None:
    now = [0.0]
    parameters = LiveParameters(DreamSettings(), clock=lambda: now[0])
    attract, targets = Attract(parameters), parameters.targets()
    seen = set()
    for _ in range(300):
        now[0] += 0.1
        attract.step(True, now[0])
        seen.add(round(parameters.snapshot().grade.zoom, 3))
    assert len(seen) > 10
    assert parameters.targets() == targets
    for _ in range(40):
        now[0] += 0.1
        attract.step(False, now[0])
    assert parameters.snapshot().grade.zoom == pytest.approx(1.0)
