"""Sound beside a live picture: a click and a flash of one moment, read back from what was muxed."""

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from livedream.core.addresses import parse_address
from livedream.core.frame import Picture
from livedream.core.live_sound import SOUND_RATE, LiveSound
from livedream.present.live import LiveFrame, recording
from livedream.present.live.encoding import StreamMuxer, StreamOptions
from livedream.present.live.recording import RecordingOutput

SIZE = (64, 48)
BEGIN_S = 5000.0  # of the capture clock
CLICKS_S = (0.48, 1.6)
OPTIONS = StreamOptions(*SIZE, Fraction(25), 1_000_000, 1.0, "libx264")


def picture(time_s: float) -> Picture:
    """White for a while from each click on."""
    white = any(0 <= time_s - click < 0.2 for click in CLICKS_S)
    return np.full((SIZE[1], SIZE[0], 3), 255 * white, np.uint8)


def clicks(begin_s: float, count: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """Sound of the times from `begin_s` on: a burst of 5 ms at each click."""
    times = begin_s - BEGIN_S + np.arange(count) / SOUND_RATE
    loud = sum(
        ((times >= click) & (times < click + 0.005)).astype(np.float32) for click in CLICKS_S
    )
    wave = 0.8 * loud * np.sign(np.sin(2 * np.pi * 1500 * times))
    return np.stack([wave, wave], 1).astype(np.float32)


def seen_and_heard(file: str | io.BytesIO) -> tuple[list[float], list[float]]:
    """When the picture turns white, and when the clicks begin, in seconds of the file."""
    flashes, heard = [], []
    with av.open(file) as container:
        dark, last_s = True, -1.0
        for frame in container.decode(video=0, audio=0):
            assert frame.time is not None
            if isinstance(frame, av.VideoFrame):
                white = frame.to_ndarray(format="gray").mean() > 128
                if white and dark:
                    flashes.append(frame.time)
                dark = not white
            else:
                assert isinstance(frame, av.AudioFrame)
                for place in np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.3):
                    time_s = frame.time + place / SOUND_RATE
                    if time_s - last_s > 0.1:
                        heard.append(time_s)
                    last_s = time_s
    return flashes, heard


def show(write: Callable[[LiveFrame], object], sound: LiveSound, late_s: float) -> None:
    """Two seconds and a half at 25 fps; sound comes in blocks, later than pictures by `late_s`."""
    put = 0
    for index in range(63):
        time_s = index / 25
        while put / 100 + 0.01 <= time_s - late_s:
            begin_s = BEGIN_S + put / 100
            sound.put(clicks(begin_s, SOUND_RATE // 100), begin_s)
            put += 1
        write(LiveFrame(picture(time_s), BEGIN_S + time_s, index))


@pytest.mark.parametrize("late_s", [-0.2, 0.0, 0.3])
@pytest.mark.parametrize("container", ["mpegts", "flv"])
def test_a_stream_flashes_as_it_claps(container: str, late_s: float) -> None:
    sound, stream = LiveSound(), io.BytesIO()
    muxer = StreamMuxer(OPTIONS, container, sound)
    show(lambda frame: stream.write(muxer.encode(frame)), sound, late_s)
    muxer.close()
    stream.seek(0)
    flashes, heard = seen_and_heard(stream)
    assert flashes == pytest.approx(heard, abs=0.002)
    assert len(flashes) == 2


@pytest.mark.parametrize("late_s", [-0.2, 0.0, 0.3])
def test_a_recording_flashes_as_it_claps_in_each_segment(
    tmp_path: Path, late_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "_ENDING_S", 30.0)  # each is finished, however busy it is here
    sound = LiveSound()
    address = parse_address(f"record:{tmp_path}?minutes=0.02")  # 1.2 s
    output = RecordingOutput(address, *SIZE, Fraction(25), sound)
    output.open()
    show(output.write, sound, late_s)
    output.close()
    for path in sorted(tmp_path.glob("*.mp4"))[:2]:
        flashes, heard = seen_and_heard(str(path))
        assert flashes == pytest.approx(heard, abs=0.002)
        assert len(flashes) == 1
        with av.open(str(path)) as container:
            picture_s, heard_s = (float(s.duration * s.time_base) for s in container.streams)
        assert heard_s == pytest.approx(picture_s, abs=0.03)
