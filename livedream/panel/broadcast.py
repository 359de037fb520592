"""What is sent to the pages, and when: one tick for all, a sender for each (`PageSocket`).

A picture is only sent once the page has shown the one before.
"""

import asyncio
import base64
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from starlette.websockets import WebSocket

from livedream.control.live_parameters import Change
from livedream.core.errors import LivedreamError, SettingsError, reason
from livedream.core.frame import Picture
from livedream.panel.messages import MessageHandler
from livedream.panel.pages import PageSocket
from livedream.panel.pictures import jpeg, outlined
from livedream.present.live import LiveFrame
from livedream.present.live.wall_control import ROOT

_TICK_S: Final = 1 / 15  # pictures and moving sliders: smooth enough, a fraction of a core
_STATUS_TICKS: Final = 4  # a status every so many
_PREVIEW_PX: Final = 640


class Client(PageSocket):
    """One page. `ready`: it has shown the last picture; `given`: which that is.

    overlay: whether it lays the region over the picture.  region: that it was sent last; at first
    a mark for none.
    """

    def __init__(self, socket: WebSocket, number: int) -> None:
        super().__init__(socket)
        self.origin = f"panel {number}"
        self.given: bytes | None = None
        self.ready = True
        self.overlay = False
        self.region: object = self

    def show_region(self, wanted: object) -> None:
        """Whether the region is laid over the picture. Raises SettingsError."""
        if not isinstance(wanted, bool):
            raise SettingsError("overlay: must be true or false")
        self.overlay, self.region = wanted, self


class Broadcaster:
    """Runs in the server's event loop; `changed`, `restate` and `drawn` come from any thread."""

    def __init__(
        self,
        messages: MessageHandler,
        status: Callable[[], dict[str, Any]],
        newest: Callable[[], LiveFrame | None],
    ) -> None:
        self._messages, self._status, self._newest = messages, status, newest
        self.clients: list[Client] = []
        self._made = 0
        self._lock = threading.Lock()
        self._changed: set[str] = set()
        self._drawn: dict[str, int] = {}
        self._restate = self._wall = False
        self._last_picture: Picture | None = None
        self._coded: bytes | None = None
        self._last_moved: dict[str, float] = {}

    def changed(self, change: Change) -> None:
        """Parameters have other targets; never blocks."""
        with self._lock:
            self._changed.update(change.targets)
            # A prompt may choose the network.
            self._restate |= not change.targets.keys().isdisjoint(("network", "prompt"))

    def wall_changed(self, values: Mapping[str, Any], origin: str) -> None:
        """The window's displays are set otherwise, or others; never blocks."""
        with self._lock:
            self._wall = True

    def restate(self) -> None:
        """Presets, program, tempo, modulators or layers have changed."""
        with self._lock:
            self._restate = True

    def drawn(self, motif: str, there: bool) -> None:
        """A motif's picture was drawn, or cannot be; `preset:NAME` for a preset's."""
        with self._lock:
            self._drawn[motif] = int(there)

    async def run(self) -> None:
        """Tick until cancelled."""
        tick = 0
        while True:
            await asyncio.sleep(_TICK_S)
            if self.clients:
                self._tick(tick)
            tick += 1

    def _tick(self, tick: int) -> None:
        with self._lock:
            changed, self._changed = self._changed, set()
            drawn, self._drawn = self._drawn, {}
            restate, self._restate = self._restate, False
            wall, self._wall = self._wall, False
        parts: dict[str, Any] = {}
        if changed:
            parts["values"] = self._messages.values(changed)
        if drawn:
            parts["drawn"] = drawn
        if wall:
            parts["wall"] = self._messages.wall()
        if restate:
            parts["state"] = self._messages.state()
        moved = self._messages.moved()
        if moved != self._last_moved:
            parts["moved"] = self._last_moved = moved
        if tick % _STATUS_TICKS == 0:
            parts["status"] = self._status()
        for client in self.clients:
            if parts:
                client.add(**parts)
        self._show()
        self._overlay()

    def _overlay(self) -> None:
        """Send the region to the pages that lay it over the picture, where it has changed."""
        looking = [client for client in self.clients if client.overlay]
        if not looking:
            return
        newest = self._newest()
        region = newest.region if newest else None
        behind = [client for client in looking if client.region is not region]
        if behind:
            text = "" if region is None else base64.b64encode(outlined(region)).decode()
            for client in behind:
                client.region = region
                client.add(region=text)

    def _show(self) -> None:
        """Send the newest picture to the pages that have shown the one before."""
        waiting = [client for client in self.clients if client.ready]
        if not waiting:
            return
        newest = self._newest()
        if newest is None:
            return
        picture = newest.rgb
        if picture is not self._last_picture:
            self._last_picture, self._coded = picture, jpeg(picture, _PREVIEW_PX, 70)
        for client in waiting:  # a slow page may wait for a picture that others have
            if client.given is not self._coded:
                client.picture = client.given = self._coded
                client.ready = False
                client.wake.set()

    async def serve(self, socket: WebSocket) -> None:
        """One page, from its opening to its end."""
        await socket.accept()
        self._made += 1
        client = Client(socket, self._made)
        client.picture = client.given = self._coded
        client.ready = self._coded is None
        said = self._messages
        client.add(
            hello=said.hello(), wall=said.wall(), values=said.values(), state=said.state(),
            status=self._status(),
        )  # fmt: skip
        self.clients.append(client)
        try:
            await client.serve(partial(self.receive, client))
        finally:
            self.clients.remove(client)

    async def receive(self, client: Client, found: Any) -> None:
        """One message. What is refused changes nothing; the answer says why (`fault`), what it was
        about (`at`: a parameter's name or the message's entry) and the target that stays."""
        try:
            if isinstance(found, dict) and "ready" in found:
                client.ready = True
                return
            if isinstance(found, dict) and "overlay" in found:
                client.show_region(found["overlay"])
                return
            self._messages.handle(found, client.origin)
        except (LivedreamError, OSError) as error:  # such as a folder that cannot be written
            at = ""
            if isinstance(found, dict) and found:
                at = str(found.get("set") or found.get("default") or next(iter(found)))
            values = self._messages.values([at])
            client.add(fault=reason(error)[:300], at=at, values=values)
            if at.startswith(ROOT):
                client.add(wall=self._messages.wall())
