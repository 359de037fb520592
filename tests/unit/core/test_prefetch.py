"""Stages overlap, stay bounded, and never leave anyone blocked."""

import threading
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from livedream.core.frame import Frame
from livedream.core.prefetch import AsyncWriter, StageTimer, prefetch


def _frame(index: int) -> Frame:
    return Frame(np.zeros((2, 2, 3), np.uint8), index, Fraction(1, 25), index)


def test_what_is_prefetched_keeps_its_order_and_ends() -> None:
    with prefetch(range(100)) as items:
        assert list(items) == list(range(100))


def test_prefetching_is_bounded() -> None:
    made = 0

    def count() -> Iterator[int]:
        nonlocal made
        while True:
            made += 1
            yield made

    with prefetch(count(), depth=3) as items:
        for taken in range(1, 200):
            assert next(items) == taken
            assert made <= taken + 5


def test_an_error_in_the_thread_is_raised_at_the_reader() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("cable pulled")

    with prefetch(broken()) as items:
        assert next(items) == 1
        with pytest.raises(OSError, match="cable pulled"):
            next(items)


class Unclosable:
    def __iter__(self) -> "Unclosable":
        return self

    def __next__(self) -> int:
        raise StopIteration

    def close(self) -> None:
        raise OSError("the disk is gone")


def test_a_source_that_cannot_be_closed_leaves_no_reader_waiting() -> None:
    with prefetch(Unclosable()) as items, pytest.raises(OSError, match="the disk is gone"):
        next(items)


def test_leaving_early_stops_the_thread_and_closes_the_source() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    before = set(threading.enumerate())
    with prefetch(endless()) as items:
        next(items)
    assert closed.is_set()
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert "livedream-stage" not in left


class _Sink:
    def __init__(self, fail_at: int | None = None) -> None:
        self.indices: list[int] = []
        self.fail_at = fail_at
        self.complete: bool | None = None

    def write(self, frame: Frame) -> None:
        if frame.index == self.fail_at:
            raise OSError("disk full")
        self.indices.append(frame.index)

    def close(self, *, complete: bool = True) -> None:
        self.complete = complete


def test_the_writer_writes_everything_before_it_closes() -> None:
    sink = _Sink()
    with AsyncWriter(sink, StageTimer()) as writer:
        for index in range(50):
            writer.write(_frame(index))
    assert sink.indices == list(range(50))
    assert sink.complete is True


def test_a_failing_sink_is_told_at_the_writer_and_never_blocks_it() -> None:
    sink = _Sink(fail_at=3)
    with pytest.raises(OSError, match="disk full"), AsyncWriter(sink, StageTimer()) as writer:
        for index in range(1000):
            writer.write(_frame(index))
    assert sink.indices == [0, 1, 2]
    assert sink.complete is False


def test_stopping_early_still_writes_what_was_handed_over() -> None:
    sink = _Sink()
    writer = AsyncWriter(sink, StageTimer())
    for index in range(4):
        writer.write(_frame(index))
    writer.close(complete=False)
    assert sink.indices == [0, 1, 2, 3]
    assert sink.complete is False


def test_an_error_of_the_dream_closes_the_sink_as_incomplete() -> None:
    sink = _Sink()
    with pytest.raises(ValueError, match="dream"), AsyncWriter(sink, StageTimer()) as writer:
        writer.write(_frame(0))
        raise ValueError("dream")
    assert sink.indices == [0]
    assert sink.complete is False


def test_ctrl_c_while_the_sink_is_closed_waits_for_it_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_close = threading.Event()

    class Slow(_Sink):
        def close(self, *, complete: bool = True) -> None:
            may_close.wait(10)
            super().close(complete=complete)

    sink, join = Slow(), threading.Thread.join

    def interrupted(thread: threading.Thread) -> None:
        monkeypatch.setattr(threading.Thread, "join", join)
        may_close.set()
        raise KeyboardInterrupt

    writer = AsyncWriter(sink, StageTimer())
    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.close()
    assert sink.complete is True
    writer.close()


def test_the_timer_counts_where_time_goes() -> None:
    now = 0.0
    timer = StageTimer(clock=lambda: now)

    def slow() -> Iterator[int]:
        nonlocal now
        now += 0.05
        yield 1

    for _ in timer.timed("capture", slow()):
        now += 7.0  # what becomes of it is another stage's time
    assert timer.spent_s == {"capture": pytest.approx(0.05)}
