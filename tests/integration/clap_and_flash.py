"""A film whose pictures tell their time and whose sound claps, and how well both agree elsewhere.

Run as a program it is an RTMP server: clap_and_flash.py ADDRESS CLAPS prints by how many ms so many
claps are apart from their flashes.
Every picture says which one it is, so that it does not matter which of them a live show leaves out.
"""

import contextlib
import io
import json
import sys
from bisect import bisect_right
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import Picture

RATE = 48_000
FPS = 25
SIZE = (160, 96)
CLAP_S = 0.64  # from one to the next; the first is at half of it
FILM_S = 2.56  # four claps, 64 pictures


def picture(index: int) -> Picture:
    """Its number in eight blocks, as Gray code: of 64, the first one joins the last one."""
    index ^= index >> 1
    rgb = np.full((SIZE[1], SIZE[0], 3), 40, np.uint8)
    for bit in range(8):
        if index >> bit & 1:
            rgb[:, SIZE[0] // 8 * bit : SIZE[0] // 8 * (bit + 1)] = 220
    return rgb


def number(rgb: Picture) -> int:
    """Of a picture of any size."""
    height, width = rgb.shape[:2]
    row = rgb[height // 2, width // 16 :: width // 8, 1]
    index = sum(int(value > 128) << bit for bit, value in enumerate(row[:8]))
    for shift in (4, 2, 1):
        index ^= index >> shift
    return index


def claps(first: int, count: int) -> NDArray[np.float32]:
    """(count,) sound from this sample of the film on: bursts of 4 ms."""
    since = (np.arange(first, first + count) / RATE + CLAP_S / 2) % CLAP_S
    return (0.7 * (since < 0.004) * np.sign(np.sin(2 * np.pi * 2000 * since))).astype(np.float32)


def make_film(path: Path, seconds: float = FILM_S, rate: int = RATE) -> Path:
    """H.264 and AAC.  rate: of its sound."""
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        sound: Any = out.add_stream("aac", rate=rate)
        sound.layout = "stereo"
        for index in range(round(seconds * FPS)):
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture(index), format="rgb24")))
        out.mux(video.encode(None))
        heard = claps(0, round(seconds * RATE))[:: RATE // rate]
        for begin in range(0, len(heard), 1024):
            part = np.stack(2 * [heard[begin : begin + 1024]])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    return path


class Witness:
    """Who sees pictures and hears claps, on one clock in seconds."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, int]] = []
        self.heard: list[float] = []
        self._loud_s = -1.0

    def see(self, time_s: float, rgb: Picture) -> None:
        self.seen.append((time_s, number(rgb)))

    def hear(self, time_s: float, samples: NDArray[np.float32]) -> None:
        """(n,) samples from this time on."""
        for place in np.flatnonzero(np.abs(samples) > 0.25):
            now_s = time_s + float(place) / RATE
            if now_s - self._loud_s > CLAP_S / 2:
                self.heard.append(now_s)
            self._loud_s = now_s

    def apart_ms(self) -> list[float]:
        """For each clap by how much it is heard later than what is seen then says, in ms."""
        found, times = [], [time_s for time_s, _ in self.seen]
        for heard_s in self.heard:
            at = bisect_right(times, heard_s) - 1
            if at < 0 or heard_s - times[at] > 0.2:
                continue  # the picture begins later, or stood still
            film_s = self.seen[at][1] / FPS + heard_s - times[at]
            apart_s = (film_s + CLAP_S / 2 + CLAP_S / 2) % CLAP_S - CLAP_S / 2
            found.append(round(1000 * apart_s, 1))
        return found


def watch(file: str | io.BytesIO, most: int = 1000, **options: str) -> Witness:
    """Play a file or a stream to its end, or until so many claps.  options: FFmpeg's."""
    witness = Witness()
    with (
        contextlib.suppress(av.FFmpegError),  # who sends may go, and come back
        av.open(file, options=options) as container,
    ):
        for frame in container.decode(video=0, audio=0):
            assert frame.time is not None
            if isinstance(frame, av.VideoFrame):
                witness.see(frame.time, frame.to_ndarray(format="rgb24"))
            else:
                witness.hear(frame.time, frame.to_ndarray()[0])
            if len(witness.heard) >= most:
                break
    return witness


if __name__ == "__main__":
    apart_ms: list[float] = []
    while len(apart_ms) < 3:
        found = watch(sys.argv[1], int(sys.argv[2]), listen="1", fflags="nobuffer")
        apart_ms += found.apart_ms()
    print(json.dumps(apart_ms))
