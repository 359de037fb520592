#!/usr/bin/env python3
"""What a render survives: `endure.py kills|damage|memory|still CLIP...`. Minutes long, so no test.

kills   a render is killed (SIGKILL) at random moments: each time the file must play and hold all
        frames dreamed more than two seconds before, and `resume` must end with the very frames of
        an uninterrupted render.
damage  bytes flipped, files truncated, headers overwritten: exit code 0 or 2, no traceback, no
        hang, and as many frames dreamed as PyAV decodes from the same file.
memory  peak memory of 300 and of 3,000 frames of one size.
still   the first frame of each CLIP (or of clouds), held for --minutes: mean colour and level of
        every 25 frames against those of frames 100 to 125.
"""

import argparse
import contextlib
import hashlib
import io
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SMALL = {"size": "90p", "flow_size": "90p", "flow": "dis-fast"}
PROMISED_S = 2.0
HANG_S = 120.0
WINDOW = 25  # frames
STILL_SIZE = "270p"


def options(args: argparse.Namespace) -> list[str]:
    found = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
    return [*found, "--quiet", f"--picture-size={args.picture_size}"]


def decoded(path: Path) -> list[str]:
    """A hash of every frame that can be decoded; damage in between is skipped."""
    found = []
    opened = av.open(str(path), metadata_errors="replace")
    # IndexError: PyAV trips over a stream that damage made up halfway (18.1).
    with opened as container, contextlib.suppress(av.FFmpegError, IndexError):
        for packet in container.demux(container.streams.video[0]):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                continue
            pictures = (frame.to_ndarray(format="rgb24") for frame in frames)
            found += [hashlib.md5(picture.tobytes()).hexdigest() for picture in pictures]
    return found


def worker(args: argparse.Namespace) -> int:
    """Render CLIP to OUTPUT, and log every dreamed frame with its hash and time."""
    from livedream.core.settings import DreamSettings
    from livedream.jobs.render import RenderJob, render

    clip, output, log = args.clips
    job = RenderJob(
        source=clip, output=Path(output), settings=DreamSettings.from_mapping(SMALL),
        codec=args.codec, picture_size=args.picture_size, resume=args.resume,
    )  # fmt: skip
    with Path(log).open("a", buffering=1) as lines:

        def watch(dream: object, report: object) -> None:
            frame = dream.frame  # type: ignore[attr-defined]
            digest = hashlib.md5(frame.rgb.tobytes()).hexdigest()
            lines.write(f"{frame.index} {digest} {time.time()}\n")

        render(job, watch=watch)
    return 0


def spawn(args: argparse.Namespace, *words: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, __file__, "worker", *words, f"--picture-size={args.picture_size}"]
    return subprocess.Popen(command)


def entries(log: Path) -> list[tuple[int, str, float]]:
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [(int(i), digest, float(when)) for i, digest, when in (x for x in lines if len(x) == 3)]


def kills(args: argparse.Namespace) -> int:
    draw = random.Random(args.seed)
    kinds = [("out.mkv", "ffv1"), ("out.mp4", "h264"), ("out.mov", "prores")]
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        whole = {}
        for clip in args.clips:
            log = Path(folder) / "whole.log"
            log.unlink(missing_ok=True)
            spawn(args, clip, f"{folder}/whole.mkv", str(log), "--codec=ffv1").wait()
            Path(folder, "whole.mkv").unlink()
            whole[clip] = {index: digest for index, digest, _ in entries(log)}
        for number in range(args.count):
            clip = args.clips[number % len(args.clips)]
            kind = kinds[number % len(kinds)]
            after_s = PROMISED_S + draw.random() * args.longest
            verdict = one_kill(args, Path(folder), clip, kind, whole=whole[clip], after_s=after_s)
            failures += not verdict.startswith("ok")
            print(f"{number + 1:3} {Path(clip).name:14} {kind[1]:7} {verdict}", flush=True)
    print(f"kills: {args.count - failures} of {args.count} as promised")
    return int(failures > 0)


def one_kill(
    args: argparse.Namespace,
    folder: Path,
    clip: str,
    kind: tuple[str, str],
    *,
    whole: dict[int, str],
    after_s: float,
) -> str:
    """Kill once, look at the file, resume, compare."""
    output, log = folder / kind[0], folder / "log"
    output.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    process = spawn(args, clip, str(output), str(log), f"--codec={kind[1]}")
    while not entries(log) and process.poll() is None:
        time.sleep(0.02)
    time.sleep(after_s)
    killed = time.time()
    process.send_signal(signal.SIGKILL)
    finished = process.wait() == 0
    first = entries(log)
    due = sum(1 for _, _, when in first if when < killed - PROMISED_S)
    held = len(decoded(output))
    if held < due:
        return f"LOST: {due} frames were due, {held} are there"
    log.unlink()
    if not finished:
        spawn(args, clip, str(output), str(log), f"--codec={kind[1]}", "--resume").wait()
    seen = {index: digest for index, digest, _ in [*first[:held], *entries(log)]}
    if seen != whole:
        wrong = [i for i in whole if seen.get(i) != whole[i]]
        return f"DIFFERENT: frames {wrong[:5]}"
    final = decoded(output)
    if len(final) != len(whole):
        return f"GAP: {len(final)} frames in the file, {len(whole)} wanted"
    if kind[1] == "ffv1" and final != [whole[i] for i in sorted(whole)]:
        return "DIFFERENT in the lossless file"
    return f"ok: {due} due, {held} held, {len(final)} in the end" + " (was done)" * finished


def damaged(clip: Path, draw: random.Random) -> bytes:
    """The clip with one of five kinds of damage."""
    data = bytearray(clip.read_bytes())
    kind = draw.randrange(5)
    if kind == 0:  # a few bytes flipped anywhere
        for _ in range(draw.randint(1, 60)):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    elif kind == 1:  # truncated
        del data[draw.randrange(1, len(data)) :]
    elif kind == 2:  # a wrong header
        size = draw.randint(4, 64)
        data[:size] = draw.randbytes(size)
    elif kind == 3:  # a hole of noise
        start = draw.randrange(len(data))
        data[start : start + draw.randint(16, 20000)] = draw.randbytes(draw.randint(16, 20000))
    else:  # damage where the index usually lies
        for _ in range(draw.randint(1, 20)):
            data[-draw.randint(1, min(4000, len(data)))] = draw.randrange(256)
    return bytes(data)


def decodable(path: Path) -> int | None:
    """How many frames PyAV decodes; None when it cannot even open the file."""
    try:
        return len(decoded(path))
    except (av.FFmpegError, IndexError, ValueError, OSError):
        return None


def damage(args: argparse.Namespace) -> int:
    draw = random.Random(args.seed)
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        shorts = [Path(clip) for clip in args.clips]
        for name in ("index-last.mp4", "index-first.mp4", "short.mkv"):
            for clip in args.clips:
                with contextlib.suppress(av.FFmpegError):  # a container that cannot hold it
                    shorts.append(shortened(Path(clip), Path(folder), args.frames, name))
        for number in range(args.count):
            short = shorts[number % len(shorts)]
            path = Path(folder) / f"damaged-{number}{short.suffix}"
            path.write_bytes(damaged(short, draw))
            verdict = one_damage(args, path, Path(folder))
            if not verdict.startswith("ok"):
                failures += 1
                kept = Path(tempfile.gettempdir()) / f"livedream-{path.name}"
                kept.write_bytes(path.read_bytes())
                verdict += f" (kept as {kept})"
            print(f"{number + 1:3} {short.name:24} {verdict}", flush=True)
            path.unlink()
    print(f"damage: {args.count - failures} of {args.count} as promised")
    return int(failures > 0)


def one_damage(args: argparse.Namespace, path: Path, folder: Path) -> str:
    from livedream.cli import main

    signal.signal(signal.SIGALRM, _hang)
    report, output = folder / "report.json", folder / "out.mp4"
    report.unlink(missing_ok=True)
    wanted = decodable(path)
    said = io.StringIO()
    signal.alarm(round(HANG_S))
    try:
        with contextlib.redirect_stderr(said):
            words = ["render", str(path), "-o", str(output), "--overwrite", f"--report={report}"]
            code = main([*words, *options(args)])
    except TimeoutError:
        return "HANG"
    except BaseException as error:
        return f"TRACEBACK: {error!r}"
    finally:
        signal.alarm(0)
    frames = json.loads(report.read_text())["frames"] if report.exists() else 0
    told = said.getvalue().strip()
    if code not in (0, 2):
        return f"EXIT CODE {code}: {told}"
    if code == 2 and len(told.splitlines()) != 1:
        return f"NOT ONE LINE: {told!r}"
    if (wanted or 0) != frames:
        return f"FRAMES: {frames} dreamed, PyAV decodes {wanted}; {told}"
    return f"ok: exit code {code}, {frames} frames; {told[:90]}"


def _hang(signum: int, frame: object) -> None:
    raise TimeoutError


def shortened(clip: Path, folder: Path, frames: int, name: str) -> Path:
    """The first frames of a clip, packets copied."""
    path = folder / f"{clip.stem}-{name}"
    flags = {"movflags": "+faststart"} if "first" in name else {}
    with av.open(str(clip)) as source, av.open(str(path), "w", options=flags) as target:
        streams = {s: target.add_stream_from_template(s) for s in source.streams}
        count = 0
        for packet in source.demux(*streams):
            if not packet.size:
                continue
            count += packet.stream.type == "video"
            if count > frames:
                break
            packet.stream = streams[packet.stream]
            target.mux(packet)
    return path


def memory(args: argparse.Namespace) -> int:
    """The peak of a child process each, in MB."""
    peaks = []
    for count in (300, 3000):
        with tempfile.TemporaryDirectory() as folder:
            clouds = f"synthetic:clouds?size=320x180&fps=25&seconds={count / 25:g}"
            command = ["-m", "livedream", "render", clouds, "-o", f"{folder}/out.mp4"]
            script = (
                "import resource, subprocess, sys; "
                "subprocess.run([sys.executable, *sys.argv[1:]], check=True); "
                "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
            )
            words = [sys.executable, "-c", script, *command, *options(args)]
            peaks.append(int(subprocess.run(words, capture_output=True, check=True).stdout) / 1024)
        print(f"{count} frames: {peaks[-1]:.1f} MB", flush=True)
    print(f"memory: {100 * (peaks[1] / peaks[0] - 1):+.2f} %")
    return int(abs(peaks[1] / peaks[0] - 1) > 0.03)


def still(args: argparse.Namespace) -> int:
    """Does a dream that nothing moves burn in, fade or change its colour?"""
    from livedream.capture import open_source
    from livedream.core.frame import Frame
    from livedream.core.settings import DreamSettings, dream_size
    from livedream.core.shrink import fitted
    from livedream.dream.dreamer import Dreamer

    failures = 0
    count = max(WINDOW * 5, round(args.minutes * 60 * args.fps))
    for clip in args.clips or ["synthetic:clouds?size=480x270"]:
        with open_source(clip) as source:
            rgb = next(iter(source)).rgb
        rgb = fitted(rgb, *dream_size(STILL_SIZE, *rgb.shape[1::-1]))
        held = (Frame(rgb, index, Fraction(1, args.fps), index, 1) for index in range(count))
        windows: list[list[tuple[float, ...]]] = []
        started = time.monotonic()
        for dream in Dreamer(DreamSettings(size=STILL_SIZE)).dreams(held):
            if dream.frame.index % WINDOW == 0:
                windows.append([])
            windows[-1].append((*dream.frame.rgb.mean((0, 1)), dream.level))
            if dream.frame.index % (60 * args.fps) == 0:
                now = np.mean(windows[-1], 0).round(2).tolist()
                spent = time.monotonic() - started
                print(
                    f"{dream.frame.index / args.fps / 60:g} min, {spent:.0f} s: {now}", flush=True
                )
        means = np.array([np.mean(window, 0) for window in windows])[4:]
        colours = np.abs(means - means[0])[:, :3].max(1)
        levels = means[:, 3] / means[0, 3] - 1
        colour, most = colours[-1], colours.max()
        level, worst = 100 * levels[-1], 100 * np.abs(levels).max()
        print(
            f"{Path(clip).name}: colour {colour:.3f} of 255, at most {most:.3f}; "
            f"level {level:+.2f} %, at most {worst:.2f}",
            flush=True,
        )
        failures += colours.max() > 2 or np.abs(levels).max() > 0.05
    return int(failures > 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["kills", "damage", "memory", "still", "worker"])
    parser.add_argument("clips", nargs="*", default=[])
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--frames", type=int, default=40, help="of a clip before damage")
    parser.add_argument("--longest", type=float, default=6.0, help="s, until a kill at the latest")
    parser.add_argument("--minutes", type=float, default=2 / 3, help="that a still is held")
    parser.add_argument("--fps", type=int, default=25, help="of a still's time")
    parser.add_argument("--picture-size", default="source")
    parser.add_argument("--codec")
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_intermixed_args()
    runs = {"kills": kills, "damage": damage, "memory": memory, "still": still, "worker": worker}
    return runs[args.what](args)


if __name__ == "__main__":
    sys.exit(main())
