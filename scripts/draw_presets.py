#!/usr/bin/env python3
"""Draw every preset as it looks after some seconds on drifting clouds, and the README's picture.

Writes docs/presets/NAME.jpg for the documentation, livedream/presets/NAME.jpg for the panel and
docs/pictures/clouds.jpg. What moves with the music is drawn as if it were half as loud as it gets.
"""

import argparse
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
from livedream.core.frame import Picture
from livedream.core.settings import DreamSettings
from livedream.core.snapshot import Snapshot
from livedream.dream.dreamer import Dreamer
from livedream.jobs.replay import ShowDreamer

ROOT: Final = Path(__file__).resolve().parents[1]
CLOUDS: Final = "synthetic:clouds?size=640x360&fps=10&seconds=3.2&seed=3"
LARGEST: Final = 60_000  # bytes
DOCS_PX: Final = 480
PANEL_PX: Final = 300
README: Final = ("dreamnet", "dreamnet-birds", "dreamnet-insects")


class Moments:
    """A preset from the first moment on, its modulators in step with the frames."""

    def __init__(self, preset: str, presets: Presets) -> None:
        self._now_s = 0.0
        self.parameters = LiveParameters(DreamSettings(flow_size="216p"), clock=lambda: self._now_s)
        modulation = Modulation(self.parameters, Tempo(), lambda name: 0.5)
        self._modulation = modulation
        Show(self.parameters, presets, modulation, clock=lambda: self._now_s).preset(preset, 0.0)
        # What was set without crossfade still glides; long ago, it has arrived.
        self._offset_s = 60.0

    def snapshot(self, time_s: float) -> Snapshot:
        self._now_s = time_s + self._offset_s
        self._modulation.step(self._now_s, 60.0)
        return self.parameters.snapshot(self._now_s)


def draw(preset: Preset, presets: Presets) -> Picture:
    moments = Moments(preset.name, presets)
    dreamer = Dreamer(moments.snapshot(0.0).dream)
    *_, last = ShowDreamer(dreamer, moments).dreams(open_source(CLOUDS))
    return last.frame.rgb


def draw_readme() -> Picture:
    """The sky, and beside and below it what each network sees there."""
    *_, sky = open_source(CLOUDS)
    panels = [sky.rgb]
    for network in README:
        *_, dreamed = Dreamer(DreamSettings(network=network)).frames(open_source(CLOUDS))
        panels.append(dreamed.rgb)
    return np.vstack([np.hstack(panels[:2]), np.hstack(panels[2:])])


def write(path: Path, rgb: Picture, width: int, largest: int = LARGEST) -> None:
    """As a JPEG of at most `largest` bytes."""
    height = round(rgb.shape[0] * width / rgb.shape[1])
    small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    for quality in range(88, 30, -6):
        _, coded = cv2.imencode(
            ".jpg", np.ascontiguousarray(small[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality]
        )
        if coded.nbytes <= largest:
            break
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(coded.tobytes())
    print(f"{path.relative_to(ROOT)}: {coded.nbytes} bytes, quality {quality}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="presets, README (default: all)")
    names = parser.parse_args().names
    presets = Presets(folder=ROOT / "nowhere")
    for preset in presets:
        if not names or preset.name in names:
            rgb = draw(preset, presets)
            write(ROOT / "docs" / "presets" / f"{preset.name}.jpg", rgb, DOCS_PX)
            write(ROOT / "livedream" / "presets" / f"{preset.name}.jpg", rgb, PANEL_PX)
    if not names or "README" in names:
        write(ROOT / "docs" / "pictures" / "clouds.jpg", draw_readme(), 1280, 4 * LARGEST)


if __name__ == "__main__":
    main()
