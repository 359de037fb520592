"""Music of formulas for the tests: drums and a bass, whose beats are known."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 48000
_LENGTH = np.arange(int(0.3 * RATE)) / RATE
_NOISE = np.random.default_rng(7).normal(size=len(_LENGTH) + 1)
DRUMS = {
    "kick": np.sin(2 * np.pi * (50 * _LENGTH + 3 * (1 - np.exp(-_LENGTH * 30))))
    * np.exp(-_LENGTH * 12),
    "snare": 0.5 * _NOISE[1:] * np.exp(-_LENGTH * 25),
    "hat": 0.25 * np.diff(_NOISE) * np.exp(-_LENGTH * 80),
    "click": 0.5 * _NOISE[1:] * np.exp(-_LENGTH * 60),
}
# (beats in a bar, what is heard at which beat of it)
PATTERNS = {
    "clicks": (4, [("click", beat) for beat in range(4)]),
    "rock": (4, [("kick", 0), ("kick", 2), ("kick", 2.5), ("snare", 1), ("snare", 3),
                 *(("hat", n / 2) for n in range(8))]),
    "syncopated": (4, [("kick", 0), ("kick", 0.75), ("kick", 1.75), ("kick", 2.5), ("snare", 1),
                       ("snare", 3), *(("hat", n / 4) for n in range(16))]),
    "waltz": (3, [("kick", 0), ("snare", 1), ("snare", 2)]),
}  # fmt: skip


@dataclass(frozen=True)
class Song:
    sound: np.ndarray
    beats: np.ndarray
    bar: int


def song(
    pattern: str, bpm: float, bars: int = 16, *, faster: float = 0.0, silent: range = range(0),
    start_s: float = 0.4, bass: float = 0.4,
) -> Song:  # fmt: skip
    """faster: by how much at the end.  silent: bars in which nothing is heard.  bass: how loud."""
    bar, hits = PATTERNS[pattern]
    count = bars * bar
    gaps = 60 / (bpm * (1 + faster * np.arange(count) / count))
    beats = start_s + np.concatenate([[0], np.cumsum(gaps)])
    sound = np.random.default_rng(1).normal(size=int((beats[-1] + 1) * RATE)) * 0.004
    for number in range(bars):
        if number in silent:
            continue
        begin = number * bar
        for drum, beat in hits:
            _put(sound, np.interp(begin + beat, np.arange(count + 1), beats), DRUMS[drum])
        length = np.arange(int((beats[begin + bar] - beats[begin]) * RATE)) / RATE
        tone = np.sin(2 * np.pi * (55, 73, 82, 65)[number % 4] * length) * np.exp(-length)
        _put(sound, beats[begin], bass * tone * np.minimum(1, length * 100))
    return Song((0.5 * sound / np.abs(sound).max()).astype(np.float32), beats[:-1], bar)


def _put(sound: np.ndarray, at_s: float, hit: np.ndarray) -> None:
    at = round(at_s * RATE)
    part = sound[at : at + len(hit)]
    part += hit[: len(part)]


def write_sound(path: Path, sound: np.ndarray, codec: str) -> Path:
    """(n,) samples as a file of one sound track."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=RATE)
        stream.layout = "mono"
        add_sound(out, stream, sound)
    return path


def add_sound(
    out: object, stream: object, sound: np.ndarray, first_s: Fraction = Fraction(0)
) -> None:
    """Encode into a stream that is there."""
    size = stream.codec_context.frame_size or 1024  # type: ignore[attr-defined]
    for at in range(0, len(sound), size):
        part = np.ascontiguousarray(sound[None, at : at + size])
        block = av.AudioFrame.from_ndarray(part, "fltp", "mono")
        block.sample_rate, block.pts, block.time_base = (
            RATE,
            at + round(first_s * RATE),
            Fraction(1, RATE),
        )
        out.mux(stream.encode(block))  # type: ignore[attr-defined]
    out.mux(stream.encode(None))  # type: ignore[attr-defined]
