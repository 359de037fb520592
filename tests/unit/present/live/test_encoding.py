"""H.264 for a live stream: keyframes come as often as was asked for."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest

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
