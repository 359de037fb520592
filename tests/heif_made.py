"""HEIF and AVIF pictures as phones write them: a grid of tiles, turned and mirrored by properties.

Box by box after ISO/IEC 23008-12; the tiles are coded by FFmpeg's encoders.
"""

import io
import os
import struct
from pathlib import Path
from typing import Any

import av

from livedream.core.frame import Picture
from livedream.present.encoders import leave_real_time

_CODED = {
    "avif": ("libsvtav1", "av01", b"av1C", {"crf": "10", "preset": "8"}),
    "heic": ("libx265", "hvc1", b"hvcC", {"crf": "8", "x265-params": "log-level=none:bframes=0"}),
}


def write_grid(
    path: Path,
    rgb: Picture,
    *,
    columns: int = 2,
    rows: int = 1,
    turns: int = 0,
    mirror: int | None = None,
    transfer: int | None = None,
) -> Path:
    """A picture in columns x rows tiles; one tile is no grid.

    The suffix of path chooses the codec.  turns: quarter turns anticlockwise (irot).
    mirror: 0 swaps top and bottom, 1 left and right (imir), after turning.
    transfer: H.273's, in BT.2020 (colr).
    """
    kind = path.suffix.removeprefix(".").lower()
    _, item_type, configuration, _ = _CODED[kind]
    height, width = rgb.shape[0] // rows, rgb.shape[1] // columns
    tiles = [
        _coded(rgb[y * height : (y + 1) * height, x * width : (x + 1) * width], kind)
        for y in range(rows)
        for x in range(columns)
    ]
    whole_size = (rgb.shape[1], rgb.shape[0])
    properties = [
        _full(b"ispe", struct.pack(">II", width, height)),
        _box(configuration, tiles[0][0]),
        _full(b"pixi", bytes([3, 8, 8, 8])),
        _full(b"ispe", struct.pack(">II", *whole_size)),
        _box(b"irot", bytes([turns])),
        _box(b"imir", bytes([mirror or 0])),
        _box(b"colr", b"nclx" + struct.pack(">HHHB", 9, transfer or 1, 9, 0x80)),
    ]
    colours = [7] * (transfer is not None)
    last = colours + [5] * bool(turns) + [6] * (mirror is not None)
    items = [(item_type, data, [1, 0x80 | 2, 3]) for _, data in tiles]
    if len(tiles) > 1:
        grid = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *whole_size)
        items.append(("grid", grid, [4, 3]))
    items[-1][2].extend(0x80 | number for number in last)
    path.write_bytes(_file(kind, items, properties))
    return path


def _file(kind: str, items: list[tuple[str, bytes, list[int]]], properties: list[bytes]) -> bytes:
    main = len(items)
    brand = kind.encode()
    ftyp = _box(b"ftyp", brand + bytes(4) + brand + b"mif1miaf")
    infos = [
        _full(b"infe", struct.pack(">HH4sB", n + 1, 0, kind_of.encode(), 0), version=2)
        for n, (kind_of, _, _) in enumerate(items)
    ]
    references = b""
    if main > 1:
        parts = b"".join(struct.pack(">H", n + 1) for n in range(main - 1))
        references = _full(b"iref", _box(b"dimg", struct.pack(">HH", main, main - 1) + parts))
    associations = b"".join(
        struct.pack(">HB", n + 1, len(used)) + bytes(used) for n, (_, _, used) in enumerate(items)
    )
    ipma = _full(b"ipma", struct.pack(">I", len(items)) + associations)

    def meta(begin: int) -> bytes:
        places, offset = b"", begin
        for number, (_, data, _) in enumerate(items):
            places += struct.pack(">HHHII", number + 1, 0, 1, offset, len(data))
            offset += len(data)
        return _full(
            b"meta",
            _full(b"hdlr", bytes(4) + b"pict" + bytes(13))
            + _full(b"pitm", struct.pack(">H", main))
            + _full(b"iloc", struct.pack(">BBH", 0x44, 0, len(items)) + places)
            + _full(b"iinf", struct.pack(">H", len(items)) + b"".join(infos))
            + references
            + _box(b"iprp", _box(b"ipco", b"".join(properties)) + ipma),
        )

    head = len(ftyp) + len(meta(0)) + 8
    return ftyp + meta(head) + _box(b"mdat", b"".join(data for _, data, _ in items))


def _coded(rgb: Picture, kind: str) -> tuple[bytes, bytes]:
    """A tile's decoder configuration and its only sample, as MP4 has them."""
    encoder, _, _, options = _CODED[kind]
    memory = io.BytesIO()
    os.environ.setdefault("SVT_LOG", "1")
    with av.open(memory, "w", format="mp4") as out:
        stream: Any = out.add_stream(encoder, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = *rgb.shape[:2], "yuv420p"
        stream.codec_context.color_range = 2
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
            format="yuv420p", dst_color_range=2
        )
        frame.pts = 0
        out.mux(stream.encode(frame))
        leave_real_time()
        out.mux(stream.encode(None))
    memory.seek(0)
    with av.open(memory) as made:
        video = made.streams.video[0]
        packet = next(p for p in made.demux(video) if p.size)
        return video.codec_context.extradata or b"", bytes(packet)


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def _full(name: bytes, content: bytes, version: int = 0) -> bytes:
    return _box(name, bytes([version, 0, 0, 0]) + content)
