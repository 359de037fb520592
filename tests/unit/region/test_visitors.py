"""A synthetic gallery: a fixed view, drifting light, visitors in and out, one who stands still."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from livedream.core.frame import Picture
from livedream.region.visitors import visitors
from livedream.warp.remap import Plane

Truth = NDArray[np.bool_]
STEP_S = 0.25


def gallery(
    times: Iterator[float], *, light: float = 0.3, switch_s: float = 1e9, stands: bool = True
) -> Iterator[tuple[float, Picture, Truth]]:
    """(time, picture, where visitors are). light: by how much it drifts in a minute."""
    draw = np.random.default_rng(2)
    wall = cv2.GaussianBlur(draw.normal(size=(90, 160, 3)).astype(np.float32), (0, 0), 6)
    wall = 120 + 35 * wall / wall.std()
    wall[:, 60:100] += 25
    cloth = draw.normal(size=(60, 24, 3)).astype(np.float32) * 25 + (70, 40, 150)
    for time_s in times:
        rgb, truth = wall.copy(), np.zeros((90, 160), bool)
        places = [int(20 + 18 * (time_s - 8)) % 500 - 40]
        if stands and time_s > 15:
            places.append(110)
        for x in places:
            left, right = max(0, x), min(160, x + 24)
            if left < right:
                rgb[25:85, left:right] = cloth[:, left - x : right - x]
                truth[25:85, left:right] = True
        gain = 1 + light * np.sin(2 * np.pi * time_s / 240)
        rgb = rgb * gain * (0.6 if time_s > switch_s else 1.0) + draw.normal(0, 2, rgb.shape)
        yield time_s, np.clip(rgb, 0, 255).astype(np.uint8), truth


def overlaps(found: Plane, truth: Truth) -> float:
    there = found > 0.5
    return float((there & truth).sum() / max(1, (there | truth).sum()))


def seconds(end: float) -> Iterator[float]:
    return iter(np.arange(0, end, STEP_S).tolist())


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
