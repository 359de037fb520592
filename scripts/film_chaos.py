#!/usr/bin/env python3
"""A film on many workers while they are killed, and the head with them: is it the same film?

    film_chaos.py --kills 20 --heads 5 FILM.mkv -- --size 90p --flow-size 90p

Renders FILM by one process, then by two workers on Ray, without loss. Meanwhile a worker that is
dreaming is killed at random moments, and in between the head, which is started again with
--resume. In the end every packet has to be that of the one process, and no finished piece may have
been made again. Linux only: it looks for processes in /proc.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import av

_TOGETHER = 2  # workers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("film", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--heads", type=int, default=5)
    parser.add_argument("--every", type=float, default=8.0, help="seconds between two, on average")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("options", nargs="*", help="of livedream render, behind --")
    args = parser.parse_args()
    draw = random.Random(args.seed)
    one, many = (args.film.with_name(f"chaos-{name}.mkv") for name in ("one", "many"))
    start(args, one).wait()
    events = ["worker"] * args.kills
    for _ in range(args.heads):
        events.insert(draw.randrange(len(events) + 1), "head")
    made: dict[str, int] = {}
    head = start(args, many, "--workers", str(_TOGETHER))
    done = {"worker": 0, "head": 0}
    while head.poll() is None:
        time.sleep(draw.uniform(0.2, 2.0 * args.every))
        again = remade(many, made)
        if again:
            print(f"made again: {again}")
            return 1
        dreaming = workers_of(head.pid)
        if not events or not dreaming:
            continue
        event = events.pop()
        os.kill(head.pid if event == "head" else draw.choice(dreaming), signal.SIGKILL)
        done[event] += 1
        print(f"killed: {done}, pieces finished: {len(made)}", flush=True)
        if event == "head":
            head.wait()
            time.sleep(2.0)
            remade(many, made)
            head = start(args, many, "--workers", str(_TOGETHER), "--resume")
    same = head.returncode == 0 and packets(one) == packets(many)
    print(f"the film is {'the same' if same else 'ANOTHER'}; killed: {done}")
    return 0 if same and not events else 1


def start(args: argparse.Namespace, output: Path, *more: str) -> "subprocess.Popen[bytes]":
    own = ["--resume"] if "--resume" in more else ["--overwrite"]
    told = ["render", str(args.film), "-o", str(output), "--codec", "ffv1", "--quiet", *own]
    rest = [option for option in more if option != "--resume"]
    exact = ["--exact"] if rest else []
    # Sums of other numbers of threads differ in their last bits, and a dream amplifies them.
    threads = str(max(1, (os.cpu_count() or 1) // _TOGETHER))
    return subprocess.Popen(
        [sys.executable, "-m", "livedream", *told, *rest, *exact, *args.options],
        env={**os.environ, "OMP_NUM_THREADS": threads},
    )


def remade(output: Path, made: dict[str, int]) -> list[str]:
    """Which finished pieces have been written again; `made` learns of new ones."""
    again = []
    for path in output.with_name(f"{output.name}.livedream-state").glob("0*.json"):
        try:
            stamp = path.stat().st_mtime_ns
        except FileNotFoundError:  # the film is finished
            continue
        if made.setdefault(path.name, stamp) != stamp:
            again.append(path.name)
    return again


def workers_of(head: int) -> list[int]:
    """Processes below the head that carry out an order now."""
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            names[int(folder.name)] = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        parents[int(folder.name)] = int(fields[1])
    dreaming = [pid for pid, name in names.items() if name.startswith(b"ray::_carry_out")]
    return [pid for pid in dreaming if parents.get(parents.get(pid, 0)) == head]


def packets(path: Path) -> list[tuple[int | None, bytes]]:
    with av.open(str(path)) as container:
        return [(packet.pts, bytes(packet)) for packet in container.demux(video=0) if packet.size]


if __name__ == "__main__":
    sys.exit(main())
