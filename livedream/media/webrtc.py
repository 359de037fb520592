"""WebRTC by aiortc, as both ends of WHIP (RFC 9725) use it: nobody else is asked, and nothing is
open but what is wanted."""

import importlib.util
import logging
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from aiortc import RTCPeerConnection

PACKAGE: Final = "aiortc"
EXTRA: Final = "livedream[whip]"
MISSING: Final = f'aiortc is not installed; pip install "{EXTRA}"'


def is_whip(text: str) -> bool:
    """Whether a source or an output of this name is one by WHIP."""
    return re.match(r"whip([:?]|$)", text, re.IGNORECASE) is not None


def is_installed() -> bool:
    return importlib.util.find_spec(PACKAGE) is not None


def new_connection() -> "RTCPeerConnection":
    """A connection that asks no STUN or TURN server: aiortc would ask Google's."""
    from aiortc import RTCConfiguration, RTCPeerConnection

    # What it says of a damaged picture or a broken connection is seen by its effect, too; some of
    # it comes once for every packet.
    for name in ("aiortc", "aioice"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))


def meet_at(connection: "RTCPeerConnection", *addresses: str) -> None:
    """Let pictures and sound go through these addresses of this machine only.

    For a connection that has its tracks and no description of its own yet. aioice would listen at
    every address of the machine but 127.0.0.1, so that without a network there would be none.
    """
    for transceiver in connection.getTransceivers():
        ice = transceiver.receiver.transport.transport.iceGatherer._connection
        gather = partial(_gather, ice.get_component_candidates, list(addresses))
        ice.get_component_candidates = gather  # type: ignore[method-assign]


async def _gather(
    gather: Callable[..., Awaitable[Any]], wanted: list[str], *, component: int,
    addresses: list[str],
) -> Any:  # fmt: skip
    return await gather(component=component, addresses=wanted)
