#!/usr/bin/env python3
"""Who finds the visitors of a synthetic gallery best: ours, or OpenCV's MOG2 and KNN.

    python scripts/compare_visitors.py

The gallery is that of the tests (tests/gallery.py): 160x90, four frames a second, light that drifts
by 30 % or not at all, one visitor passing, one standing from 15 s on. OpenCV's models see the same
blurred picture and are tried with two lengths of memory (what fills a tenth of it is their
background), two thresholds, with and without their own test for shadows.

Printed as a table: overlap with the truth (mean, the worst twentieth, of who has stood for 50 s),
wrong places after a light is switched off (most of them, and how long until they are less than a
twentieth), milliseconds a frame.
"""

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, product
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from gallery import STEP_S, gallery, overlaps, seconds  # noqa: E402

from livedream.core.frame import Picture  # noqa: E402
from livedream.region.visitors import visitors  # noqa: E402
from livedream.warp.remap import Plane  # noqa: E402

STAY_S: Final = 120.0
START_S: Final = 3.0
AROUND_PX: Final = 3
Finder = Callable[[Picture], Plane]


def ours() -> Finder:
    memory: dict[str, Plane] = {}
    return lambda rgb: visitors(memory, "visitors", rgb, STEP_S, STAY_S)


def library(
    make: Callable[..., Any], remembers_s: float, threshold: float, *, shadows: bool
) -> Finder:
    """What it marks as a shadow (127) is nobody."""
    frames = round(remembers_s / STEP_S)
    model, seen = make(frames, threshold, shadows), count()

    def find(rgb: Picture) -> Plane:
        # As ours it learns quickly for the first seconds; its own rate would fall for long.
        rate = -1 if next(seen) < START_S / STEP_S else 1 / frames
        found = model.apply(cv2.blur(rgb, (AROUND_PX, AROUND_PX)), None, rate)
        whole = cv2.medianBlur(np.asarray(found == 255, np.uint8), AROUND_PX)
        return np.asarray(whole, np.float32)

    return find


def finders() -> Iterator[tuple[str, Callable[[], Finder]]]:
    yield "ours", ours
    for name, make, thresholds in (
        ("MOG2", cv2.createBackgroundSubtractorMOG2, (16.0, 64.0)),
        ("KNN", cv2.createBackgroundSubtractorKNN, (400.0, 1600.0)),
    ):
        for remembers_s, threshold, shadows in product((120.0, 1200.0), thresholds, (False, True)):
            words = f"{name}, {remembers_s:g} s, {threshold:g}{', shadows' * shadows}"
            yield words, partial(library, make, remembers_s, threshold, shadows=shadows)


def overlap(find: Finder, light: float) -> str:
    found = {}
    for time_s, rgb, truth in gallery(seconds(75.0), light=light):
        plane = find(rgb)
        if time_s > 8 and truth.any():
            found[time_s] = overlaps(plane, truth)
    values = list(found.values())
    stood = np.mean([value for time_s, value in found.items() if time_s > 65])
    return f"{np.mean(values):.2f} / {np.percentile(values, 5):.2f} / {stood:.2f}"


def switched(find: Finder) -> str:
    wrong = {}
    for time_s, rgb, truth in gallery(seconds(60.0), switch_s=20.0, stands=False):
        wrong[time_s] = float(((find(rgb) > 0.5) & ~truth).mean())
    last = max(
        (time_s for time_s, part in wrong.items() if time_s > 20 and part > 0.05), default=20.0
    )
    most = max(part for time_s, part in wrong.items() if time_s > 20)
    return f"{most:.0%} | {'not within 40 s' if last > 59 else f'{last - 20:.1f} s'}"


def milliseconds(find: Finder) -> float:
    """Of a picture of 240x135, smallest of 60."""
    rgb = np.random.default_rng(0).integers(0, 255, (135, 240, 3)).astype(np.uint8)
    took = []
    for _ in range(60):
        start_s = time.perf_counter()
        find(rgb)
        took.append(time.perf_counter() - start_s)
    return 1000.0 * min(took)


def main() -> None:
    print(
        "| model | overlap, steady light | drifting by 30 % | wrong, light switched | until | ms |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for name, make in finders():
        cells = overlap(make(), 0.0), overlap(make(), 0.3), switched(make())
        print(f"| {name} | {' | '.join(cells)} | {milliseconds(make()):.2f} |", flush=True)


if __name__ == "__main__":
    main()
