"""H.264 for a live stream: keyframes come as often as was asked for."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from livedream.core.errors import SinkError
from livedream.core.live_sound import LiveSound
from livedream.present.live import LiveFrame
from livedream.present.live.encoding import StreamMuxer, StreamOptions

BEGIN_S = 5000.0  # of the capture clock


@pytest.mark.parametrize("container", ["mpegts", "flv"])
@pytest.mark.parametrize("given", [30, 10, 4])
def test_keyframes_come_by_the_second_whatever_the_rate(given: int, container: str) -> None:
    """given: frames a second, of the 30 that the camera promises."""
    options = StreamOptions(64, 48, Fraction(30), 10**6, keyframe_s=1.0, encoder="libx264")
    stream, muxer = io.BytesIO(), StreamMuxer(options, container)
    for index in range(int(3.5 * given)):
        picture = np.full((48, 64, 3), 2 * index, np.uint8)
        stream.write(muxer.encode(LiveFrame(picture, BEGIN_S + index / given, index)))
    muxer.close()
    stream.seek(0)
    with av.open(stream, format=container) as read:
        times = [
            float(packet.pts * packet.time_base)
            for packet in read.demux(video=0)
            if packet.is_keyframe and packet.pts is not None
        ]
    assert [time - times[0] for time in times] == pytest.approx([0, 1, 2, 3], abs=0.002)


@pytest.mark.parametrize("sound", [None, LiveSound()], ids=["silent", "with sound"])
def test_after_the_computer_has_slept_a_stream_is_to_begin_anew(sound: LiveSound | None) -> None:
    options = StreamOptions(64, 48, Fraction(30), 10**6, keyframe_s=1.0, encoder="libx264")
    muxer, picture = StreamMuxer(options, "mpegts", sound), np.zeros((48, 64, 3), np.uint8)
    for index, time_s in enumerate((0.0, 0.04, 9.0)):  # what is short is made up for
        muxer.encode(LiveFrame(picture, BEGIN_S + time_s, index))
    with pytest.raises(SinkError, match="no picture came for 28791 s"):
        muxer.encode(LiveFrame(picture, BEGIN_S + 8 * 3600.0, 3))
    muxer.close()
