"""The screen, or a part of it, as a source."""

import re
import time
from fractions import Fraction
from typing import Any, Final

import cv2
import numpy as np

from livedream.capture.live import Opened
from livedream.core.errors import SourceError
from livedream.core.frame import Picture

_RATE: Final = 30  # frames per second asked of the screen, where none is given
_PATTERN = re.compile(r"screen(?::(\d+))?(?:[:,](\d+)x(\d+)(?:\+(\d+)\+(\d+))?)?")


def is_screen(text: str) -> bool:
    return text == "screen" or text.startswith(("screen:", "screen,"))


class ScreenInput:
    """`screen` (the first display), `screen:2`, `screen:1:640x360+100+50` (a region, px)."""

    def __init__(self, text: str, fps: float | None = None) -> None:
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise SourceError(
                f"source: must be screen, screen:2 or screen:1:640x360+0+0 (got {text!r})"
            )
        self.name = text
        self._number = int(match[1] or 1)
        self._region = None if match[2] is None else tuple(int(match[i] or 0) for i in range(2, 6))
        self._period_s = 1.0 / (fps or _RATE)
        self._shot: Any = None
        self._area: dict[str, int] = {}
        self._due_s = 0.0

    def open(self) -> Opened:
        self.close()
        try:
            self._shot = open_mss()
            displays = self._shot.monitors
        except Exception as error:  # each system has its own
            raise SourceError(
                f"no screen can be read here ({error}): is there a display?"
            ) from error
        if not 1 <= self._number < len(displays):
            raise SourceError(f"display: must be 1 to {len(displays) - 1} (got {self._number})")
        area = {key: int(displays[self._number][key]) for key in ("left", "top", "width", "height")}
        if self._region is not None:
            width, height, x, y = self._region
            if x + width > area["width"] or y + height > area["height"] or not width or not height:
                raise SourceError(
                    f"region: must be inside {area['width']}x{area['height']} "
                    f"(got {width}x{height}+{x}+{y})"
                )
            area = {"left": area["left"] + x, "top": area["top"] + y, "width": width,
                    "height": height}  # fmt: skip
        self._area = area
        self._due_s = time.monotonic()
        return Opened(
            area["width"], area["height"], Fraction(1 / self._period_s).limit_denominator(1001),
            f"display {self._number}, {area['width']}x{area['height']}",
        )  # fmt: skip

    def read(self) -> Picture | None:
        now_s = time.monotonic()
        self._due_s = max(self._due_s + self._period_s, now_s)
        time.sleep(self._due_s - now_s)
        try:
            shot = self._shot.grab(self._area)
        except Exception as error:
            raise SourceError(f"{self.name}: the screen cannot be read ({error})") from error
        bgra = np.frombuffer(shot.raw, np.uint8).reshape(shot.height, shot.width, 4)
        return np.asarray(cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGB), np.uint8)

    def close(self) -> None:
        shot, self._shot = self._shot, None
        if shot is not None:
            shot.close()


def open_mss() -> Any:
    """What reads the screens, by its name in this version of mss."""
    import mss

    return mss.MSS() if hasattr(mss, "MSS") else mss.mss()
