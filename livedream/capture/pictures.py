"""Still pictures, and folders or numbered series of them, as sources.

A series has no clock: its frames are `fps` apart. Pictures of another size than the first one are
scaled to it, files that are no pictures are passed over; both are counted in `notes`.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from livedream.core.closing import Closeable
from livedream.core.errors import SourceError
from livedream.core.frame import ColourTags, Frame, Picture, SourceInfo
from livedream.core.shrink import fitted
from livedream.media.timing import TimeRange

DEFAULT_FPS = Fraction(25)
SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".webp", ".tif", ".tiff", ".bmp", ".jp2", ".ppm")

_SRGB = ColourTags(1, 1, 1, False)  # what pictures become when they are written as video
_PNG_COLOUR_TYPE = 25  # where a PNG keeps it; 4 and 6 have transparency (PNG specification, 11.2.1)
NUMBER = re.compile(r"%0?(\d*)d")


def read_picture(path: str | Path) -> Picture:
    """A picture file as (H, W, 3) uint8 RGB.

    Turned as its EXIF orientation says; 16 bits become 8, grey becomes RGB, transparency goes.
    Raises SourceError when there is no such file or it is no picture.
    """
    path = Path(path)
    try:
        # Through memory: OpenCV itself cannot open every path on Windows.
        encoded = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror or error})") from error
    try:
        bgr = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
    except cv2.error:
        bgr = None
    if bgr is None:
        raise SourceError(f"{path} is not a readable picture: use {', '.join(SUFFIXES)}")
    return cast(Picture, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def is_picture(path: Path) -> bool:
    """Whether the suffix is one of a still picture."""
    return path.suffix.lower() in SUFFIXES


def is_series(path: Path) -> bool:
    """Whether the path is a folder, or a pattern such as frames/%05d.png."""
    return path.is_dir() or (NUMBER.search(path.name) is not None and not path.exists())


class PictureSource(Closeable):
    """The frames that picture files make, one after the other.

    paths: the files, in order; one of them is a still picture.  fps: frames per second.
    """

    def __init__(
        self,
        paths: list[Path],
        part: TimeRange | None = None,
        *,
        fps: Fraction | None = None,
        name: str | None = None,
    ) -> None:
        part = part or TimeRange()
        rate = DEFAULT_FPS if fps is None else fps
        if rate <= 0:
            raise SourceError(f"{rate} frames per second: must be greater than 0")
        first, last = part.ticks(1 / rate)
        self._paths = paths[first:last]
        if not self._paths:
            raise SourceError(f"{name or paths[0]} has no picture in {part}: choose another range")
        self._skip = part.skip
        self._passed_over = 0
        self._scaled = 0
        shown = read_picture(self._paths[0])
        self._info = SourceInfo(
            name=name or self._paths[0].name,
            width=shown.shape[1],
            height=shown.shape[0],
            rate=rate,
            time_base=1 / rate,
            frames=len(self._paths),
            colour=_SRGB,
            start_s=part.start_s,
            end_s=part.end_s,
            notes=("transparency is dropped",) if _is_transparent(self._paths[0]) else (),
        )

    @property
    def info(self) -> SourceInfo:
        """What the pictures are; its notes grow while they are read."""
        lines = list(self._info.notes)
        if self._passed_over:
            lines.append(f"{self._passed_over} files are not pictures and were skipped")
        if self._scaled:
            lines.append(f"{self._scaled} pictures were scaled to the size of the first one")
        return replace(self._info, notes=tuple(lines))

    def __iter__(self) -> Iterator[Frame]:
        for index, path in enumerate(self._paths):
            if index < self._skip:
                continue
            try:
                rgb = read_picture(path)
            except SourceError:
                self._passed_over += 1
                continue
            shown = fitted(rgb, self._info.width, self._info.height)
            self._scaled += shown is not rgb
            yield Frame(shown, index, self._info.time_base, index, 1)

    def close(self) -> None:
        """Nothing is held open."""


def open_pictures(path: Path, part: TimeRange, fps: Fraction | None = None) -> PictureSource:
    """The source for a still picture, a folder of pictures or a pattern of numbered ones."""
    if not is_series(path):
        return PictureSource([path], part, fps=fps)
    paths = (
        in_folder(path) if path.is_dir() else [file for _, file in sorted(numbered(path).items())]
    )
    if not paths:
        raise SourceError(f"no file matches {path}: check the folder and the number of digits")
    return PictureSource(paths, part, fps=fps, name=path.name)


def in_folder(folder: Path) -> list[Path]:
    """The pictures in a folder in natural order: 9 before 10."""
    found = [p for p in folder.iterdir() if is_picture(p) and not p.name.startswith(".")]
    if not found:
        raise SourceError(f"{folder} contains no pictures: use {', '.join(SUFFIXES)}")
    return sorted(found, key=_natural)


def numbered(pattern: Path, digits: int | None = None) -> dict[int, Path]:
    """The files that a pattern such as frames/%05d.png matches, by their number.

    digits: at least so many; None: as many as the pattern says.
    """
    before, least, after = NUMBER.split(pattern.name, maxsplit=1)
    least = digits or int(least or 1)
    name = re.compile(rf"{re.escape(before)}(\d{{{least},}}){re.escape(after)}")
    listed = pattern.parent.iterdir() if pattern.parent.is_dir() else ()
    return {int(m.group(1)): path for path in listed if (m := name.fullmatch(path.name))}


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _is_transparent(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_PNG_COLOUR_TYPE + 1)
    return head.startswith(b"\x89PNG") and len(head) > _PNG_COLOUR_TYPE and head[-1] in (4, 6)
