"""The outermost structure of MP4/MOV and Matroska files: enough to cut them into whole pieces.

A file being written here is a header followed by chunks. In MP4 and MOV the header is
everything before the first `moof`, a chunk is a `moof` and its `mdat` (ISO/IEC 14496-12). In
Matroska the header ends before the first Cluster of a Segment of unknown size (RFC 9559).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_CLUSTER = b"\x1f\x43\xb6\x75"


@dataclass(frozen=True, slots=True)
class Box:
    """One outermost box or element: its name, where it begins, where it ends (may pass the end
    of the file when that breaks off).  open_end: a Segment of unknown size."""

    name: bytes
    begin: int
    end: int
    open_end: bool = False


def whole_chunks(file: BinaryIO, size: int) -> tuple[int, int] | None:
    """How many whole chunks a growing file of `size` bytes has, and where the last one, or the
    header, ends; None when it is not of that kind."""
    parts = list(_parts(file, size))
    if not parts:
        return None
    if parts[0].name == _EBML:
        return _clusters(parts, size)
    return _moofs(parts, size)


def _moofs(parts: list[Box], size: int) -> tuple[int, int] | None:
    names = [p.name for p in parts]
    if b"moov" not in names or b"moof" not in names[names.index(b"moov") + 1 :][:1]:
        complete_header = names == [b"ftyp", b"moov"] and parts[-1].end <= size
        return (0, parts[-1].end) if complete_header else None
    first = names.index(b"moof")
    end, chunks = parts[first].begin, 0
    for moof, mdat in zip(parts[first::2], parts[first + 1 :: 2], strict=False):
        if (moof.name, mdat.name) != (b"moof", b"mdat") or mdat.end > size:
            break
        end, chunks = mdat.end, chunks + 1
    return chunks, end


def _clusters(parts: list[Box], size: int) -> tuple[int, int] | None:
    if not any(p.name == _SEGMENT and p.open_end for p in parts):
        return None
    header_end = max(p.end for p in parts if p.name != _CLUSTER)
    clusters = [p for p in parts if p.name == _CLUSTER and p.end <= size]
    return len(clusters), clusters[-1].end if clusters else min(header_end, size)


def _parts(file: BinaryIO, size: int) -> Iterator[Box]:
    file.seek(0)
    is_matroska = file.read(4) == _EBML
    position = 0
    while position + 8 <= size:
        file.seek(position)
        start = file.read(16)
        part = _element(start, position) if is_matroska else _box(start, position, size)
        if part is None or part.end <= position:
            return
        yield part
        position = part.end


def _box(start: bytes, position: int, size: int) -> Box | None:
    length, name = int.from_bytes(start[:4], "big"), start[4:8]
    if length == 1 and len(start) == 16:
        length = int.from_bytes(start[8:16], "big")
    elif length == 0:
        length = size - position
    return Box(name, position, position + length)


def _element(start: bytes, position: int) -> Box | None:
    """An EBML element; of the Segment only its own head, so that its children come next."""
    id_length = _vint_length(start[0])
    size_length = _vint_length(start[id_length]) if id_length <= 4 else 9
    if size_length > 8 or id_length + size_length > len(start):
        return None
    name = start[:id_length]
    head = id_length + size_length
    mask = (1 << (7 * size_length)) - 1
    length = int.from_bytes(start[id_length:head], "big") & mask
    if name == _SEGMENT:
        return Box(name, position, position + head, open_end=length == mask)
    return Box(name, position, position + head + length)


def _vint_length(first_byte: int) -> int:
    return 9 - first_byte.bit_length() if first_byte else 9
