"""What a page is answered."""

import asyncio
from typing import Any, cast

from livedream.panel.broadcast import Broadcaster, Client
from livedream.panel.messages import MessageHandler


class ReadOnly:
    """Can do nothing that is asked of it."""

    def handle(self, message: Any, origin: str) -> None:
        raise PermissionError(13, "Permission denied", "presets/mine.toml")

    def values(self, names: Any) -> dict[str, Any]:
        return {}


def test_a_folder_that_cannot_be_written_is_answered_and_the_page_stays() -> None:
    async def answered() -> dict[str, Any]:
        client = Client(cast(Any, None), 1)
        broadcaster = Broadcaster(cast(MessageHandler, ReadOnly()), dict, lambda: None)
        broadcaster.receive(client, '{"forget": "mine"}')
        return client.unsent

    said = asyncio.run(answered())
    assert "Permission denied" in said["fault"]
    assert said["at"] == "forget"
