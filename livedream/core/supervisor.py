"""The threads of a show: none dies unseen. Each fault is logged, is in /health, and has an end.

Start a thread of a show with `start_thread` in place of `threading.Thread(...).start()`:

    self._thread = start_thread("osc", self._run)                # restarted after an exception
    self._thread = start_thread("midi", self.poll, every_s=1.0)  # again and again, until closed
    self._thread = start_thread("network", load, restart=False)  # does one thing, once
    self._thread = start_thread("loop", loop, essential=True)    # no show without it

    self._stop.set()            # whatever makes `_run` return
    self._thread.close(1.0)     # no more restarts; waits for the thread, at most a second

`work` returns when it is to end. It need not catch what it cannot mend: an exception that leaves it
is logged with its traceback, the thread is "lost" in `Supervisor.health` and `work` is called anew
after a pause that doubles. What `work` does catch and survives goes to a `FaultLog`, as does what
fails in a thread that a driver started.
"""

import atexit
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Final

from livedream.core.errors import reason
from livedream.core.health import Health

_log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.2  # before `work` is called anew; doubles with each failure...
_LONGEST_PAUSE_S: Final = 5.0  # ...up to here
_SETTLED_S: Final = 10.0  # heuristic: who has run for so long since a failure is well again
_FIRST_SILENCE_S: Final = 10.0  # between two lines about one fault; grows fourfold...
_LONGEST_SILENCE_S: Final = 3600.0  # ...up to here
_FORGOTTEN_S: Final = 60.0  # what comes again after so long comes for the first time
_LAST_WORK_S: Final = 10.0  # heuristic: a dream of a large picture on a busy machine


class FaultLog:
    """Logs a fault that keeps coming: at once, then ever more seldom, and once when it is over.

    name: of what fails, for people.  clock: monotonic seconds.  fault: what `catching` caught last,
    for a health; "" while all is well.
    """

    def __init__(
        self, logger: logging.Logger, name: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger, self._name, self._clock = logger, name, clock
        self._last_s = self._due_s = self._silence_s = 0.0
        self._count = 0
        self._kinds: set[type[BaseException]] = set()
        self._reported = False  # the fault, and not yet that it is over
        self.fault = ""

    def failed(
        self, error: BaseException, event: str = "failed", *, traceback: bool = True
    ) -> None:
        """Log `error`, unless the last line about it is too fresh. event: a verb, "is lost"."""
        now_s = self._clock()
        if now_s - self._last_s > max(_FORGOTTEN_S, self._silence_s):
            self._count, self._silence_s, self._kinds = 0, 0.0, set()
        self._last_s = now_s
        self._count += 1
        if now_s < self._due_s and type(error) in self._kinds:
            return
        self._kinds.add(type(error))
        times = f" ({self._count} times)" if self._count > 1 else ""
        why = reason(error).removeprefix(f"{self._name}: ")  # most errors of a source name it
        self._logger.warning(
            "%s %s%s: %s", self._name, event, times, why, exc_info=error if traceback else None
        )
        self._reported = True
        self._silence_s = min(max(4 * self._silence_s, _FIRST_SILENCE_S), _LONGEST_SILENCE_S)
        self._due_s = now_s + self._silence_s

    @contextmanager
    def catching(self) -> Iterator[None]:
        """For what a driver calls from a thread of its own, where nobody would see an exception."""
        try:
            yield
        except Exception as error:
            self.fault = f"{type(error).__name__}: {reason(error)}"[:200]
            self.failed(error)
        else:
            self.fault = ""
            self.recovered()

    def recovered(self, event: str = "works again") -> None:
        """Log that it is over, if the fault was logged."""
        if self._reported:
            times = f" after {self._count} faults" if self._count > 1 else ""
            self._logger.info("%s %s%s", self._name, event, times)
        self._reported = False


class SupervisedThread:
    """A thread of a show, as `Supervisor.start` gives it."""

    def __init__(
        self, supervisor: "Supervisor", name: str, work: Callable[[], object],
        *, restart: bool, essential: bool, computes: bool, every_s: float | None,
    ) -> None:  # fmt: skip
        self.name, self.essential, self.computes = name, essential, computes
        self.failures = 0
        self._supervisor, self._work, self._restart = supervisor, work, restart and not essential
        self._every_s = every_s
        self._closing = threading.Event()
        self._faults = FaultLog(_log, f"thread {name}")
        self._state, self._detail = "ok", ""
        self._since_s = time.monotonic()
        context = copy_context()
        context.run(_current.set, supervisor)  # what it starts is watched over, too
        self._thread = threading.Thread(
            target=context.run, args=(self._run_to_its_end,), name=f"livedream-{name}", daemon=True
        )
        self._thread.start()
        _started.add(self)

    @property
    def ends_by_itself(self) -> bool:
        """Whether it is to end without being told once more."""
        return self._closing.is_set() or not (self._restart or self.essential)

    @property
    def ident(self) -> int | None:
        return self._thread.ident

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout_s: float | None = None) -> None:
        self._thread.join(timeout_s)

    def close(self, timeout_s: float | None = None) -> bool:
        """No more restarts; wait for the thread. Returns whether it has ended."""
        self._closing.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def health(self) -> Health:
        """ "lost" from a failure until it has run well for a while; "failed" if it stays away."""
        state, since_s = self._state, self._since_s
        if state == "lost" and self.is_alive() and time.monotonic() - since_s > _SETTLED_S:
            state = "ok"
            self._faults.recovered()
        return Health(self.name, state, self._detail, reconnects=self.failures, since_s=since_s)

    def _run_to_its_end(self) -> None:
        try:
            self._run()
        finally:
            # Whose work it was holds this thread, mostly: neither would go before Python collects
            # garbage, nor the stream, say, that was read.
            self._work = lambda: None

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._closing.is_set():
            begun_s = time.monotonic()
            try:
                if self._every_s is None:
                    self._work()
                    return
                while not self._closing.wait(self._every_s):
                    self._work()
                return
            except BaseException as error:
                if self._closing.is_set():
                    _log.debug("thread %s ended while it was closed", self.name, exc_info=error)
                    return
                if time.monotonic() - begun_s > _SETTLED_S:
                    pause_s = FIRST_PAUSE_S
                    self._faults.recovered()
                self._fail(error)
            if not self._restart:
                return
            self._closing.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            self._since_s = time.monotonic()

    def _fail(self, error: BaseException) -> None:
        self.failures += 1
        self._state, self._since_s = "lost" if self._restart else "failed", time.monotonic()
        self._detail = f"{type(error).__name__}: {reason(error)}"[:200]
        self._faults.failed(error, "failed, restarting it" if self._restart else "failed")
        if self.essential:
            self._supervisor.fail(self.name, error)


class Supervisor:
    """Starts and watches the threads of one show.

    on_failure: called, from the thread itself, when an essential one has failed.
    """

    def __init__(self, on_failure: Callable[[], None] | None = None) -> None:
        self.failure: BaseException | None = None
        self.failed_thread = ""
        self._on_failure = on_failure
        self._threads: list[SupervisedThread] = []
        self._lock = threading.Lock()

    def start(
        self, name: str, work: Callable[[], object], *, restart: bool = True,
        essential: bool = False, computes: bool = False, every_s: float | None = None,
    ) -> SupervisedThread:  # fmt: skip
        """Run `work` in a thread named `livedream-NAME`.

        restart: whether `work` is called anew after an exception.  essential: no show without it;
        it is not restarted, the show ends.  computes: whether it may be inside torch or OpenVINO,
        for which Python waits when it ends; a driver that hangs is not waited for.  every_s: `work`
        is called so often until the thread is closed, first after that time; None: once.
        """
        thread = SupervisedThread(
            self,
            name,
            work,
            restart=restart,
            essential=essential,
            computes=computes,
            every_s=every_s,
        )
        with self._lock:
            # What failed and was begun anew by somebody is no longer what failed.
            kept = [one for one in self._threads if one.is_alive() or one.name != name]
            self._threads = [*kept, thread]
        return thread

    @property
    def threads(self) -> tuple[SupervisedThread, ...]:
        """Those that run, and those that failed for good."""
        with self._lock:
            return tuple(t for t in self._threads if t.is_alive() or t.health().state == "failed")

    def health(self) -> tuple[Health, ...]:
        return tuple(thread.health() for thread in self.threads)

    def notes(self) -> tuple[str, ...]:
        """One line for each thread that is not well."""
        return tuple(
            f"thread {h.name}: {h.detail}, {'started again' if h.state == 'lost' else 'ended'}"
            for h in self.health()
            if h.state != "ok"
        )

    def fail(self, name: str, error: BaseException) -> None:
        """The show cannot go on without what has failed."""
        if self.failure is None:
            self.failure, self.failed_thread = error, name
            if self._on_failure is not None:
                self._on_failure()

    @contextmanager
    def current(self) -> Iterator[None]:
        """Within it `start_thread` starts threads of this supervisor."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_started: "weakref.WeakSet[SupervisedThread]" = weakref.WeakSet()


@atexit.register
def _let_finish() -> None:
    """Wait, when Python ends, for threads that have one more thing to compute.

    Python takes a thread away as it comes back from torch or OpenVINO; amid C++ that is an abort.
    """
    until_s = time.monotonic() + _LAST_WORK_S
    for thread in tuple(_started):
        if thread.computes and thread.ends_by_itself:
            thread.join(max(0.0, until_s - time.monotonic()))


_current: ContextVar[Supervisor] = ContextVar("livedream_supervisor")


def start_thread(
    name: str, work: Callable[[], object], *, restart: bool = True, essential: bool = False,
    computes: bool = False, every_s: float | None = None,
) -> SupervisedThread:  # fmt: skip
    """`Supervisor.start` of the show that the caller belongs to; outside a show, of none."""
    supervisor = _current.get(None) or Supervisor()
    return supervisor.start(
        name, work, restart=restart, essential=essential, computes=computes, every_s=every_s
    )
