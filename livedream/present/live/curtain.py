"""Black on the projectors between two shows: `python -m ...curtain SINK DISPLAY`.

A program of its own, as a show takes its windows with it, however it ends. It says a line once the
displays are black, and ends when its input is closed.
"""

import os
import sys
import threading
from typing import Final

import numpy as np

from livedream.core.errors import LivedreamError
from livedream.present.live.desktop import Desktop, start_video, stop_video
from livedream.present.live.hud_paint import import_pygame
from livedream.present.live.placement import Placement
from livedream.present.live.screen import Screen, window_options

_LOOK_S: Final = 0.05


def cover(sink: str, display: str, over: threading.Event) -> None:
    """Until `over` is set.  sink, display: of the show, see `window_options`; always fullscreen.

    Raises SinkError, SettingsError where there is nothing to be covered.
    """
    options = window_options(sink, fullscreen=True, display=display)
    start_video()
    there = Desktop(options.displays).there
    screens = [Screen(options, (16, 9), area, paced=False) for area in there]
    black = np.zeros((9, 16, 3), np.uint8)
    turns = 0
    while not over.wait(_LOOK_S):
        for screen in screens:  # again and again: where windows have no memory, others wipe it out
            screen.draw(black, Placement(), [])
            screen.present()
            screen.show_cursor(False)
        import_pygame().event.pump()
        turns += 1
        if turns == 3:  # what was asked of the system in the first has been done
            print("black", flush=True)
    stop_video()


def _main() -> int:
    over = threading.Event()

    def wait() -> None:
        while os.read(0, 1):  # not sys.stdin, which could not be closed under a thread
            pass
        over.set()

    threading.Thread(target=wait, daemon=True).start()
    try:
        sink, display = sys.argv[1:]
        cover(sink, display, over)
    except LivedreamError:  # no display, as with the show itself, which says so
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
