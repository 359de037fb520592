"""The other end of WHIP, by aiortc, as a process of its own.

whip_peer.py send URL [WIDTHxHEIGHT] sends pictures that tell their time and sound that claps (see
clap_and_flash.py), both by this machine's monotonic clock, until it is killed. It sends its offer
again while it is refused, and gives no candidates, as OBS does.
"""

import asyncio
import fractions
import re
import sys
import time
import urllib.error
import urllib.request

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from clap_and_flash import FILM_S, FPS, RATE, SIZE, claps, picture

BLOCK = RATE // 50
PICTURES = round(FILM_S * FPS)


class Pictures(MediaStreamTrack):
    kind = "video"

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self._size = size
        self._index = round(time.monotonic() * FPS) + 1

    async def recv(self) -> av.VideoFrame:
        # Who is late leaves pictures out, as a camera does.
        self._index = max(self._index, int(time.monotonic() * FPS)) + 1
        await asyncio.sleep(max(0.0, self._index / FPS - time.monotonic()))
        rgb = picture(self._index % PICTURES)
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(*self._size, "yuv420p")
        frame.pts, frame.time_base = self._index, fractions.Fraction(1, FPS)
        return frame


class Sound(MediaStreamTrack):
    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._block = round(time.monotonic() * 50) + 1

    async def recv(self) -> av.AudioFrame:
        self._block += 1
        begin = self._block * BLOCK
        await asyncio.sleep(max(0.0, (begin + BLOCK) / RATE - time.monotonic()))
        heard = claps(begin % round(FILM_S * RATE), BLOCK)
        stereo = np.repeat((32000 * heard).astype(np.int16), 2)[None]
        frame = av.AudioFrame.from_ndarray(stereo, format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, begin, fractions.Fraction(1, RATE)
        return frame


def ask(url: str, offer: str) -> str:
    request = urllib.request.Request(
        url, offer.encode(), {"content-type": "application/sdp"}, method="POST"
    )
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert answer.status == 201
                return str(answer.read().decode())
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)


async def send(url: str, size: tuple[int, int]) -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    for track in (Pictures(size), Sound()):
        connection.addTransceiver(track, direction="sendonly")
    await connection.setLocalDescription()
    offer = re.sub("(?m)^a=(candidate|end-of-candidates).*\n", "", connection.localDescription.sdp)
    answer = await asyncio.to_thread(ask, url, offer)
    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await asyncio.Event().wait()


if __name__ == "__main__":
    width, _, height = (sys.argv[3:] or ["{}x{}".format(*SIZE)])[0].partition("x")
    asyncio.run(send(sys.argv[2], (int(width), int(height))))
