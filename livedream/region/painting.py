"""A mask painted by hand: strokes of a round brush, what is undone of them and what is kept.

What is done to it is one of

    {"paint": [[X, Y], ...], "brush": B, "erase": false, "begins": true}    a part of a stroke
    {"painting": "undo"}    {"painting": "clear"}

X, Y: parts of the picture's sides.  B: the brush's diameter, a part of the picture's height.
A stroke comes in parts while it is painted; each begins where the one before has ended, and
`begins` is for the first. The same from panel, show log and program.
"""

import logging
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.errors import SettingsError, SourceError, reason
from livedream.core.parameters import as_number
from livedream.core.snapshot import Mask
from livedream.core.user_folders import checked_name, own_folder, write_whole
from livedream.region.films import masked

_log = logging.getLogger(__name__)

LEAST_BRUSH: Final = 0.02
LARGEST_BRUSH: Final = 1.0
_LINES: Final = 270  # of the canvas: about a dream's size
_WIDEST: Final = 4.0  # times its height
_MOST_POINTS: Final = 32  # in one part: a page sends some five for each picture of its display
_MOST_UNDONE: Final = 32  # strokes that are remembered; each is a canvas, 130 kB
_BITS: Final = 4  # places between pixels, for OpenCV
_DIGITS: Final = 4  # of coordinates that are written down


def kept_file(name: str = "painted") -> Path:
    """Where a painting is kept; by its usual name the one that comes back at the next start.

    Raises SettingsError for what is no name.
    """
    return own_folder() / "masks" / f"{checked_name(name)}.png"


def kept_files() -> list[Path]:
    """All that are kept."""
    return sorted(kept_file().parent.glob("*.png"))


class Painting:
    """Thread-safe.  The canvas has the shape of the picture that it is painted on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.begin(16, 9)
        self._begun = False

    def begin(self, width: int, height: int, mask: NDArray[np.uint8] | None = None) -> None:
        """Another canvas, for a picture of this size.  mask: (h, w) of any size, to begin with."""
        across = round(_LINES * min(_WIDEST, max(1 / _WIDEST, width / height)))
        canvas = np.zeros((_LINES, across), np.uint8)
        if mask is not None:
            canvas = np.asarray(cv2.resize(mask, (across, _LINES), interpolation=cv2.INTER_AREA))
        with self._lock:
            self._canvas = canvas
            self._before: deque[NDArray[np.uint8]] = deque(maxlen=_MOST_UNDONE)
            self._painted: Mask | None = None
            self._begun = True

    @property
    def painted(self) -> Mask | None:
        """What is painted now; the same object until that has changed.

        None where nobody can paint, as in files: neither was anything painted nor did it `begin`.
        """
        with self._lock:
            if self._painted is None and self._begun:
                self._painted = Mask(masked(self._canvas))
            return self._painted

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the canvas, px."""
        return self._canvas.shape[1], self._canvas.shape[0]

    def do(self, what: Mapping[str, Any]) -> dict[str, Any]:
        """Paint, undo or clear, as the module says; returns what was done, to do it again.

        Raises SettingsError for what makes no sense; nothing is changed then.
        """
        if "paint" not in what:
            return {"painting": self._change(what.get("painting"))}
        points = _points(what["paint"])
        brush = _within(what.get("brush"), LEAST_BRUSH, LARGEST_BRUSH, "brush")
        erase, begins = what.get("erase", False), what.get("begins", False)
        if not (isinstance(erase, bool) and isinstance(begins, bool)):
            raise SettingsError("paint: erase and begins must be true or false")
        with self._lock:
            height, width = self._canvas.shape
            # The middles of pixels lie at whole numbers; a single point is a line of no length.
            places = np.array([points[0], *points]) * (width, height) - 0.5
            if begins:
                self._before.append(self._canvas.copy())
            cv2.polylines(
                self._canvas, [np.round(places * 2**_BITS).astype(np.int32)], False,
                0 if erase else 255, max(1, round(brush * height)), cv2.LINE_AA, _BITS,
            )  # fmt: skip
            self._painted, self._begun = None, True
        return {"paint": points, "brush": brush, "erase": erase, "begins": begins}

    def _change(self, how: object) -> str:
        with self._lock:
            if how == "undo":
                self._canvas = self._before.pop() if self._before else self._canvas
            elif how == "clear":
                self._before.append(self._canvas)
                self._canvas = np.zeros_like(self._canvas)
            else:
                raise SettingsError(f"painting: must be undo or clear (got {str(how)[:40]!r})")
            self._painted, self._begun = None, True
        return str(how)

    def png(self) -> bytes:
        """The canvas as a picture; a few kB, whatever is painted."""
        with self._lock:
            return cv2.imencode(".png", self._canvas)[1].tobytes()

    def keep(self, name: str) -> Path:
        """Write it into the user's folder. Raises SettingsError where that cannot be."""
        path = kept_file(name)
        write_whole(path, self.png())
        return path


class PaintingFile:
    """A file in which a show leaves what is painted, kept or not, for the next show.  Thread-safe.

    painting: as the show begins with it.  path: None where nothing is to be left.
    """

    def __init__(self, painting: Painting, path: Path | None) -> None:
        self._painting, self._path = painting, path
        self._written = painting.painted
        self._fault = ""
        self._lock = threading.Lock()

    def write(self) -> None:
        """Where something was painted since."""
        with self._lock:
            painted = self._painting.painted
            if self._path is None or painted is self._written:
                return
            try:
                write_whole(self._path, self._painting.png())
            except SettingsError as error:  # the show goes on, and the next call tries again
                if self._fault != (fault := str(error)):
                    _log.warning("what is painted is not saved: %s", error)
                self._fault = fault
            else:
                self._written, self._fault = painted, ""


def kept_painting(left: Path | None = None) -> NDArray[np.uint8] | None:
    """What comes back at a start, None where nothing is kept that can be read.

    left: a `PaintingFile`'s path.  Of this and what was kept, what was written last comes back.
    """
    files = [kept_file()] if left is None else [kept_file(), left]
    for file in sorted(files, key=_written_ns, reverse=True):
        try:
            return decoded(file.read_bytes())
        except OSError as error:  # SourceError is one
            if file.exists():
                _log.warning("%s: %s; it does not come back", file, reason(error))
    return None


def _written_ns(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:  # there is none
        return 0


def decoded(png: bytes) -> NDArray[np.uint8]:
    """(h, w) of what `Painting.png` gave, or of another picture.  Raises SourceError."""
    found = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE) if png else None
    if found is None:
        raise SourceError("painted: this is no picture")
    return np.asarray(found, np.uint8)


def _points(given: object) -> list[list[float]]:
    if not isinstance(given, list) or not 1 <= len(given) <= _MOST_POINTS:
        raise SettingsError(f"paint: must be 1 to {_MOST_POINTS} points [x, y]")
    for point in given:
        if not isinstance(point, list) or len(point) != 2:
            raise SettingsError(f"paint: a point is [x, y] (got {str(point)[:40]})")
    return [[round(_within(one, 0.0, 1.0, "x and y"), _DIGITS) for one in point] for point in given]


def _within(value: object, low: float, high: float, name: str) -> float:
    found = as_number(value, f"paint: {name}")
    if not low <= found <= high:
        raise SettingsError(f"paint: {name} must be {low:g} to {high:g} (got {found:g})")
    return found
