#!/usr/bin/env python3
"""How well many workers are used by a film, before anybody rents them: a simulation.

    film_schedule.py --workers 1 8 64 256

Shots are drawn from a lognormal distribution, as B. Salt finds those of films to be (Cinemetrics,
https://cinemetrics.uchicago.edu), and planned as `livedream render` plans them. Pieces are handed
out longest first, each to the worker that is free first. --mean and --median, in seconds, are of a
film of today that is cut fast: an assumption, no film's own figures. Printed are pieces, frames
dreamed twice (run-ups and seams), and utilisation: the film's frames against what all workers could
have dreamed until the last one is done.
"""

import argparse
import heapq
import math
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from livedream.core.frame import SourceInfo
from livedream.core.settings import DreamSettings
from livedream.jobs.film.plan import Piece, Sighting, plan_of


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=150_000)
    parser.add_argument("--rate", type=int, default=24)
    parser.add_argument("--mean", type=float, default=4.3, help="seconds of a shot")
    parser.add_argument("--median", type=float, default=2.9)
    parser.add_argument("--fps", type=float, default=10.0, help="of one worker's dream")
    parser.add_argument("--begin", type=float, default=0.3, help="seconds that a piece costs more")
    parser.add_argument("--load", type=float, default=15.0, help="seconds until a worker is ready")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8, 64, 128, 256, 512, 1024])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    draw = np.random.default_rng(args.seed)
    spread = math.sqrt(2 * math.log(args.mean / args.median))
    shots = args.median * np.exp(spread * draw.standard_normal(args.frames // args.rate))
    cuts = np.cumsum(np.maximum(1, np.rint(shots * args.rate)).astype(int))
    cuts = cuts[cuts < args.frames]
    info = SourceInfo("film", 1920, 1080, Fraction(args.rate), Fraction(1, args.rate), args.frames)
    info = replace(info, path=Path("film.mkv"))
    pts = np.arange(args.frames, dtype=np.int64)
    seen = [Sighting(pts, tuple(map(int, cuts)), None, True, ())]
    longest = float(np.diff([0, *cuts, args.frames]).max()) / args.rate
    print(f"{len(cuts) + 1} shots, the longest {longest:.0f} s")
    for exact in (True, False):
        print("long shots whole" if exact else "long shots cut")
        for workers in args.workers:
            plan = plan_of(seen, info, DreamSettings(), workers=workers, exact=exact)
            took_s = spent(plan.pieces, workers, args.fps, args.begin) + args.load
            dreamed = sum(work(piece) for piece in plan.pieces)
            used = args.frames / args.fps / (took_s * workers)
            more = dreamed / args.frames - 1
            print(
                f"{workers:5} workers: {len(plan.pieces):5} pieces, {more:6.1%} more frames, "
                f"{took_s / 60:7.1f} min, used {used:.0%}"
            )
    return 0


def work(piece: Piece) -> int:
    """Frames that a piece costs; a seam is dreamed twice."""
    return (piece.end - piece.start) * (2 if piece.seam else 1)


def spent(pieces: tuple[Piece, ...], workers: int, fps: float, begin_s: float) -> float:
    """Seconds until the last piece is done; seams come when all others are."""
    now_s = 0.0
    for seams in (False, True):
        costs = sorted((work(p) / fps + begin_s for p in pieces if p.seam is seams), reverse=True)
        free = [now_s] * workers
        for cost_s in costs:
            heapq.heapreplace(free, free[0] + cost_s)
        now_s = max(free)
    return now_s


if __name__ == "__main__":
    sys.exit(main())
