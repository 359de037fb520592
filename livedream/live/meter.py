"""Figures of the last seconds, at no cost worth naming per frame."""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

__all__ = ["LoopMeter"]

_WINDOW_S: Final = 2.0
_EASE: Final = 0.1


class LoopMeter:
    """Frames per second over the last two, and eased means of stages and latencies, in ms."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()
        self._means: dict[str, float] = {}
        self.frames = 0

    def frame(self, now_s: float) -> None:
        self.frames += 1
        self._times.append(now_s)
        while now_s - self._times[0] > _WINDOW_S:
            self._times.popleft()

    def fps(self, now_s: float) -> float:
        times = tuple(t for t in self._times if now_s - t <= _WINDOW_S)
        if len(times) < 2:
            return 0.0
        return (len(times) - 1) / max(times[-1] - times[0], now_s - times[0] - 0.1, 1e-6)

    def ease(self, name: str, milliseconds: float) -> None:
        before = self._means.get(name, milliseconds)
        self._means[name] = before + _EASE * (milliseconds - before)

    def mean(self, name: str) -> float:
        return self._means.get(name, 0.0)

    def means(self, *names: str) -> Mapping[str, float]:
        return {name: round(self._means[name], 2) for name in names if name in self._means}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.ease(name, 1000.0 * (time.perf_counter() - start))
