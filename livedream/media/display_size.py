"""The display size in a file's header, by which players know the shape of its pixels.

libavformat's muxers take it from a field that PyAV cannot set. So what they left out is written
over their header, in place: nothing else in the file moves. In MP4 it is the width in the track
header (ISO/IEC 14496-12, 8.3.2; a `pasp` box stands in both MP4 and MOV already). In the others the
track is muxed with a placeholder for a name, whose bytes become DisplayWidth and DisplayHeight in
Matroska and WebM (RFC 9559, 5.1.4.1.28), and a `vprp` chunk in AVI (OpenDML 1.02, 5.0).
"""

import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

_PLACEHOLDER = "~ livedream keeps the display size here ~"
_VPRP = struct.Struct("<5I2H11I")
_SEGMENT, _TRACKS, _ENTRY = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae"
_NAME, _VIDEO, _VOID, _CRC = b"\x53\x6e", b"\xe0", b"\xec", b"\xbf"
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = b"\x54\xb0", b"\x54\xba", b"\x54\xb2"
_HEAD = 1 << 22  # bytes; the tracks stand in front of everything that is large


def with_room(title: str, container: str, aspect: Fraction) -> str:
    """The title to mux a video track with, so that `put_display_size` finds its place."""
    if aspect != 1 and container == "avi":
        return _PLACEHOLDER.ljust(_VPRP.size - 1)  # and a zero behind it
    wanted = aspect != 1 and container in ("matroska", "webm")
    return title + _PLACEHOLDER if wanted else title


def display_size(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """The size in square pixels, exact wherever one of the sides can stay as it is."""
    if (width * aspect).denominator == 1 or (height / aspect).denominator != 1:
        return round(width * aspect), height
    return width, round(height / aspect)


def put_display_size(
    file: BinaryIO, container: str, width: int, height: int, aspect: Fraction
) -> None:
    """Write the shape of the first track's pixels into a file that one of FFmpeg's muxers made.

    width, height: of its pictures.  aspect: their sample aspect ratio; 1 leaves the file as it is.
    """
    if aspect == 1:
        return
    file.seek(0)
    head = file.read(_HEAD)
    if container in ("matroska", "webm"):
        begin, content = _with_tracks(head, display_size(width, height, aspect))
    elif container == "avi":
        begin = head.index(b"strn")
        content = b"vprp" + _VPRP.size.to_bytes(4, "little") + _vprp(width, height, aspect)
    elif container == "mp4":
        begin = head.index(b"tkhd") + 4
        begin += 88 if head[begin] else 76  # version 1 has longer times
        content = struct.pack(">I", round(width * aspect * 65536))
    else:
        return
    file.seek(begin)
    file.write(content)


def _vprp(width: int, height: int, aspect: Fraction) -> bytes:
    """Of one field: the whole frame.  The rate and the standard may stay unknown."""
    shown = (width * aspect / height).limit_denominator(1000)
    frame, field = (width, height), (height, width, height, width, 0, 0, 0, 0)
    return _VPRP.pack(0, 0, 0, *frame, shown.denominator, shown.numerator, *frame, 1, *field)


def _with_tracks(head: bytes, size: tuple[int, int]) -> tuple[int, bytes]:
    """Where the content of the Tracks element begins, and that content with the size in it."""
    begin, end = next((a, b) for name, a, b, _ in _elements(head) if name == _TRACKS)
    return begin, _tracks(head[begin:end], size)


def _tracks(content: bytes, size: tuple[int, int]) -> bytes:
    parts = [
        (name, _entry(part, size) if name == _ENTRY else part, width)
        for name, part, width in _parts(content)
    ]
    if parts[0][0] == _CRC:
        rest = b"".join(_encoded(*part) for part in parts[1:])
        parts[0] = (_CRC, zlib.crc32(rest).to_bytes(4, "little"), 1)
    return b"".join(_encoded(*part) for part in parts)


def _entry(content: bytes, size: tuple[int, int]) -> bytes:
    """A track's content with the display size in it, as long as before."""
    made = b""
    for name, part, width in _parts(content):
        if name == _NAME:
            if not part.endswith(_PLACEHOLDER.encode()):
                return content
            kept = part.removesuffix(_PLACEHOLDER.encode())
            made += _encoded(name, kept, width) if kept else b""
        elif name == _VIDEO:
            video = {key: value for key, value, _ in _parts(part) if key != _DISPLAY_UNIT}
            video |= zip((_DISPLAY_WIDTH, _DISPLAY_HEIGHT), map(_number, size), strict=True)
            made += _encoded(name, b"".join(map(_encoded, video, video.values())), width)
        else:
            made += _encoded(name, part, width)
    if _NAME not in (name for name, _, _ in _parts(content)):
        return content
    spare = len(content) - len(made) - len(_VOID) - 8  # a size field of 8 bytes fits any
    return made + _encoded(_VOID, bytes(spare), 8)


def _number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def _encoded(identity: bytes, content: bytes, width: int = 1) -> bytes:
    """An element whose size takes `width` bytes, or as many as it needs."""
    while len(content) >= (1 << 7 * width) - 1:
        width += 1
    return identity + (len(content) | 1 << 7 * width).to_bytes(width, "big") + content


def _parts(content: bytes) -> list[tuple[bytes, bytes, int]]:
    """ID, content and width of the size field of each element."""
    return [(name, content[a:b], width) for name, a, b, width in _elements(content)]


def _elements(data: bytes) -> Iterator[tuple[bytes, int, int, int]]:
    """ID, begin and end of the content, and width of the size; a Segment's children follow it."""
    at = 0
    while at + 2 <= len(data):
        head = at + _vint(data[at])
        if head >= len(data):
            return
        content = head + (width := _vint(data[head]))
        size = int.from_bytes(data[head:content], "big") & (1 << 7 * width) - 1
        name = data[at:head]
        at = content if name == _SEGMENT else content + size
        yield name, content, content + size, width


def _vint(first: int) -> int:
    return 9 - first.bit_length() if first else 9
