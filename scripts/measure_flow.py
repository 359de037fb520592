#!/usr/bin/env python3
"""The figures in docs/flow.md: `measure_flow.py WHAT [CLIP...]`.

back    the coarser way back of `dis` against the same preset both ways: time, and as a check.
start   what DIS gains from an initial flow: the best there is, the one already found.
alike   how unlike the fetched picture may look: what is revealed, what is torn.
around  whether the flat inside of a moving body stays with its textured edge.
still   how often a noisy flat place moves under a still camera; pan: under a moving one.
search  our own search for CUDA, on the CPU, beside `dis`: error on the scenes and on ones in which
        the body moves by 16 to 23 px; on CLIPs what is left when remapped, and the visibility.
cuts    correlation between frames of each CLIP, as they are, lit, faded, noisy; and across CLIPs.

The scenes with known motion are those of the tests (tests/scenes.py), 640x360; visibility is a
mean, 1 where all is carried. Times are medians, alternating, of one thread.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import torch

from livedream.capture import open_source
from livedream.core.frame import FlowField, Picture
from livedream.flow import FlowEstimator, camera_motion, gray, halved, motion, occlusion
from livedream.flow.classic import DisFlow
from livedream.flow.device_estimator import DeviceEstimator
from livedream.flow.inverse_search import InverseSearch
from livedream.flow.motion import compare
from livedream.warp.remap import positions, remap

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from scenes import (
    Scene,
    half,
    moved_camera,
    moving_square,
    noisy,
    rounded,
    shrunk,
    textured,
)

SIZE = (640, 360)
MOTIONS = [((14, 0), (0, 0)), ((-9, 6), (3, 2)), ((4, -2), (-4, 1)), ((0, 0), (6, -3))]


class Plain:
    """The same preset both ways, without the shorter way back."""

    def __init__(self) -> None:
        self._dis = DisFlow()

    def estimate(self, current: Picture, previous: Picture) -> FlowField:
        return self._dis.estimate(current, previous)


def scenes(noise: float, *, flat: bool = False, side: int = 130) -> Iterator[Scene]:
    for seed, (step, pan) in enumerate(MOTIONS):
        scene = moving_square(step, pan, side=side, size=SIZE, seed=seed, flat=flat)
        yield scene.noisy(noise, seed) if noise else scene


def judged(flow: FlowEstimator, found: list[Scene]) -> str:
    """Mean visibility of what is hidden, of the body, of the rest; error of the body's flow, px."""
    rows = []
    for scene in found:
        motion = compare(flow, scene.current, scene.previous)
        body = half(shrunk(scene.body, 4))
        rest = half(shrunk(~scene.hidden & ~scene.body, 4))
        hidden = half(shrunk(scene.hidden, 1))
        off = 2 * np.hypot(*(motion.flow - scene.flow[:, ::2, ::2] / 2))
        seen = motion.visibility
        rows.append([seen[hidden].mean(), seen[body].mean(), seen[rest].mean(), off[body].mean()])
    hidden, body, rest, off = np.mean(rows, 0)
    return f"hidden {hidden:.3f}  body {body:.3f}  rest {rest:.3f}  error in body {off:.2f} px"


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def back() -> None:
    flow, plain = DisFlow(), Plain()
    for noise in (0, 4):
        found = list(scenes(noise))
        print(f"noise {noise}: shorter way back  {judged(flow, found)}")
        print(f"noise {noise}: full way back     {judged(plain, found)}")
    cv2.setNumThreads(1)
    pair = gray(found[0].current), gray(found[0].previous)
    now, before = (halved(picture).astype(np.uint8) for picture in pair)
    finest = flow._finest - 1
    times = np.array(
        [
            (seconds(lambda: flow._run(flow._forward, now, before, finest)),
             seconds(lambda: flow._run(flow._backward, before, now, finest)))
            for _ in range(15)
        ]
    )  # fmt: skip
    print(
        f"time of the way back, share of the way there: {np.median(times[:, 1] / times[:, 0]):.2f}"
    )


def start() -> None:
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    for noise in (0, 4):
        rows = []
        for scene in scenes(noise):
            now, before = gray(scene.current), gray(scene.previous)
            first = dis.calc(now, before, np.zeros((*now.shape, 2), np.float32))
            again = dis.calc(now, before, first.copy())
            truth = scene.flow.transpose(1, 2, 0)
            known = shrunk(~scene.hidden, 2)
            rows.append([np.hypot(*(f - truth)[known].T).mean() for f in (first, again)])
        print(
            "noise {}: error {:.3f} px, from the flow found before {:.3f}".format(
                noise, *np.mean(rows, 0)
            )
        )


def alike() -> None:
    flow = DisFlow()
    for noise in (0, 4):
        found = list(scenes(noise))
        for limits in ((4, 10), (7, 18), (11, 28), (18, 45), (200, 300)):
            with patch.object(occlusion, "ALIKE_STEPS", limits):
                print(f"noise {noise}, limits {limits}: {judged(flow, found)}")


def around() -> None:
    flow = DisFlow()
    found = list(scenes(0, flat=True, side=56)) + list(scenes(2, flat=True, side=56))
    for weight in (0.0, 0.3, 1.0):
        with patch.object(camera_motion, "AROUND_WEIGHT", weight):
            print(f"weight {weight}: {judged(flow, found)}")


def still() -> None:
    wall = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
    wall[:, :320] = textured(SIZE[1], 320)
    for name in ("dis", "dis-fast"):
        for noise in (0.5, 1, 2, 4, 8, 16):
            draw = np.random.default_rng(1)
            motion = compare(DisFlow(name), noisy(wall, noise, draw), noisy(wall, noise, draw))
            moved = np.hypot(*motion.flow)[:, 170:]
            print(
                f"{name}, noise {noise}: {100 * (moved > 0).mean():.3f} % of the flat half move, "
                f"visibility {motion.visibility[:, 170:].mean():.4f}"
            )


def pan() -> None:
    for noise in (0, 1, 2, 4):
        scene = moved_camera(np.array([[0, 0, 4.5], [0, 0, -2.25]]), size=SIZE)
        for picture in (scene.current, scene.previous):
            picture[:180] = 200
        lit = scene.noisy(noise)
        motion = compare(DisFlow(), lit.current, lit.previous)
        sky = (slice(8, 80), slice(16, -16))
        off = 2 * np.hypot(*(motion.flow - scene.flow[:, ::2, ::2] / 2))[sky]
        seen = motion.visibility[sky].mean()
        print(f"noise {noise}: error {off.mean():.2f} px, visibility {seen:.3f}")


def search(clips: list[Path]) -> None:
    torch.set_num_threads(1)
    flows: dict[str, FlowEstimator] = {
        "dis": DisFlow(),
        "search": DeviceEstimator(InverseSearch(torch.device("cpu"))),
    }
    for noise in (0, 4):
        for kind, found in (("squares", list(scenes(noise))), ("cameras", list(cameras(noise)))):
            report(f"{kind}, noise {noise}", found, flows)
    draw = np.random.default_rng(7)
    far = []
    for seed in range(40):
        angle, reach = draw.uniform(0, 2 * np.pi), draw.uniform(16, 23)
        step = round(reach * np.cos(angle)), round(reach * np.sin(angle))
        far.append(moving_square(step, side=80, size=(240, 160), seed=100 + seed))
    report("far", far, flows)
    for clip in clips:
        film = frames(clip)
        pairs = list(itertools.islice(itertools.pairwise(film), 7, None, 12))
        for name, flow in flows.items():
            left = [
                cv2.absdiff(gray(b), remap(gray(a), *positions(flow.estimate(b, a)))).mean()
                for a, b in pairs
            ]
            seen = [compare(flow, b, a).visibility.mean() for a, b in pairs]
            print(f"{clip.stem}, {name}: left {np.mean(left):.2f}, visible {np.mean(seen):.4f}")


def cameras(noise: float) -> Iterator[Scene]:
    affines = (
        [[0, 0, 5.3], [0, 0, -2.6]],
        [[0.02, 0.01, -4], [-0.01, 0.02, -2]],
        [[0, -0.03, 6], [0.03, 0, -9]],
        [[0, 0, 0.25], [0, 0, -0.5]],
    )
    for seed, affine in enumerate(affines):
        scene = moved_camera(np.array(affine, np.float64), size=SIZE, seed=seed)
        yield scene.noisy(noise, seed) if noise else scene


def report(kind: str, found: list[Scene], flows: dict[str, FlowEstimator]) -> None:
    for name, flow in flows.items():
        rows, lost = [], 0
        for scene in found:
            off = np.hypot(*(flow.estimate(scene.current, scene.previous) - scene.flow))
            body = scene.body if scene.body.any() else ~scene.hidden
            rows.append((off[~scene.hidden].mean(), off[body].mean()))
            lost += bool(np.median(off[body]) > 2.0)
        every, body_px = np.mean(rows, 0)
        print(f"{kind}, {name}: error {every:.3f} px, body {body_px:.3f}, lost {lost}/{len(found)}")


def cuts_(clips: list[Path]) -> None:
    draw, flow = np.random.default_rng(0), DisFlow()
    changes: dict[str, Callable[[Picture], Picture]] = {
        "as they are": lambda p: p,
        "flash": lambda p: rounded(p * 1.6 + 30),
        "darker by half at once": lambda p: rounded(p * 0.5),
        "noise": lambda p: noisy(p, 12, draw),
    }
    films = {clip.stem: frames(clip) for clip in clips}
    for name, film in films.items():
        for change, run in changes.items():
            pairs = itertools.pairwise(film)
            found = [likeness(flow, run(b), a) for a, b in itertools.islice(pairs, 0, None, 7)]
            print(f"{name}, {change}: least {min(found):.2f}")
    across = [
        likeness(flow, b, a)
        for one, other in itertools.permutations(films.values(), 2)
        for a, b in zip(one[::12], other[::12], strict=False)
    ]
    print(f"across cuts, {len(across)} pairs: most {max(across):.2f}")


def frames(clip: Path) -> list[Picture]:
    with open_source(str(clip)) as source:
        return [
            np.asarray(cv2.resize(frame.rgb, SIZE, interpolation=cv2.INTER_AREA), np.uint8)
            for frame in itertools.islice(source, 150)
        ]


def likeness(flow: DisFlow, current: Picture, previous: Picture) -> float:
    now, before = gray(current), gray(previous)
    remapped = remap(before, *positions(flow.estimate(current, previous)))
    (one, _), (other, _) = motion._structure(now), motion._structure(remapped)
    return float((one * other).mean()) / max(1e-9, float(one.std() * other.std()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    runs = {
        "back": back,
        "start": start,
        "alike": alike,
        "around": around,
        "still": still,
        "pan": pan,
    }
    parser.add_argument("what", choices=[*runs, "cuts", "search"])
    parser.add_argument("clips", nargs="*", type=Path)
    args = parser.parse_args()
    if args.what == "cuts":
        cuts_(args.clips)
    elif args.what == "search":
        search(args.clips)
    else:
        runs[args.what]()


if __name__ == "__main__":
    main()
