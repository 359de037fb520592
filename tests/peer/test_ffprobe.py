"""ffprobe, another build of another version, as the judge of what was written and read."""

import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from livedream.capture import open_source
from livedream.media.tags import SETTINGS
from livedream.present import open_sink
from livedream.present.video import VideoSink

pytestmark = pytest.mark.skipif(
    shutil.which("ffprobe") is None or shutil.which("ffmpeg") is None,
    reason="needs the programs ffmpeg and ffprobe (Debian: apt-get install ffmpeg)",
)

TIMES = [0, 512, 1212, 1596, 2620, 3133, 3645, 4345, 4729, 5753]
SCALE = 15360


def run(*command: object) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True)
    assert done.stderr == "", done.stderr
    return done.stdout


def probe(path: Path, *what: str) -> Any:
    return json.loads(run("ffprobe", "-v", "error", "-of", "json", *what, path))


def times(path: Path, stream: str = "v:0") -> list[Fraction]:
    found = probe(path, "-select_streams", stream, "-show_packets", "-show_streams")
    scale = Fraction(found["streams"][0]["time_base"])
    return sorted(int(p["pts"]) * scale for p in found["packets"])


def decoded_by_ffmpeg(path: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Every frame as RGB, with libswscale's careful settings and H.264's place of chroma."""
    careful = (
        "scale=sws_flags=accurate_rnd+full_chroma_int+bicubic:in_h_chr_pos=0:in_v_chr_pos=128,"
        "format=rgb24,setpts=N"
    )
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-vf", careful, "-fps_mode", "passthrough"]
    done = subprocess.run([*command, "-f", "rawvideo", "-"], capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, *shape)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by ffmpeg: uneven times, BT.709 tags, sound, a title."""
    folder = tmp_path_factory.mktemp("peer")
    path = folder / "film.mp4"
    pts = "+".join(f"eq(N,{n})*{t}" for n, t in enumerate(TIMES))
    run(
        "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=0.4",
        "-f", "lavfi", "-i", "sine=frequency=440:duration=0.37",
        "-vf", f"settb=1/{SCALE},setpts='({pts})',format=yuv420p", "-fps_mode", "passthrough",
        "-enc_time_base", f"1/{SCALE}", "-video_track_timescale", SCALE,
        "-c:v", "libx264", "-bf", "2", "-colorspace", "bt709", "-color_primaries", "bt709",
        "-color_trc", "bt709", "-color_range", "tv", "-c:a", "aac", "-metadata", "title=Peer", path,
    )  # fmt: skip
    return path


def render(film: Path, target: Path, **how: Any) -> None:
    with open_source(film) as source, open_sink(target, source.info, **how) as sink:
        for frame in source:
            sink.write(frame)


def test_times_tags_and_sound_as_ffprobe_sees_them(film: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    render(film, target)
    assert times(film) == [Fraction(t, SCALE) for t in TIMES]
    assert times(target) == times(film)
    assert times(target, "a:0") == times(film, "a:0")
    stream = probe(target, "-show_streams", "-select_streams", "v:0")["streams"][0]
    tags = ("color_space", "color_primaries", "color_transfer", "color_range")
    assert [stream[tag] for tag in tags] == ["bt709", "bt709", "bt709", "tv"]
    assert (stream["width"], stream["height"], stream["codec_name"]) == (96, 64, "h264")
    assert stream["has_b_frames"] == 0
    for kind in ("a:0",):
        copies = [
            run("ffmpeg", "-v", "error", "-i", path, "-map", f"0:{kind}", "-c", "copy",
                "-f", "streamhash", "-")
            for path in (film, target)
        ]  # fmt: skip
        assert copies[0] == copies[1]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
def test_title_and_settings_are_found(film: Path, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out{suffix}"
    render(film, target, metadata={SETTINGS: '{"octaves": 4}'})
    found = probe(target, "-show_format")["format"]["tags"]
    tags = {key.lower(): value for key, value in found.items()}
    assert tags["title"] == "Peer"
    assert tags["comment"] == 'livedream settings: {"octaves": 4}'


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv", "out.webm"])
def test_a_growing_file_plays(film: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    with open_source(film) as source:
        sink = open_sink(target, source.info)
        assert isinstance(sink, VideoSink)
        for frame in source:
            sink.write(frame)
            if frame.index == 6:
                break
        sink.abandon()
    exact = name.endswith((".mp4", ".mov"))
    wanted = [Fraction(t, SCALE) for t in TIMES[:7]]
    found = times(target)
    assert all(abs(a - b) <= (0 if exact else 0.0006) for a, b in zip(found, wanted, strict=True))
    run("ffmpeg", "-v", "error", "-xerror", "-i", target, "-f", "null", "-")


@pytest.mark.parametrize(("name", "codec"), [("out.mkv", "ffv1"), ("out.mp4", "h264")])
def test_colours_as_ffmpeg_decodes_them(film: Path, tmp_path: Path, name: str, codec: str) -> None:
    target = tmp_path / name
    render(film, target, codec=codec, quality=95)
    with open_source(film) as source:
        wanted = [frame.rgb for frame in source]
    with open_source(target) as source:
        ours = [frame.rgb for frame in source]
    theirs = decoded_by_ffmpeg(target, (64, 96, 3))
    assert len(theirs) == len(wanted) == len(ours)
    for mine, peer, source_rgb in zip(ours, theirs, wanted, strict=True):
        assert np.abs(mine.astype(int) - peer).mean() < 0.5
        if codec == "ffv1":
            assert np.array_equal(peer, source_rgb)


def test_a_rotated_film_is_seen_as_ffmpeg_shows_it(film: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    run(
        "ffmpeg", "-v", "error", "-i", film, "-c", "copy", "-metadata:s:v:0", "rotate=90", turned
    )  # fmt: skip
    with open_source(turned) as source:
        frames = [frame.rgb for frame in source]
        shape = (source.info.height, source.info.width, 3)
    theirs = decoded_by_ffmpeg(turned, shape)
    assert shape == (96, 64, 3)
    assert len(theirs) == len(frames)
    # ffmpeg turns the halved chroma, we the finished picture; turned wrongly it would be 80.
    assert all(np.abs(a.astype(int) - b).mean() < 10 for a, b in zip(frames, theirs, strict=True))


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        ("mp4", "h264"), ("mov", "prores"), ("mkv", "ffv1"), ("mkv", "av1"), ("webm", "vp9"),
        ("avi", "ffv1"), ("avi", "h264"), ("ts", "hevc"),
    ],
)  # fmt: skip
def test_pixels_that_are_not_square_stay_so(tmp_path: Path, suffix: str, codec: str) -> None:
    film, out = tmp_path / "dvd.mkv", tmp_path / f"out.{suffix}"
    run(
        "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=720x576:rate=25:duration=0.2",
        "-vf", "setsar=64/45,format=yuv420p", "-c:v", "libx264", "-metadata:s:v", "title=DVD", film,
    )  # fmt: skip
    render(film, out, codec=codec)
    # Warnings too, and the sums over Matroska's elements: nothing must be found wrong.
    found = json.loads(
        run("ffprobe", "-v", "warning", "-err_detect", "crccheck+explode", "-of", "json",
            "-show_streams", out)
    )["streams"][0]  # fmt: skip
    assert (found["sample_aspect_ratio"], found["display_aspect_ratio"]) == ("64:45", "16:9")
    if suffix in ("mkv", "webm"):
        assert found["tags"]["title"] == "DVD"
    if suffix == "mp4":
        head = out.read_bytes()
        at = head.index(b"tkhd") + 4 + 76
        assert int.from_bytes(head[at : at + 4], "big") == 1024 << 16


def test_interlaced_film_becomes_what_ffmpegs_own_filter_makes_of_it(tmp_path: Path) -> None:
    film = tmp_path / "camera.mkv"
    run(
        "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=192x144:rate=50:duration=0.4",
        "-vf", "interlace=scan=bff,format=yuv420p", "-c:v", "libx264", "-x264-params", "bff=1",
        "-colorspace", "smpte170m", "-color_range", "tv", film,
    )  # fmt: skip
    for how, mode in (("auto", "send_frame"), ("fields", "send_field")):
        careful = f"bwdif=mode={mode},scale=sws_flags=accurate_rnd+full_chroma_int+bicubic"
        command = ["ffmpeg", "-v", "error", "-i", str(film), "-fps_mode", "passthrough", "-vf"]
        done = subprocess.run(
            [*command, careful, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"],
            capture_output=True, check=True,
        )  # fmt: skip
        wanted = np.frombuffer(done.stdout, np.uint8).reshape(-1, 144, 192, 3).astype(int)
        with open_source(film, deinterlace=how) as source:
            found = np.stack([frame.rgb for frame in source]).astype(int)
        assert len(found) == len(wanted) == (10 if how == "auto" else 20)
        # Chroma lies half a pixel aside in that version's scaler: green is mostly brightness.
        assert np.abs(found - wanted)[..., 1].mean() < 3
