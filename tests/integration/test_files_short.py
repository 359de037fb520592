"""The shortest films: every frame is shown, the last one for as long as it should be."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
from files_made import picture

from livedream.core.frame import Frame, SourceInfo
from livedream.present import open_sink

BASE = Fraction(1, 1000)
PAIRS = [
    (".mp4", "h264"), (".mp4", "hevc"), (".mp4", "av1"), (".mp4", "vp9"), (".mov", "h264"),
    (".mov", "prores"), (".mkv", "vp9"), (".mkv", "ffv1"), (".webm", "vp9"), (".webm", "av1"),
    (".avi", "h264"), (".ts", "hevc"),
]  # fmt: skip
DELAYS = [40, 100, 500, 30, 200]
KEEPS_THE_END = (".mp4", ".mov", ".mkv", ".webm")


def film(count: int) -> list[Frame]:
    delays = [DELAYS[i % len(DELAYS)] for i in range(count - 1)] + [700]
    times = [sum(delays[:i]) for i in range(count)]
    return [Frame(picture(i), times[i], BASE, i, delays[i]) for i in range(count)]


@pytest.mark.parametrize("count", [1, 2, 9, 21])
@pytest.mark.parametrize(("suffix", "codec"), PAIRS)
def test_every_frame_is_shown(tmp_path: Path, suffix: str, codec: str, count: int) -> None:
    path, frames = tmp_path / f"a{suffix}", film(count)
    with open_sink(path, SourceInfo("made", 64, 48, Fraction(25), BASE), codec=codec) as sink:
        for frame in frames:
            sink.write(frame)
    end = frames[-1].pts + frames[-1].duration
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [p for p in container.demux(stream) if p.size]
        length = container.duration
    assert not [p for p in packets if p.is_discard]
    with av.open(str(path)) as container:
        times = [f.pts * f.time_base for f in container.decode(video=0)]
    assert len(packets) == len(times) == count
    if suffix in KEEPS_THE_END:
        assert times == [f.pts * BASE for f in frames]
        assert length == end * 1000  # FFmpeg counts in microseconds


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_finished_film_that_is_resumed_keeps_its_end(tmp_path: Path, suffix: str) -> None:
    """What was written is copied when it is resumed, however little there is to add."""
    path, frames = tmp_path / f"a{suffix}", film(9)
    info = SourceInfo("made", 64, 48, Fraction(25), BASE)
    for part in (frames[:5], frames[5:], []):
        with open_sink(path, info, codec="vp9", resume=True) as sink:
            for frame in part:
                sink.write(frame)
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 9
        if suffix == ".mp4":
            assert container.duration == (frames[-1].pts + 700) * 1000
