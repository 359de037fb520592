"""A whole film's sound, heard beforehand: the live analyser's quantities, without its lag.

Windows are centred on the moment they stand for, and loudness is compared with what is around it,
before and behind. What is kept is five numbers for each hundredth of a second, not the sound: 13 MB
for two hours.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from livedream.control.audio_analyzer import (
    LEVELS,
    LOUDEST_S,
    MEMORY_S,
    ONSET_FADE_S,
    REFRACTORY_S,
    RELEASE_S,
    Spectrometer,
    shares,
    stands_out,
)
from livedream.control.beats import find_bars, find_beats
from livedream.core.live_sound import SOUND_RATE

HEARD: Final = (*LEVELS, "onset")
_NEAR: Final = 9  # beats at an end, whose tempo goes on there
_AT_ONCE: Final = 512  # windows measured at once
_PEAK_S: Final = 0.05  # an onset is the largest rise within this on both sides
_MEDIANS_AT_ONCE: Final = 8192


@dataclass(frozen=True, eq=False)
class Soundtrack:
    """What is heard in a film, from its beginning on.

    step_s: between two moments.  levels: (n, 5) float32, 0 to 1: level, bass, mid, treble, onset.
    beat_times: of each beat, in seconds, two at least, or none.  bar: beats in one.  first: which
    beat is the first of a bar.  begin: the number of the first moment, for a part of a film.
    """

    step_s: float
    levels: NDArray[np.float32]
    beat_times: NDArray[np.float64]
    bar: int = 4
    first: int = 0
    begin: int = 0

    @classmethod
    def steady(cls, bpm: float, bar: int = 4, bar_at_s: float = 0.0) -> Self:
        """Silence with a beat. bar_at_s: a time at which a bar begins, such as the film's
        beginning."""
        nothing, beat_s = np.zeros((0, len(HEARD)), np.float32), 60.0 / bpm
        first_s = bar_at_s % (bar * beat_s)  # of the film's bars
        return cls(1.0, nothing, np.array([first_s, first_s + beat_s]), bar)

    def value(self, name: str, time_s: float) -> float:
        """One of `HEARD` at a time, 0 to 1; 0 behind the end."""
        at = round(time_s / self.step_s) - self.begin
        return float(self.levels[at, HEARD.index(name)]) if 0 <= at < len(self.levels) else 0.0

    def beats(self, now_s: float) -> float:
        """Beats since the first bar began; whole numbers are on the beat. They go on at both ends
        as they were there."""
        times = self.beat_times
        after = min(max(int(np.searchsorted(times, now_s)), 1), len(times) - 1)
        begin, end = times[after - 1], times[after]
        inside = begin <= now_s <= end
        period = end - begin if inside else self._period(end=now_s > end)
        origin, number = (begin, after - 1) if inside or now_s < begin else (end, after)
        return float(number + (now_s - origin) / period - self.first)

    def time_of(self, beat: float) -> float:
        """When a beat falls, in seconds; counted as `beats` counts."""
        number, last = beat + self.first, len(self.beat_times) - 1
        if 0 <= number <= last:
            return float(np.interp(number, np.arange(last + 1), self.beat_times))
        end = number > last
        beyond = number - (last if end else 0)
        return float(self.beat_times[-1 if end else 0] + beyond * self._period(end=end))

    def _period(self, *, end: bool) -> float:
        near = self.beat_times[-_NEAR:] if end else self.beat_times[:_NEAR]
        return float((near[-1] - near[0]) / (len(near) - 1))

    def part(self, begin_s: float, end_s: float) -> Self:
        """With the levels of a part only."""
        first, last = int(begin_s / self.step_s) - 1, int(end_s / self.step_s) + 2
        first = max(0, first - self.begin)
        return replace(
            self, levels=self.levels[first : max(first, last - self.begin)].copy(),
            begin=self.begin + first,
        )  # fmt: skip


def listen(
    blocks: Iterable[NDArray[np.float32]],
    bpm: float | None = None,
    bar: int | None = None,
    bar_at_s: float | None = None,
) -> Soundtrack:
    """Hear sound of `SOUND_RATE` samples a second, in (n,) blocks; it need not fit into memory.

    bpm, bar, bar_at_s: about how many beats there are in a minute, how many in a bar, and a time at
    which one begins, where these are known.
    """
    meter = Spectrometer(SOUND_RATE, centred=True)
    nothing = np.zeros((0, len(LEVELS)), np.float32)
    louds, fluxes = [nothing], [nothing]
    for windows in _windows(blocks, meter.window, meter.hop):
        loud, rise = meter.measure(windows)
        louds.append(loud)
        fluxes.append(meter.flux(rise))
    step_s = meter.hop / SOUND_RATE
    loud, flux = np.concatenate(louds), np.concatenate(fluxes)
    beats = find_beats(flux[:, 1:], step_s, bpm)
    metre, first = find_bars(beats, loud, flux, step_s, bar)
    found = Soundtrack(step_s, _levels(loud, flux, step_s), beats, metre)
    if bar_at_s is not None and len(beats):
        first = round(found.beats(bar_at_s)) % metre  # which may be before the first beat found
    return replace(found, first=first)


def _levels(
    loud: NDArray[np.float32], flux: NDArray[np.float32], step_s: float
) -> NDArray[np.float32]:
    """(n, 5): the four levels against what is around them, and the onsets."""
    exact = loud.astype(np.float64)
    loudest = np.maximum(
        _falling(exact, LOUDEST_S / step_s), _falling(exact[::-1], LOUDEST_S / step_s)[::-1]
    )
    levels = _falling(shares(exact, loudest), RELEASE_S / step_s)
    hits = np.zeros((len(loud), 1))
    hits[_onsets(flux[:, 0], loud[:, 0], step_s)] = 1.0
    onset = _falling(hits, ONSET_FADE_S / step_s)
    return np.concatenate([levels, onset], axis=1).astype(np.float32)


def _windows(
    blocks: Iterable[NDArray[np.float32]], window: int, hop: int
) -> Iterator[NDArray[np.float32]]:
    """(n, window) samples, a hop apart, the first one centred on the beginning."""
    most = window + (_AT_ONCE - 1) * hop
    waiting, held = [np.zeros(window // 2, np.float32)], window // 2

    def taken() -> NDArray[np.float32]:
        """All windows that there are; what the next ones need goes on waiting."""
        nonlocal waiting, held
        sound = np.concatenate(waiting)
        found = sliding_window_view(sound, window)[::hop]
        waiting = [sound[len(found) * hop :]]
        held = waiting[0].size
        return found

    for block in blocks:
        clean = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
        # In pieces of one size, whatever the blocks': sums of floats depend on it.
        while held + clean.size >= most:
            waiting.append(clean[: most - held])
            clean = clean[most - held :]
            yield taken()
        waiting.append(clean)
        held += clean.size
    waiting.append(np.zeros(window // 2 - 1, np.float32))
    if held > window // 2:
        yield taken()


def _falling(values: NDArray[np.float64], fall: float) -> NDArray[np.float64]:
    """Each column held at its highest, which falls to 1/e within `fall` steps."""
    rising = np.arange(len(values))[:, None] / fall
    with np.errstate(divide="ignore"):
        found = np.maximum.accumulate(np.log(values) + rising, axis=0)
    return np.asarray(np.exp(found - rising))


def _onsets(
    flux: NDArray[np.float32], level: NDArray[np.float32], step_s: float
) -> NDArray[np.intp]:
    if not len(flux):
        return np.zeros(0, np.intp)
    around, near = round(MEMORY_S / step_s / 2), round(_PEAK_S / step_s)
    padded = np.pad(flux, around, mode="reflect" if len(flux) > around else "edge")
    usual = np.empty_like(flux)
    for at in range(0, len(flux), _MEDIANS_AT_ONCE):
        part = padded[at : at + _MEDIANS_AT_ONCE + 2 * around]
        usual[at : at + _MEDIANS_AT_ONCE] = np.median(
            sliding_window_view(part, 2 * around + 1), axis=1
        )
    highest = sliding_window_view(np.pad(flux, near), 2 * near + 1).max(axis=1)
    found = np.flatnonzero(stands_out(flux, usual, level) & (flux == highest))
    kept: list[int] = []
    for at in found.tolist():
        if not kept or (at - kept[-1]) * step_s >= REFRACTORY_S:
            kept.append(at)
    return np.array(kept, np.intp)
