"""A show for tests, as a program of its own: a panel's socket, and none of the rest.

What it does stands in its source: `run` serves until SIGTERM, `deaf` does so and reads nothing,
`hang` does not heed it, `window` says that one is open, `exit:N` says why and ends, as all do where
a file `refuse` lies beside the one that --record names. Every message that it gets is a line there.
"""

import json
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

COMMAND = (sys.executable, __file__)


def main(words: list[str]) -> int:
    options = dict(word.lstrip("-").partition("=")[::2] for word in words)
    kind, _, code = options["source"].partition(":")
    heard = Path(options["record"])
    with heard.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"words": words}) + "\n")
    if kind == "exit" or (heard.parent / "refuse").exists():
        print("livedream: the camera said no", file=sys.stderr)
        return int(code or 2)
    if kind == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    values: dict[str, Any] = {"strength": 14.0, "network": "", "blackout": False}
    state = {
        "preset": "made", "bpm": 120.0, "bpm_set": 0, "modulators": [], "program": None,
        "attracting": False,
    }  # fmt: skip
    links: list[ServerConnection] = []

    def page(link: ServerConnection) -> None:
        links.append(link)
        link.send(json.dumps({"hello": {}, "values": {n: [v, 0.5] for n, v in values.items()}}))
        link.send(json.dumps({"state": state}))
        for text in link:
            if kind == "deaf":
                continue
            message = json.loads(text)
            if "end" in message:
                signal.raise_signal(signal.SIGKILL)
            if "away" in message:  # of everybody else
                for one in links:
                    if one is not link:
                        one.close()
                values.update(message["away"])
                state["preset"] = "away"
                continue
            state.update(message.get("state", {}))
            changed = message.get("apply") or {message.get("set"): message.get("value")}
            values.update(changed)
            told = {"values": {n: [v, 0.5] for n, v in changed.items()}, "state": state}
            for one in links:
                with suppress(ConnectionClosed):
                    one.send(json.dumps(told))
            with heard.open("a", encoding="utf-8") as file:
                file.write(json.dumps(message) + "\n")

    with serve(page, "127.0.0.1", 0, compression=None) as server:
        if kind != "hang":
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        print(f"panel: http://127.0.0.1:{server.socket.getsockname()[1]}/", file=sys.stderr)
        if kind == "window":
            print("livedream: window is open", file=sys.stderr)
        if kind == "hang":
            while True:
                time.sleep(1)
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
