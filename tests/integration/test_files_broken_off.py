"""Reading that ends before the file does: a share that goes away, a stream that nobody reads."""

import errno
import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import pytest
from files_made import make_video, packets

from livedream.capture import decoding, open_source
from livedream.core.errors import LostSourceError, SourceError
from livedream.core.frame import Frame, SourceInfo
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import Network
from livedream.jobs.render import RenderJob, render
from livedream.media import joints
from livedream.media.containers import open_container
from livedream.present import open_sink, stream_copy


def read(path: Path) -> tuple[SourceInfo, list[Frame]]:
    with open_source(path) as source:
        frames = list(source)
        return source.info, frames


class Broken:
    """A container of which so many packets come, and then an error."""

    def __init__(self, container: Any, packets: int | None, error: Exception) -> None:
        self._container, self._packets, self._error = container, packets, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def __enter__(self) -> "Broken":
        return self

    def __exit__(self, *error: object) -> None:
        self._container.close()

    def demux(self, *streams: Any) -> Iterator[Any]:
        yield from islice(self._container.demux(*streams), self._packets)
        raise self._error


def break_off(monkeypatch: pytest.MonkeyPatch, packets: int | None, error: Exception) -> None:
    """Whatever is opened ends so."""
    for module in (decoding, joints, stream_copy):
        monkeypatch.setattr(
            module, "open_container", lambda *given: Broken(open_container(*given), packets, error)
        )


def test_a_stream_that_begins_late_is_left_out_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyAV knows those of the first 5 MB; behind the end of such a file it raises IndexError."""
    path = make_video(tmp_path / "a.ts", times=[600 * i for i in range(12)])
    path.write_bytes(2 * path.read_bytes())
    break_off(monkeypatch, None, IndexError("list index out of range"))
    info, frames = read(path)
    assert len(frames) == 24
    assert sorted(info.notes) == [
        "a stream that begins late is left out",
        "the clock jumps once, as in joined recordings: closed up",
    ]


def gone(code: int) -> Exception:
    """What FFmpeg says of a disk or share that has gone."""
    return av.error.OSError(code, os.strerror(code), "film")


def test_a_share_that_goes_away_is_not_the_end_of_the_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(tmp_path / "a.mkv")
    break_off(monkeypatch, 5, gone(errno.EHOSTDOWN))
    with pytest.raises(SourceError, match=r"a.mkv cannot be read any further"):
        read(path)


@pytest.mark.parametrize(("name", "advice"), [("out.mp4", ", then continue"), ("out.gif", "$")])
def test_only_a_film_that_can_be_resumed_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dreamnet: Network, name: str, advice: str
) -> None:
    path = make_video(tmp_path / "a.mkv")
    settings = DreamSettings(objective="strokes", size="90p", flow_size="90p")
    job = RenderJob(source=str(path), output=tmp_path / name, settings=settings)
    break_off(monkeypatch, 5, gone(errno.EHOSTDOWN))
    with pytest.raises(LostSourceError, match="see to its disk or share" + advice):
        render(job, Dreamer(settings, dreamnet))


@pytest.mark.parametrize("is_there", [True, False])
def test_a_failed_read_is_damage_where_the_disk_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    path = make_video(tmp_path / "a.mkv")
    break_off(monkeypatch, 5, gone(errno.EIO))
    with open_source(path) as source:
        if is_there:
            assert len(list(source)) == 5
            assert source.info.notes == (
                "the file is cut short: everything before that point is read",
            )
        else:
            path.unlink()
            with pytest.raises(SourceError, match="cannot be read any further"):
                list(source)


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_sound_that_goes_away_leaves_a_film_to_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """Copied sound is read while the film grows, encoded sound when it is finished."""
    film, path = make_video(tmp_path / "film.mp4", tones=1), tmp_path / f"out{suffix}"
    about, frames = read(film)
    break_off(monkeypatch, 10, gone(errno.ESTALE))
    with (
        pytest.raises(SourceError, match=r"film.mp4 cannot be read any further"),
        open_sink(path, about) as sink,
    ):
        for frame in frames:
            sink.write(frame)
    monkeypatch.undo()
    with open_sink(path, about, resume=True) as sink:
        assert sink.frames_written == (12 if suffix == ".webm" else 4)
        for frame in frames[sink.frames_written :]:
            sink.write(frame)
    assert len(packets(path)) == 12
    assert len(packets(path, "audio")) >= len(packets(film, "audio"))


def test_what_is_copied_is_read_as_far_as_the_range_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(tmp_path / "a.mkv", tones=1, times=[1536 * i for i in range(100)])
    break_off(monkeypatch, 200, RuntimeError("it reads on"))
    sound = stream_copy.CopiedStream(path, 1, "mp4")
    copied = list(sound.packets(stream_copy.CopyRange(end=Fraction(1))))
    sound.close()
    assert 45 < len(copied) < 50  # of 470


def test_one_wrong_time_does_not_end_what_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strays(self: Broken, *streams: Any) -> Iterator[Any]:
        for number, packet in enumerate(self._container.demux(*streams)):
            if number == 10:
                packet.pts = packet.dts = 1_000_000  # ms
            yield packet

    path = make_video(tmp_path / "a.mkv", tones=1, times=[1536 * i for i in range(20)])
    monkeypatch.setattr(Broken, "demux", strays)
    break_off(monkeypatch, None, IndexError())
    sound = stream_copy.CopiedStream(path, 1, "mp4")
    copied = list(sound.packets(stream_copy.CopyRange(end=Fraction(1))))
    sound.close()
    assert 44 < len(copied) < 49
