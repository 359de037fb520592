"""Writing that is refused, and what is left then: one clear line, and nothing lost."""

import errno
import io
import os
import resource
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from files_made import decoded, frames, info, make_video, packets, write_frames

from livedream.capture import open_source
from livedream.core.errors import ShapeError, SinkError, UnfinishedError
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import Network
from livedream.jobs.render import RenderJob, render
from livedream.media.containers import container_for
from livedream.media.destination import make_folder
from livedream.present import open_sink
from livedream.present.remux import RemuxSpec, remux


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        ("out.xyz", {}, "not a video container: use .mp4"),
        ("out", {}, "has no suffix"),
        ("out.mp4", {"codec": "divx"}, "unknown codec 'divx': use one of h264"),
        (
            "out.mp4",
            {"codec": "prores"},
            ".mp4 cannot hold prores, only h264, hevc, av1, vp9: use .mkv",
        ),
        ("out.webm", {"codec": "h264"}, ".webm cannot hold h264, only vp9, av1: use .mkv"),
        ("out.mov", {"codec": "av1"}, ".mov cannot hold av1, only h264, hevc, prores: use .mkv"),
        ("out.ts", {"codec": "vp9"}, ".ts cannot hold vp9, only h264, hevc: use .mkv"),
        ("out.mp4", {"quality": 101}, "quality 101 is out of range: must be 0 to 100"),
        ("nowhere/out.mp4", {}, "nowhere does not exist: create it"),
        ("there.mp4", {}, "there.mp4 already exists: choose another name"),
        ("folder.mp4", {}, "not a picture|is a folder"),
        ("there.mp4/out.mp4", {}, "is a file, not a folder|exist"),
        ("out.gif", {"codec": "h264"}, "has only one codec"),
        ("frames/%03d.png", {"codec": "h264"}, "pictures have no codec"),
        ("frames/%03d.bmp", {}, "is not a picture"),
    ],
)
def test_what_cannot_be_written_is_one_clear_line(
    tmp_path: Path, name: str, how: dict[str, Any], message: str
) -> None:
    (tmp_path / "there.mp4").write_text("precious")
    if name == "folder.mp4":
        (tmp_path / name).mkdir()
        name = "folder.mp4/%03d.bmp"
    with pytest.raises(SinkError, match=message) as caught:
        open_sink(tmp_path / name, info(), **how)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "there.mp4").read_text() == "precious"
    assert not (tmp_path / "out.mp4").exists()


def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    if os.name != "posix" or os.geteuid() == 0:
        pytest.skip("the administrator may write everywhere")
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(SinkError, match="no permission to write"):
            open_sink(tmp_path / "out.mp4", info())
    finally:
        tmp_path.chmod(stat.S_IRWXU)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("target", ["nowhere", "nowhere/out", "link.mkv"])
@pytest.mark.parametrize("inside", ["", "out.mkv", "%03d.png"])
def test_a_link_to_nothing_is_said_to_be_one(
    tmp_path: Path, inside: str, target: str, overwrite: bool
) -> None:
    link = tmp_path / "link.mkv"
    link.symlink_to(target)
    message = rf"link\.mkv is a link to {target}, which does not exist: remove the link"
    with pytest.raises(SinkError, match=message):
        open_sink(link / inside, info(), overwrite=overwrite)
    with pytest.raises(SinkError, match=message):
        make_folder(link)
    assert [path.name for path in tmp_path.iterdir()] == ["link.mkv"]


def test_the_source_is_never_overwritten(tmp_path: Path) -> None:
    film = make_video(tmp_path / "in.mp4")
    with open_source(film) as source, pytest.raises(SinkError, match="is the source itself"):
        open_sink(tmp_path / "in.mp4", source.info, overwrite=True)
    assert len(packets(film)) == 12


def test_overwriting_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_text("old")
    write_frames(path, frames(4), info(), overwrite=True)
    assert len(packets(path)) == 4


def test_frames_of_another_size_or_out_of_order_are_refused(tmp_path: Path) -> None:
    with open_sink(tmp_path / "out.mp4", info()) as sink:
        first, second = frames(2)
        sink.write(second)
        with pytest.raises(SinkError, match="must be greater than"):
            sink.write(first)
        with pytest.raises(ShapeError, match="frame 0 is 32x48, the file is 64x48"):
            sink.write(replace(first, rgb=first.rgb[:, :32].copy()))
    assert len(packets(tmp_path / "out.mp4")) == 1


def test_no_frame_leaves_no_file(tmp_path: Path) -> None:
    open_sink(tmp_path / "out.mp4", info()).close()
    assert list(tmp_path.iterdir()) == []


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """A disk that is full when a file reaches `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_a_full_disk_is_one_line_and_what_was_written_plays(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (30, 48, 64, 3), dtype=np.uint8)
    given = [replace(f, rgb=rgb) for f, rgb in zip(frames(30), noise, strict=True)]
    sink = open_sink(tmp_path / name, info())
    written = 0
    with files_up_to(60_000), pytest.raises(SinkError, match=os.strerror(errno.EFBIG)):
        for frame in given:
            sink.write(frame)
            written += 1
    assert 3 < written < 30
    for size in (20, 40_000):  # at the header, and in the middle
        with files_up_to(size), pytest.raises(SinkError, match="could not be finished"):
            remux(tmp_path / name, RemuxSpec(container_for(tmp_path / name)))
    with files_up_to(40_000), pytest.raises(SinkError, match="could not be finished"):
        sink.close(complete=False)
    opened = [file.resolve().name for file in Path("/proc/self/fd").glob("*")]
    assert not any(f".{name}.finishing" in one for one in opened)  # deleted, they would take room
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert len(decoded(tmp_path / name)) == written
    again = open_sink(tmp_path / name, info(), resume=True)
    assert again.frames_written == written
    for frame in given[written:]:
        again.write(frame)
    again.close()
    assert len(decoded(tmp_path / name)) == 30


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("out.mp4", "out.mp4 cannot be written any further .*: it plays up to here; free some "
         "space, then continue with --resume$"),
        ("out.gif", "out.gif cannot be written: File too large$"),
    ],
)  # fmt: skip
def test_a_render_on_a_full_disk_says_what_is_left_and_what_to_do(
    tmp_path: Path, dreamnet: Network, name: str, said: str
) -> None:
    settings = DreamSettings(objective="strokes", size="90p", flow_size="90p")
    clouds = "synthetic:clouds?size=192x108"
    job = RenderJob(source=clouds, output=tmp_path / name, settings=settings)
    with files_up_to(60_000), pytest.raises(SinkError, match=said):
        render(job, Dreamer(job.settings, dreamnet))


def test_a_film_that_a_player_has_open_is_not_replaced_on_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_open(*_: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    sink = open_sink(tmp_path / "out.mp4", info())
    for frame in frames(5):
        sink.write(frame)
    monkeypatch.setattr(Path, "replace", is_open)
    with pytest.raises(UnfinishedError, match="close the program that has it open"):
        sink.close()
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]
    assert len(decoded(tmp_path / "out.mp4")) == 5


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_a_disk_that_is_full_from_the_start_is_left_as_it_was(tmp_path: Path, name: str) -> None:
    """No header that no player takes: a recording tries again every second."""
    with files_up_to(100), pytest.raises(SinkError, match=os.strerror(errno.EFBIG)):
        open_sink(tmp_path / name, info())
    assert list(tmp_path.iterdir()) == []
    sink = open_sink(tmp_path / name, info())
    with files_up_to((tmp_path / name).stat().st_size), pytest.raises(SinkError):
        sink.write(frames(1)[0])
    with files_up_to(100):
        sink.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
@pytest.mark.parametrize("size", [100, 3000])  # at the header, and behind it
def test_a_full_disk_names_the_stopped_film_that_is_resumed(tmp_path: Path, size: int) -> None:
    """It is turned into one that grows in a file beside it."""
    path = tmp_path / "out.mp4"
    write_frames(path, frames(12), info())
    before = path.read_bytes()
    with files_up_to(size), pytest.raises(SinkError, match=r"/out\.mp4 cannot be written"):
        open_sink(path, info(), resume=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


class Disk(io.FileIO):
    """What is written to a disk that may go away."""

    gone: tuple[str, ...] = ()  # for what

    def _ask(self, what: str) -> None:
        if what in self.gone:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    def write(self, data: Any) -> int:
        self._ask("write")
        return super().write(data)

    def truncate(self, size: int | None = None) -> int:
        self._ask("truncate")
        return super().truncate(size)

    def close(self) -> None:
        super().close()
        self._ask("close")


def test_a_disk_that_goes_away_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.mp4"
    monkeypatch.setattr(io, "FileIO", Disk)
    sink = open_sink(path, info())
    sink.write(frames(1)[0])
    monkeypatch.setattr(Disk, "gone", ("write", "truncate", "close"))
    with pytest.raises(SinkError, match=r"out\.mp4 cannot be written any further"):
        sink.write(frames(2)[1])
    with pytest.raises(SinkError, match=r"out\.mp4 cannot be written"):
        sink.close(complete=False)
    monkeypatch.setattr(Disk, "gone", ("truncate",))
    with pytest.raises(SinkError, match=r"out\.mp4 cannot be written"):
        open_sink(path, info(), resume=True)
    monkeypatch.undo()
    again = open_sink(path, info(), resume=True)
    assert again.frames_written == 1
    again.close()
