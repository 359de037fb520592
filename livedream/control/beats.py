"""Where beats and bars fall in a piece of music that is at hand as a whole.

The tempo is the best path through windows' autocorrelations of the onset strength, which changes
little from one to the next; beats are the sequence that has most onsets at intervals of that tempo
(dynamic programming; Ellis, "Beat Tracking by Dynamic Programming", J. New Music Research 36(1),
2007). In a break without onsets beats go on at the tempo before it, and meet it behind it.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_SLOWEST_BPM: Final = 40.0
_FASTEST_BPM: Final = 240.0
# Of two tempi that fit, one twice the other, the one nearer to this is heard; fitted to loops.
_PRIOR_BPM: Final = 135.0
_OCTAVES: Final = 0.7  # the spread of that, in octaves of tempo
_TOLD_OCTAVES: Final = 0.1  # where the tempo was told
_TRUST: Final = 2.5  # in likeness, against what is usual (fitted as well)
_STEPS_PER_OCTAVE: Final = 96  # of tempo that are told apart: 0.7 %
_WINDOW_S: Final = 9.0
_EVERY_S: Final = 1.5
_SMOOTH_S: Final = 0.02
_AROUND_S: Final = 6.0  # onsets are as strong as those around them
_MULTIPLES: Final = 4  # of a period that onsets are compared over: a bar of four
_CHANGE: Final = 0.35  # what a step of tempo from one window to the next costs (heuristic)
_TIGHT: Final = 180.0  # what intervals cost that are not those of the tempo (heuristic)
_RARE: Final = 0.1  # how much better a bar of three has to fit (heuristic)
_LEAST_BEATS: Final = 12  # below, a metre cannot be told
_NEAR_S: Final = 0.04
_OPENING: Final = 0.3  # for bars from the first beat that is heard on, where nothing speaks
_HEARD: Final = 0.3  # of the usual loudness: the first beat of the music, not of what is before it
_SHORTEST_S: Final = 2.0


def find_beats(
    flux: NDArray[np.float32], step_s: float, bpm: float | None = None
) -> NDArray[np.float64]:
    """Times of the beats, in seconds; none where nothing has a beat.

    flux: (n, k), what is new at each moment, in k bands.  bpm: about how many beats there are in a
    minute, None where nobody said.
    """
    if len(flux) * step_s < _SHORTEST_S:
        return np.zeros(0)
    strength = onset_strength(flux, step_s)
    if not strength.any():
        return np.zeros(0)
    return _beats(strength, _periods(strength, step_s, bpm)) * step_s


def find_bars(
    beats: NDArray[np.float64],
    loud: NDArray[np.float32],
    flux: NDArray[np.float32],
    step_s: float,
    bar: int | None = None,
) -> tuple[int, int]:
    """How many beats a bar has, and which beat is the first of one.

    loud, flux: (n, k), of all bands, the second one the bass.  bar: the number, None where nobody
    said: 4 or 3.  A bar begins where the bass begins anew and where loudness changes, else with the
    music.
    """
    if len(beats) < max(_LEAST_BEATS, bar or 0):
        return bar or 4, 0
    accent = _accents(beats, loud, flux, step_s)
    waltz = _repeats(accent, 3) > _repeats(accent, 4) + _RARE
    metre = bar or (3 if waltz else 4)
    folded = np.array([accent[phase::metre].mean() for phase in range(metre)])
    at = np.clip(np.round(beats / step_s).astype(int), 0, len(loud) - 1)
    heard = loud[at, 0] > _HEARD * np.median(loud[at, 0])
    folded[int(heard.argmax()) % metre] += _OPENING
    return metre, int(np.argmax(folded))


def _accents(
    beats: NDArray[np.float64],
    loud: NDArray[np.float32],
    flux: NDArray[np.float32],
    step_s: float,
) -> NDArray[np.float64]:
    """How much each beat sounds like the first of a bar, in standard deviations."""
    at = np.clip(np.round(beats / step_s).astype(int), 0, len(flux) - 1)
    reach = round(_NEAR_S / step_s)
    near = np.clip(at[:, None] + np.arange(-reach, reach + 1), 0, len(flux) - 1)
    bass = np.log1p(flux[near, 1].max(axis=1).astype(np.float64) / max(flux[:, 1].mean(), 1e-9))
    bounds = np.minimum(np.append(at, 2 * at[-1] - at[-2]), len(loud))
    sums = np.cumsum(np.pad(np.log(loud.astype(np.float64) + 1e-3), ((1, 0), (0, 0))), axis=0)
    means = np.diff(sums[bounds], axis=0) / np.maximum(np.diff(bounds), 1)[:, None]
    change = np.abs(np.diff(means, axis=0, prepend=means[:1])).sum(axis=1)
    # A break's two ends are no reason to hear all bars from there.
    parts = ((x - x.mean()) / max(float(x.std()), 1e-9) for x in (bass, change))
    return sum((np.clip(x, -2.0, 2.0) for x in parts), np.zeros(len(beats)))


def _repeats(accent: NDArray[np.float64], beats: int) -> float:
    """How alike accents are so many beats apart, and twice as many."""
    return float(np.mean([
        np.mean(accent[lag:] * accent[: len(accent) - lag]) for lag in (beats, 2 * beats)
    ]))  # fmt: skip


def onset_strength(flux: NDArray[np.float32], step_s: float) -> NDArray[np.float64]:
    """How strongly something begins at each moment, (n,), 1 on average where there are onsets."""
    bands = flux.astype(np.float64)
    bands = bands / np.maximum(bands.std(axis=0), 1e-6)
    raw = _blurred(bands.sum(axis=1), _SMOOTH_S / step_s)
    above = np.maximum(raw - _blurred(raw, 0.3 / step_s), 0.0)
    around = np.sqrt(_blurred(above**2, _AROUND_S / step_s))
    return above / np.maximum(around, 0.1 * max(float(around.max()), 1e-9))


def _blurred(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """A Gaussian, as three boxes, each a difference of sums."""
    half = max(1, round(sigma))
    for _ in range(3):
        sums = np.cumsum(np.pad(values, (half + 1, half), mode="edge"))
        values = (sums[2 * half + 1 :] - sums[: -2 * half - 1]) / (2 * half + 1)
    return values


def _periods(
    strength: NDArray[np.float64], step_s: float, told_bpm: float | None
) -> NDArray[np.float64]:
    """The period of the beat at each moment, in steps."""
    window, every = round(_WINDOW_S / step_s), round(_EVERY_S / step_s)
    count = int(np.log2(_FASTEST_BPM / _SLOWEST_BPM) * _STEPS_PER_OCTAVE)
    octaves = np.arange(count) / _STEPS_PER_OCTAVE
    periods = 60.0 / _SLOWEST_BPM / step_s / 2**octaves
    bpm = 60.0 / (periods * step_s)
    middle, spread = (_PRIOR_BPM, _OCTAVES) if told_bpm is None else (told_bpm, _TOLD_OCTAVES)
    usual = -0.5 * (np.log2(bpm / middle) / spread) ** 2
    centres = np.arange(0, len(strength), every)
    padded = np.pad(strength, (window // 2, window))
    longest = int(periods[0] * _MULTIPLES) + 2
    size = 1 << (window + longest).bit_length()
    bell = np.hanning(window)
    # As much overlap as there is, so that long lags count as much as short ones.
    overlap = np.fft.irfft(np.abs(np.fft.rfft(bell, size)) ** 2)[:longest]
    overlap = np.maximum(overlap, 0.05 * overlap[0])
    scores = np.empty((len(centres), count))
    for row, centre in enumerate(centres):
        power = np.abs(np.fft.rfft(padded[centre : centre + window] * bell, size)) ** 2
        alike = np.fft.irfft(power)[:longest] / overlap
        alike /= max(alike[0], 1e-9)
        multiples = range(1, _MULTIPLES + 1)
        comb = [np.interp(periods * m, np.arange(longest), alike) for m in multiples]
        scores[row] = np.mean(comb, axis=0)
    return np.interp(
        np.arange(len(strength)), centres, periods[_path(_TRUST * scores + 0.5 * usual)]
    )


def _path(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """The best column in each row, where neighbours differ little (Viterbi)."""
    rows, count = scores.shape
    reach = _STEPS_PER_OCTAVE // 12
    jumps = np.arange(-reach, reach + 1)
    cost = _CHANGE * np.abs(jumps)
    leap = _CHANGE * (reach + 1)  # to any other tempo
    best, came = scores[0].copy(), np.zeros((rows, count), np.intp)
    for row in range(1, rows):
        padded = np.pad(best, reach, constant_values=-np.inf)
        near = np.lib.stride_tricks.sliding_window_view(padded, len(jumps)) - cost
        choice = near.argmax(axis=1)
        value = near[np.arange(count), choice]
        came[row] = np.arange(count) + jumps[choice]
        far = best.argmax()
        leaping = best[far] - leap > value
        came[row][leaping] = far
        best = np.where(leaping, best[far] - leap, value) + scores[row]
    path = np.empty(rows, np.intp)
    path[-1] = best.argmax()
    for row in range(rows - 1, 0, -1):
        path[row - 1] = came[row, path[row]]
    return path


def _beats(strength: NDArray[np.float64], periods: NDArray[np.float64]) -> NDArray[np.float64]:
    """Moments of the beats, in steps."""
    count = len(strength)
    longest = int(2 * periods.max()) + 1
    total = np.concatenate([np.zeros(longest), strength])
    came = np.full(count, -1, np.intp)
    lags = np.arange(longest, 0, -1)
    logs = np.log(lags)
    for at in range(count):
        period = periods[at]
        first = longest - int(2 * period)
        last = longest - int(period / 2) + 1
        cost = _TIGHT * (logs[first:last] - np.log(period)) ** 2
        before = total[at + first : at + last] - cost
        best = int(before.argmax())
        if before[best] > 0:
            total[at + longest] += before[best]
            came[at] = at - lags[first + best]
    # The last beat is the best one within the last two periods.
    tail = max(0, count - int(2 * periods[-1]))
    at = tail + int(total[longest + tail :].argmax())
    found = []
    while at >= 0:
        found.append(at)
        at = int(came[at])
    return np.array(found[::-1], np.float64)
