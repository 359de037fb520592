"""Measurements of `gpu_check`: what decoding and encoding on the card would save. Needs PyAV.

A film of 240 frames is written by x264 and read: decoded by the processor and by NVDEC, whose
frames are fetched from the card; both turned to RGB as every source is; and written by each
encoder of H.264 that opens. On a CPU the processor's half is measured.
"""

import importlib.util
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_measures import frames_of

__all__ = ["video"]


def video(device: torch.device, *, small: bool = False) -> list[dict[str, Any]] | str:
    """Milliseconds a frame, one after the other, and whether NVDEC gives the same pixels."""
    if importlib.util.find_spec("av") is None:
        print("  skipped: PyAV is not here")
        return "skipped: PyAV is not here"
    rows = []
    for size in [(160, 96)] if small else [(1280, 720), (1920, 1080)]:
        row: dict[str, Any] = {"size": size}
        with tempfile.TemporaryDirectory() as folder:
            film = Path(folder) / "film.mp4"
            row |= _encoded(size, film, 12 if small else 240)
            row |= _decoded(film, device)
        rows.append(row)
        for name, found in row.items():
            print(f"  {name:40} {found:.3f}" if isinstance(found, float) else f"  {name}: {found}")
    return rows


def _encoded(size: tuple[int, int], film: Path, count: int) -> dict[str, Any]:
    """By each encoder of H.264 as `render` opens it; the last one, x264's, stays in `film`."""
    import av

    from livedream.media.colour import BT709, from_rgb
    from livedream.present.encoders import CODECS, DEFAULT_QUALITY, configure, trials

    pictures = [frame.rgb for frame in frames_of(*size, 60)]
    failed = {encoder.name: reason for _, encoder, reason in trials(size)}
    found: dict[str, Any] = {}
    for encoder in CODECS["h264"]:
        if (reason := failed[encoder.name]) is not None:
            found[f"{encoder.name} does not open"] = reason
            continue
        with av.open(film, "w") as container:
            stream: Any = container.add_stream(encoder.name, rate=Fraction(30))
            stream.width, stream.height = size
            context = stream.codec_context
            configure(context, encoder, encoder.pixels, Fraction(30), DEFAULT_QUALITY)
            frames = [from_rgb(rgb, encoder.pixels, BT709) for rgb in pictures]
            begun = time.perf_counter()
            for number in range(count):
                frame = frames[number % len(frames)]
                frame.pts, frame.time_base = number, Fraction(1, 30)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        found[f"{encoder.name}, ms"] = 1000 * (time.perf_counter() - begun) / count
    return found


def _decoded(film: Path, device: torch.device) -> dict[str, Any]:
    from av.codec.hwaccel import HWAccel

    from livedream.media.colour import tags_of, to_rgb

    def rgb(frame: Any) -> Any:
        return to_rgb(frame, tags_of(frame), (frame.width, frame.height))

    frames, found = _frames(film, None)
    result: dict[str, Any] = {"decoded by the processor, ms": found}
    result["turned to RGB, ms"] = _each(rgb, frames[:30])
    nv12 = [frame.reformat(format="nv12") for frame in frames[:30]]
    result["turned to RGB from NV12, ms"] = _each(rgb, nv12)
    result["RGB from NV12 is the same"] = all(
        np.array_equal(rgb(one), rgb(other)) for one, other in zip(frames, nv12, strict=False)
    )
    if device.type != "cuda":
        return result
    try:
        fetched, found = _frames(film, HWAccel("cuda", allow_software_fallback=False))
    except (OSError, RuntimeError, NotImplementedError) as error:
        return result | {"NVDEC does not open": str(error)}
    result["decoded by NVDEC and fetched, ms"] = found
    result["NVDEC's pixels are the same"] = len(fetched) == len(frames) and all(
        np.array_equal(one.to_ndarray(), other.reformat(format="yuv420p").to_ndarray())
        for one, other in zip(frames, fetched, strict=True)
    )
    return result


def _frames(film: Path, hwaccel: Any) -> tuple[list[Any], float]:
    """The first 60 frames, and milliseconds of each over all of them."""
    import av

    kept, count = [], 0
    with av.open(film, hwaccel=hwaccel) as container:
        stream = container.streams.video[0]
        if hwaccel is None:
            stream.thread_type = "AUTO"
        begun = time.perf_counter()
        for frame in container.decode(stream):
            if count < 60:
                kept.append(frame)
            count += 1
    return kept, 1000 * (time.perf_counter() - begun) / max(1, count)


def _each(run: Callable[[Any], object], frames: list[Any]) -> float:
    """Milliseconds of one, the first left out."""
    run(frames[0])
    begun = time.perf_counter()
    for frame in islice(frames, 1, None):
        run(frame)
    return 1000 * (time.perf_counter() - begun) / max(1, len(frames) - 1)
