"""Live sources beside a show's own, for masks and guides: each read by one thread, once for all.

Nobody waits for them. A source is opened when somebody first asks for it, comes back by itself when
it is lost, and is let go when nobody has asked for a while.
"""

import contextlib
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from livedream.capture.live import Captured, LiveInput, is_camera, open_live
from livedream.capture.live.ndi import is_ndi
from livedream.capture.live.screen import is_screen
from livedream.capture.live.stream import is_url
from livedream.capture.live.textures import is_texture
from livedream.capture.live.window_capture import is_window
from livedream.capture.live.worker import Capture
from livedream.core.closing import Closeable
from livedream.core.errors import LivedreamError
from livedream.core.health import Health
from livedream.core.latest_slot import SlotClosed
from livedream.core.niceness import yield_processor
from livedream.core.supervisor import SupervisedThread, start_thread
from livedream.media.webrtc import is_whip

T = TypeVar("T")

_YIELDING: Final = 10  # steps of niceness: frames come first, then dreams (heuristic)
_UNUSED_S: Final = 5.0  # heuristic: longer than a dream takes, or a network to load


def is_live(text: str) -> bool:
    """Whether this names what is there at this moment only: a camera, a stream, the screen, what
    another program sends."""
    kinds = is_camera, is_url, is_screen, is_window, is_ndi, is_texture, is_whip
    return any(is_kind(text) for is_kind in kinds)


@dataclass(slots=True)
class _Watched:
    capture: Capture
    asked_s: float
    newest: Captured | None = None


class LivePictures(Closeable):
    """The newest picture of each source that somebody looks at; from any thread.

    opener: makes inputs, None: `open_live`.
    """

    def __init__(self, opener: Callable[[str], LiveInput] | None = None) -> None:
        self._opener = opener or open_live
        self._watched: dict[str, _Watched] = {}
        self._looks: weakref.WeakSet[Look[object]] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False

    def newest(self, text: str) -> Captured | None:
        """None before the first; the last one there was while it is lost. Never waits.

        Raises SourceError for what can never become a source, SettingsError for such an address.
        """
        now_s = time.monotonic()
        with self._lock:
            if self._closed:
                return None
            self._let_go(now_s)
            watched = self._watched.get(text)
            if watched is None:
                watched = self._watched[text] = _Watched(Capture(self._opener(text)), now_s)
                watched.capture.wait(0.0)  # nobody does: what does not come is logged at once
                watched.capture.start()
            watched.asked_s = now_s
            with contextlib.suppress(SlotClosed):
                watched.newest = watched.capture.slot.get(0) or watched.newest
            return watched.newest

    def look(self, text: str, make: Callable[[Captured], T], every_s: float) -> "Look[T]":
        """What `make` makes of the newest picture, in a thread of its own, at most so often."""
        look = Look(self, text, make, every_s)
        self._looks.add(look)  # type: ignore[arg-type]
        return look

    def health(self) -> tuple[Health, ...]:
        with self._lock:
            self._let_go(time.monotonic())
            return tuple(watched.capture.health() for watched in self._watched.values())

    def notes(self) -> tuple[str, ...]:
        """One line for each that does not come."""
        found = self.health()
        return tuple(
            f"{one.name} is {one.state}: {one.detail}" for one in found if one.state != "ok"
        )

    def close(self) -> None:
        """Close all within half a second; what hangs is left to its thread."""
        with self._lock:
            self._closed = True
            captures = [watched.capture for watched in self._watched.values()]
            self._watched.clear()
        for look in tuple(self._looks):
            look.close()
        for capture in captures:
            capture.close()

    def _let_go(self, now_s: float) -> None:
        for text, watched in list(self._watched.items()):
            if now_s - watched.asked_s > _UNUSED_S:
                del self._watched[text]
                start_thread("capture closes", watched.capture.close, restart=False)


class Look(Generic[T]):
    """See `LivePictures.look`. The thread ends when nobody has asked for a while."""

    def __init__(
        self, pictures: LivePictures, text: str, make: Callable[[Captured], T], every_s: float
    ) -> None:
        self._pictures, self._text, self._make, self._every_s = pictures, text, make, every_s
        self._made: T | None = None
        self._seen_s = self._asked_s = 0.0
        self._thread: SupervisedThread | None = None
        self._yields = self._closed = False

    def newest(self) -> T | None:
        """None before the first. Never waits; for one thread."""
        self._asked_s = time.monotonic()
        if (self._thread is None or not self._thread.is_alive()) and not self._closed:
            self._yields = False
            with contextlib.suppress(LivedreamError):  # the thread says so
                self._pictures.newest(self._text)  # its reader shall not yield as this thread does
            self._thread = start_thread("look", self._turn, computes=True, every_s=self._every_s)
        return self._made

    def close(self) -> None:
        self._closed = True
        if self._thread is not None:
            self._thread.close(0.0)

    def _turn(self) -> None:
        if not self._yields:
            self._yields = True
            yield_processor(_YIELDING)
        if time.monotonic() - self._asked_s > _UNUSED_S:
            assert self._thread is not None, "it is this one"
            self._thread.close()
            return
        captured = self._pictures.newest(self._text)
        if captured is not None and captured.captured_s != self._seen_s:
            self._made, self._seen_s = self._make(captured), captured.captured_s
