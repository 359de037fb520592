#!/usr/bin/env python3
"""Hashes of small dreams of every kind, to see whether a change leaves them as they were.

    hash_dreams.py -o before.json            on the code as it was
    hash_dreams.py --against before.json     on the code as it is

Each case prints its name and the beginning of the SHA-256 of its raw bytes: pixels, and the state
where there is one. Exit code 1 when a case differs from those it is compared with. Everything is
seeded, and engines, precision and threads are named: the same machine and packages give the same
hashes. One file, long as it is: its cases are one list.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Final

os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

import cv2
import numpy as np
import onnxruntime
import torch
from hash_stage import Clock, play

import livedream
from livedream import (
    Dreamer,
    DreamSettings,
    MemorySource,
    RenderJob,
    open_sink,
    open_source,
    render,
)
from livedream.control.catalogue import own_objective
from livedream.control.live_parameters import LiveParameters
from livedream.control.show_log import ShowLog
from livedream.control.show_reader import Playback, read_show
from livedream.core.frame import Frame, Picture
from livedream.core.grade import GradeSettings
from livedream.jobs.export import export_steps
from livedream.jobs.image import StillJob, dream_still, rounds_of, start_picture
from livedream.jobs.replay import ShowDreamer
from livedream.jobs.zoom import ZoomSource
from livedream.present.grading import Grading
from livedream.present.live.flash import FlashLimiter
from livedream.warp.travel import Travel

THREADS: Final = 2
CLOUDS: Final = "synthetic:clouds?size={}&fps=25&seconds={}&seed={}"
SKY: Final = CLOUDS.format("192x108", "0.24", 3)  # six frames
OTHER_SKY: Final = CLOUDS.format("192x108", "0.24", 8)
FP32: Final[dict[str, Any]] = {
    "engine": "openvino", "precision": "fp32", "device": "cpu", "network": "dreamnet",
    "size": "source", "flow_size": "108p", "seed": 5,
}  # fmt: skip
BF16: Final = {**FP32, "precision": "bf16"}
TORCH: Final = {**FP32, "engine": "torch"}


class Digest:
    """The hash of a case: of arrays with their types and shapes, and of figures to the last bit."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def add(self, *values: Any) -> None:
        for value in values:
            if isinstance(value, np.ndarray):
                self._sha.update(f"{value.dtype}{value.shape}".encode())
                self._sha.update(np.ascontiguousarray(value).tobytes())
            else:
                self._sha.update(repr(value).encode())

    def frames(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self.add(frame.rgb, frame.pts, frame.index)

    def state(self, dreamer: Dreamer) -> None:
        for _, array in sorted(dreamer.state.arrays().items()):
            self.add(array)

    def hex(self) -> str:
        return self._sha.hexdigest()


Case = Callable[[Digest, Path], None]  # the folder is empty and goes away afterwards


# --- material -------------------------------------------------------------------------------------


def sky(source: str = SKY) -> list[Frame]:
    with open_source(source) as opened:
        return list(opened)


def cut_film() -> list[Frame]:
    """Five frames of one sky, then four of another, mirrored and inverted: a cut."""
    pictures = [f.rgb for f in sky()[:5]] + [255 - f.rgb[:, ::-1] // 2 for f in sky(OTHER_SKY)[:4]]
    return [
        Frame(np.ascontiguousarray(rgb), n, Fraction(1, 25), n, 1) for n, rgb in enumerate(pictures)
    ]


def film(path: Path, frames: Iterable[Frame]) -> str:
    """`frames` as a lossless file; its path as text."""
    with open_source(SKY) as source, open_sink(path, source.info, codec="ffv1") as sink:
        for frame in frames:
            sink.write(frame)
    return str(path)


def picture(path: Path, rgb: Picture) -> str:
    path.write_bytes(cv2.imencode(path.suffix, rgb[:, :, ::-1])[1].tobytes())
    return str(path)


# --- files ----------------------------------------------------------------------------------------


def source_case(digest: Digest, folder: Path) -> None:
    digest.frames(sky())
    digest.frames(sky(film(folder / "sky.mkv", sky())))
    digest.frames(sky("synthetic:noise?size=64x36&seconds=0.2&seed=2"))


def dreamt(digest: Digest, folder: Path, settings: Mapping[str, Any], source: str = "") -> None:
    """Every frame of a file, with its figures, and the state at the end."""
    source = source or film(folder / "sky.mkv", sky())
    dreamer = Dreamer(DreamSettings(**settings))
    with open_source(source) as opened:
        for dream in dreamer.dreams(opened):
            digest.frames([dream.frame])
            digest.add(dream.level, dream.gain, dream.flicker)
    digest.state(dreamer)


def cut_case(digest: Digest, folder: Path) -> None:
    dreamt(digest, folder, FP32, film(folder / "cut.mkv", cut_film()))


def mask_case(digest: Digest, folder: Path) -> None:
    mask = np.zeros((60, 80, 3), np.uint8)
    cv2.circle(mask, (40, 30), 22, (255, 255, 255), -1, cv2.LINE_AA)
    dreamt(digest, folder, {**FP32, "where": f'mask("{picture(folder / "mask.png", mask)}")'}, SKY)


def guide_case(digest: Digest, folder: Path) -> None:
    path = picture(folder / "guide.png", sky(OTHER_SKY)[0].rgb)
    dreamt(digest, folder, {**TORCH, "objective": f'guide(eyes, "{path}")'}, SKY)


def adopt_case(digest: Digest, folder: Path) -> None:
    """Settings that change while a dream goes on."""
    settings = DreamSettings(**FP32, objective="eyes + 0*fur")
    changes: list[dict[str, Any]] = [
        {}, {"objective": "0.5*eyes + 0.5*fur", "strength": 25.0}, {"octaves": 3, "variety": 0.9},
        {"size": "160x90", "jitter": 4}, {"objective": "faces", "half_life": 0.2},
        {"network": "dreamnet-insects", "objective": ""},
    ]  # fmt: skip
    dreamer = Dreamer(settings)
    for frame, change in zip(sky(), changes, strict=True):
        settings = settings.replace(**change)
        dreamer.adopt(settings)
        digest.frames([dreamer.step(frame).frame])
    digest.state(dreamer)


def rendered(digest: Digest, job: RenderJob) -> None:
    """What was dreamed, and what can be decoded from the file."""
    render(job, watch=lambda dream, report: digest.frames([dream.frame]))
    digest.frames(sky(str(job.output)))


def render_case(digest: Digest, folder: Path) -> None:
    settings, film_there = DreamSettings(**FP32), film(folder / "cut.mkv", cut_film())
    rendered(digest, RenderJob(source=film_there, output=folder / "a.mp4", settings=settings))
    job = RenderJob(
        source=film_there, output=folder / "b.mkv", settings=settings, codec="ffv1", compare=True,
        picture_size="160x90", start_s=0.04, end_s=0.3,
    )  # fmt: skip
    rendered(digest, job)


def resume_case(digest: Digest, folder: Path) -> None:
    """Stopped after six frames, past a checkpoint, and gone on with: as if it had never stopped."""
    source, settings = film(folder / "cut.mkv", cut_film()), DreamSettings(**FP32)
    job = partial(RenderJob, source=source, settings=settings, codec="ffv1")
    render(job(output=folder / "whole.mkv"))

    def stop(dream: Any, report: Any) -> None:
        if report.frames == 3:
            time.sleep(1.1)  # longer than from one checkpoint to the next
        if report.frames == 6:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        render(job(output=folder / "parts.mkv"), watch=stop)
    report = render(job(output=folder / "parts.mkv", resume=True))
    parts, whole = sky(str(folder / "parts.mkv")), sky(str(folder / "whole.mkv"))
    digest.frames(parts)
    same = [np.array_equal(a.rgb, b.rgb) for a, b in zip(parts, whole, strict=True)]
    digest.add(same, report.frames)
    if not all(same) or report.frames >= len(whole):
        raise RuntimeError(f"resumed: {report.frames} frames dreamed again, the same: {same}")


# --- stills, zoom, export -------------------------------------------------------------------------


def noise_case(digest: Digest, folder: Path) -> None:
    dreamer = Dreamer(DreamSettings(**FP32, octaves=3, strength=40.0, half_life=0.4))
    start = start_picture("noise?size=192x108", seed=5)
    digest.add(start)
    for joined in rounds_of(dreamer, start, 4):
        digest.add(joined.shown(), float(joined.level), float(joined.gain))
    digest.state(dreamer)


def still_case(digest: Digest, folder: Path) -> None:
    job = StillJob(
        source=OTHER_SKY, output=folder / "still.png", rounds=3, picture_size="240x136",
        settings=DreamSettings(**{**TORCH, "size": "160x90"}),
    )  # fmt: skip
    dream_still(job)
    digest.frames(sky(str(job.output)))


def tiles_case(digest: Digest, folder: Path, engine: str) -> None:
    """More than one tile each way."""
    settings = DreamSettings(**{**FP32, "engine": engine}, tile=128, octaves=2)
    dreamer = Dreamer(settings)
    start = start_picture(CLOUDS.format("512x416", 1, 3))
    for joined in rounds_of(dreamer, start, 1):
        digest.add(joined.shown())
    digest.state(dreamer)


def zoom_case(digest: Digest, folder: Path) -> None:
    dreamer = Dreamer(DreamSettings(**FP32, octaves=3, half_life=0.4, spread=0.8, laplacian=0))
    travel = Travel(zoom=1.6, rotation=12.0, drift=(0.03, -0.02))
    with ZoomSource(dreamer, sky()[0].rgb, travel, Fraction(10), 5) as source:
        digest.frames(source)
    digest.state(dreamer)


def export_case(digest: Digest, folder: Path) -> None:
    """The exported steps on a fixed picture, by ONNX Runtime alone."""
    settings = DreamSettings(
        size="128x96", octaves=2, smoothing=1.0, objective="eyes + 0.5*fur:0-7", precision="fp32",
        network="dreamnet",
    )  # fmt: skip
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    for step in export_steps(settings, folder / "step.onnx"):
        session = onnxruntime.InferenceSession(step.path, options, ["CPUExecutionProvider"])
        rgb = cv2.resize(sky()[0].rgb, (step.width, step.height), interpolation=cv2.INTER_AREA)
        feed = {
            "picture": rgb.transpose(2, 0, 1)[None].astype(np.float32) / 255,
            "step_size": np.array([1.5], np.float32), "shift": np.array([3, 11]),
            "weights": np.array([1.0, 0.5], np.float32), "variety": np.array([0.5], np.float32),
            "focus": np.array([1.0], np.float32),
        }  # fmt: skip
        for _ in range(2):
            (feed["picture"],) = session.run(None, feed)
        digest.add(feed["picture"])


# --- looks, shows, live ---------------------------------------------------------------------------


def grading_case(digest: Digest, folder: Path) -> None:
    looks: list[dict[str, Any]] = [
        {}, {"hue": 70.0}, {"saturation": 2.0, "contrast": 1.3}, {"brightness": 0.7, "hue": -120.0},
        {"blackout": True}, {"blackout": True, "mirror": True}, {"mirror": True}, {},
    ]  # fmt: skip
    grading = Grading()
    for look in looks:
        digest.add(grading.apply(sky()[0].rgb, GradeSettings(**look), 0.1))


def flash_case(digest: Digest, folder: Path) -> None:
    """A second of calm, one of flashes, one of red flashes, one of calm."""
    limiter, calm = FlashLimiter(), sky()[0].rgb
    red = calm // 4
    red[:, :, 0] = 250
    bright, dark = calm // 4 + 190, calm // 8
    for n in range(60):
        flashing = (calm, (bright, dark)[n // 2 % 2], (red, dark)[n // 2 % 2], calm)[n // 15]
        digest.add(limiter.apply(flashing, n / 15))
    digest.add(limiter.flashes, limiter.flashes_before, limiter.most, limiter.repeated)


def write_show(path: Path, settings: DreamSettings) -> None:
    """A second of a show in which much happens, on a clock of its own."""
    clock = Clock()
    parameters = LiveParameters(settings, clock=clock, own_objective=own_objective)
    log = ShowLog(path, parameters, {"source": "camera"}, clock=clock)
    log.start()
    actions: dict[int, Callable[[], None]] = {
        2: lambda: parameters.set("strength", 30.0, ramp_s=0.2),
        4: lambda: parameters.apply(
            {"network": "dreamnet-birds", "objective": "eyes"}, seconds=0.3
        ),
        6: lambda: parameters.apply({"zoom": 1.5, "rotation": 30.0, "drift_x": 0.2, "hue": 50.0}),
        8: lambda: log.modulated(clock(), {("saturation", "wave"): 0.3}),
        9: lambda: parameters.trigger("reset"),
        11: lambda: parameters.set("freeze", True),
        13: lambda: parameters.apply({"freeze": False, "mix": 0.7, "contrast": 1.4}),
        15: lambda: parameters.apply(
            {"objective": "creatures + 0.5*eyes", "octaves": 3, "mirror": True}
        ),
        17: lambda: parameters.apply({"size": "160x90", "half_life": 0.1, "blackout": True}),
    }
    for n in range(20):
        clock.now_s = 1000.0 + n / 20
        actions.get(n, lambda: None)()
    log.close()


def replay_case(digest: Digest, folder: Path) -> None:
    settings, path = DreamSettings(**FP32), folder / "show.jsonl"
    write_show(path, settings)
    moments = Playback(read_show(path), settings)
    with open_source(CLOUDS.format("192x108", 1, 3).replace("fps=25", "fps=20")) as source:
        info, frames = source.info, list(source)
    frames[16:] = [Frame(255 - f.rgb // 2, f.pts, f.time_base, f.index, 1) for f in frames[16:]]
    dreamer = Dreamer(settings)
    with MemorySource(frames, info) as source:
        for dream in ShowDreamer(dreamer, moments).dreams(source):
            digest.frames([dream.frame])
            digest.add(dream.level)
    digest.state(dreamer)
    job = RenderJob(
        source=SKY, output=folder / "again.mkv", settings=settings, codec="ffv1", replay=path,
        kept=("strength",), start_s=0.04,
    )  # fmt: skip
    rendered(digest, job)


ACTIONS: Final[Mapping[int, Callable[[LiveParameters], None]]] = {
    3: lambda parameters: parameters.set("strength", 30.0),
    6: lambda parameters: parameters.apply(
        {"network": "dreamnet-birds", "objective": ""}, seconds=0.7
    ),
    12: lambda parameters: parameters.trigger("reset"),
    14: lambda parameters: parameters.apply({"zoom": 1.5, "rotation": 25.0, "drift_x": 0.1}),
    16: lambda parameters: parameters.apply({"hue": 60.0, "mix": 0.6}),
    18: lambda parameters: parameters.set("freeze", True),
    21: lambda parameters: parameters.apply(
        {"freeze": False, "mix": 1.0, "zoom": 1.0, "rotation": 0.0}
    ),
    22: lambda parameters: parameters.set("size", "170x96"),
    44: lambda parameters: parameters.apply(
        {"size": "source", "objective": "creatures + 0.5*eyes"}
    ),
    46: lambda parameters: parameters.apply({"network": "dreamnet", "half_life": 0.1}, seconds=0.5),
}


def live_case(digest: Digest, folder: Path, pace: list[int], engine: str) -> None:
    """A show that crossfades, resets, cuts, loses its source, and moves its governor."""
    film = sky(CLOUDS.format("192x108", "1.44", 3))
    pictures = [frame.rgb for frame in film] + [255 - frame.rgb // 2 for frame in film[:24]]
    settings = DreamSettings(**{**FP32, "engine": engine, "half_life": 1.0, "flow": "dis-fast"})
    play(settings, pictures, ACTIONS, pace, digest.add)


# --- all of them ----------------------------------------------------------------------------------

ODD: Final[Mapping[str, Mapping[str, Any]]] = {
    "file-fp32-openvino": FP32,
    "file-bf16-openvino": BF16,
    "file-fp32-torch": TORCH,
    "objective-class": {**FP32, "objective": "class:goldfish"},
    "objective-class-torch": {**TORCH, "objective": 'class:"anemone fish" + 0.2*faces'},
    "objective-sum": {**FP32, "objective": "eyes + 0.5*fur:0-15 - 0.3*strokes", "variety": 0.8},
    "objective-sum-torch": {**TORCH, "objective": "eyes + 0.5*fur:0-15 - 0.3*strokes",
                            "variety": 0.2},
    "set-half-life-0": {**FP32, "half_life": 0.0},
    "set-keep-colours": {**FP32, "keep_colours": True, "spread": 0.0, "variety": 0.0},
    "set-laplacian": {**FP32, "laplacian": 3, "smoothing": 1.5, "jitter": 0},
    "set-no-bands": {**FP32, "laplacian": 0},
    "set-octaves": {**FP32, "octaves": 4, "octave_scale": 1.8, "iterations": 1, "rise": 0.0},
    "set-size": {**FP32, "size": "90p", "flow": "farneback", "step_size": 4.0, "spread": 1.0},
    "set-no-flow": {**FP32, "flow": "none", "strength": 40.0, "half_life": 5.0},
    "set-network": {**FP32, "network": "dreamnet-insects", "flow": "dis-ultrafast"},
}  # fmt: skip
CASES: Final[Mapping[str, Case]] = {
    "source": source_case,
    **{name: partial(dreamt, settings=settings) for name, settings in ODD.items()},
    "file-cut": cut_case,
    "objective-guide": guide_case,
    "set-mask": mask_case,
    "adopt": adopt_case,
    "render": render_case,
    "resume": resume_case,
    "still-noise": noise_case,
    "still-png": still_case,
    "still-tiles": partial(tiles_case, engine="openvino"),
    "still-tiles-torch": partial(tiles_case, engine="torch"),
    "zoom": zoom_case,
    "export": export_case,
    "grading": grading_case,
    "flash": flash_case,
    "replay": replay_case,
    "live": partial(live_case, pace=[1, 1, 1, 1, 1, 1, 3, 2, 3, 3, 1], engine="openvino"),
    "live-torch": partial(live_case, pace=[2, 1], engine="torch"),
    "live-in-step": partial(live_case, pace=[0], engine="openvino"),
}


def hashes(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        digest = Digest()
        with tempfile.TemporaryDirectory() as folder:
            CASES[name](digest, Path(folder))
        yield name, digest.hex()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, help="a JSON file to write all hashes to")
    parser.add_argument("--against", type=Path, help="one to compare with")
    parser.add_argument("--only", nargs="+", choices=CASES, metavar="NAME", default=list(CASES),
                        help=f"some of {', '.join(CASES)}")  # fmt: skip
    args = parser.parse_args()
    before = json.loads(args.against.read_text(encoding="utf-8")) if args.against else {}
    torch.set_num_threads(THREADS)
    cv2.setNumThreads(THREADS)
    print(
        f"livedream {livedream.__version__} of {Path(livedream.__file__).parent}", file=sys.stderr
    )
    found, differing = {}, []
    for name, value in hashes(args.only):
        found[name] = value
        same = not before or before.get(name) == value
        print(name, value[:16], *([] if same else ["DIFFERS"]), flush=True)
        differing += [] if same else [name]
    if args.output:
        args.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if differing:
        print(f"differ: {', '.join(differing)}", file=sys.stderr)
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
