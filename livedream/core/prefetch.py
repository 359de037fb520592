"""Stages that overlap: a bounded queue between two of them, and a timer for all."""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final, Protocol, TypeVar

from livedream.core.closing import Finalizable
from livedream.core.frame import Frame

T = TypeVar("T")

_DEPTH: Final = 4  # frames that may wait between two stages; more only costs memory
_POLL_S: Final = 0.1  # how soon a stopped stage notices


class StageTimer:
    """Seconds spent in each named stage. Each stage is timed from one thread at a time."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.spent_s: dict[str, float] = defaultdict(float)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = self._clock()
        try:
            yield
        finally:
            self.spent_s[name] += self._clock() - start

    def timed(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """`items`, with the time they took to come."""
        source = iter(items)
        while True:
            with self.stage(name):
                try:
                    item = next(source)
                except StopIteration:
                    return
            yield item


class _End:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


@contextmanager
def prefetch(items: Iterable[T], depth: int = _DEPTH) -> Iterator[Iterator[T]]:
    """`items`, computed in a thread of their own, at most `depth` ahead of their reader.

    An error there is raised at the reader's place. Leaving the block stops the thread, whatever
    it waits for, and closes the generator behind `items`.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(depth)
    stop = threading.Event()

    def put(item: T | _End) -> bool:
        while not stop.is_set():
            try:
                waiting.put(item, timeout=_POLL_S)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        end = _End()
        try:
            with ExitStack() as stack:
                source = iter(items)
                if (close := getattr(source, "close", None)) is not None:
                    stack.callback(close)
                for item in source:
                    if not put(item):
                        break
        except BaseException as error:  # carried to the reader, raised there
            end = _End(error)
        put(end)

    def read() -> Iterator[T]:
        while True:
            item = waiting.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    worker = threading.Thread(target=work, name="livedream-stage", daemon=True)
    worker.start()
    try:
        yield read()
    finally:
        stop.set()
        worker.join()


class Closing(Protocol):
    """A sink; `complete` says whether all frames came."""

    def write(self, frame: Frame) -> None: ...

    def close(self, *, complete: bool = True) -> None: ...


class AsyncWriter(Finalizable):
    """Writes into a sink from a thread of its own, at most a few frames behind.

    An error of the sink is raised at the next `write` or at `close`, once. The sink is closed
    from that thread in every case.
    """

    def __init__(self, sink: Closing, timer: StageTimer) -> None:
        self._sink = sink
        self._timer = timer
        self._waiting: queue.Queue[Frame | None] = queue.Queue(_DEPTH)
        self._error: BaseException | None = None
        self._complete = True
        self._failed = False
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="livedream-sink", daemon=True)
        self._worker.start()

    def write(self, frame: Frame) -> None:
        """Queue a frame; waits while the sink is a few behind."""
        self._raise()
        self._waiting.put(frame)

    def close(self, *, complete: bool = True) -> None:
        """Wait until all is written and the sink closed. complete: no frame is missing.

        A first KeyboardInterrupt is raised once that is done, a second one at once.
        """
        if not self._closed:
            self._closed = True
            self._complete = complete
            try:
                self._finish()
            except KeyboardInterrupt:
                self._finish()
                raise
        self._raise()

    def _finish(self) -> None:
        self._waiting.put(None)
        self._worker.join()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _work(self) -> None:
        while (frame := self._waiting.get()) is not None:
            if self._failed:
                continue  # drain, so that the writer is never blocked
            try:
                with self._timer.stage("present"):
                    self._sink.write(frame)
            except BaseException as error:
                self._error = error
                self._failed = True
        try:
            self._sink.close(complete=self._complete and not self._failed)
        except BaseException as error:
            self._error = self._error or error
