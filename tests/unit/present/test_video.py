"""A video file that cannot be made leaves nothing behind: no file, and no encoder at work."""

import gc
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from livedream.core.errors import SinkError
from livedream.core.frame import SourceInfo
from livedream.present import fragmented
from livedream.present.live.encoding import StreamMuxer, StreamOptions
from livedream.present.video import VideoSink

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts threads as Linux does")

_RATE = Fraction(25)


@pytest.fixture(autouse=True)
def no_garbage() -> Iterator[None]:
    """A show collects garbage so seldom that what waits for it may as well stay for ever."""
    gc.disable()
    yield
    gc.enable()


def threads() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def test_a_file_on_a_full_disk_leaves_no_encoder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(file: fragmented.FragmentedFile, chunk: bytes) -> None:
        raise SinkError(f"{file.path}: No space left on device")

    info = SourceInfo(name="x", width=640, height=360, rate=_RATE, time_base=1 / _RATE)
    sink = VideoSink(tmp_path / "first.mp4", info)  # what is loaded once
    opened = threads()
    sink.close()
    del sink
    before = threads()
    assert opened > before, "an encoder has threads"
    monkeypatch.setattr(fragmented.FragmentedFile, "_append", full)
    for number in range(3):
        with pytest.raises(SinkError, match="No space left"):
            VideoSink(tmp_path / f"{number}.mp4", info)
    assert threads() == before
    assert not list(tmp_path.iterdir())


def test_a_stream_that_cannot_begin_leaves_no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    options = StreamOptions(width=640, height=360, rate=_RATE, bitrate=10**6, keyframe_s=1.0)
    StreamMuxer(options, "mpegts").close()
    before = threads()
    with pytest.raises(av.FFmpegError):
        StreamMuxer(options, "mpegts", pat_period="never")
    assert threads() == before
