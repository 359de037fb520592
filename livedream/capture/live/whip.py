"""A source that others send to: WHIP (RFC 9725), from OBS, GStreamer, a browser or a phone.

They send an SDP offer to http://HOST:PORT/whip and get an answer; then pictures and sound come by
WebRTC. One may send at a time. The rules of `livedream.core.web` decide who may.
"""

import asyncio
import contextlib
import logging
import secrets
import statistics
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import av
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from livedream.capture.live import Opened, stated_rate
from livedream.capture.live.whip_offer import (
    SDP,
    Refused,
    check_offer,
    read_offer,
    unreadable,
    without_candidates,
)
from livedream.capture.sound import Evener
from livedream.core.addresses import parse_address
from livedream.core.errors import SourceError
from livedream.core.frame import Picture
from livedream.core.latest_slot import LatestSlot
from livedream.core.live_sound import SOUND_RATE, ArrivalClock, LiveSound
from livedream.core.supervisor import FaultLog
from livedream.core.web import WebServer
from livedream.media.filters import kind_of
from livedream.media.viewing import View
from livedream.media.webrtc import MISSING, is_installed, meet_at, new_connection

if TYPE_CHECKING:
    from aiortc import MediaStreamTrack, RTCPeerConnection

_log = logging.getLogger(__name__)

DEFAULT_ADDRESS: Final = "127.0.0.1:8889"
_MOST_OFFER: Final = 64 * 1024  # bytes; browsers send 5 to 10 thousand
_ASKING_S: Final = 5.0  # for an offer to come in and to be answered
_FIRST_S: Final = 10.0  # from the answer to the first picture
_SILENT_S: Final = 2.0  # another may send once nothing has come for so long...
_GONE_S: Final = 10.0  # ...and after this the connection is closed
_BEHIND_S: Final = 5.0  # pictures that come quicker than they can be decoded: before they pile up
_WAIT_S: Final = 0.25
_POLL_S: Final = 0.01
_RATE_PICTURES: Final = 8  # by which the frame rate is told
_RATE_S: Final = 1.0
_HELD_BLOCKS: Final = 4  # of sound, held by aiortc until so many more have come
_LATE_S: Final = 1.0  # heuristic: what stood still for longer goes on later


class WhipInput:
    """`whip` or `whip:HOST:PORT?token=...&allow=...`; 127.0.0.1:8889 where it does not say.

    It listens from the first `open` until `end`, whether somebody sends or not.
    sound: where its sound goes, None: nowhere.
    Raises SourceError without aiortc, SettingsError for an address that is none.
    """

    def __init__(self, text: str, sound: LiveSound | None = None) -> None:
        if not is_installed():
            raise SourceError(f"whip: {MISSING}")
        address = parse_address(text)
        endpoint = address.endpoint(DEFAULT_ADDRESS, listens=True)
        self.name = f"whip {endpoint}"
        self._server = _Server(self.name, endpoint, address.word("token", ""))
        address.finish()
        self._receiver = _Receiver(self._server, sound)
        self._listens = False
        self._printed = ""
        self._publisher: _Publisher | None = None
        self._first: Picture | None = None
        self._view: View | None = None
        self._viewed: object = None
        self.taken_s: float | None = None

    @property
    def url(self) -> str:
        """Where to send; without the token."""
        return self._server.where

    def open(self) -> Opened:
        if not self._listens:
            self._server.serve(self._receiver.application(), self._receiver.watch)
            self._listens = True
            if self._printed != self._server.url:
                self._printed = self._server.url
                self._server.print_address()
        publisher = self._receiver.awaited(_WAIT_S)
        first = publisher.slot.get(_WAIT_S) if publisher is not None else None
        if publisher is None or first is None:
            raise SourceError(f"{self.name}: nobody is sending yet: {self.url}")
        until_s = time.monotonic() + _RATE_S
        while len(publisher.steps_s) < _RATE_PICTURES and time.monotonic() < until_s:
            first = publisher.slot.get(_WAIT_S) or first
        self._publisher, self._first = publisher, self._picture(first)
        height, width = self._first.shape[:2]
        rate = stated_rate(publisher.rate, 30.0)
        detail = f"{publisher.host} sends {width}x{height}, {float(rate):g} fps"
        return Opened(width, height, rate, detail, publisher.has_sound)

    def read(self) -> Picture | None:
        picture, self._first = self._first, None
        if picture is not None:
            return picture
        if self._publisher is None:
            raise SourceError(f"{self.name}: not open")
        arrived = self._publisher.slot.get(_WAIT_S)
        if arrived is not None:
            return self._picture(arrived)
        if self._publisher is not self._receiver.publisher:
            raise SourceError(f"{self.name}: {self._receiver.why or 'nobody is sending any more'}")
        return None

    def close(self) -> None:
        """Goes on listening: whoever sends next is seen when it is opened again."""
        self._publisher = self._first = None

    def end(self) -> None:
        if self._listens:
            self._server.close()
            self._listens = False

    def _picture(self, arrived: "_Arrived") -> Picture:
        """As a player shows it; a sender may change its size at any picture."""
        frame, self.taken_s = arrived.frame, arrived.taken_s
        kind = (kind_of(frame), frame.color_trc, frame.color_primaries)
        if self._view is None or kind != self._viewed:
            self._view, self._viewed = View(frame, "h264"), kind
        return self._view(frame)


class _Server(WebServer):
    """Accepts offers."""

    def __init__(self, name: str, endpoint: Any, token: str) -> None:
        super().__init__(name, endpoint, token, most_body=_MOST_OFFER)

    @property
    def where(self) -> str:
        return f"{self.url.partition('?')[0]}whip"

    def address_lines(self) -> str:
        token = f", bearer token {self.access.token}" if self.access.token else ""
        return f"whip: send to {self.where}{token}\n"


@dataclass(slots=True)
class _Arrived:
    """A picture as it was decoded.  taken_s: when it came, monotonic; None for just now."""

    frame: av.VideoFrame
    taken_s: float | None


@dataclass(slots=True)
class _Publisher:
    """Who sends.  slot: the newest picture.  seen_s: when it came, None before the first.  steps_s:
    between the first pictures, by their own clock.  fault: why it cannot go on."""

    connection: "RTCPeerConnection"
    host: str
    slot: LatestSlot[_Arrived] = field(default_factory=LatestSlot)
    has_sound: bool = False
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    since_s: float = field(default_factory=time.monotonic)
    seen_s: float | None = None
    steps_s: deque[float] = field(default_factory=lambda: deque(maxlen=_RATE_PICTURES))
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    fault: str = ""

    @property
    def rate(self) -> float | None:
        """Frames a second, None while too few have come; what is nearly a whole number is one."""
        if len(self.steps_s) < 2 or not (step_s := statistics.fmean(self.steps_s)) > 0:
            return None
        rate = 1 / step_s
        return round(rate) if abs(rate - round(rate)) < 0.02 * rate else rate

    def why_gone(self, now_s: float, silent_s: float) -> str:
        """Why nothing more will come, "" while something may."""
        if self.fault:
            return self.fault
        if self.connection.connectionState in ("failed", "closed"):
            return "the connection has ended"
        if self.seen_s is None:
            silent_s, since_s = _FIRST_S, self.since_s
        else:
            since_s = self.seen_s
        return f"nothing came for {silent_s:g} s" if now_s - since_s > silent_s else ""


class _Receiver:
    """What happens in the server's event loop.

    publisher: who sends now.  why: the last one does no longer.
    """

    def __init__(self, server: _Server, sound: LiveSound | None) -> None:
        self.publisher: _Publisher | None = None
        self.why = ""
        self._server, self._sound = server, sound
        self._faults = FaultLog(_log, server.name)

    def awaited(self, timeout_s: float) -> _Publisher | None:
        """Who sends now; waits for somebody. From any thread."""
        until_s = time.monotonic() + timeout_s
        while self.publisher is None and time.monotonic() < until_s:
            time.sleep(_POLL_S)
        return self.publisher

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/whip", self._ask, methods=["POST", "OPTIONS"]),
                Route("/whip/{secret}", self._end, methods=["DELETE", "OPTIONS"]),
            ]
        )

    async def watch(self) -> None:
        """Runs beside the server: closes what is dead, and in the end everything."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._failed)
        try:
            while True:
                await asyncio.sleep(_WAIT_S)
                if self.publisher is not None:
                    why = self.publisher.why_gone(time.monotonic(), _GONE_S)
                    if why:
                        await self._let_go(why)
        finally:
            await self._let_go("")

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What fails in a task of aiortc's own, where nobody waits for it."""
        error = context.get("exception") or SourceError(context["message"])
        self._faults.failed(error, "had a fault", traceback=False)

    async def _ask(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"accept-post": SDP})
        host = request.client.host if request.client else "somebody"
        try:
            answer, secret = await self._accept(await read_offer(request, _ASKING_S), host, request)
        except Refused as refused:
            why = SourceError(f"from {host}: {refused}")
            self._faults.failed(why, "refused an offer", traceback=False)
            text = f"livedream: {refused}\n"
            headers = {"accept-post": SDP} if refused.status == 415 else {}
            return PlainTextResponse(text, refused.status, headers)
        place = f"http://{request.headers['host']}/whip/{secret}"
        return Response(answer, 201, {"location": place}, SDP)

    async def _end(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204)
        publisher, secret = self.publisher, request.path_params["secret"]
        if publisher is None or not secrets.compare_digest(
            secret.encode(), publisher.secret.encode()
        ):
            return PlainTextResponse("livedream: there is no such session\n", 404)
        await self._let_go(f"{publisher.host} has stopped sending")
        return Response(status_code=200)

    async def _accept(self, offer: str, host: str, request: Request) -> tuple[str, str]:
        """The answer, and the secret part of the session's address."""
        from aiortc import RTCSessionDescription

        check_offer(offer)
        now = self.publisher
        if now is not None and not now.why_gone(time.monotonic(), _SILENT_S):
            raise Refused(409, f"{now.host} is already sending: stop it first")
        publisher = _Publisher(new_connection(), host)
        await self._let_go(f"{host} sends instead", publisher)
        connection = publisher.connection
        try:
            async with asyncio.timeout(_ASKING_S):
                offered = RTCSessionDescription(without_candidates(offer), "offer")
                await connection.setRemoteDescription(offered)
                meet_at(connection, _own_address(request))
                for transceiver in connection.getTransceivers():
                    track = transceiver.receiver.track
                    hear = transceiver.kind == "audio"
                    follow = self._hear if hear else self._see
                    publisher.has_sound |= hear and self._sound is not None
                    publisher.tasks.append(asyncio.create_task(follow(publisher, track)))
                await connection.setLocalDescription()
            _log.debug("%s: %s is answered", self._server.name, host)
            return connection.localDescription.sdp, publisher.secret
        except Exception as error:  # whatever aiortc makes of an offer that is none
            if self.publisher is publisher:
                await self._let_go("an offer could not be answered")
            raise unreadable(error) from error

    async def _let_go(self, why: str, instead: _Publisher | None = None) -> None:
        gone, self.publisher, self.why = self.publisher, instead, why
        if gone is None:
            return
        for task in gone.tasks:
            task.cancel()
        await asyncio.gather(*gone.tasks, return_exceptions=True)
        await gone.connection.close()

    async def _see(self, publisher: _Publisher, track: "MediaStreamTrack") -> None:
        """A picture is given when the first packet of the next one comes: that is when the next one
        was due."""
        clock = ArrivalClock(_LATE_S)
        before_s: float | None = None
        time_s: float | None = None
        async for frame in _frames(track):
            now_s = time.monotonic()
            if frame.time is None:
                continue
            taken_s = None if before_s is None else clock.ours(frame.time, before_s)
            if taken_s is not None and now_s - taken_s > _BEHIND_S:
                publisher.fault = "more comes than can be decoded"
                return
            if time_s is not None and len(publisher.steps_s) < _RATE_PICTURES:
                publisher.steps_s.append(frame.time - time_s)
            publisher.seen_s = before_s = now_s
            time_s = frame.time
            publisher.slot.put(_Arrived(frame, taken_s))
        publisher.fault = f"{publisher.host} has stopped sending"

    async def _hear(self, publisher: _Publisher, track: "MediaStreamTrack") -> None:
        clock, evener = ArrivalClock(_LATE_S), Evener("stereo")
        given: deque[float] = deque(maxlen=_HELD_BLOCKS)
        async for frame in _frames(track):
            now_s, time_s = time.monotonic(), frame.time
            held = len(given) == _HELD_BLOCKS
            if self._sound is not None and held and time_s is not None:
                # Senders hand a block over when it ends, some when it begins: be half a one off.
                begin_s = clock.ours(time_s, given[0]) - frame.samples / frame.sample_rate / 2
                for block in evener.even(frame):
                    self._sound.put(block, begin_s)
                    begin_s += len(block) / SOUND_RATE
            given.append(now_s)


async def _frames(track: "MediaStreamTrack") -> Any:
    from aiortc.mediastreams import MediaStreamError

    with contextlib.suppress(MediaStreamError):
        while True:
            yield await track.recv()


def _own_address(request: Request) -> str:
    """That of this machine under which the offer came in: pictures shall come in there, too."""
    host = str((request.scope.get("server") or ("127.0.0.1", 0))[0])
    return host.removeprefix("::ffff:")
