#!/usr/bin/env python3
"""The figures in docs/decisions/flow.md: `measure_flow.py WHAT [CLIP...]`.

back    the coarser way back of `dis` against one as fine as the way there: time, and as a check.
start   what DIS gains from an initial flow: the best there is, the one already found.
alike   how unlike the fetched picture may look: what is revealed, what is torn.
around  whether the flat inside of a moving body stays with its textured edge.
still   how often a noisy flat place moves under a still camera; pan: under a moving one.
search  our own search for CUDA, on the CPU, beside `dis`: error on the scenes and on ones in which
        the body moves by 16 to 23 px, and on ellipses cut out of one CLIP, moving before another.
seen    the visibility of both on CLIPs and on such cut-outs, `dis` also with its full way back; and
        how far off the remapped picture is where one of two shows what the other hides.
flicker a dream of each CLIP along the flow of `dis` and of our own search (docs/measure.md).
cuts    correlation between frames of each CLIP, as they are, lit, faded, noisy; and across CLIPs.

The scenes with known motion are those of the tests (tests/scenes.py), 640x360; visibility is a
mean, 1 where all is carried. Times are medians, alternating, of one thread.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import torch

from livedream.capture import open_source
from livedream.core.frame import Frame, Motion, Picture
from livedream.core.settings import DreamSettings
from livedream.core.shrink import fitted
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import load_network
from livedream.flow import FlowEstimator, camera_motion, gray, halved, motion, occlusion
from livedream.flow.classic import DisFlow
from livedream.flow.device_estimator import DeviceEstimator
from livedream.flow.inverse_search import InverseSearch
from livedream.flow.motion import compare
from livedream.jobs.measure import measure
from livedream.warp.remap import Plane, positions, remap

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


def with_full_way_back() -> DisFlow:
    flow = DisFlow()
    flow._backward = flow._forward
    return flow


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
        places = (seen, hidden), (seen, body), (seen, rest), (off, body)
        rows.append([of[at].mean() if at.any() else np.nan for of, at in places])
    hidden, body, rest, off = np.nanmean(rows, 0)
    return f"hidden {hidden:.3f}  body {body:.3f}  rest {rest:.3f}  error in body {off:.2f} px"


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def back() -> None:
    flow, full = DisFlow(), with_full_way_back()
    for noise in (0, 4):
        found = list(scenes(noise))
        print(f"noise {noise}: shorter way back  {judged(flow, found)}")
        print(f"noise {noise}: full way back     {judged(full, found)}")
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
        "search": own_search(),
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
    for noise in (0, 2) if len(clips) > 1 else ():
        report(f"cut-outs, noise {noise}", list(cut_outs(clips, noise)), flows)


def own_search() -> DeviceEstimator:
    return DeviceEstimator(InverseSearch(torch.device("cpu")))


def cut_outs(clips: list[Path], noise: float) -> Iterator[Scene]:
    """Sixteen ellipses of one clip that move before another, every second with a moving camera.

    Put together at twice the size, so that they move by halves of a pixel and their edges mix.
    """
    width, height = (2 * side for side in SIZE)
    films = [frames(clip, (width + 192, height + 192))[5::48] for clip in clips]
    row, column = np.mgrid[0:height, 0:width]
    for seed in range(16):
        draw = np.random.default_rng(seed)
        behind, other = (
            films[n][draw.integers(len(films[n]))] for n in draw.choice(len(films), 2, False)
        )
        step, camera = (
            np.rint(reach * np.array([np.cos(angle), np.sin(angle)])).astype(int)
            for reach, angle in draw.uniform((2, 0), (24, 2 * np.pi), (2, 2))
        )
        camera *= seed % 2
        x, y = draw.integers((320, 240), (width - 320, height - 240))
        radius = draw.integers((80, 80), (200, 160))
        pictures, bodies = [], []
        for time_ in (0, 1):
            left, top = 96 - time_ * camera
            picture = behind[top : top + height, left : left + width].copy()
            across, down = time_ * step
            distance = ((column - x - across) / radius[0]) ** 2
            body = distance + ((row - y - down) / radius[1]) ** 2 < 1
            picture[body] = np.roll(other[:height, :width], (down, across), (0, 1))[body]
            pictures.append(picture)
            bodies.append(body)
        from_x, from_y = column - camera[0], row - camera[1]
        outside = (from_x < 0) | (from_x >= width) | (from_y < 0) | (from_y >= height)
        at = np.clip(from_y, 0, height - 1), np.clip(from_x, 0, width - 1)
        hidden = ~bodies[1] & (outside | bodies[0][at])
        flow = np.where(bodies[1], -step[:, None, None], -camera[:, None, None])
        before, current = (noisy(cv2.resize(p, SIZE, interpolation=cv2.INTER_AREA), noise, draw)
                           for p in pictures)  # fmt: skip
        yield Scene(current, before, flow[:, ::2, ::2].astype(np.float32) / 2,
                    ~half(~hidden), half(bodies[1]))  # fmt: skip


def seen(clips: list[Path]) -> None:
    torch.set_num_threads(1)
    flows: dict[str, FlowEstimator] = {
        "dis": DisFlow(),
        "dis, full way back": with_full_way_back(),
        "search": own_search(),
    }
    for noise in (0, 2) if len(clips) > 1 else ():
        found = list(cut_outs(clips, noise))
        for name, flow in flows.items():
            print(f"cut-outs, noise {noise}, {name}: {judged(flow, found)}")
    for clip in clips:
        pairs = list(itertools.islice(itertools.pairwise(frames(clip)), 7, None, 12))
        shown, off = {}, {}
        for name, flow in flows.items():
            motions = [compare(flow, b, a) for a, b in pairs]
            shown[name] = np.stack([motion.visibility for motion in motions])
            off[name] = np.stack([left(m, b, a) for m, (a, b) in zip(motions, pairs, strict=True)])
            print(f"{clip.stem}, {name}: visible {shown[name].mean():.4f}, "
                  f"left {off[name].mean():.2f}")  # fmt: skip
        for name in ("dis", "dis, full way back"):
            for one, other in ((name, "search"), ("search", name)):
                alone = (shown[one] >= 0.5) & (shown[other] < 0.5)
                print(f"  shown by {one} and not by {other}: {100 * alone.mean():.2f} %, "
                      f"left there {off[one][alone].mean():.2f}")  # fmt: skip


def left(found: Motion, current: Picture, previous: Picture) -> Plane:
    """At half the size, within 5 px: what is left of a frame by the previous one, remapped."""
    flow = np.stack([cv2.resize(2 * part, SIZE) for part in found.flow])
    gap = cv2.absdiff(gray(current), remap(gray(previous), *positions(flow)))
    return halved(cv2.blur(gap, (5, 5)))


def flicker(clips: list[Path]) -> None:
    """The first 30 frames, dreamed at 270p with the settings as they come."""
    torch.set_num_threads(1)
    network = load_network("dreamnet")
    for clip in clips:
        film = [Frame(rgb, n, Fraction(1, 30), n, 1) for n, rgb in enumerate(frames(clip)[:30])]
        for name, flow in (("dis", DisFlow()), ("search", own_search())):
            settings = DreamSettings(size="270p", device="cpu")
            with patch("livedream.dream.dreamer.open_flow", return_value=flow):
                dream = [found.frame for found in Dreamer(settings, network).dreams(film)]
            print(f"{clip.stem}, {name}: flicker {measure(film, dream).flicker:.4f}", flush=True)


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


def frames(clip: Path, size: tuple[int, int] = SIZE) -> list[Picture]:
    with open_source(str(clip)) as source:
        return [fitted(frame.rgb, *size) for frame in itertools.islice(source, 150)]


def likeness(flow: DisFlow, current: Picture, previous: Picture) -> float:
    now, before = gray(current), gray(previous)
    remapped = remap(before, *positions(flow.estimate(current, previous)))
    return motion._likeness(now, remapped)


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
    of_clips = {"cuts": cuts_, "search": search, "seen": seen, "flicker": flicker}
    parser.add_argument("what", choices=[*runs, *of_clips])
    parser.add_argument("clips", nargs="*", type=Path)
    args = parser.parse_args()
    if args.what in of_clips:
        of_clips[args.what](args.clips)
    else:
        runs[args.what]()


if __name__ == "__main__":
    main()
