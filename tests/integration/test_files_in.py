"""Reading real encoded files: times, colours, shapes, ranges, damage."""

import random
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from files_made import TIME_BASE, make_video, picture, rotated, uneven_pts

from livedream.capture import open_source
from livedream.core.errors import SourceError
from livedream.core.frame import ColourTags, Frame, Picture, SourceInfo


def read(path: Path, **how: Any) -> tuple[SourceInfo, list[Frame]]:
    with open_source(path, **how) as source:
        frames = list(source)
        return source.info, frames


def close(one: Picture, other: Picture, mean: float = 4.0) -> bool:
    return one.shape == other.shape and np.abs(one.astype(int) - other).mean() < mean


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_uneven_times_are_exact(tmp_path: Path, suffix: str) -> None:
    info, frames = read(make_video(tmp_path / f"vfr{suffix}", times=uneven_pts(30)))
    assert [f.pts * f.time_base for f in frames] == [t * TIME_BASE for t in uneven_pts(30)]
    assert [f.index for f in frames] == list(range(30))
    assert info.frames == 30
    assert info.path == tmp_path / f"vfr{suffix}"


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        (".mkv", "libx264"),
        (".webm", "libvpx-vp9"),
        (".avi", "mpeg4"),
        (".ts", "libx264"),
        (".mkv", "libx265"),
        (".mp4", "libsvtav1"),
        (".mkv", "mjpeg"),
        (".gif", "gif"),
        (".mkv", "ffv1"),
    ],
)
def test_many_containers_and_codecs(tmp_path: Path, suffix: str, codec: str) -> None:
    pixels = {"mjpeg": "yuvj420p", "gif": "rgb8", "ffv1": "yuv444p"}.get(codec, "yuv420p")
    times = [t * 1536 for t in range(10)]
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = tmp_path / f"some{suffix}"
    make_video(path, codec=codec, pixels=pixels, times=times, options=options)
    info, frames = read(path)
    assert (info.width, info.height) == (64, 48)
    assert len(frames) == 10
    assert all(a.pts < b.pts for a, b in pairwise(frames))
    begin = frames[0].pts * frames[0].time_base
    passed = [float(f.pts * f.time_base - begin) for f in frames]
    assert passed == pytest.approx([i / 10 for i in range(10)], abs=0.011)
    assert close(frames[7].rgb, picture(7), mean=20 if codec == "gif" else 8)


@pytest.mark.parametrize("size", [(63, 47), (1, 1), (2, 500), (65, 64)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = make_video(tmp_path / "odd.mkv", codec="ffv1", pixels="bgr0", size=size)
    info, frames = read(path)
    assert (info.width, info.height) == size
    assert len(frames) == 12
    assert np.array_equal(frames[4].rgb, picture(4, *size))


@pytest.mark.parametrize(
    ("pixels", "codec"),
    [
        ("yuv420p10le", "libx265"),
        ("yuv422p10le", "prores_ks"),
        ("yuv444p", "libx264"),
        ("yuvj420p", "mjpeg"),
        ("gray", "ffv1"),
        ("gray16le", "ffv1"),
        ("yuv420p10le", "ffv1"),
        ("yuv422p", "ffv1"),
        ("bgr0", "ffv1"),
    ],
)
def test_pixel_formats(tmp_path: Path, pixels: str, codec: str) -> None:
    options = {"x265-params": "log-level=none", "crf": "4"} if codec == "libx265" else {}
    path = tmp_path / "deep.mov" if codec == "prores_ks" else tmp_path / "deep.mkv"
    make_video(path, codec=codec, pixels=pixels, options=options)
    _, frames = read(path)
    wanted = picture(3)
    if pixels.startswith("gray"):
        luma = wanted @ np.array([0.299, 0.587, 0.114])
        wanted = np.repeat(luma[..., None], 3, axis=2).astype(np.uint8)
    assert close(frames[3].rgb, wanted, mean=5)


@pytest.mark.parametrize(
    ("space", "full"), [(1, False), (1, True), (6, False), (6, True), (9, False)]
)
def test_the_tagged_matrix_and_range_are_used(tmp_path: Path, space: int, full: bool) -> None:
    """The encoder is fed with the right numbers for its tags: the colours must come back."""
    path = tmp_path / "tagged.mkv"
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[:, :32], rgb[:24, 32:], rgb[24:, 32:] = (200, 40, 60), (30, 180, 90), (20, 60, 220)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        context = stream.codec_context
        context.colorspace, context.color_range = space, 2 if full else 1
        context.color_primaries = context.color_trc = 1
        plain = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        plain.colorspace = space
        frame = plain.reformat(format="yuv444p", dst_color_range=2 if full else 1)
        frame.pts = 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    info, frames = read(path)
    assert info.colour == ColourTags(space, 1, 1, full)
    assert np.abs(frames[0].rgb.astype(int) - rgb).max() <= 3


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied_to_the_pixels(tmp_path: Path, degrees: int) -> None:
    plain = make_video(tmp_path / "plain.mp4", size=(64, 48))
    turned = rotated(plain, tmp_path / "turned.mp4", degrees)
    info, frames = read(turned)
    size = (48, 64) if degrees in (90, 270) else (64, 48)
    assert (info.width, info.height) == size
    # The tag says how far players turn the picture clockwise.
    assert close(frames[5].rgb, np.rot90(picture(5), -degrees // 90))


def test_alpha_is_dropped_with_a_note(tmp_path: Path) -> None:
    path = make_video(tmp_path / "clear.mkv", codec="ffv1", pixels="yuva444p")
    info, frames = read(path)
    assert info.notes == ("transparency is dropped",)
    assert close(frames[0].rgb, picture(0))


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_tone_mapped_with_a_note(tmp_path: Path, transfer: int) -> None:
    grey = np.full((48, 64, 3), 148, np.uint8)  # PQ 0.58: about 200 cd/m2
    colours = {"colorspace": 9, "color_primaries": 9, "color_trc": transfer, "color_range": 1}
    path = make_video(
        tmp_path / "hdr.mkv",
        codec="ffv1",
        pixels="yuv420p10le",
        context=colours,
        pictures=[grey] * 12,
    )
    info, frames = read(path)
    assert any("tone-mapped" in note for note in info.notes)
    assert info.colour == ColourTags(1, 1, 1, False)
    level = frames[0].rgb.astype(int)
    assert np.ptp(level) <= 3
    assert 120 < level.mean() < 250


def test_interlaced_video_is_accepted(tmp_path: Path) -> None:
    path = make_video(
        tmp_path / "tv.ts", times=[i * 614 for i in range(10)], options={"flags": "+ildct+ilme"},
    )  # fmt: skip
    _, frames = read(path)
    assert len(frames) == 10


def test_sample_aspect_ratio_is_told(tmp_path: Path) -> None:
    path = make_video(tmp_path / "wide.mp4", context={"sample_aspect_ratio": Fraction(16, 15)})
    assert read(path)[0].sample_aspect_ratio == Fraction(16, 15)


@pytest.mark.parametrize("codec", ["libx264", "ffv1"])
@pytest.mark.parametrize(("start", "end"), [(0.5, None), (0.0, 0.8), (0.51, 1.234), (0.03, 0.04)])
def test_ranges_are_exact(tmp_path: Path, codec: str, start: float, end: float | None) -> None:
    times = uneven_pts(60)
    path = make_video(tmp_path / "long.mp4", codec=codec, times=times, options={"g": "7"})
    seconds = [float(t * TIME_BASE) for t in times]
    wanted = [i for i, t in enumerate(seconds) if t >= start and (end is None or t < end)]
    info, frames = read(path, start_s=start, end_s=end)
    assert [f.time_s + start for f in frames] == pytest.approx(
        [seconds[i] for i in wanted], abs=float(TIME_BASE)
    )
    assert frames[0].pts >= 0
    assert all(close(f.rgb, picture(i)) for f, i in zip(frames, wanted, strict=True))
    assert (info.start_s, info.end_s) == (start, end)
    assert [f.time_s + info.begins_s for f in frames] == pytest.approx(
        [seconds[i] for i in wanted], abs=1e-9
    )
    skipped = read(path, start_s=start, end_s=end, skip=1)[1]
    assert [(f.index, f.pts) for f in skipped] == [(f.index, f.pts) for f in frames[1:]]


@pytest.mark.parametrize("how", [{}, {"start_s": 0.5}, {"deinterlace": "fields"}])
@pytest.mark.parametrize("flags", ["+cgop", "+ildct+ilme"])
def test_a_file_is_read_from_a_frame_on(tmp_path: Path, flags: str, how: dict[str, Any]) -> None:
    """The same frames as of the whole, with their numbers, not decoded from the beginning."""
    options = {"g": "7", "bf": "2", "flags": flags}
    path = make_video(tmp_path / "long.mkv", times=uneven_pts(40), options=options)
    info, frames = read(path, **how)
    assert info.orderly
    for number in (1, 9, 20):
        with open_source(path, skip=number, at=frames[number].pts, **how) as source:
            found = list(source)
        assert [(f.index, f.pts, f.duration) for f in found] == [
            (f.index, f.pts, f.duration) for f in frames[number:]
        ]
        assert all((a.rgb == b.rgb).all() for a, b in zip(found, frames[number:], strict=True))


def test_a_range_behind_the_end_is_refused(tmp_path: Path) -> None:
    path = make_video(tmp_path / "short.mp4")
    with pytest.raises(SourceError, match=r"no frame in the range from 100 s to the end"):
        open_source(path, start_s=100)


def test_sound_without_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("aac", rate=48000)
        silence = av.AudioFrame.from_ndarray(
            np.zeros((2, 1024), np.float32), format="fltp", layout="stereo"
        )
        silence.sample_rate = 48000
        out.mux(stream.encode(silence))
        out.mux(stream.encode(None))
    with pytest.raises(SourceError, match="has no video track"):
        open_source(path)


def test_a_video_without_a_frame_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.mkv"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        out.start_encoding()
    with pytest.raises(SourceError, match=r"no frame that decodes|not a video or picture"):
        open_source(path)


def decodable(path: Path) -> int:
    """As many frames as PyAV gets when each damaged packet is passed over."""
    count = 0
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            stream = container.streams.video[0]
            if stream.codec_context is None:
                return 0  # PyAV before 18.1 crashes when asked to decode it
            for packet in container.demux(stream):
                try:
                    count += len(packet.decode())
                except av.error.InvalidDataError:
                    continue
    except (av.FFmpegError, IndexError, AttributeError):
        pass
    return count


def damaged(content: bytes, seed: int) -> bytes:
    chance = random.Random(seed)
    data = bytearray(content)
    kind = seed % 5
    if kind == 0:
        for _ in range(chance.choice([1, 10, 200])):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif kind == 1:
        del data[chance.randrange(len(data) // 3, len(data)) :]
    elif kind == 2:
        begin = chance.randrange(len(data))
        data[begin : begin + 3000] = bytes(len(data[begin : begin + 3000]))
    elif kind == 3:
        begin = chance.randrange(len(data))
        del data[begin : begin + chance.randrange(1, 900)]
    else:
        for _ in range(chance.choice([1, 5])):
            data[chance.randrange(min(2000, len(data)))] = chance.randrange(256)
    return bytes(data)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_every_frame_of_a_damaged_file_that_decodes_is_delivered(
    tmp_path: Path, suffix: str
) -> None:
    sound = make_video(tmp_path / f"sound{suffix}", size=(128, 96), times=uneven_pts(40))
    for seed in range(15):
        path = tmp_path / f"damaged-{seed}{suffix}"
        path.write_bytes(damaged(sound.read_bytes(), seed))
        wanted = decodable(path)
        found = 0
        try:
            _, frames = read(path)
            found = len(frames)
            assert all(a.pts < b.pts for a, b in pairwise(frames)), seed
        except SourceError as error:
            assert "\n" not in str(error)
        assert found >= wanted, f"seed {seed}"


def test_damage_is_counted(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mp4", size=(128, 96), times=uneven_pts(40))
    broken = tmp_path / "broken.mp4"
    content = bytearray(whole.read_bytes())
    middle = content.index(b"mdat") + 4000
    content[middle : middle + 1500] = bytes(1500)
    broken.write_bytes(bytes(content))
    info, frames = read(broken)
    assert decodable(broken) <= len(frames) < 40
    assert any("could not be decoded" in note for note in info.notes)
