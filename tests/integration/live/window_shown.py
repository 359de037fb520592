"""Shows one colour in a pinned fullscreen window with figures; says when it is there."""

import sys
import threading
import time
from pathlib import Path

import numpy as np

from livedream.control.live_parameters import LiveParameters
from livedream.core.health import StatusBoard
from livedream.core.latest_slot import LatestSlot
from livedream.core.settings import DreamSettings
from livedream.present.live import LiveFrame
from livedream.present.live.placement import Placement
from livedream.present.live.screen import WindowOptions
from livedream.present.live.window import Window

pin = ((0.02, 0.02), (0.95, 0.15), (0.95, 0.95), (0.1, 0.95))
options = WindowOptions(
    fullscreen=True,
    placement=Placement(pin=pin),
    renderer=sys.argv[2],
    hud=True,
    settings_folder=Path(sys.argv[1]),
)
slot: LatestSlot[LiveFrame] = LatestSlot()
window = Window(options, LiveParameters(DreamSettings()), StatusBoard())
rgb = np.full((90, 160, 3), (200, 60, 30), np.uint8)


def feed() -> None:
    for index in range(400):
        slot.put(LiveFrame(rgb, time.monotonic(), index))
        time.sleep(0.04)
        if window.health().frames == 10:
            print("shown", flush=True)


threading.Thread(target=feed, daemon=True).start()
window.run(slot, threading.Event())
