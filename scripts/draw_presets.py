#!/usr/bin/env python3
"""Draw the pictures of docs/gallery.md and the README: drifting clouds, dreamed.

Writes docs/gallery/NAME.webp for every preset and network, livedream/presets/NAME.jpg for the
panel and docs/pictures/clouds.webp. Presets that follow music are drawn as if it were half as loud
as it gets.
"""

import argparse
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from livedream.capture import open_source
from livedream.control.live_parameters import LiveParameters
from livedream.control.modulation import Modulation
from livedream.control.presets import Preset, Presets
from livedream.control.show import Show
from livedream.control.tempo import Tempo
from livedream.core.frame import Frame, Picture, SourceInfo
from livedream.core.settings import DreamSettings
from livedream.core.shrink import fitted
from livedream.core.snapshot import Snapshot
from livedream.dream.dreamer import Dreamer
from livedream.jobs.replay import ShowDreamer
from livedream.present import open_sink

ROOT: Final = Path(__file__).resolve().parents[1]
GALLERY: Final = ROOT / "docs" / "gallery"
CLOUDS: Final = "synthetic:clouds?size=640x360&fps=10&seconds=14&seed=3"
CLIP_S: Final = 3.2
README_CLOUDS: Final = "synthetic:clouds?size=960x540&fps=12&seconds=14&seed=3"
# Where, and what: each is dreamed on the same clouds.
REGIONS: Final = (
    ("bright", ""), ("smooth", ""), ("edges", ""), ("left", ""), ("rect(0.2, 0.2, 0.6, 0.6)", ""),
    ("bright & !left", ""), ("key(#d0d8e8)", ""), ("!rect(0.3, 0.3, 0.4, 0.4)", ""),
    ("", "eyes@bright + weave@!bright"),
)  # fmt: skip
NETWORKS: Final = (
    "dreamnet",
    "dreamnet-birds",
    "dreamnet-insects",
    "dreamnet-things",
)
README: Final = DreamSettings(size="540p", octaves=3, strength=18.0, half_life=2.0)
README_S: Final = 7.0
NEXT_NETWORK_S: Final = (3.5, 1.5)  # when it begins to come in, and for how long
LARGEST_JPEG: Final = 60_000  # bytes


class Moments:
    """A preset from the first moment on, its modulators in step with the frames."""

    def __init__(self, preset: str, presets: Presets) -> None:
        self._now_s = 0.0
        self.parameters = LiveParameters(DreamSettings(flow_size="216p"), clock=lambda: self._now_s)
        self._modulation = Modulation(
            self.parameters, Tempo(), lambda name: 0.5, lambda: self._now_s
        )
        show = Show(self.parameters, presets, self._modulation, clock=lambda: self._now_s)
        show.preset(preset, 0.0)
        # What was set without a crossfade still glides; long ago, it has arrived.
        self._offset_s = 60.0

    def snapshot(self, time_s: float) -> Snapshot:
        self._now_s = time_s + self._offset_s
        self._modulation.step(self._now_s)
        return self.parameters.snapshot(self._now_s)


class Networks:
    """dreamnet, which gives way to dreamnet-birds."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self.parameters = LiveParameters(README, clock=lambda: self._now_s)

    def snapshot(self, time_s: float) -> Snapshot:
        self._now_s = time_s
        begin_s, seconds = NEXT_NETWORK_S
        if time_s >= begin_s and self.parameters.target("network") != "dreamnet-birds":
            self.parameters.apply({"network": "dreamnet-birds"}, seconds=seconds)
        return self.parameters.snapshot(time_s)


def dreamed(moments: Moments | Networks, clouds: str, seconds: float) -> list[Frame]:
    dreamer = ShowDreamer(Dreamer(moments.snapshot(0.0).dream), moments)
    return [dream.frame for dream in dreamer.dreams(open_source(clouds, end_s=seconds))]


def resized(rgb: Picture, width: int) -> Picture:
    height = round(rgb.shape[0] * width / rgb.shape[1])
    return fitted(rgb, width, height)


def write_moving(path: Path, frames: list[Frame], width: int, quality: float) -> None:
    pictures = [replace(frame, rgb=resized(frame.rgb, width)) for frame in frames]
    height = pictures[0].rgb.shape[0]
    rate = Fraction(1) / frames[0].time_base
    info = SourceInfo(path.stem, width, height, rate, frames[0].time_base, len(frames))
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_sink(path, info, quality=quality, overwrite=True) as sink:
        for picture in pictures:
            sink.write(picture)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes", flush=True)


def write_still(path: Path, rgb: Picture, width: int) -> None:
    """As a JPEG of at most `LARGEST_JPEG` bytes."""
    bgr = np.ascontiguousarray(resized(rgb, width)[..., ::-1])
    for quality in range(88, 30, -6):
        _, coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if coded.nbytes <= LARGEST_JPEG:
            break
    path.write_bytes(coded.tobytes())
    print(f"{path.relative_to(ROOT)}: {coded.nbytes} bytes, quality {quality}", flush=True)


def draw_preset(preset: Preset, presets: Presets) -> None:
    frames = dreamed(Moments(preset.name, presets), CLOUDS, CLIP_S)
    write_moving(GALLERY / f"{preset.name}.webp", frames, 320, 45)
    write_still(ROOT / "livedream" / "presets" / f"{preset.name}.jpg", frames[31].rgb, 300)


def draw_network(network: str) -> None:
    settings = DreamSettings(network=network, strength=18.0, half_life=2.0)
    frames = list(Dreamer(settings).frames(open_source(CLOUDS, end_s=CLIP_S)))
    write_moving(GALLERY / f"{network}.webp", frames, 320, 45)


def draw_regions() -> None:
    """A sheet of regions, three by three."""
    settings = DreamSettings(strength=26.0, half_life=2.0, size="180p", flow_size="180p")
    tiles = []
    for where, objective in REGIONS:
        dreamer = Dreamer(settings.replace(where=where, objective=objective))
        frames = list(dreamer.frames(open_source(CLOUDS, end_s=CLIP_S)))
        for frame in frames:
            label = where or objective
            for colour, thick in (((0, 0, 0), 4), ((255, 255, 255), 1)):
                cv2.putText(
                    frame.rgb, label, (12, 344), cv2.FONT_HERSHEY_SIMPLEX, 1.3, colour, thick,
                    cv2.LINE_AA,
                )  # fmt: skip
        tiles.append([resized(frame.rgb, 214) for frame in frames])
    sheets = [
        replace(frame, rgb=np.vstack([np.hstack(row[n : n + 3]) for n in (0, 3, 6)]))
        for frame, row in zip(frames, zip(*tiles, strict=True), strict=True)
    ]
    write_moving(ROOT / "docs" / "pictures" / "regions.webp", sheets[:12], 642, 30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", nargs="*", help="presets, networks, README, regions (default: all)"
    )
    names = parser.parse_args().names
    presets = Presets(folder=ROOT / "nowhere")
    if not names or "README" in names:
        frames = dreamed(Networks(), README_CLOUDS, README_S)
        write_moving(ROOT / "docs" / "pictures" / "clouds.webp", frames, 640, 55)
    if not names or "regions" in names:
        draw_regions()
    for network in NETWORKS:
        if not names or network in names:
            draw_network(network)
    for preset in presets:
        if not names or preset.name in names:
            draw_preset(preset, presets)


if __name__ == "__main__":
    main()
