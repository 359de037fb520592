"""Visitors before a fixed camera, in a synthetic gallery."""

import numpy as np
import pytest
from gallery import STEP_S, gallery, overlaps, seconds

from livedream.region.visitors import visitors
from livedream.warp.remap import Plane


@pytest.mark.parametrize("light", [0.0, 0.3])
def test_visitors_are_found_while_the_light_drifts(light: float) -> None:
    memory: dict[str, Plane] = {}
    found = {}
    for time_s, rgb, truth in gallery(seconds(75.0), light=light):
        plane = visitors(memory, "visitors", rgb, STEP_S, 120.0)
        if time_s > 8 and truth.any():
            found[time_s] = overlaps(plane, truth)
    values = np.array(list(found.values()))
    assert np.mean(values) > 0.8 and np.percentile(values, 5) > 0.7
    assert np.mean([v for t, v in found.items() if t > 65]) > 0.75  # who has stood for 50 seconds


def test_who_stands_still_for_long_becomes_the_picture() -> None:
    memory: dict[str, Plane] = {}
    for time_s, rgb, _ in gallery(seconds(60.0)):
        plane = visitors(memory, "visitors", rgb, STEP_S, 10.0)
        if time_s == 22.0:
            assert plane[40:70, 115:130].min() > 0.5
    assert plane[40:70, 115:130].max() < 0.5


def test_a_switched_light_is_nobody() -> None:
    memory: dict[str, Plane] = {}
    wrong = {}
    for time_s, rgb, truth in gallery(seconds(40.0), switch_s=20.0, stands=False):
        plane = visitors(memory, "visitors", rgb, STEP_S, 120.0)
        wrong[time_s] = float(((plane > 0.5) & ~truth).mean())
    assert max(v for t, v in wrong.items() if t > 8) < 0.05


def test_a_lamp_in_one_corner_is_learned() -> None:
    """What changes most of the picture, each place in its own way, is forgotten in seconds."""
    memory: dict[str, Plane] = {}
    beam = np.linspace(0.5, 1.9, 160)[None, :, None]
    for time_s, rgb, _ in gallery(seconds(36.0), light=0.0, stands=False):
        lit = rgb if time_s < 25 else np.clip(rgb * beam, 0, 255).astype(np.uint8)
        plane = visitors(memory, "visitors", lit, STEP_S, 120.0)
    assert (plane > 0.5).mean() < 0.02
