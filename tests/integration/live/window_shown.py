"""Shows one colour in windows as an address says (argv: folder, address); says when it is there."""

import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from livedream.control.live_parameters import LiveParameters
from livedream.core.health import StatusBoard
from livedream.core.latest_slot import LatestSlot
from livedream.core.settings import DreamSettings
from livedream.present.live import LiveFrame
from livedream.present.live.screen import window_options
from livedream.present.live.window import Window

options = replace(window_options(sys.argv[2]), settings_folder=Path(sys.argv[1]))
slot: LatestSlot[LiveFrame] = LatestSlot()
window = Window(options, LiveParameters(DreamSettings()), StatusBoard())
rgb = np.full((90, 160, 3), (200, 60, 30), np.uint8)
stop = threading.Event()


def feed() -> None:
    told = False
    for index in range(3000):  # two minutes: whoever looks ends it before
        slot.put(LiveFrame(rgb, time.monotonic(), index))
        time.sleep(0.04)
        if not told and window.health().frames >= 10:
            told = True
            print("shown", flush=True)
    stop.set()


threading.Thread(target=feed, daemon=True).start()
window.run(slot, stop)
