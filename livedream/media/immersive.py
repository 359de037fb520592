"""Video all around (360 degrees) and for two eyes: how players know, from file to file.

FFmpeg hands both with the first frame, whatever container they came from. In MP4 they are boxes of
the sample entry, `st3d` and `sv3d` (Google's Spherical Video V2 RFC); Matroska has elements for
them. PyAV cannot put them into a stream, so the stream is copied from one that has them: a header
in memory with these boxes.
"""

import io
import mmap
import struct
from pathlib import Path
from typing import Any, Final

import av
from av.container.input import InputContainer

KEEPERS: Final = ("mp4", "matroska", "webm")  # muxers that write both

_AROUND: Final = {0: "equirectangular", 1: "cube map", 2: "equirectangular", 3: "half a sphere"}
_EYES: Final = {1: "side by side", 2: "top and bottom"}
_PATH: Final = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_EQUIRECTANGULAR, _CUBE_MAP = 0, 1
_HEADER_ONLY: Final = {"movflags": "frag_custom+empty_moov"}
_ENTRY: Final = 16  # from the begin of `stsd` to its first entry


def boxes_of(frame: av.VideoFrame) -> tuple[bytes, tuple[str, ...]]:
    """The boxes for what a decoded frame says, empty for ordinary video, and a note on each."""
    boxes, notes = b"", []
    found: Any
    for found in frame.side_data:
        known = bytes(found)
        if found.type.name == "STEREO3D":
            layout, flags = struct.unpack_from("=ii", known)
            if layout in _EYES:
                # 1: left eye on top, 2: left eye on the left, 4: left eye on the right.
                boxes += _full(b"st3d", bytes([1 if layout == 2 else 4 if flags & 1 else 2]))
                notes.append(f"stereo video ({_EYES[layout]}): dreamed across both eyes")
        elif found.type.name == "SPHERICAL":
            projection, *turned = struct.unpack_from("=iiii", known)
            if projection in _AROUND:
                boxes += _sv3d(projection, turned, struct.unpack_from("=5I", known, 16))
                notes.append(f"360-degree video ({_AROUND[projection]}): dreamed as a flat picture")
    return boxes, tuple(notes)


def _sv3d(projection: int, turned: list[int], bounds: tuple[int, ...]) -> bytes:
    """turned: yaw, pitch, roll, 16.16 fixed-point degrees.  bounds: left, top, right, bottom as
    0.32 fractions, then a cube map's padding."""
    if projection == _CUBE_MAP:
        layout = _full(b"cbmp", struct.pack(">II", 0, bounds[4]))
    else:
        left, top, right, bottom = bounds[:4]
        if projection != _EQUIRECTANGULAR and not any(bounds):  # half: a quarter off each side
            left = right = 1 << 30
        layout = _full(b"equi", struct.pack(">IIII", top, bottom, left, right))
    pose = _full(b"prhd", struct.pack(">iii", *turned))
    return _box(b"sv3d", _full(b"svhd", b"\0") + _box(b"proj", pose + layout))


def tagged(stream: Any, boxes: bytes) -> InputContainer | None:
    """A file of one stream that is like `stream` and has the boxes; None where MP4 cannot hold it.

    The caller closes it.
    """
    name = "mov" if stream.codec_context.name == "prores" else "mp4"
    sink = io.BytesIO()
    try:
        with av.open(sink, "w", format=name, container_options=_HEADER_ONLY) as out:
            out.add_stream_from_template(stream, opaque=True)
            out.start_encoding()
            header = sink.getvalue()
        return av.open(io.BytesIO(_inserted(header, boxes)), "r")
    except (av.FFmpegError, ValueError):
        return None


def _inserted(header: bytes, boxes: bytes) -> bytes:
    """A header with the boxes at the end of its first sample entry."""
    position, grown = 0, []
    for name in _PATH:
        while header[position + 4 : position + 8] != name:
            size = int.from_bytes(header[position : position + 4], "big")
            if size < 8:
                raise ValueError(f"{name.decode()} is missing")
            position += size
        grown.append(position)
        position += 8
    entry = grown[-1] + _ENTRY
    end = entry + int.from_bytes(header[entry : entry + 4], "big")
    data = bytearray(header[:end] + boxes + header[end:])
    for begin in (*grown, entry):
        size = int.from_bytes(data[begin : begin + 4], "big") + len(boxes)
        data[begin : begin + 4] = struct.pack(">I", size)
    return bytes(data)


def leave_only_google(path: Path) -> None:
    """Blank the box for the same that FFmpeg 8 adds to MP4, Apple's `vexu`.

    It loses how the eyes are packed and where the picture looks, and readers believe it first.
    """
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        begin = data.find(b"stsd")
        found = data.find(b"vexu", begin, begin + 4096) if begin >= 0 else -1
        if found >= 0:
            data[found : found + 4] = b"free"


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def _full(name: bytes, content: bytes) -> bytes:
    return _box(name, bytes(4) + content)
