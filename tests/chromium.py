"""A real Chromium without a window, driven by its DevTools protocol over a WebSocket.

with open_chromium(tmp_path) as browser:
    page = browser.page("http://127.0.0.1:8765/", width=1280, height=800)
    assert page.evaluate("document.title") == "livedream"
"""

import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--mute-audio", "--remote-debugging-port=0", "--remote-allow-origins=*",
)  # fmt: skip
PATIENCE_S = 60.0


class Page:
    """One tab. `faults`: errors in its console, of its scripts and of what it loads."""

    def __init__(self, link: ClientConnection) -> None:
        self._link, self._numbers = link, itertools.count(1)
        self.faults: list[str] = []

    def call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        self._link.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            found = json.loads(self._link.recv(PATIENCE_S))
            if found.get("method") == "Runtime.exceptionThrown":
                self.faults.append(json.dumps(found["params"])[:500])
            if (
                found.get("method") == "Log.entryAdded"
                and found["params"]["entry"]["level"] == "error"
            ):
                self.faults.append(json.dumps(found["params"]["entry"])[:500])
            if found.get("id") == number:
                assert "error" not in found, found
                return found["result"]

    def evaluate(self, expression: str) -> Any:
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, expression: str, seconds: float = PATIENCE_S) -> Any:
        """Until the expression is true; what it is then."""
        until = time.monotonic() + seconds
        while not (found := self.evaluate(expression)):
            assert time.monotonic() < until, f"never: {expression}; faults {self.faults}"
            time.sleep(0.05)
        return found

    def screenshot(self, path: Path) -> Path:
        found = self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(found["data"]))
        return path

    def box(self, selector: str) -> dict[str, float]:
        """x, y, width, height of an element, px of the window."""
        text = f"document.querySelector({json.dumps(selector)})"
        self.evaluate(f"{text}.scrollIntoView({{block: 'center'}})")
        found: dict[str, float] = self.evaluate(f"{text}.getBoundingClientRect().toJSON()")
        return found

    def drag(
        self, selector: str, start: float, end: float, held: Callable[[], object] = bool
    ) -> None:
        """With the mouse, between two places in an element, 0 to 1 of its width; `held` is called
        before the button is let go."""
        box = self.box(selector)
        y = box["y"] + box["height"] / 2
        places = [box["x"] + box["width"] * (start + (end - start) * i / 8) for i in range(9)]
        self.stroke([(x, y) for x in places], held=held)

    def stroke(
        self,
        points: list[tuple[float, float]],
        *,
        touch: bool = False,
        held: Callable[[], object] = bool,
    ) -> None:
        """With the mouse or a finger along points, px of the window."""
        if touch:
            kinds = ["touchStart", *["touchMove"] * (len(points) - 1), "touchEnd"]
            for kind, point in zip(kinds, [*points, None], strict=True):
                places = [] if point is None else [{"x": point[0], "y": point[1]}]
                self.call("Input.dispatchTouchEvent", type=kind, touchPoints=places)
            return
        self._mouse("mousePressed", *points[0])
        for point in points[1:]:
            self._mouse("mouseMoved", *point)
        held()
        self._mouse("mouseReleased", *points[-1])

    def click(self, selector: str) -> None:
        box = self.box(selector)
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self._mouse("mousePressed", x, y)
        self._mouse("mouseReleased", x, y)

    def double_click(self, selector: str, at: float = 0.5) -> None:
        """at: of the element's width."""
        box = self.box(selector)
        x, y = box["x"] + box["width"] * at, box["y"] + box["height"] / 2
        for count in (1, 2):
            self._mouse("mousePressed", x, y, count)
            self._mouse("mouseReleased", x, y, count)

    def key(self, key: str, text: str = "", code: int = 0, *, shift: bool = False) -> None:
        """One key, down and up, wherever the focus is.  code: Windows' number of it."""
        named = {"key": key, "windowsVirtualKeyCode": code, "code": "Space" if key == " " else key}
        for kind in ("keyDown", "keyUp"):
            pressed = {"text": text} if kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, modifiers=8 * shift, **pressed, **named)

    def enter(self, text: str) -> None:
        """Type `text` where the focus is, and Enter."""
        self.call("Input.insertText", text=text)
        self.key("Enter", "\r", 13)

    def _mouse(self, kind: str, x: float, y: float, count: int = 1) -> None:
        buttons = 0 if kind == "mouseReleased" else 1
        self.call(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=buttons,
            clickCount=count,
        )  # fmt: skip


class Browser:
    def __init__(self, port: int) -> None:
        self._port = port
        self._links = ExitStack()
        self._tabs: list[str] = []

    def page(
        self, url: str, *, width: int, height: int, scale: float = 1.0, phone: bool = False
    ) -> Page:
        """A new tab of that size, the address loaded."""
        target = json.loads(self._ask("new?about:blank"))
        self._tabs.append(target["id"])
        link = self._links.enter_context(
            connect(
                target["webSocketDebuggerUrl"],
                max_size=None,
                open_timeout=PATIENCE_S,
                close_timeout=0.1,
                compression=None,
            )
        )
        page = Page(link)
        page.call("Runtime.enable")
        page.call("Page.enable")
        page.call("Log.enable")
        page.call("Emulation.setFocusEmulationEnabled", enabled=True)  # in every tab at once
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=scale, mobile=phone,
        )  # fmt: skip
        if phone:
            page.call("Emulation.setTouchEmulationEnabled", enabled=True)
        page.call("Page.navigate", url=url)
        return page

    def close_pages(self) -> None:
        """Close every tab: until then its page goes on asking for pictures and drawing them."""
        while self._tabs:
            self._ask(f"close/{self._tabs.pop()}")
        self.close()

    def close(self) -> None:
        """Close the connections to the tabs."""
        self._links.close()

    def _ask(self, path: str) -> bytes:
        url = f"http://127.0.0.1:{self._port}/json/{path}"
        request = urllib.request.Request(url, method="PUT")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            answered: bytes = answer.read()
        return answered


@contextmanager
def open_chromium(folder: Path) -> Iterator[Browser]:
    """A fresh profile in `folder`. Skips the test where there is no Chromium."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"needs Chromium: none of {', '.join(NAMES)} found")
    profile = folder / "chromium"
    with (folder / "chromium.log").open("wb") as log:
        child = subprocess.Popen(
            [found, *FLAGS, f"--user-data-dir={profile}", "about:blank"], stdout=log, stderr=log
        )
    browser: Browser | None = None
    try:
        ready = profile / "DevToolsActivePort"
        _until(lambda: ready.is_file() and ready.read_text().count("\n") >= 1, child, folder)
        browser = Browser(int(ready.read_text().split("\n", maxsplit=1)[0]))
        yield browser
    finally:
        child.kill()  # its profile goes with the folder; then no connection waits for an answer
        child.wait()
        if browser is not None:
            browser.close()


def _until(done: Callable[[], bool], child: "subprocess.Popen[bytes]", folder: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while not done():
        assert child.poll() is None, (folder / "chromium.log").read_text(errors="replace")[-500:]
        assert time.monotonic() < until, "Chromium did not start"
        time.sleep(0.05)
