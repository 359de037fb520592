"""Picture files: PNG, JPEG, WebP and TIFF, whole or not there at all.

PNG and JPEG have a place for a comment, and the settings that made the picture go there; WebP and
TIFF as OpenCV writes them have none.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2

from livedream.core.errors import SinkError, SourceError
from livedream.core.frame import Picture
from livedream.present.destination import cannot, check_destination

__all__ = ["DEFAULT_QUALITY", "SUFFIXES", "check_picture", "read_settings", "write_picture"]

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
DEFAULT_QUALITY: Final = 92.0  # heuristic: no blocks to be seen in a dream's fine lines

_PNG_HEAD: Final = b"\x89PNG\r\n\x1a\n"
_PNG_FIRST_CHUNK: Final = len(_PNG_HEAD) + 4 + 4 + 13 + 4  # IHDR with length, name and CRC
_KEYWORD: Final = b"Comment\0"  # one of the PNG specification's own (11.3.4.2)
_JPEG_HEAD: Final = b"\xff\xd8"
_JPEG_COMMENT: Final = 0xFE
_JPEG_SCAN: Final = 0xDA  # what follows is the picture
_MOST_BYTES: Final = 65533  # a JPEG segment's
_MARKER: Final = b"livedream settings: "  # as in videos


def check_picture(path: Path, *, source: Path | None = None, overwrite: bool = False) -> None:
    """Raise SinkError when no picture can or must be made at `path`, before any work is done."""
    if path.suffix.lower() not in SUFFIXES:
        found = path.suffix or "no suffix"
        raise SinkError(f"{path}: {found} found, a picture's wanted: {', '.join(SUFFIXES)}")
    check_destination(path, source=source, overwrite=overwrite)


def write_picture(
    path: Path,
    rgb: Picture,
    *,
    settings: str = "",
    quality: float = DEFAULT_QUALITY,
    overwrite: bool = True,
) -> None:
    """Write (H, W, 3) uint8 RGB; a file that was there stays until the new one is whole.

    settings: what it was made with, as JSON; kept by PNG and JPEG.  quality: of JPEG and WebP, 0 to
    100.
    Raises SinkError when it cannot be written.
    """
    check_picture(path, overwrite=overwrite)
    content = _encoded(path, rgb, quality)
    if settings:
        content = _commented(content, _MARKER + settings.encode("ascii", "backslashreplace"))
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise cannot(path, error) from error


def _encoded(path: Path, rgb: Picture, quality: float) -> bytes:
    level = round(min(100.0, max(0.0, quality)))
    suffix = path.suffix.lower()
    options = {
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, level],
        ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, level],
        ".webp": [cv2.IMWRITE_WEBP_QUALITY, max(1, level)],
    }.get(suffix, [])
    try:
        # Through memory: OpenCV itself cannot open every path on Windows.
        written, encoded = cv2.imencode(suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    except cv2.error:
        written = False
    if not written:
        height, width = rgb.shape[:2]
        raise SinkError(f"{path}: {width}x{height} does not fit into a {suffix}; take a .png")
    return encoded.tobytes()


def _commented(content: bytes, comment: bytes) -> bytes:
    if content.startswith(_PNG_HEAD):
        body = b"tEXt" + _KEYWORD + comment
        chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        return content[:_PNG_FIRST_CHUNK] + chunk + content[_PNG_FIRST_CHUNK:]
    if content.startswith(_JPEG_HEAD) and len(comment) <= _MOST_BYTES:
        segment = bytes((0xFF, _JPEG_COMMENT)) + struct.pack(">H", len(comment) + 2) + comment
        # Behind the JFIF segment, which has to come first.
        place = 2
        if content[2:4] == b"\xff\xe0":
            place = 4 + struct.unpack(">H", content[4:6])[0]
        return content[:place] + segment + content[place:]
    return content


def read_settings(path: Path) -> str | None:
    """The settings that a PNG or JPEG file was made with; None where it tells none.

    Raises SourceError when it cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror or error})") from error
    comments = _png_comments(content) if content.startswith(_PNG_HEAD) else _jpeg_comments(content)
    found = (c.removeprefix(_MARKER) for c in comments if c.startswith(_MARKER))
    return next((text.decode("ascii", "replace") for text in found), None)


def _png_comments(content: bytes) -> Iterator[bytes]:
    at = len(_PNG_HEAD)
    while at + 8 <= len(content):
        (size,) = struct.unpack(">I", content[at : at + 4])
        body = content[at + 8 : at + 8 + size]
        if content[at + 4 : at + 8] == b"tEXt" and body.startswith(_KEYWORD):
            yield body.removeprefix(_KEYWORD)
        at += 12 + size


def _jpeg_comments(content: bytes) -> Iterator[bytes]:
    at = len(_JPEG_HEAD) if content.startswith(_JPEG_HEAD) else len(content)
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != _JPEG_SCAN:
        (size,) = struct.unpack(">H", content[at + 2 : at + 4])
        if content[at + 1] == _JPEG_COMMENT:
            yield content[at + 4 : at + 2 + size]
        at += 2 + size
