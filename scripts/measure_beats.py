"""Measure the beat tracker on drum loops whose beats are known.

    python scripts/measure_beats.py --loops 80 --seed 1

Loops are drawn: a pattern, a tempo of 65 to 170 beats per minute, with or without drift, unsteady
hands, noise, a bass line, a break of eight bars. Printed is the share of beats met to 50 ms, of
found beats that are right, and of loops whose tempo, metre and bars are right; then the same with
tempo and bar said; then live, as it is heard, from ten seconds on, by itself and with five taps.
"""

import argparse
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livedream.control.audio_analyzer import AudioAnalyzer
from livedream.control.beat_tracker import BeatTracker
from livedream.control.soundtrack import Soundtrack, listen
from livedream.control.tempo import BEATS_PER_BAR, Tempo

RATE: Final = 48000
_TOLERANCE_S: Final = 0.05
_BLOCK: Final = 512  # samples that a driver hands over at once
_LOOK_S: Final = 0.5
_TAPPED: Final = range(8, 13)  # beats
_FROM_S: Final = 10.0  # live, by when the beat is there
_EIGHTHS: Final = tuple(n / 2 for n in range(8))
_SIXTEENTHS: Final = tuple(n / 4 for n in range(16))
# Beats in a bar, and at which of them what is heard.
_HITS: Final[dict[str, tuple[int, dict[str, tuple[float, ...]]]]] = {
    "clicks": (4, {"click": (0, 1, 2, 3)}),
    "four on the floor": (4, {"kick": (0, 1, 2, 3), "snare": (1, 3), "hat": _EIGHTHS[1::2]}),
    "rock": (4, {"kick": (0, 2, 2.5), "snare": (1, 3), "hat": _EIGHTHS}),
    "syncopated": (4, {"kick": (0, 0.75, 1.75, 2.5), "snare": (1, 3, 3.75), "hat": _SIXTEENTHS}),
    "tresillo": (4, {"kick": (0, 1.5, 3), "snare": (1, 2.5), "hat": _EIGHTHS}),
    "drum and bass": (4, {"kick": (0, 2.5), "snare": (1, 3), "hat": _EIGHTHS}),
    "half time": (4, {"kick": (0, 1.5), "snare": (2,), "hat": _EIGHTHS}),
    "waltz": (3, {"kick": (0,), "snare": (1, 2), "hat": (0, 1, 2)}),
    "one drop": (4, {"kick": (2,), "snare": (2,), "hat": _EIGHTHS}),
}


@dataclass(frozen=True)
class Loop:
    name: str
    sound: NDArray[np.float32]
    beats: NDArray[np.float64]
    bar: int
    has_bass: bool


def drawn_loop(name: str, draw: np.random.Generator, bars: int = 28) -> Loop:
    bar, hits = _HITS[name]
    count = bars * bar
    drift = draw.choice([0.0, 0.0, 0.06, -0.1])
    gaps = 60 / (draw.uniform(65, 170) * (1 + drift * np.arange(count) / count))
    beats = draw.uniform(0.1, 3.0) + np.concatenate([[0], np.cumsum(gaps)])
    sound = draw.normal(size=int((beats[-1] + 2) * RATE)) * draw.choice([0.01, 0.05])
    unsteady_s, has_bass = draw.choice([0, 0.006, 0.012]), name != "clicks" and draw.random() < 0.5
    silent = range(8, 16) if draw.random() < 0.3 else range(0)
    for number in range(bars):
        if number in silent:
            continue
        for drum, places in hits.items():
            for place in places:
                at = np.interp(number * bar + place, np.arange(count + 1), beats)
                _put(sound, at + unsteady_s * draw.normal(), _drum(drum, draw))
        if has_bass:
            length = np.arange(int((beats[(number + 1) * bar] - beats[number * bar]) * RATE)) / RATE
            tone = np.sin(2 * np.pi * (55, 73, 82, 65)[number % 4] * length) * np.exp(-1.5 * length)
            _put(sound, beats[number * bar], 0.4 * tone * np.minimum(1, 80 * length))
    loud = (0.8 * sound / np.abs(sound).max()).astype(np.float32)
    return Loop(name, loud, beats[:-1], bar, bool(has_bass))


def _drum(name: str, draw: np.random.Generator) -> NDArray[np.float64]:
    times = np.arange(int(0.3 * RATE)) / RATE
    noise = draw.normal(size=len(times) + 1)
    loud = 1 + 0.1 * draw.normal()
    if name == "kick":
        sweep = 50 * times + 3 * (1 - np.exp(-30 * times))
        return np.asarray(loud * np.sin(2 * np.pi * sweep) * np.exp(-12 * times))
    if name == "hat":
        return np.asarray(0.15 * loud * np.diff(noise) * np.exp(-80 * times))
    return np.asarray(0.5 * loud * noise[1:] * np.exp(-(25 if name == "snare" else 60) * times))


def _put(sound: NDArray[np.float64], at_s: float, hit: NDArray[np.float64]) -> None:
    part = sound[round(at_s * RATE) :][: len(hit)]
    part += hit[: len(part)]


def figures(loop: Loop, found: Soundtrack) -> list[float]:
    """Beats met, beats right, tempo right, metre right, bars met; 0 to 1."""
    times = found.beat_times
    inside = times[(times > loop.beats[0] - 0.1) & (times < loop.beats[-1] + 0.1)]
    if len(inside) < 2:
        return [0.0] * 5
    tempo = np.diff(loop.beats).mean() / np.diff(inside).mean()
    return [
        _met(inside, loop.beats), _met(loop.beats, inside), float(abs(tempo - 1) < 0.02),
        float(found.bar == loop.bar),
        _met(times[found.first :: found.bar], loop.beats[:: loop.bar]),
    ]  # fmt: skip


def live_figures(loop: Loop, taps: list[float]) -> list[float]:
    """The same for what is said as it is heard."""
    now_s, look_s, taps, before = 0.0, _LOOK_S, list(taps), 0
    tempo = Tempo()
    tracker, analyzer = BeatTracker(tempo, lambda: now_s), AudioAnalyzer(RATE)
    analyzer.on_step = lambda loud, flux, step_s, ago_s: tracker.hear(
        loud, flux, step_s, now_s - ago_s
    )
    found: list[tuple[int, float]] = []
    for begin in range(0, len(loop.sound), _BLOCK):
        now_s = (begin + _BLOCK) / RATE
        analyzer.analyze(loop.sound[begin : begin + _BLOCK])
        while taps and taps[0] <= now_s:
            tempo.tap(taps.pop(0))
        if now_s >= look_s:
            look_s += _LOOK_S
            tracker.look()
        beats = tempo.beats(now_s)
        if int(beats) > before:
            found.append((int(beats), now_s - beats % 1 * 60 / tempo.bpm))
        before = int(beats)
    times = np.array([at_s for _, at_s in found])
    times = times[(times > _FROM_S) & (times < loop.beats[-1] + 0.1)]
    bars = np.array([at_s for number, at_s in found if number % BEATS_PER_BAR == 0])
    wanted = loop.beats[loop.beats > _FROM_S]
    tempo_is = np.diff(loop.beats).mean() / np.diff(times).mean()
    return [
        _met(times, wanted), _met(wanted, times), float(abs(tempo_is - 1) < 0.02),
        float(loop.bar == BEATS_PER_BAR),
        _met(bars, (first := loop.beats[:: loop.bar])[first > _FROM_S]),
    ]  # fmt: skip


def _met(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    return float(np.mean(np.abs(found[None] - wanted[:, None]).min(axis=1) <= _TOLERANCE_S))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loops", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    draw = np.random.default_rng(args.seed)
    names = list(_HITS)
    kinds = ("heard", "heard, with a bass", "said", "live", "live, tapped")
    rows: dict[str, list[list[float]]] = {kind: [] for kind in kinds}
    by_name: dict[str, list[list[float]]] = {}
    for number in range(args.loops):
        loop = drawn_loop(names[number % len(names)], draw)
        found = figures(loop, listen([loop.sound]))
        rows["heard"].append(found)
        by_name.setdefault(loop.name, []).append(found)
        if loop.has_bass:
            rows["heard, with a bass"].append(found)
        bpm = 60 / float(np.diff(loop.beats).mean())
        first_s = float(loop.beats[0])
        rows["said"].append(figures(loop, listen([loop.sound], bpm, loop.bar, first_s)))
        rows["live"].append(live_figures(loop, []))
        rows["live, tapped"].append(live_figures(loop, loop.beats[_TAPPED].tolist()))
    print(f"{'':20} beats met  right  tempo  metre  bars")
    for name, found_rows in {**rows, **by_name}.items():
        if found_rows:
            met, right, tempo, metre, bars = np.mean(found_rows, axis=0)
            print(f"{name:20} {met:9.3f} {right:6.3f} {tempo:6.2f} {metre:6.2f} {bars:5.2f}")


if __name__ == "__main__":
    main()
