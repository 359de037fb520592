"""How long a connection to the web server may stay, and which goes first when there are too many.

Who says nothing, or a byte a second, is let go after `ASKING_S`; who does not take the answer,
after `ANSWER_S`. A newcomer always comes in: when there are `MOST` connections, the one that would
be let go soonest goes for it. Open pages (WebSockets) stay as long as they answer the server's
pings; how many there may be is for the server to say (`core.web`).
"""

import asyncio
import math
from asyncio import BaseTransport
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MOST: Final = 192  # connections, open pages among them
ASKING_S: Final = 10  # from the opening, or from the last answer, to a whole request
ANSWER_S: Final = 60  # heuristic: for the request, and a picture over a slow phone's network
_FLUSH_S: Final = 10.0  # what was said last may take so long to be read
_TICK_S: Final = 1.0


class AskingConnection(H11Protocol):
    """One that asks, once or again and again."""

    since_s = 0.0  # opened, or answered last; the event loop's time

    def connection_made(self, transport: BaseTransport) -> None:
        self.since_s = self.loop.time()
        super().connection_made(transport)  # type: ignore[arg-type]
        if len(self.connections) > MOST:
            others: set[Any] = {*self.connections} - {self}
            min(others, key=lambda one: float(one.until_s)).transport.abort()

    def on_response_complete(self) -> None:
        self.since_s = self.loop.time()
        super().on_response_complete()

    @property
    def until_s(self) -> float:
        """When it has to be gone."""
        answering = self.cycle is not None and not self.cycle.response_complete
        return self.since_s + (ANSWER_S if answering else ASKING_S)


class PageConnection(WebSocketsSansIOProtocol):
    """An open page, or one that was told to go."""

    @property
    def until_s(self) -> float:
        """When it has to be gone."""
        return math.inf if self.close_timer is None else self.close_timer.when()


async def let_go(connections: set[Any]) -> None:
    """Close what has stayed too long, until cancelled."""
    closing: dict[Any, float] = {}
    while True:
        await asyncio.sleep(_TICK_S)
        now_s = asyncio.get_running_loop().time()
        closing = {
            one: closing.get(one, now_s) for one in connections if one.transport.is_closing()
        }
        for one in tuple(connections):
            if now_s > min(one.until_s, closing.get(one, math.inf) + _FLUSH_S):
                one.transport.abort()
