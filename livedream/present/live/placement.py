"""Where a picture lies in a window: fitted, mirrored, turned, pinned by its corners; per display.

Convention. A quad is (4, 2) float64: top left, top right, bottom right, bottom left, in px of the
window, or in fractions of it where the name says so; edges, not pixel centres.
"""

import dataclasses
import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.errors import SettingsError
from livedream.core.frame import Picture
from livedream.core.settings import refused
from livedream.core.user_folders import own_folder, write_whole

Quad = NDArray[np.float64]  # (4, 2)

_log = logging.getLogger(__name__)

FITS: Final = ("contain", "cover", "stretch")
CORNER_NAMES: Final = ("top left", "top right", "bottom right", "bottom left")
_GRIP: Final = 0.08  # of the window's height: how near a corner is taken
UNIT: Final[Quad] = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)


@dataclass(frozen=True, slots=True)
class Placement:
    """How the picture is to lie.

    fit: "contain" shows all of it, "cover" fills the window, "stretch" does both.
    turn: clockwise, 0, 90, 180 or 270 degrees.  mirror: left and right, before the turn.
    pin: the corners as fractions of the window, None where they are not pinned.
    gamma: above 1 lifts the shadows.  brightness: a factor.
    """

    fit: str = "contain"
    turn: int = 0
    mirror: bool = False
    gamma: float = 1.0
    brightness: float = 1.0
    pin: tuple[tuple[float, float], ...] | None = None

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise refused("fit", "one of " + ", ".join(FITS), repr(self.fit))
        if self.turn not in (0, 90, 180, 270):
            raise refused("turn", "0, 90, 180 or 270", self.turn)
        for name in ("gamma", "brightness"):
            if not 0.2 <= (found := getattr(self, name)) <= 5:
                raise refused(name, "0.2 to 5", f"{found:g}")
        if self.pin is not None and not convex(np.array(self.pin)):
            raise SettingsError(
                "pin: must be four corners in order around the picture; these cross"
            )


def convex(quad: Quad) -> bool:
    """Whether the corners go clockwise around an area (y points down), none folded inwards."""
    if quad.shape != (4, 2) or not np.isfinite(quad).all():
        return False
    edges = np.roll(quad, -1, axis=0) - quad
    following = np.roll(edges, -1, axis=0)
    turns = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
    return bool((turns > 1e-6).all())


def outline(placement: Placement, picture: tuple[int, int], window: tuple[int, int]) -> Quad:
    """The picture's corners as they are seen in the window, px.  picture, window: (w, h) px."""
    size = np.array(window, np.float64)
    if placement.pin is not None:
        return np.array(placement.pin) * size
    width, height = picture if placement.turn in (0, 180) else picture[::-1]
    scales = window[0] / width, window[1] / height
    if placement.fit == "stretch":
        shown = size
    else:
        scale = min(scales) if placement.fit == "contain" else max(scales)
        shown = np.round(np.array([width, height]) * scale)
    return UNIT * shown + np.floor((size - shown) / 2)


def corners(placement: Placement, picture: tuple[int, int], window: tuple[int, int]) -> Quad:
    """Where the picture's own corners go: `outline`, mirrored and turned."""
    quad = outline(placement, picture, window)
    quad = np.roll(quad, -(placement.turn // 90), axis=0)
    return quad[[1, 0, 3, 2]] if placement.mirror else quad


def homography(quad: Quad) -> NDArray[np.float64]:
    """(3, 3): the unit square onto the quad, with perspective."""
    matrix = cv2.getPerspectiveTransform(UNIT.astype(np.float32), quad.astype(np.float32))
    return cast(NDArray[np.float64], matrix)


def through(matrix: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (N, 2) through a homography."""
    flat = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return flat[:, :2] / flat[:, 2:]


def tone_table(placement: Placement) -> NDArray[np.uint8] | None:
    """(256,) codes to codes, None where nothing changes."""
    if placement.gamma == 1 and placement.brightness == 1:
        return None
    codes = np.clip(np.arange(256) / 255 * placement.brightness, 0, 1) ** (1 / placement.gamma)
    return cast(NDArray[np.uint8], np.round(codes * 255).astype(np.uint8))


def painted(rgb: Picture, quad: Quad, window: tuple[int, int]) -> Picture:
    """The picture laid onto black, its own corners at `quad`: (window h, window w, 3)."""
    width, height = window
    upright = (
        quad[0, 0] == quad[3, 0] < quad[1, 0] == quad[2, 0]
        and quad[0, 1] == quad[1, 1] < quad[3, 1] == quad[2, 1]
    )
    if not upright:
        pixels = np.array([rgb.shape[1], rgb.shape[0]])
        # Edges lie half a pixel outside the centres that OpenCV counts by.
        matrix = cv2.getPerspectiveTransform(
            (UNIT * pixels - 0.5).astype(np.float32), (quad - 0.5).astype(np.float32)
        )
        return cast(Picture, cv2.warpPerspective(rgb, matrix, window, flags=cv2.INTER_LINEAR))
    left, top, right, bottom = (round(float(v)) for v in (*quad[0], *quad[2]))
    smaller = right - left < rgb.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    scaled = cv2.resize(rgb, (right - left, bottom - top), interpolation=way)
    if (left, top, right, bottom) == (0, 0, width, height):
        return cast(Picture, scaled)
    out = np.zeros((height, width, 3), np.uint8)
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, right), min(height, bottom)
    out[y0:y1, x0:x1] = scaled[y0 - top : y1 - top, x0 - left : x1 - left]
    return out


class CornerPin:
    """The corners while they are being moved; `placement` has what came of it.

    chosen: index of the corner that the keys move, in the order of a quad.
    """

    def __init__(self, placement: Placement, picture: tuple[int, int]) -> None:
        self.placement = placement
        self.chosen = 0
        self._picture = picture
        self._dragged = False

    def quad(self, window: tuple[int, int]) -> Quad:
        return outline(self.placement, self._picture, window)

    def grab(self, x: float, y: float, window: tuple[int, int]) -> bool:
        """Grab the corner nearest to (x, y) px; False where none is near."""
        away = np.hypot(*(self.quad(window) - (x, y)).T)
        nearest = int(away.argmin())
        self._dragged = bool(away[nearest] <= _GRIP * window[1])
        if self._dragged:
            self.chosen = nearest
        return self._dragged

    def drag(self, x: float, y: float, window: tuple[int, int]) -> None:
        """Bring the grabbed corner to (x, y) px."""
        if self._dragged:
            self._move_to(x, y, window)

    def release(self) -> None:
        self._dragged = False

    def nudge(self, dx: float, dy: float, window: tuple[int, int]) -> None:
        """Move the chosen corner by (dx, dy) px."""
        x, y = self.quad(window)[self.chosen]
        self._move_to(x + dx, y + dy, window)

    def next(self) -> None:
        self.chosen = (self.chosen + 1) % 4

    def reset(self) -> None:
        self.placement = replace(self.placement, pin=None)

    def _move_to(self, x: float, y: float, window: tuple[int, int]) -> None:
        """Corners may leave the window by half of it; one that would fold it does nothing."""
        size = np.array(window, np.float64)
        fractions = self.quad(window) / size
        fractions[self.chosen] = np.clip(np.array([x, y]) / size, -0.5, 1.5)
        if convex(fractions):
            pin = tuple((float(u), float(v)) for u, v in fractions)
            self.placement = replace(self.placement, pin=pin)


class DisplayMemory:
    """What was set for each display: one file, `displays.json`, with a placement per display, and
    whether figures are shown when a window fills it."""

    def __init__(self, folder: Path | None = None) -> None:
        self.path = (folder or own_folder()) / "displays.json"

    def recall(self, display: str) -> Placement | None:
        """The display's placement; None where there is none, or none that makes sense."""
        found = self._of(display)
        known = {f.name for f in dataclasses.fields(Placement)}
        values = {k: v for k, v in found.items() if k in known}
        if not values:
            return None
        try:
            if values.get("pin") is not None:
                values["pin"] = tuple((float(x), float(y)) for x, y in values["pin"])
            return Placement(**values)
        except (SettingsError, TypeError, ValueError) as error:
            _log.warning("%s: the entry for %s is ignored (%s)", self.path, display, error)
            return None

    def hud(self, display: str) -> bool:
        """Whether figures lie over a picture that fills the display: not unless asked for."""
        return self._of(display).get("hud") is True

    def keep(self, display: str, placement: Placement | None = None, **more: bool) -> None:
        """Write it down; a folder that cannot be written is a warning, not the end of a show."""
        placed = {} if placement is None else dataclasses.asdict(placement)
        everything = {**self._read(), display: {**self._of(display), **placed, **more}}
        try:
            write_whole(self.path, json.dumps(everything, indent=2) + "\n")
        except SettingsError as error:
            _log.warning("%s", error)

    def _of(self, display: str) -> dict[str, Any]:
        found = self._read().get(display)
        return found if isinstance(found, dict) else {}

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            _log.warning("%s cannot be read: %s", self.path, error)
            return {}
        return found if isinstance(found, dict) else {}
