"""360-degree and stereo video stays what it is, from container to container."""

import struct
from dataclasses import replace
from pathlib import Path

import av
import pytest
from files_made import frames, info, make_video

from livedream.capture import open_source
from livedream.media.immersive import boxes_of
from livedream.present import open_sink

# The structures that FFmpeg hands with a frame: AVStereo3D, AVSphericalMapping.
TOP_BOTTOM, SIDE_BY_SIDE = 2, 1
YAW, PITCH = 10, 5


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def tags(mode: int) -> bytes:
    """After Google's Spherical Video V2 RFC.  mode: 1 top and bottom, 2 side by side."""
    full = bytes(4)
    pose = box(b"prhd", full + struct.pack(">iii", YAW << 16, PITCH << 16, 0))
    view = box(b"proj", pose + box(b"equi", full + bytes(16)))
    around = box(b"sv3d", box(b"svhd", full + b"a camera\0") + view)
    return box(b"st3d", full + bytes([mode])) + around


def seen(path: Path) -> tuple[int, tuple[int, ...]]:
    """How the eyes are packed; projection, yaw and pitch: as PyAV hands them."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        found = {d.type.name: bytes(d) for d in frame.side_data}
    if "STEREO3D" not in found:
        return 0, ()
    projection, yaw, pitch = struct.unpack_from("=iii", found["SPHERICAL"])
    return struct.unpack_from("=i", found["STEREO3D"])[0], (projection, yaw >> 16, pitch >> 16)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".mp4", "h264"), (".mp4", "hevc"), (".mp4", "vp9"), (".mp4", "av1"), (".mkv", "h264"),
     (".mkv", "prores"), (".mkv", "ffv1"), (".webm", "vp9"), (".webm", "av1")],
)  # fmt: skip
@pytest.mark.parametrize("mode", [1, 2])
def test_the_tags_come_along(tmp_path: Path, suffix: str, codec: str, mode: int) -> None:
    path = tmp_path / f"a{suffix}"
    with open_sink(path, replace(info(), immersive=tags(mode)), codec=codec) as sink:
        for frame in frames(5):
            sink.write(frame)
    assert sink.notes == ()
    assert seen(path) == ({1: TOP_BOTTOM, 2: SIDE_BY_SIDE}[mode], (0, YAW, PITCH))
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 5
    again = tmp_path / "again.mkv"
    with open_source(path) as source, open_sink(again, source.info) as sink:
        packing = {1: "top and bottom", 2: "side by side"}[mode]
        assert set(source.info.notes) == {
            f"stereo video ({packing}): dreamed across both eyes",
            "360-degree video (equirectangular): dreamed as a flat picture",
        }
        for frame in source:
            sink.write(frame)
    assert seen(again) == seen(path)


@pytest.mark.parametrize(("suffix", "codec"), [(".mov", "h264"), (".avi", "h264"), (".ts", "h264")])
def test_what_cannot_hold_them_says_so(tmp_path: Path, suffix: str, codec: str) -> None:
    path = tmp_path / f"a{suffix}"
    with open_sink(path, replace(info(), immersive=tags(1)), codec=codec) as sink:
        for frame in frames(5):
            sink.write(frame)
    assert any("cannot hold 360-degree and stereo tags" in note for note in sink.notes)
    assert seen(path) == (0, ())


def test_ordinary_video_has_none(tmp_path: Path) -> None:
    with av.open(str(make_video(tmp_path / "a.mp4"))) as container:
        assert boxes_of(next(container.decode(video=0))) == (b"", ())
