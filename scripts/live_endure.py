#!/usr/bin/env python3
"""Live dreaming under load, for real: latency, the governor, lost sources, hours, wild controllers.

    python scripts/live_endure.py latency --seconds 30       source to receiver, over UDP
    python scripts/live_endure.py latency --over whip        ...or WHIP; with --bare without a dream
    python scripts/live_endure.py governor --seconds 60      a core taken in the middle third
    python scripts/live_endure.py lost --times 50            source and receiver killed, restarted
    python scripts/live_endure.py controllers --messages 100000    random OSC, panel, MIDI
    python scripts/live_endure.py hours --minutes 30         memory, threads, colour and strength
    python scripts/live_endure.py regions --source FILM --where moving --where visitors
                                                             frames and dreams with each, in turn

Each prints its figures as JSON and ends with 1 where one of them is beyond its bar. The senders of
streams are those of the tests (tests/integration/live/senders.py); every stream goes through a
real socket, and the receiver is a process of its own.

Longer than other files: the commands share one show and its counterparts.
"""

import argparse
import itertools
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np

ROOT: Final = Path(__file__).resolve().parents[1]
SETTLING_S: Final = 2.0  # with another region, before it counts
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "integration")]

from live.senders import UdpSender, now_ms, read_stamp, scene, stamp  # noqa: E402
from ports import free_tcp_port, free_udp_port  # noqa: E402

from livedream.capture.live import LiveInput, Opened, open_live  # noqa: E402
from livedream.core.defaults import LIVE  # noqa: E402
from livedream.core.frame import Picture  # noqa: E402
from livedream.live.job import LiveJob  # noqa: E402
from livedream.live.loop import Composed  # noqa: E402
from livedream.live.session import Session  # noqa: E402
from livedream.present.live import LiveFrame, MemoryOutput, open_output  # noqa: E402
from livedream.present.live.worker import OutputWorker  # noqa: E402


class StampedInput:
    """A camera at real rate: a texture panned over, the time of capture drawn into its pixels."""

    name = "stamped"

    def __init__(self, width: int, height: int, fps: int) -> None:
        self._size, self._fps = (width, height), fps
        self._wide = scene(width, height)
        self._index = 0
        self._due_s = 0.0

    def open(self) -> Opened:
        self._due_s = time.monotonic()
        return Opened(*self._size, Fraction(self._fps), "stamped")

    def read(self) -> Picture | None:
        self._due_s = max(self._due_s + 1 / self._fps, time.monotonic() - 0.5)
        time.sleep(max(0.0, self._due_s - time.monotonic()))
        x = self._index % self._size[0]
        self._index += 1
        rgb: Picture = self._wide[:, x : x + self._size[0]].copy()
        stamp(rgb, now_ms())
        return rgb

    def close(self) -> None:
        """Nothing to give back."""


@dataclass
class Watched:
    """A session in a thread, and every picture's figures.  closed_ms: how long its end took."""

    source: LiveInput | None
    text: str = "stamped"
    sinks: tuple[str, ...] = ()
    seen: list[Composed] = field(default_factory=list)
    closed_ms: int = 0

    def __enter__(self) -> "Watched":
        self.output = LastOnly()
        # Without a sink asked for, the encoder still works, for a port where nobody listens.
        sinks = self.sinks or (f"udp://127.0.0.1:{free_udp_port()}",)
        job = LiveJob(source=self.text, sinks=sinks, dream=LIVE)
        self.session = Session(
            job, live_input=self.source, outputs=(self.output,), watch=self.seen.append
        )
        self._thread = threading.Thread(target=self.session.run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        start_s = time.monotonic()
        self.session.close()
        self.closed_ms = round(1000 * (time.monotonic() - start_s))
        self._thread.join(5)

    def between(self, start_s: float, end_s: float) -> list[Composed]:
        return [one for one in tuple(self.seen) if start_s <= one.composed_s < end_s]


class LastOnly(MemoryOutput):
    """Keeps the newest picture only."""

    def write(self, frame: Any) -> None:
        self.frames = [frame]


def figures(values: list[float]) -> dict[str, float]:
    if not values:
        return {"count": 0}
    found = np.percentile(values, [50, 95, 100])
    names = ("p50", "p95", "max")
    return {"count": len(values)} | {
        n: round(float(v), 1) for n, v in zip(names, found, strict=True)
    }


def receive(text: str, seconds: float) -> None:
    """In a process of its own: take what comes to this source, print each picture's age in ms."""
    source = open_live(text)
    end_s = time.monotonic() + seconds
    ages: list[int] = []
    while time.monotonic() < end_s:
        try:
            source.open()
            while time.monotonic() < end_s:
                rgb = source.read()
                if rgb is not None:
                    ages.append(now_ms() - read_stamp(rgb))
        except OSError:
            continue
    print(json.dumps(ages))


def likely(said: str) -> list[float]:
    """What a receiver printed, without stamps that could not be read."""
    return [float(age) for age in json.loads(said) if 0 <= age < 60_000]


def bare(source: StampedInput, sink: str, receiver: list[str]) -> list[float]:
    """The pictures' ages, ms, where they go from the source to the output as they are."""
    opened = source.open()
    output = open_output(sink, width=opened.width, height=opened.height, rate=opened.rate)
    worker = OutputWorker(output)
    try:
        with subprocess.Popen(receiver, stdout=subprocess.PIPE, text=True) as child:
            for index in itertools.count():
                if child.poll() is not None:
                    break
                rgb = source.read()
                if rgb is not None:
                    worker.offer(LiveFrame(rgb, time.monotonic(), index))
            assert child.stdout is not None
            return likely(child.stdout.read())
    finally:
        worker.close()


def latency(args: argparse.Namespace) -> dict[str, Any]:
    """Capture to the receiver's decoded picture, encoder and decoder included."""
    if args.over == "whip":
        here = f"127.0.0.1:{free_tcp_port()}"
        receiver, sink = f"whip:{here}", f"whip:http://{here}/whip"
    else:
        receiver = sink = f"udp://127.0.0.1:{free_udp_port()}"
    line = [sys.executable, __file__, "receive", receiver, str(args.seconds)]
    source = StampedInput(args.width, args.height, 25)
    if args.bare:
        found = figures(bare(source, sink, line))
        return {"source to receiver, ms": found, "passed": 0 < found.get("p95", 0) <= 200.0}
    with Watched(source, sinks=(sink,)) as it:
        time.sleep(args.warm_up)
        start_s = time.monotonic()
        said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
        own = it.between(start_s, time.monotonic())
        status = it.session.status.latest()
    ages = likely(said)
    found = figures(ages)
    return {
        "source to receiver, ms": found,
        "capture to composed, ms": figures([1000 * (c.composed_s - c.captured_s) for c in own]),
        "fps": round(len(own) / max(1e-6, own[-1].composed_s - own[0].composed_s), 2) if own else 0,
        "governor": status.governor,
        "closed after, ms": it.closed_ms,
        "passed": bool(ages) and found["p95"] <= 200.0,
    }


def governor(args: argparse.Namespace) -> dict[str, Any]:
    """Frame rate, ages and dreams in every second, with a core taken in the middle third."""
    third = args.seconds / 3
    with Watched(StampedInput(args.width, args.height, 25)) as it:
        time.sleep(args.warm_up)
        start_s = time.monotonic()
        time.sleep(third)
        hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            time.sleep(third)
        finally:
            hog.kill()
            hog.wait()
        time.sleep(third)
        seconds = [it.between(start_s + k, start_s + k + 1) for k in range(int(args.seconds))]
        every = it.between(start_s, start_s + args.seconds)
        status = it.session.status.latest()
    rates = [len(one) for one in seconds]
    finished = [max((c.dreams for c in it.seen if c.composed_s < start_s), default=0)]
    for one in seconds:
        finished.append(one[-1].dreams if one else finished[-1])
    dreams = [int(count) for count in np.diff(finished)]
    taken = slice(int(third), int(2 * third))
    well_again_s = start_s + 2 * third + 2
    undisturbed = it.between(start_s, start_s + third)
    undisturbed += it.between(well_again_s, start_s + args.seconds)
    ages, quiet = (
        [1000 * (c.composed_s - c.dreamed_s) for c in some if c.dreams]
        for some in (every, undisturbed)
    )
    free = dreams[: taken.start] + dreams[taken.stop + 2 :]
    found: dict[str, Any] = {
        "frames in each second": {"mean": round(float(np.mean(rates)), 2), "min": min(rates)},
        "with a core taken": {"mean": round(float(np.mean(rates[taken])), 2)},
        "picture's age, ms": figures([1000 * (c.composed_s - c.captured_s) for c in every]),
        "dream's age, ms": figures(ages),
        "dream's age undisturbed, ms": figures(quiet),
        "dreams in each second, undisturbed": {
            "mean": round(float(np.mean(free)), 2),
            "min": min(free),
        },
        "dreams with a core taken": round(float(np.mean(dreams[taken])), 2),
        "governor": status.governor,
        "closed after, ms": it.closed_ms,
        "dream": f"{status.dream_size[0]}x{status.dream_size[1]}, {status.octaves} octaves",
    }
    passed = (
        abs(float(np.mean(rates)) - 25) <= 1 and abs(float(np.mean(rates[taken])) - 25) <= 1
        and found["picture's age, ms"]["max"] <= 150 and max(ages) <= 400
        and found["dream's age undisturbed, ms"]["p95"] <= 120
        and float(np.mean(free)) >= 24 and found["dreams with a core taken"] >= 8
    )  # fmt: skip
    return found | {"passed": bool(passed)}


def lost(args: argparse.Namespace) -> dict[str, Any]:
    """The source killed and restarted, and the receiver of the output likewise."""
    port_in, port_out = free_udp_port(), free_udp_port()
    back: list[float] = []
    heard: list[float] = []
    sender = UdpSender(port_in, args.width, args.height, 25)
    sender.start()
    try:
        with Watched(None, f"udp://127.0.0.1:{port_in}", (f"udp://127.0.0.1:{port_out}",)) as it:
            time.sleep(args.warm_up)
            before, on_the_way = _footprint(), []
            for number in range(args.times):
                sender.kill()
                time.sleep(random.uniform(0.2, 2.5))
                start_s = sender.start()
                back.append(_until(lambda s=start_s: it.seen[-1].live  # type: ignore[misc]
                                   and it.seen[-1].captured_s > s) - start_s)  # fmt: skip
                heard.append(_first_picture(port_out))
                if number % 10 == 9:
                    on_the_way.append(_footprint()["MB"])
            time.sleep(2.0)
            after = _footprint()
    finally:
        sender.kill()
    return {
        "source back after, ms": figures([1000 * one for one in back]),
        "receiver's first picture after, ms": figures([1000 * one for one in heard]),
        "before": before,
        "MB after each ten": on_the_way,
        "after": after,
        "closed after, ms": it.closed_ms,
        "passed": max(back) <= 2.0 and max(heard) <= 2.0 and after["threads"] <= before["threads"],
    }


def _until(true: Callable[[], bool], seconds: float = 20.0) -> float:
    end_s = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end_s:
            return float("inf")
        time.sleep(0.005)
    return time.monotonic()


def _first_picture(port: int) -> float:
    """Seconds from opening the output's stream to its first decoded picture; then it goes again."""
    from livedream.capture.live.stream import StreamInput

    source, start_s = StreamInput(f"udp://127.0.0.1:{port}"), time.monotonic()
    try:
        source.open()
        while source.read() is None:
            pass
        return time.monotonic() - start_s
    except OSError:
        return float("inf")
    finally:
        source.close()


def _footprint() -> dict[str, float]:
    """This process: resident memory, threads, open files."""
    status = Path("/proc/self/status").read_text()
    told = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return {
        "MB": round(int(told["VmRSS"].split()[0]) / 1024, 1),
        "threads": int(told["Threads"]),
        "files": len(list(Path("/proc/self/fd").iterdir())),
    }


def hours(args: argparse.Namespace) -> dict[str, Any]:
    """Long: memory, threads, files, and colour and strength of the first and the last minute."""
    prints: list[dict[str, float]] = []
    colours: list[list[float]] = []
    levels: list[float] = []
    with Watched(None, "synthetic:clouds?size=320x180&fps=25&seconds=60") as it:
        time.sleep(args.warm_up)
        end_s = time.monotonic() + 60 * args.minutes
        while time.monotonic() < end_s:
            # One loop of the clouds is a minute: every minute shows the same pictures.
            colour: list[Any] = []
            minute_s = min(end_s, time.monotonic() + 60)
            while time.monotonic() < minute_s:
                time.sleep(0.5)
                frames = it.output.frames
                if frames:
                    colour.append(frames[-1].rgb.mean((0, 1)))
            now_s = time.monotonic()
            levels.append(float(np.mean([c.level for c in it.between(now_s - 60, now_s)])))
            colours.append([round(float(v), 2) for v in np.mean(colour, 0)])
            prints.append(_footprint())
            del it.seen[: -60 * 25]
            told = {"minute": len(prints), "colour": colours[-1], "level": round(levels[-1], 2)}
            print(json.dumps(told | prints[-1]), file=sys.stderr, flush=True)
    growth = prints[-1]["MB"] / prints[0]["MB"] - 1
    drift = float(np.abs(np.array(colours[0]) - colours[-1]).max())
    return {
        "memory growth": f"{growth:+.2%}",
        "first": prints[0],
        "last": prints[-1],
        "closed after, ms": it.closed_ms,
        "colour, first and last minute": [colours[0], colours[-1]],
        "strength, first and last minute": [round(levels[0], 2), round(levels[-1], 2)],
        "passed": growth <= 0.02
        and prints[-1]["threads"] <= prints[0]["threads"]
        and prints[-1]["files"] <= prints[0]["files"]
        and drift < 2.0
        and abs(levels[0] - levels[-1]) < 0.3,
    }


def controllers(args: argparse.Namespace) -> dict[str, Any]:
    """Random messages to a running session: its frames go on, each with a region in range."""
    import control_fuzz

    logging.disable(logging.WARNING)
    regions: list[float] = []
    notes: set[str] = set()
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.dict(os.environ, LIVEDREAM_HOME=folder),
        Watched(StampedInput(args.width, args.height, 25)) as it,
    ):
        session = it.session

        def pause() -> None:
            """Until the loop has shown another frame, made by what was said meanwhile."""
            before = len(it.seen)
            assert _until(lambda: len(it.seen) > before) < float("inf"), "no frame"
            notes.update(session.status.latest().notes)
            if not it.output.frames:
                return
            frame = it.output.frames[-1]
            assert frame.rgb.shape == (args.height, args.width, 3)
            if frame.region is not None:
                assert frame.region.min() >= 0 and frame.region.max() <= 1
                regions.append(float(frame.region.mean()))

        time.sleep(args.warm_up)
        shown, dreams = len(it.seen), it.seen[-1].dreams
        show = session.controllers.show
        start_s = time.monotonic()
        fuzz = control_fuzz.run(args.messages, args.seed, Path(folder), show, pause)
        took_s = time.monotonic() - start_s
        shown, dreams = len(it.seen) - shown, it.seen[-1].dreams - dreams
        pause()
        failure = session.supervisor.failure
        levels = [one.level for one in it.seen]
    return {
        "messages": fuzz.sent,
        "refused, each where it was said": fuzz.said,
        "strokes": fuzz.painted,
        "seconds": round(took_s),
        "frames": shown,
        "dreams": dreams,
        "looked at": {"regions": len(regions), "mean": round(float(np.mean(regions or [0])), 3)},
        "notes": sorted(notes),
        "passed": failure is None and bool(np.isfinite(levels).all()) and len(regions) > 0,
    }


def regions(args: argparse.Namespace) -> dict[str, Any]:
    """Frames and dreams a second with regions and without, in turn in one show."""
    wheres = ["", *(args.where or ["moving"])]
    rates: dict[str, list[tuple[float, ...]]] = {where: [] for where in wheres}
    made = None if args.source else StampedInput(args.width, args.height, 25)
    with Watched(made, args.source or "stamped") as it:
        time.sleep(args.warm_up)
        for where in wheres * args.rounds:
            it.session.parameters.set("where", where)
            time.sleep(SETTLING_S)
            start_s, before = time.monotonic(), it.seen[-1].dreams
            time.sleep(args.seconds)
            took_s = time.monotonic() - start_s
            frames = it.between(start_s, start_s + took_s)
            ages = [1000 * (one.composed_s - one.dreamed_s) for one in frames]
            stages = it.session.status.latest().stages_ms
            dreams = it.seen[-1].dreams - before
            rates[where].append((
                len(frames) / took_s, dreams / took_s, float(np.percentile(ages, 95)),
                stages.get("regions", 0.0),
            ))  # fmt: skip
            said = it.session.status.latest()
            print(
                where or "everywhere", said.governor, said.dream_size, file=sys.stderr, flush=True
            )
        failed = it.session.supervisor.failure is not None
    names = "frames a second", "dreams a second", "dream's age, ms, p95", "ms for the region"
    found: dict[str, Any] = {
        where or "everywhere": dict(zip(names, np.mean(some, 0).round(2).tolist(), strict=True))
        for where, some in rates.items()
    }
    return found | {"passed": not failed}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "check",
        choices=("latency", "governor", "lost", "hours", "controllers", "regions", "receive"),
    )
    parser.add_argument("rest", nargs="*")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--over", choices=("udp", "whip"), default="udp", help="of latency")
    parser.add_argument("--bare", action="store_true", help="of latency: the output alone")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--source", default="", help="of regions: any live source")
    parser.add_argument("--where", action="append", help="of regions, as often as wanted")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--warm-up", type=float, default=12.0, help="seconds before it counts")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=360)
    args = parser.parse_args()
    if args.check == "receive":
        receive(args.rest[0], float(args.rest[1]))
        return 0
    checks = {
        "latency": latency, "governor": governor, "lost": lost, "hours": hours,
        "controllers": controllers, "regions": regions,
    }  # fmt: skip
    found = checks[args.check](args)
    print(json.dumps(found, indent=2))
    return 0 if found["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
