"""What is heard, as numbers: envelopes of three bands and the onsets, from blocks of sound.

Convention
    Sound is mono float32 in [-1, 1], in blocks of any length. Every value is 0 to 1 and follows the
    music's own loudness: a quiet room and a loud one both use the whole range.

Onsets: half-wave rectified spectral flux of the log-compressed spectrum against its running
median (Bello et al., "A Tutorial on Onset Detection in Music Signals", IEEE TSAP 13(5), 2005;
Dixon, "Onset Detection Revisited", DAFx 2006).
"""

from collections import deque
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livedream.core.errors import SettingsError, ShapeError

BANDS_HZ: Final[Mapping[str, tuple[float, float]]] = {
    "bass": (30.0, 150.0),
    "mid": (150.0, 2000.0),
    "treble": (2000.0, 12000.0),
}
_WINDOW_S: Final = 0.0427  # 2048 samples at 48 kHz: bins of 23 Hz, so that bass has several
_HOP_S: Final = 0.0107  # 512 samples at 48 kHz: an onset is placed within half a frame of video
_ATTACK_S: Final = 0.01  # heuristic: a kick is seen on the frame it is heard on
_RELEASE_S: Final = 0.25  # heuristic: and does not flicker
_LOUDEST_S: Final = 8.0  # time in which the reference loudness falls to 1/e
_SILENCE: Final = 1e-3  # -60 dBFS RMS: below this the room is quiet, and nothing is made louder
_FAINT: Final = 0.05  # -26 dB below all together, a band is faint, and stays so (heuristic)
_COMPRESSION: Final = 100.0  # of the log spectrum: heuristic, as is common
_MEMORY_S: Final = 1.0  # of flux, for its median
_ABOVE: Final = 1.8  # times the median that an onset must be (heuristic)
_LEAST_FLUX: Final = 0.02  # mean rise per bin below which nothing is an onset (heuristic)
_REFRACTORY_S: Final = 0.1  # two onsets closer than this are one
_ONSET_FADE_S: Final = 0.18  # time constant with which "onset" falls again


class AudioAnalyzer:
    """Listens to blocks of sound. Not thread-safe: one thread hears, others read `values`.

    rate: samples per second, 8000 to 192000.
    """

    def __init__(self, rate: int) -> None:
        if not 8000 <= rate <= 192000:
            raise SettingsError(f"audio: must have 8000 to 192000 samples per second (got {rate})")
        self.rate = rate
        self._window = 1 << round(np.log2(rate * _WINDOW_S))
        self._hop = 1 << round(np.log2(rate * _HOP_S))
        # Blackman: so little of a loud bass reaches the other bands that they stay quiet.
        self._bell = np.blackman(self._window).astype(np.float32)
        frequencies = np.fft.rfftfreq(self._window, 1 / rate)
        self._bins = {
            name: np.flatnonzero((low <= frequencies) & (frequencies < high))
            for name, (low, high) in BANDS_HZ.items()
        }
        self._waiting: NDArray[np.float32] = np.zeros(0, np.float32)
        self._recent: NDArray[np.float32] = np.zeros(self._window, np.float32)
        self._loudest = dict.fromkeys(("level", *BANDS_HZ), 0.0)
        self._last_log: NDArray[np.float32] | None = None
        self._flux: deque[float] = deque(maxlen=max(3, round(_MEMORY_S * rate / self._hop)))
        self._since_onset_s = _MEMORY_S
        self.onsets = 0
        self.values: Mapping[str, float] = dict.fromkeys(("level", *BANDS_HZ, "onset"), 0.0)

    def analyze(self, block: NDArray[np.float32]) -> Mapping[str, float]:
        """Take in a (n,) block; returns level, bass, mid, treble and onset, each 0 to 1.

        Raises ShapeError for another shape. What is no number counts as silence.
        """
        if block.ndim != 1:
            raise ShapeError(f"audio: shape must be (n,) (got {block.shape})")
        heard = np.nan_to_num(block.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        self._waiting = np.concatenate([self._waiting, heard])
        while len(self._waiting) >= self._hop:
            new, self._waiting = self._waiting[: self._hop], self._waiting[self._hop :]
            self._recent = np.concatenate([self._recent[self._hop :], new])
            self._step()
        return self.values

    def _step(self) -> None:
        """One hop further."""
        passed_s = self._hop / self.rate
        # Scaled so that a sine of amplitude 1 has a peak of 1.
        spectrum = np.abs(np.fft.rfft(self._recent * self._bell)) * (2 / self._bell.sum())
        heard = {name: float(np.sqrt((spectrum[bins] ** 2).sum() / 2)) for name, bins in
                 self._bins.items()}  # fmt: skip
        heard["level"] = float(np.sqrt((self._recent[-2 * self._hop :] ** 2).mean()))
        values = {name: self._envelope(name, loud, passed_s) for name, loud in heard.items()}
        values["onset"] = self._onset(spectrum.astype(np.float32), heard["level"], passed_s)
        self.values = values

    def _envelope(self, name: str, loud: float, passed_s: float) -> float:
        """Loudness against the loudest of late, followed quickly upwards, slowly downwards."""
        fading = self._loudest[name] * np.exp(-passed_s / _LOUDEST_S)
        self._loudest[name] = float(max(loud, fading))
        reference = max(self._loudest[name], _FAINT * self._loudest["level"], _SILENCE)
        # The root: loudness is heard nearer to it than to the amplitude (Stevens' power law).
        wanted = 0.0 if loud < _SILENCE / 4 else float(np.sqrt(min(1.0, loud / reference)))
        before = self.values[name]
        constant_s = _ATTACK_S if wanted > before else _RELEASE_S
        return float(before + (wanted - before) * (1 - np.exp(-passed_s / constant_s)))

    def _onset(self, spectrum: NDArray[np.float32], level: float, passed_s: float) -> float:
        log = np.log1p(_COMPRESSION * spectrum)
        flux = 0.0
        if self._last_log is not None:
            flux = float(np.maximum(log - self._last_log, 0.0).mean())
        self._last_log = log
        self._since_onset_s += passed_s
        threshold = max(_LEAST_FLUX, _ABOVE * float(np.median(self._flux)) if self._flux else 0.0)
        self._flux.append(flux)
        loud_enough = level >= _SILENCE
        if flux > threshold and loud_enough and self._since_onset_s >= _REFRACTORY_S:
            self._since_onset_s = 0.0
            self.onsets += 1
            return 1.0
        return float(self.values["onset"] * np.exp(-passed_s / _ONSET_FADE_S))
