#!/usr/bin/env python3
"""How fast livedream is beside another DeepDream: `compare_peer.py CHECKOUT [--recommended]`.

CHECKOUT is a folder that you have; nothing of it comes with livedream. Known are jeremicna's
deepdream-video-pytorch and gordicaleksa's pytorch-deepdream; the second needs imageio, matplotlib
and scipy.

Without an option: gradient evaluations per second, flow left out. Both dream the same frame through
the same network with the same weights, at the other's own octave sizes and with its number of
evaluations, each in its default precision, one after the other in one run, several rounds. Each
hides the network's grid in its own way: the others roll the picture, livedream adds a mirrored
margin of 16 px, which costs it a tenth. Weights are random: only time is compared.

--recommended: seconds per frame at what the other's README recommends, against livedream's default
(dreamnet, 2 octaves with momentum, flow and occlusion included, dreamed at the frame's full size),
at 512x384.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does

import numpy as np
import torch
from peers import PEERS, Peer

from livedream.capture import open_source
from livedream.core.device import choose_device, choose_dtype, precision_name
from livedream.core.frame import Frame
from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Ascent
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import load_network
from livedream.dream.objectives.binding import bind

OURS_AT_ONCE = 50  # frames of livedream between two of the other's, so that its time is measurable


class SameOctaves(Ascent):
    """The ascent at given octave sizes, as often as the other ascends them."""

    sizes: list[tuple[int, int]]

    def octave_sizes(self, width: int, height: int) -> list[tuple[int, int]]:
        return self.sizes


def frames(width: int, height: int, count: int) -> list[Frame]:
    clouds = f"synthetic:clouds?size={width}x{height}&fps=25&seconds={count / 25:g}&seed=5"
    with open_source(clouds) as source:
        return list(source)


def evaluations(peer: Peer, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Rounds of both, alternating."""
    width, height = args.size
    rgb = frames(width, height, 1)[0].rgb
    theirs = peer.prepare(rgb, args.evaluations, folder)
    settings = DreamSettings(
        iterations=theirs.evaluations, size="source", variety=0.0, focus=0.0, laplacian=0
    )
    network = load_network(peer.network, weights=theirs.weights)
    device = choose_device()
    dtype = choose_dtype("auto", device)
    ascent = SameOctaves(network, bind(peer.objective, network), settings, device, dtype)
    ascent.sizes = theirs.sizes
    picture = torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float().div(255).to(device)
    planned = len(theirs.sizes) * theirs.evaluations

    def ours() -> int:
        ascent.addition(picture, np.random.default_rng(0))
        if device.type == "cuda":
            torch.cuda.synchronize()
        return planned

    for run in (theirs.dream, ours):
        counted = run()
        if counted != planned:
            sys.exit(f"{peer.name}: {counted} evaluations counted, {planned} expected")
    seconds: dict[str, list[Taken]] = {"theirs": [], "ours": []}
    for _ in range(args.rounds):
        for name, run in (("theirs", theirs.dream), ("ours", ours)):
            seconds[name].append(timed(run))
    rates = {name: [planned / taken.wall for taken in found] for name, found in seconds.items()}
    pairs = list(zip(seconds["theirs"], seconds["ours"], strict=True))
    ratios = [theirs.wall / ours.wall for theirs, ours in pairs]
    processor = [theirs.processor / ours.processor for theirs, ours in pairs]
    where = f"{peer.network} {peer.objective}, octaves {words(theirs.sizes)}"
    print(
        f"{where}, {theirs.evaluations} evaluations each; median (quartiles), {args.rounds} rounds"
    )
    engine = f"{precision_name(dtype)}, engine {ascent.engine.name}"
    print(f"  {peer.name}: {spread(rates['theirs'])} evaluations/s (fp32)")
    print(f"  livedream: {spread(rates['ours'])} evaluations/s ({engine})")
    print(f"  livedream is {spread(ratios)} times as fast; in processor time {spread(processor)}")
    return {
        "what": "evaluations per second", "network": peer.network, "objective": peer.objective,
        "octaves": theirs.sizes, "evaluations_each": theirs.evaluations, "engine": engine, **rates,
        "ratios": ratios, "processor_ratios": processor,
    }  # fmt: skip


def recommended(peer: Peer, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Seconds per frame, ours before and after theirs."""
    width, height = args.size
    clip = frames(width, height, OURS_AT_ONCE)
    dreamer = Dreamer(DreamSettings(size="source"))

    def ours() -> float:
        started, count = time.perf_counter(), 0
        for _ in dreamer.dreams(clip):
            count += 1
        return (time.perf_counter() - started) / count

    ours()
    before = ours()
    theirs = their_frames(peer, clip, folder, args.frames)
    after = ours()
    mine = (before + after) / 2
    seconds = statistics.median(theirs)
    print(f"{width}x{height}: {peer.name} as recommended ({peer.recommendation})")
    print(f"  {peer.name}: {', '.join(f'{s:.1f}' for s in theirs)} s a frame")
    print(f"  livedream, default render: {before * 1e3:.1f} and {after * 1e3:.1f} ms a frame")
    print(f"  livedream is {seconds / mine:.0f} times as fast")
    return {
        "what": "seconds per frame", "theirs": theirs, "ours": [before, after],
        "ratio": seconds / mine,
    }  # fmt: skip


def their_frames(peer: Peer, clip: list[Frame], folder: Path, count: int) -> list[float]:
    """Seconds between the lines with which a process of its own says that a frame begins."""
    np.save(folder / "clip.npy", np.stack([frame.rgb for frame in clip[: count + 1]]))
    words = [sys.executable, "-u", __file__, str(peer.checkout), "--worker", str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stdout is not None
        lines = (line for line in process.stdout if line.startswith(peer.marks))
        marks = [time.perf_counter() for _ in lines]
    if process.returncode or len(marks) < 3:
        sys.exit(f"{peer.name} did not dream (exit code {process.returncode})")
    # The first frame has neither flow nor a dream before it.
    return [b - a for a, b in itertools.pairwise(marks[1:])]


class Taken(NamedTuple):
    """Seconds.  processor: of all threads; on a busy machine it says more than the wall's."""

    wall: float
    processor: float


def timed(run: Callable[[], object]) -> Taken:
    wall, processor = time.perf_counter(), time.process_time()
    run()
    return Taken(time.perf_counter() - wall, time.process_time() - processor)


def spread(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.2f}"
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def words(sizes: list[tuple[int, int]]) -> str:
    return " ".join(f"{width}x{height}" for width, height in sizes)


def size(text: str) -> tuple[int, int]:
    width, height = (int(side) for side in text.split("x"))
    return width, height


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path, help="the other's folder")
    parser.add_argument("--recommended", action="store_true", help="as the README recommends")
    parser.add_argument("--size", type=size, default=(512, 384), help="of the frame (512x384)")
    parser.add_argument("--rounds", type=int, default=5, help="of both, alternating (5)")
    parser.add_argument("--evaluations", type=int, default=4, help="in each octave (4)")
    parser.add_argument("--frames", type=int, default=2, help="of the other, recommended (2)")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    checkout = args.checkout.resolve()
    kind = next((kind for kind in PEERS if kind.is_at(checkout)), None)
    if kind is None:
        known = "; ".join(f"{kind.name}: {kind.sign}" for kind in PEERS)
        print(f"{checkout}: no checkout of a known peer found ({known})", file=sys.stderr)
        return 2
    peer = kind(checkout)
    missing = peer.missing()
    if missing:
        print(f"{peer.name} needs {missing}: pip install {missing}", file=sys.stderr)
        return 2
    if args.worker:
        peer.run_recommended(args.worker)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        measure = recommended if args.recommended else evaluations
        found = measure(peer, args, Path(folder))
    found |= {"peer": peer.name, "torch": torch.__version__, "threads": torch.get_num_threads()}
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
