"""What is left when the writer is killed, and going on from there.

The promise is two seconds; what is tested is stronger: every frame whose `write` has returned.
"""

import math
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import av
import files_writer
import pytest
from files_made import TIME_BASE, decoded, frames, info, make_video, packets, uneven_pts

from livedream.capture import open_source
from livedream.core.errors import SinkError
from livedream.present import open_sink
from livedream.present.video import VideoSink

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def start(
    out: Path, codec: str, fps: float, count: int, source: Path | None = None
) -> subprocess.Popen[str]:
    command = [sys.executable, str(HERE / "files_writer.py"), str(out), codec, str(fps), str(count)]
    return subprocess.Popen(
        command + ([str(source)] if source else []),
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)])},
    )


def video(path: Path, **how: bool) -> VideoSink:
    sink = open_sink(path, info(), **how)
    assert isinstance(sink, VideoSink)
    return sink


def run(out: Path, codec: str, count: int, source: Path) -> None:
    """Let the writer write as fast as it can, to its end."""
    files_writer.main(str(out), codec, math.inf, count, str(source))


def run_and_kill(out: Path, codec: str, fps: float, count: int, source: Path) -> tuple[int, int]:
    """(frames there at the beginning, frames whose write had returned) of a killed writer."""
    with start(out, codec, fps, count, source) as writer:
        assert writer.stdout is not None
        first = int(writer.stdout.readline().split()[1])
        time.sleep(random.uniform(0.05, 0.4))
        writer.kill()
        rest = writer.stdout.read().split("\n")
    numbers = [int(line) for line in rest[:-1] if line.isdigit()]
    return first, (numbers[-1] + 1 if numbers else first)


@pytest.mark.parametrize(
    ("name", "codec", "fps"),
    [
        ("out.mp4", "h264", 100.0),
        ("out.mp4", "h264", 0.7),
        ("out.mp4", "hevc", 60.0),
        ("out.mp4", "av1", 60.0),
        ("out.mov", "prores", 60.0),
        ("out.mkv", "ffv1", 100.0),
        ("out.mkv", "h264", 0.7),
        ("out.webm", "vp9", 60.0),
        ("out.ts", "h264", 60.0),
        ("out.avi", "h264", 60.0),
    ],
)
def test_a_killed_writer_leaves_every_frame(
    tmp_path: Path, name: str, codec: str, fps: float
) -> None:
    path = tmp_path / name
    film = make_video(tmp_path / "film.mp4", tones=1, times=uneven_pts(100))
    first, written = run_and_kill(path, codec, fps, 100, film)
    assert first == 0
    left = decoded(path)
    assert len(left) >= max(1, written)
    exact = name.endswith((".mp4", ".mov"))
    for (time_s, _), pts in zip(left, uneven_pts(100), strict=False):
        assert abs(time_s - pts * TIME_BASE) <= (0 if exact else 0.0006)


@pytest.mark.parametrize(("name", "codec"), [("out.mp4", "h264"), ("out.mkv", "ffv1")])
def test_going_on_leaves_no_gap_and_no_repeat(tmp_path: Path, name: str, codec: str) -> None:
    path, count = tmp_path / name, 90
    film = make_video(tmp_path / "film.mp4", tones=2, times=uneven_pts(count))
    written = 0
    for _ in range(3):
        first, last = run_and_kill(path, codec, 100, count, film)
        assert first >= written
        written = last
    run(path, codec, count, film)
    straight = tmp_path / f"straight{path.suffix}"
    run(straight, codec, count, film)
    assert [p[:2] for p in packets(path)] == [p[:2] for p in packets(straight)]
    assert len(packets(path)) == count
    for track in range(2):
        assert packets(path, "audio", track) == packets(straight, "audio", track)
        assert [p[2] for p in packets(path, "audio", track)] == [
            p[2] for p in packets(film, "audio", track)
        ]
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_a_chunk_that_breaks_off_is_dropped(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    sink = video(path)
    sizes = []
    for frame in frames(8):
        sink.write(frame)
        sizes.append(path.stat().st_size)
    sink.abandon()
    for size, whole in ((sizes[5] - 1, 5), (sizes[3] + 20, 4), (sizes[0], 1)):
        os.truncate(path, size)
        again = video(path, resume=True)
        assert again.frames_written == whole
        assert path.stat().st_size == sizes[whole - 1]
        again.abandon()
    again = video(path, resume=True)
    again.write(frames(2)[1])
    again.close()
    assert len(decoded(path)) == 2


def test_times_must_rise_behind_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    sink = video(path)
    for frame in frames(5):
        sink.write(frame)
    sink.abandon()
    again = video(path, resume=True)
    with pytest.raises(SinkError, match="must be greater than"):
        again.write(frames(5)[4])
    again.abandon()


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_a_file_that_grows_on_has_its_sound_once(tmp_path: Path, name: str) -> None:
    film = make_video(tmp_path / "film.mp4", tones=1, times=uneven_pts(30))
    path = tmp_path / name
    with open_source(film) as source:
        given, about = list(source), source.info
    for begin, end in ((0, 9), (9, 20), (20, 30)):
        sink = open_sink(path, about, resume=True)
        assert isinstance(sink, VideoSink)
        assert sink.frames_written == begin
        for frame in given[begin:end]:
            sink.write(frame)
        sink.abandon()
    playable = [p[2] for p in packets(film, "audio") if p[0] >= 0]
    found = [p[2] for p in packets(path, "audio")]
    assert found == playable[: len(found)]
    assert len(found) >= len(playable) - 2


def test_a_writer_killed_in_the_header_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    video(path).abandon()
    os.truncate(path, 500)
    sink = open_sink(path, info(), resume=True)
    assert sink.frames_written == 0
    sink.write(frames(1)[0])
    sink.close()
    assert len(decoded(path)) == 1


def test_a_writer_killed_while_finishing_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    sink = video(path)
    for frame in frames(6):
        sink.write(frame)
    sink.abandon()
    (tmp_path / ".out.mp4.finishing").write_bytes(b"half of it")
    again = video(path, resume=True)
    assert again.frames_written == 6
    again.close()
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]
    assert len(decoded(path)) == 6


def test_resuming_nothing_begins(tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "out.mp4", info(), resume=True)
    assert sink.frames_written == 0
    sink.close()


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "h264"),
        ("a.mp4", "hevc"),
        ("a.mkv", "h264"),
        ("a.mov", "prores"),
        ("a.mkv", "ffv1"),
    ],
)
def test_a_film_that_was_stopped_and_finished_goes_on(
    tmp_path: Path, name: str, codec: str
) -> None:
    film = make_video(tmp_path / "film.mp4", tones=1, times=uneven_pts(30))
    path = tmp_path / name
    run(path, codec, 12, film)
    assert len(packets(path)) == 12
    run(path, codec, 30, film)
    straight = tmp_path / f"straight{path.suffix}"
    run(straight, codec, 30, film)
    assert [p[0] for p in packets(path)] == [p[0] for p in packets(straight)]
    assert len(packets(path)) == 30
    assert packets(path, "audio") == packets(straight, "audio")


@pytest.mark.parametrize(
    ("name", "codec"), [("a.avi", "h264"), ("a.avi", "ffv1"), ("a.ts", "h264")]
)
def test_what_cannot_grow_again_is_finished_once(tmp_path: Path, name: str, codec: str) -> None:
    path = tmp_path / name

    def write(begin: int, end: int) -> None:
        with open_sink(path, info(), codec=codec, resume=True) as sink:
            assert sink.frames_written == begin
            for frame in frames(12)[begin:end]:
                sink.write(frame)
            if end < 12:
                raise KeyboardInterrupt

    for begin, end in ((0, 5), (5, 9)):
        with pytest.raises(KeyboardInterrupt):
            write(begin, end)
        assert len(decoded(path)) == end
    write(9, 12)
    assert len(decoded(path)) == 12
    with av.open(str(path)) as container:
        assert container.format.name == {"a.avi": "avi", "a.ts": "mpegts"}[name]
    before = path.read_bytes()
    with pytest.raises(SinkError, match="is finished, and such a file cannot be resumed"):
        write(12, 12)
    with pytest.raises(SinkError, match="another size, codec or audio"):
        open_sink(path, info(32, 48), codec=codec, resume=True)
    assert path.read_bytes() == before


def test_what_does_not_fit_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    sink = open_sink(path, info())
    for frame in frames(4):
        sink.write(frame)
    before = path.read_bytes()
    with pytest.raises(SinkError, match="another size, codec or audio"):
        open_sink(path, info(), codec="hevc", resume=True)
    with pytest.raises(SinkError, match="another size, codec or audio"):
        open_sink(path, info(32, 48), resume=True)
    assert path.read_bytes() == before
    sink.close()
    before = path.read_bytes()
    with pytest.raises(SinkError, match="another size, codec or audio"):
        open_sink(path, info(32, 48), resume=True)
    assert path.read_bytes() == before
    text = tmp_path / "text.mp4"
    text.write_text("my diary " * 200)
    with pytest.raises(SinkError, match="not an unfinished render"):
        open_sink(text, info(), resume=True)
    assert text.read_text() == "my diary " * 200
    strange = make_video(tmp_path / "strange.mp4", codec="mpeg4")
    with pytest.raises(SinkError, match="another size, codec or audio"):
        open_sink(strange, info(), resume=True)
