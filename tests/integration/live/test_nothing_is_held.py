"""What has been closed lets go of FFmpeg's threads and memory at once.

Python's garbage collector would do it too, but in a show that has settled it hardly ever comes by,
and it does not know that the few objects it sees hold encoders, decoders and pictures.
"""

import gc
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import count
from pathlib import Path

import av
import numpy as np
import pytest
from live.streams_made import FPS, datagrams, film
from ports import free_udp_port
from waiting import PATIENCE_S

from livedream.capture.live import open_live
from livedream.core.errors import SinkError
from livedream.core.live_sound import SOUND_RATE, LiveSound
from livedream.core.supervisor import start_thread
from livedream.present.fragmented import FragmentedFile
from livedream.present.live import LiveFrame, open_output
from livedream.present.live.encoding import StreamMuxer, StreamOptions


@contextmanager
def held() -> Iterator["Counter[str]"]:
    """Afterwards: what of PyAV only the garbage collector would have found."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found.update(type(o).__name__ for o in gc.garbage if type(o).__module__.startswith("av."))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def show(address: str) -> None:
    """Two seconds of picture and sound to an output that is then closed."""
    sound = LiveSound()
    output = open_output(address, width=64, height=48, rate=Fraction(FPS), sound=sound)
    try:
        output.open()
        for index in range(2 * FPS):
            time_s = 1000 + index / FPS
            sound.put(np.zeros((SOUND_RATE // FPS, 2), np.float32), time_s)
            output.write(LiveFrame(np.full((48, 64, 3), index, np.uint8), time_s, index))
    finally:
        output.close()


@pytest.mark.parametrize("kind", ["udp", "record"])
def test_an_output(kind: str, tmp_path: Path) -> None:
    address = f"udp://127.0.0.1:{free_udp_port()}"
    if kind == "record":
        address = f"record:{tmp_path}?minutes=0.01"  # three segments
    with held() as found:
        show(address)
    assert not found


@pytest.mark.parametrize("left", [0, 1, 20])
def test_a_recording_on_a_full_disk(
    left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """left: how often something can be written before it is full."""
    append, written = FragmentedFile._append, count()  # noqa: SLF001

    def until_full(file: FragmentedFile, chunk: bytes) -> None:
        if next(written) >= left:
            raise SinkError(f"{file.path}: No space left on device")
        append(file, chunk)

    monkeypatch.setattr(FragmentedFile, "_append", until_full)
    address = f"record:{tmp_path}"
    with held() as found:
        for _ in range(3):
            with pytest.raises(SinkError, match="No space left"):
                show(address)
    assert not found


def test_a_stream_that_cannot_begin() -> None:
    options = StreamOptions(width=64, height=48, rate=Fraction(FPS), bitrate=10**6, keyframe_s=1.0)
    with held() as found, pytest.raises(av.FFmpegError):
        StreamMuxer(options, "mpegts", LiveSound(), pat_period="never")
    assert not found


@pytest.mark.slow
def test_a_stream() -> None:
    content, port = film(3 * FPS, sound_s=3.0), free_udp_port()
    with held() as found:
        with datagrams(port, [(content, 3.0)] * 3):
            source = open_live(f"udp://127.0.0.1:{port}", sound=LiveSound())
            source.open()
            for _ in range(3 * FPS):
                source.read()
            source.close()
        del source
    pictures = found.pop("VideoFrame", 0)  # keyframes, which are asked which way up they are
    assert pictures <= 12
    assert set(found) <= {"SideDataContainer", "SideData"}


def test_work_that_is_done() -> None:
    class Reader:
        def __init__(self) -> None:
            self.picture = av.VideoFrame(64, 48, "rgb24")
            self.thread = start_thread("reader", self.read, restart=False)

        def read(self) -> None:
            """Comes to an end by itself."""

    with held() as found:
        reader = Reader()
        reader.thread.join(PATIENCE_S)
        assert not reader.thread.is_alive()
        del reader
        time.sleep(0.01)
    assert not found
