"""Measure the beat tracker on music whose beats are known.

    python scripts/measure_beats.py --loops 80 --seed 1
    python scripts/measure_beats.py --songs /usr/share/games/openttd/baseset/openmsx

Loops are drawn: a pattern, a tempo of 65 to 170 beats per minute, with or without drift, unsteady
hands, noise, a bass line, a break of eight bars. Songs are those of a folder: recordings that have
their beats beside them (song.wav, song.beats: on each line a time in seconds and, where known, the
beat's number in its bar, as annotations of music are published), and MIDI files that say their time
signature, played by FluidSynth (apt: fluidsynth, fluid-soundfont-gm).

Printed is the share of beats met to 50 ms, of found beats that are right, the two together where
half and twice the tempo are right as well, and the share of pieces whose tempo, metre and bars are
right; then the same with tempo and bar said; then live, as it is heard, from ten seconds on, by
itself and with five taps.
"""

import argparse
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import mido
import numpy as np
from numpy.typing import NDArray

from livedream.capture.sound import sound_of
from livedream.control.audio_analyzer import AudioAnalyzer
from livedream.control.beat_tracker import BeatTracker
from livedream.control.soundtrack import Soundtrack, listen
from livedream.control.tempo import BEATS_PER_BAR, Tempo
from livedream.core.frame import SourceInfo

RATE: Final = 48000
_TOLERANCE_S: Final = 0.05
_BLOCK: Final = 512  # samples that a driver hands over at once
_LOOK_S: Final = 0.5
_NO_PICTURE: Final = SourceInfo("song", 1, 1, Fraction(1), Fraction(1))
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
class Piece:
    """Music, its beats in seconds, beats in a bar."""

    name: str
    sound: NDArray[np.float32]
    beats: NDArray[np.float64]
    bar: int
    has_bass: bool


def drawn_loop(name: str, draw: np.random.Generator, bars: int = 28) -> Piece:
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
    return Piece(name, loud, beats[:-1], bar, bool(has_bass))


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


def songs(folder: Path, soundfont: Path) -> Iterator[Piece]:
    """Those of a folder's whose beats are known."""
    for path in sorted(folder.iterdir()):
        if path.suffix == ".mid":
            midi = mido.MidiFile(path)
            if metre := next((one for one in midi if one.type == "time_signature"), None):
                sound = _played(path, soundfont)
                yield Piece(path.stem, sound, _beats_of(midi), metre.numerator, has_bass=True)
        elif (beats := path.with_suffix(".beats")) != path and beats.exists():
            table = np.loadtxt(beats, ndmin=2)
            bar = int(table[:, 1].max()) if table.shape[1] > 1 else BEATS_PER_BAR
            yield Piece(path.stem, _heard(path), table[:, 0], bar, has_bass=True)


def _beats_of(midi: mido.MidiFile) -> NDArray[np.float64]:
    """Of all bars' beats, in seconds, up to the last note."""
    tempo, ticks, seconds, last, changes = 500_000, 0, 0.0, 0, [(0, 0.0)]
    beat = midi.ticks_per_beat
    for message in mido.merge_tracks(midi.tracks):
        ticks += message.time
        seconds += mido.tick2second(message.time, beat, tempo)
        changes.append((ticks, seconds))
        if message.type == "set_tempo":
            tempo = message.tempo
        elif message.type == "time_signature" and not last:
            beat_ticks = 4 * beat // message.denominator
        elif message.type == "note_on":
            last = ticks
    at, times = np.array(changes).T
    return np.asarray(np.interp(np.arange(0, last + 1, beat_ticks), at, times))


def _played(midi: Path, soundfont: Path) -> NDArray[np.float32]:
    with TemporaryDirectory() as folder:
        wav = Path(folder) / "song.wav"
        line = [
            "fluidsynth",
            "-q",
            "-n",
            "-i",
            "-r",
            str(RATE),
            "-F",
            str(wav),
            str(soundfont),
            str(midi),
        ]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return _heard(wav)


def _heard(path: Path) -> NDArray[np.float32]:
    return np.concatenate(list(sound_of(_NO_PICTURE, path)))


def figures(piece: Piece, found: Soundtrack) -> list[float]:
    """Beats met, beats right, both at any octave, tempo right, metre right, bars met; 0 to 1."""
    times = found.beat_times
    inside = times[(times > piece.beats[0] - 0.1) & (times < piece.beats[-1] + 0.1)]
    if len(inside) < 2:
        return [0.0] * 6
    tempo = np.diff(piece.beats).mean() / np.diff(inside).mean()
    return [
        _met(inside, piece.beats), _met(piece.beats, inside), _at_any_octave(inside, piece.beats),
        float(abs(tempo - 1) < 0.02), float(found.bar == piece.bar),
        _met(times[found.first :: found.bar], piece.beats[:: piece.bar]),
    ]  # fmt: skip


def live_figures(piece: Piece, taps: list[float]) -> list[float]:
    """The same for what is said as it is heard."""
    now_s, look_s, taps, before = 0.0, _LOOK_S, list(taps), 0
    tempo = Tempo()
    tracker, analyzer = BeatTracker(tempo, lambda: now_s), AudioAnalyzer(RATE)
    analyzer.on_step = lambda loud, flux, step_s, ago_s: tracker.hear(
        loud, flux, step_s, now_s - ago_s
    )
    found: list[tuple[int, float]] = []
    for begin in range(0, len(piece.sound), _BLOCK):
        now_s = (begin + _BLOCK) / RATE
        analyzer.analyze(piece.sound[begin : begin + _BLOCK])
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
    times = times[(times > _FROM_S) & (times < piece.beats[-1] + 0.1)]
    bars = np.array([at_s for number, at_s in found if number % BEATS_PER_BAR == 0])
    wanted = piece.beats[piece.beats > _FROM_S]
    tempo_is = np.diff(piece.beats).mean() / np.diff(times).mean()
    return [
        _met(times, wanted), _met(wanted, times), _at_any_octave(times, wanted),
        float(abs(tempo_is - 1) < 0.02), float(piece.bar == BEATS_PER_BAR),
        _met(bars, (first := piece.beats[:: piece.bar])[first > _FROM_S]),
    ]  # fmt: skip


def _met(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    return float(np.mean(np.abs(found[None] - wanted[:, None]).min(axis=1) <= _TOLERANCE_S))


def _at_any_octave(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    """Beats met and beats right (F1), best of the tempo, half of it (on or off the beat), twice."""
    twice = np.interp(np.arange(2 * len(wanted) - 1) / 2, np.arange(len(wanted)), wanted)
    best = 0.0
    for truth in (wanted, wanted[::2], wanted[1::2], twice):
        met, right = _met(found, truth), _met(truth, found)
        best = max(best, 2 * met * right / max(met + right, 1e-9))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loops", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--songs", type=Path, metavar="FOLDER", help="in place of the loops")
    parser.add_argument(
        "--soundfont", type=Path, default=Path("/usr/share/sounds/sf2/default-GM.sf2")
    )
    args = parser.parse_args()
    draw = np.random.default_rng(args.seed)
    names = list(_HITS)
    kinds = ("heard", "heard, with a bass", "said", "live", "live, tapped")
    rows: dict[str, list[list[float]]] = {kind: [] for kind in kinds}
    by_name: dict[str, list[list[float]]] = {}
    loops = (drawn_loop(names[number % len(names)], draw) for number in range(args.loops))
    for piece in songs(args.songs, args.soundfont) if args.songs else loops:
        found = figures(piece, listen([piece.sound]))
        rows["heard"].append(found)
        by_name.setdefault(piece.name, []).append(found)
        if piece.has_bass:
            rows["heard, with a bass"].append(found)
        bpm = 60 / float(np.diff(piece.beats).mean())
        first_s = float(piece.beats[0])
        rows["said"].append(figures(piece, listen([piece.sound], bpm, piece.bar, first_s)))
        rows["live"].append(live_figures(piece, []))
        rows["live, tapped"].append(live_figures(piece, piece.beats[_TAPPED].tolist()))
    print(f"{'':24} beats met  right  octaves  tempo  metre  bars")
    for name, found_rows in {**rows, **by_name}.items():
        if found_rows:
            met, right, octaves, tempo, metre, bars = np.mean(found_rows, axis=0)
            print(
                f"{name:24} {met:9.3f} {right:6.3f} {octaves:8.3f} {tempo:6.2f} {metre:6.2f}"
                f" {bars:5.2f}"
            )


if __name__ == "__main__":
    main()
