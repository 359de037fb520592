"""ICC profiles as cameras write them, made by hand after ICC.1:2001-04."""

import struct
from collections.abc import Sequence

D50 = (0.9642, 1.0, 0.8249)
# Adobe RGB (1998), adapted to D50.
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
ADOBE_GAMMA = 563 / 256


def rgb_profile(colorants: Sequence[Sequence[float]] = ADOBE, gamma: float = ADOBE_GAMMA) -> bytes:
    """A profile by the XYZ of its red, green and blue, and one curve."""
    curve = _curve(gamma)
    tags = {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    tags |= {
        name + b"XYZ": _xyz(xyz) for name, xyz in zip((b"r", b"g", b"b"), colorants, strict=True)
    }
    return _profile(b"RGB ", tags)


def grey_profile(gamma: float) -> bytes:
    return _profile(b"GRAY", {b"kTRC": _curve(gamma)})


def print_profile() -> bytes:
    """One that is grey whatever the colours: black takes from lightness, the others do nothing."""
    straight = bytes(range(256))
    corners = bytes(v for ink in range(16) for v in (255 * (1 - ink % 2), 128, 128))  # L, a, b
    matrix = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + 4 * straight + corners
    return _profile(b"CMYK", {b"A2B0": table + 3 * straight}, b"prtr", b"Lab ")


def _curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IHxx", 1, round(gamma * 256))


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def _profile(
    space: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr", via: bytes = b"XYZ "
) -> bytes:
    name = b"made\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(78 + 3),
        b"cprt": b"text" + bytes(4) + b"nobody's".ljust(12, b"\0"),
        b"wtpt": _xyz(D50),
        **tags,
    }
    table, body = struct.pack(">I", len(tags)), b""
    begin = 128 + 4 + 12 * len(tags)
    for tag, content in tags.items():
        table += tag + struct.pack(">II", begin + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = begin + len(body)
    head = struct.pack(">I4xI4s4s4s12x4s", size, 0x02100000, kind, space, via, b"acsp")
    head = head.ljust(68, b"\0") + _xyz(D50)[8:]
    return head.ljust(128, b"\0") + table + body
