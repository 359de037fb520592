"""WHIP (RFC 9725) as an output: H.264 and Opus by WebRTC, to a service or another program.

livedream's own encoder makes the picture; aiortc packs and encrypts it. aiortc's would keep below
3 Mbit/s.
"""

import asyncio
import contextlib
import http.client
import logging
import re
import urllib.error
import urllib.request
from concurrent.futures import TimeoutError as LateError
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

import av
import numpy as np

from livedream.core.addresses import STREAM_OPTIONS, Address, Endpoint, resolved
from livedream.core.errors import SettingsError, SinkError
from livedream.core.live_sound import SOUND_RATE, Block, LiveSound, resumed
from livedream.core.supervisor import SupervisedThread, start_thread
from livedream.media.webrtc import meet_at, new_connection
from livedream.present.live import LiveFrame
from livedream.present.live.encoding import (
    CLOCK,
    TimedKeyframes,
    open_encoder,
    read_options,
    stream_frame,
)

if TYPE_CHECKING:
    from aiortc import MediaStreamTrack, RTCPeerConnection

_log = logging.getLogger(__name__)

_SDP: Final = "application/sdp"
_ANSWER_S: Final = 5.0  # for the service to answer
_CONNECT_S: Final = 10.0  # and from there to the connection
_LEAVE_S: Final = 0.5  # to say goodbye
_MOST_ANSWER: Final = 64 * 1024  # bytes
_MOST_REDIRECTS: Final = 3
_MOST_WAITING: Final = 100  # pieces; a socket takes them at once
_PIECE: Final = SOUND_RATE // 50  # samples; what Opus packs
_OURS: Final = ("token", *STREAM_OPTIONS)


class WhipOutput:
    """`whip:https://HOST/PATH?token={env:NAME}&bitrate=6M&keyframe=1&encoder=auto`.

    token: sent as `Authorization: Bearer`. Other options stay in the address.
    """

    delay_ms = 0.0  # a service's own is not known; a bare receiver on a busy machine: 70 to 100
    reached = True

    def __init__(
        self, address: Address, width: int, height: int, rate: Fraction,
        sound: LiveSound | None = None,
    ) -> None:  # fmt: skip
        self._sound = sound
        self._url = url_of(address)
        self._host = urlsplit(self._url).hostname or ""
        self.name = f"whip {urlsplit(self._url).netloc}"
        self._token = address.word("token", "")
        if not self._token.isprintable():
            raise SettingsError(f"{address.shown}: token must be one line of printable characters")
        # Who joins waits for a keyframe.
        self._options = read_options(address, width, height, rate, keyframe_s=1.0)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: SupervisedThread | None = None
        self._connection: RTCPeerConnection | None = None
        self._session = ""  # its address

    def open(self) -> None:
        self._encoder = open_encoder(self._options, profile="baseline")
        self._keyframes = TimedKeyframes(self._options)
        self._begin_s: float | None = None
        self._last = -1
        self._loop = loop = asyncio.new_event_loop()
        loop.set_exception_handler(_note)
        self._thread = start_thread(f"{self.name} sends", loop.run_forever, restart=False)
        offer = self._wait_for(self._offer(), _ANSWER_S)
        answer = self._ask(offer)
        self._wait_for(self._connect(answer), _CONNECT_S)

    def write(self, frame: LiveFrame) -> None:
        assert self._loop is not None and self._connection is not None, "open comes first"
        state = self._connection.connectionState
        if state != "connected":
            raise SinkError(f"{self.name}: the connection is {state}")
        if self._begin_s is None:
            self._begin_s = frame.captured_s
            self._next = round(frame.captured_s * SOUND_RATE)
            self._first = self._next
        since_s = frame.captured_s - self._begin_s
        self._last = max(self._last + 1, round(since_s / float(CLOCK)))
        picture = stream_frame(frame.rgb, self._options)
        packets = self._keyframes.encode(self._encoder, picture, self._last)
        for packet in packets:
            packet.time_base = CLOCK
        self._give(self._pictures, packets)
        if self._heard is not None:
            self._give(self._heard, self._pieces(round(frame.captured_s * SOUND_RATE)))

    def close(self) -> None:
        loop, self._loop = self._loop, None
        connection, self._connection = self._connection, None
        if self._session:
            # The last: an address of the service's with a space in it, or an answer that is none.
            with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                self._send("DELETE", self._session, None, _LEAVE_S).close()
            self._session = ""
        if loop is None:
            return
        if connection is not None:
            with contextlib.suppress(Exception):  # a connection that is broken need not end well
                asyncio.run_coroutine_threadsafe(connection.close(), loop).result(_LEAVE_S)
        loop.call_soon_threadsafe(loop.stop)
        if self._thread is not None and self._thread.close(_LEAVE_S):
            loop.close()

    def _give(self, track: Any, pieces: list[Any]) -> None:
        if track.waiting.qsize() > _MOST_WAITING:
            raise SinkError(f"{self.name}: nothing was accepted")
        assert self._loop is not None
        for piece in pieces:
            self._loop.call_soon_threadsafe(track.waiting.put_nowait, piece)

    def _pieces(self, now: int) -> list[av.AudioFrame]:
        """What is heard until the picture that is seen now."""
        assert self._sound is not None
        found = []
        self._next = resumed(self._next, now)
        while self._next <= now:
            block = self._sound.take(self._next, _PIECE, now)
            if block is None:
                break
            found.append(_spoken(block, self._next - self._first))
            self._next += _PIECE
        return found

    # In the event loop

    async def _offer(self) -> str:
        from aiortc import RTCRtpSender

        self._connection = connection = new_connection()
        self._pictures, self._heard = _track("video"), None
        video = connection.addTransceiver(self._pictures, direction="sendonly")
        h264 = [one for one in RTCRtpSender.getCapabilities("video").codecs
                if one.mimeType.lower() in ("video/h264", "video/rtx")]  # fmt: skip
        video.setCodecPreferences(h264)
        if self._sound is not None:
            self._heard = _track("audio")
            connection.addTransceiver(self._heard, direction="sendonly")
        if Endpoint(self._host, 0).loopback:
            from aioice.ice import get_host_addresses

            meet_at(connection, "127.0.0.1", *get_host_addresses(True, False))
        await connection.setLocalDescription()
        return str(connection.localDescription.sdp)

    async def _connect(self, answer: str) -> None:
        from aiortc import RTCSessionDescription

        assert self._connection is not None
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except Exception as error:  # whatever aiortc makes of an answer that is none
            raise SinkError(f"{self.name}: its SDP answer cannot be used ({error})") from error
        while (state := self._connection.connectionState) != "connected":
            if state in ("failed", "closed"):
                raise SinkError(f"{self.name}: no connection for pictures could be made")
            await asyncio.sleep(0.02)

    def _wait_for(self, coroutine: Any, timeout_s: float) -> Any:
        assert self._loop is not None
        task = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return task.result(timeout_s)
        except LateError:
            task.cancel()
            raise SinkError(f"{self.name}: no connection in {timeout_s:g} s") from None

    # HTTP

    def _ask(self, offer: str) -> str:
        """The answer to an offer, from where the service sends us."""
        url = self._url
        for _ in range(_MOST_REDIRECTS + 1):
            try:
                with self._send("POST", url, offer.encode(), _ANSWER_S) as answer:
                    body = answer.read(_MOST_ANSWER + 1)
                    place = answer.headers.get("location", "")
                    self._session = urljoin(url, place) if place else ""
                    kind = answer.headers.get_content_type()
                    if answer.status != 201 or kind != _SDP or len(body) > _MOST_ANSWER:
                        raise SinkError(f"{self.name}: answered, but not as WHIP does")
                    return str(body.decode())
            except urllib.error.HTTPError as error:
                with error:
                    place = error.headers.get("location", "")
                    if error.code not in (307, 308) or not place:
                        raise SinkError(f"{self.name}: {_refusal(error.code)}") from None
                    url = urljoin(url, place)
            except urllib.error.URLError as error:
                raise SinkError(f"{self.name}: cannot be reached ({error.reason})") from None
            except UnicodeDecodeError:
                raise SinkError(f"{self.name}: answered, but not as WHIP does") from None
        raise SinkError(f"{self.name}: sends us from one address to the next")

    def _send(self, method: str, url: str, body: bytes | None, timeout_s: float) -> Any:
        """The token goes to the host that it was given for, and never from HTTPS to HTTP."""
        wanted, asked = urlsplit(self._url), urlsplit(url)
        if asked.scheme not in ("https", wanted.scheme):
            raise SinkError(f"{self.name}: sends us to {asked.scheme or 'nowhere'}")
        headers = {"Content-Type": _SDP} if body is not None else {}
        if self._token and asked.hostname == wanted.hostname:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(url, body, headers, method=method)
        return urllib.request.build_opener(_StayHere).open(request, timeout=timeout_s)


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Redirects are followed by `_ask`: urllib would turn a POST into a GET."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What fails in a task of aiortc's own is seen by its effect on the connection."""
    _log.debug("whip: %s", context["message"], exc_info=context.get("exception"))


def url_of(address: Address) -> str:
    """The address to send the offer to."""
    query = "&".join(f"{name}={value}" for name, value in address.pairs if name not in _OURS)
    url = resolved(address.rest + (f"?{query}" if query else ""))
    if not re.match(r"https?://[^/?#@\s]+(/[^@\s]*)?$", url, re.IGNORECASE):
        raise SettingsError(
            f"{address.scheme}: must be whip:https://HOST/PATH, the token by ?token={{env:NAME}}, "
            "without a user"
        )
    return url


def _refusal(status: int) -> str:
    return {
        401: "the token is missing or wrong (401): add ?token={env:NAME}",
        403: "it may not be sent to (403)",
        404: "there is nothing at that address (404)",
        409: "somebody else sends there already (409)",
    }.get(status, f"refused the offer ({status})")


def _track(kind: str) -> "MediaStreamTrack":
    """A track that sends what is put into its queue `waiting`."""
    from aiortc import MediaStreamTrack

    class Track(MediaStreamTrack):
        def __init__(self) -> None:
            super().__init__()
            self.kind = kind
            self.waiting: asyncio.Queue[Any] = asyncio.Queue()

        async def recv(self) -> Any:
            return await self.waiting.get()

    return Track()


def _spoken(block: Block, pts: int) -> av.AudioFrame:
    pcm = np.ascontiguousarray((block * 32767).astype(np.int16).reshape(1, -1))
    frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, pts, Fraction(1, SOUND_RATE)
    return frame
