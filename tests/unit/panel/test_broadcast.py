"""What a page is answered."""

import asyncio
from typing import Any, cast

import numpy as np
from waiting import PATIENCE_S

from livedream.panel.broadcast import Broadcaster, Client
from livedream.panel.messages import MessageHandler
from livedream.present.live import LiveFrame


class ReadOnly:
    """Can do nothing that is asked of it."""

    def handle(self, message: Any, origin: str) -> None:
        raise PermissionError(13, "Permission denied", "presets/mine.toml")

    def values(self, names: Any) -> dict[str, Any]:
        return {}

    def moved(self) -> dict[str, float]:
        return {}


def test_a_folder_that_cannot_be_written_is_answered_and_the_page_stays() -> None:
    async def answered() -> dict[str, Any]:
        client = Client(cast(Any, None), 1)
        broadcaster = Broadcaster(cast(MessageHandler, ReadOnly()), dict, lambda: None)
        await broadcaster.receive(client, {"forget": "mine"})
        return client.unsent

    said = asyncio.run(answered())
    assert "Permission denied" in said["fault"]
    assert said["at"] == "forget"


def test_a_slow_page_gets_the_picture_that_stands_still_and_each_gets_it_once() -> None:
    async def shown() -> tuple[list[bytes | None], list[bytes | None]]:
        frozen = LiveFrame(np.zeros((9, 16, 3), np.uint8), 0.0, 0)
        broadcaster = Broadcaster(cast(MessageHandler, ReadOnly()), dict, lambda: frozen)
        quick, slow = (Client(cast(Any, None), number) for number in range(2))
        slow.ready = False
        broadcaster.clients += [quick, slow]
        ticking = asyncio.create_task(broadcaster.run())
        async with asyncio.timeout(PATIENCE_S):
            while quick.picture is None:
                await asyncio.sleep(0.01)
            await broadcaster.receive(slow, {"ready": 1})
            while slow.picture is None:
                await asyncio.sleep(0.01)
        first = [quick.picture, slow.picture]
        for client in (quick, slow):
            client.picture = None
            await broadcaster.receive(client, {"ready": 1})
        await asyncio.sleep(0.2)  # three ticks
        ticking.cancel()
        return first, [quick.picture, slow.picture]

    first, again = asyncio.run(shown())
    assert first[0] is not None and first[0] == first[1]
    assert again == [None, None]
