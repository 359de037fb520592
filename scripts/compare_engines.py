#!/usr/bin/env python3
"""Engines in turns in one process: `compare_engines.py torch openvino [--size 480x270]`.

Prints each engine's median time of an ascent (2 octaves x 2 iterations) and, as other work on the
machine disturbs ratios less than times, the median of its ratios to the first engine's.
"""

import argparse
import statistics
import time

import numpy as np
import torch

from livedream.core.device import choose_device, choose_dtype
from livedream.core.settings import ENGINES, DreamSettings, parse_size
from livedream.dream.ascent import Ascent
from livedream.dream.networks.network import load_network
from livedream.dream.objectives.binding import bind


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("engines", nargs="+", choices=ENGINES[1:], metavar="ENGINE")
    parser.add_argument("--network", default="dreamnet", help="torchvision's get random weights")
    parser.add_argument("--size", default="480x270")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = choose_device("auto")
    dtype = choose_dtype(args.precision, device)
    seed = None if args.network.startswith("dreamnet") else 3
    network = load_network(args.network, random_seed=seed)
    objective = bind(network.default_objective, network)
    ascents = {
        name: Ascent(
            network, objective, DreamSettings(engine=name, octaves=2, iterations=2), device, dtype
        )
        for name in args.engines
    }
    width, height = parse_size(args.size, 1920, 1080)
    picture = torch.rand(1, 3, height, width, device=device)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ascents}
    for round_ in range(args.rounds + 2):
        for name, ascent in ascents.items():
            begun, busy = time.perf_counter(), time.process_time()
            float(ascent.addition(picture, np.random.default_rng(round_)).sum())
            if round_ >= 2:  # before, engines compile and capture
                taken[name].append((time.perf_counter() - begun, time.process_time() - busy))
    for name, times in taken.items():
        pairs = list(zip(times, taken[args.engines[0]], strict=True))
        wall, processor = (statistics.median(a[i] / b[i] for a, b in pairs) for i in (0, 1))
        median_ms = 1000 * statistics.median(time[0] for time in times)
        print(f"{name}: {median_ms:.1f} ms, x {wall:.2f}, of processor time x {processor:.2f}")


if __name__ == "__main__":
    main()
