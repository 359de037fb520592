"""What is heard, as numbers: envelopes of three bands and the onsets, from blocks of sound.

Convention
    Sound is mono float32 in [-1, 1], in blocks of any length. Every value is 0 to 1 and follows the
    music's own loudness: a quiet room and a loud one both use the whole range.

`Spectrometer` measures, and `AudioAnalyzer` follows it as it is heard;
`livedream.control.soundtrack` does so with a whole film's sound at hand.

Onsets: half-wave rectified spectral flux of the log-compressed spectrum against its running
median (Bello et al., "A Tutorial on Onset Detection in Music Signals", IEEE TSAP 13(5), 2005;
Dixon, "Onset Detection Revisited", DAFx 2006).
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livedream.core.errors import SettingsError, ShapeError
from livedream.core.live_sound import full_scale

BANDS_HZ: Final[Mapping[str, tuple[float, float]]] = {
    "bass": (30.0, 150.0),
    "mid": (150.0, 2000.0),
    "treble": (2000.0, 12000.0),
}
LEVELS: Final = ("level", *BANDS_HZ)
_WINDOW_S: Final = 0.0427  # 2048 samples at 48 kHz: bins of 23 Hz, so that bass has several
_HOP_S: Final = 0.0107  # 512 samples at 48 kHz: an onset is placed within half a frame of video
_ATTACK_S: Final = 0.01  # heuristic: a kick is seen on the frame it is heard on
RELEASE_S: Final = 0.25  # heuristic: and does not flicker
LOUDEST_S: Final = 8.0  # time in which the reference loudness falls to 1/e
_SILENCE: Final = 1e-3  # -60 dBFS RMS: below this the room is quiet, and nothing is made louder
_FAINT: Final = 0.05  # -26 dB below all together, a band is faint, and stays so (heuristic)
_COMPRESSION: Final = 100.0  # of the log spectrum: heuristic, as is common
MEMORY_S: Final = 1.0  # of flux, for its median
_ABOVE: Final = 1.8  # times the median that an onset must be (heuristic)
_LEAST_FLUX: Final = 0.02  # mean rise per bin below which nothing is an onset (heuristic)
REFRACTORY_S: Final = 0.1  # two onsets closer than this are one
ONSET_FADE_S: Final = 0.18  # time constant with which "onset" falls again

# (4,) loudness and flux of all and of each band, seconds from one to the next, and how long ago
# this was heard, against the block's end.
Heard = Callable[[NDArray[np.float32], NDArray[np.float32], float, float], None]


class Spectrometer:
    """Measures windows of sound, in order.

    rate: samples per second, 8000 to 192000.  centred: a window's loudness is that of its middle,
    not of its end.  window, hop: in samples.  begins, end: the first bins of the bands, which lie
    side by side, and the one behind them.
    """

    def __init__(self, rate: int, *, centred: bool = False) -> None:
        if not 8000 <= rate <= 192000:
            raise SettingsError(f"audio: must have 8000 to 192000 samples per second (got {rate})")
        self.window = 1 << round(np.log2(rate * _WINDOW_S))
        self.hop = 1 << round(np.log2(rate * _HOP_S))
        begin = (self.window - 2 * self.hop) // 2 if centred else self.window - 2 * self.hop
        self._heard = slice(begin, begin + 2 * self.hop)
        # Blackman: so little of a loud bass reaches the other bands that they stay quiet.
        self._bell = np.blackman(self.window).astype(np.float32)
        self._scale = np.float32(2 / self._bell.sum())  # a sine of amplitude 1 has a peak of 1
        frequencies = np.fft.rfftfreq(self.window, 1 / rate)
        edges = [BANDS_HZ["bass"][0], *(high for _, high in BANDS_HZ.values())]
        *self.begins, self.end = np.searchsorted(frequencies, edges).tolist()
        self._counts = np.diff([*self.begins, self.end]).astype(np.float32)
        self._last_log: NDArray[np.float32] | None = None

    def measure(
        self, windows: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(n, window) samples, a hop apart: how loud they are and how much is new in them.

        Returns the RMS of all and of each band, (n, 4), and the rise of the compressed spectrum,
        (n, bins), whose mean is the spectral flux.
        """
        spectrum = np.abs(np.fft.rfft(windows * self._bell)) * self._scale
        level = (windows[:, self._heard] ** 2).mean(axis=1, keepdims=True)
        bands = self.in_bands(spectrum**2) / 2
        log = np.log1p(_COMPRESSION * spectrum)
        before = log[:1] if self._last_log is None else self._last_log[None]
        self._last_log = log[-1]
        rise = np.maximum(log - np.concatenate([before, log[:-1]]), 0.0)
        return np.sqrt(np.concatenate([level, bands], axis=1)), rise

    def flux(self, rise: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean rise of all bins and of each band's, (n, 4)."""
        return np.concatenate(
            [rise.mean(axis=1, keepdims=True), self.in_bands(rise) / self._counts], axis=1
        )

    def in_bands(self, bins: NDArray[np.float32]) -> NDArray[np.float32]:
        """The sums over each band, (n, 3), of (n, bins)."""
        return np.add.reduceat(bins[:, : self.end], self.begins, axis=1)


def shares(loud: NDArray[Any], loudest: NDArray[Any]) -> NDArray[np.float64]:
    """Loudness against the loudest around it, both (..., 4): 0 to 1.

    The root: loudness is heard nearer to it than to the amplitude (Stevens' power law).
    """
    reference = np.maximum(loudest, np.maximum(_FAINT * loudest[..., :1], _SILENCE))
    return np.where(loud < _SILENCE / 4, 0.0, np.sqrt(np.minimum(1.0, loud / reference)))


class AudioAnalyzer:
    """Listens to blocks of sound. Not thread-safe: one thread hears, others read `values`.

    rate: samples per second, 8000 to 192000.  on_step: called with what each hop has measured.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._meter = Spectrometer(rate)
        self._hop = self._meter.hop
        self._waiting: NDArray[np.float32] = np.zeros(0, np.float32)
        self._recent: NDArray[np.float32] = np.zeros(self._meter.window, np.float32)
        self._loudest: NDArray[np.float64] = np.zeros(len(LEVELS))
        self._flux: deque[float] = deque(maxlen=max(3, round(MEMORY_S * rate / self._hop)))
        self._since_onset_s = MEMORY_S
        self.onsets = 0
        self.on_step: Heard | None = None
        self.values: Mapping[str, float] = dict.fromkeys((*LEVELS, "onset"), 0.0)

    def analyze(self, block: NDArray[np.float32]) -> Mapping[str, float]:
        """Take in a (n,) block; returns level, bass, mid, treble and onset, each 0 to 1.

        Raises ShapeError for another shape. What is no number counts as silence.
        """
        if block.ndim != 1:
            raise ShapeError(f"audio: shape must be (n,) (got {block.shape})")
        self._waiting = np.concatenate([self._waiting, full_scale(block)])
        while len(self._waiting) >= self._hop:
            new, self._waiting = self._waiting[: self._hop], self._waiting[self._hop :]
            self._recent = np.concatenate([self._recent[self._hop :], new])
            self._step()
        return self.values

    def _step(self) -> None:
        """One hop further."""
        passed_s = self._hop / self.rate
        (loud,), rise = self._meter.measure(self._recent[None])
        self._loudest = np.maximum(loud, self._loudest * np.exp(-passed_s / LOUDEST_S))
        wanted = dict(zip(LEVELS, shares(loud, self._loudest).tolist(), strict=True))
        values = {name: self._followed(name, share, passed_s) for name, share in wanted.items()}
        values["onset"] = self._onset(float(rise.mean()), float(loud[0]), passed_s)
        self.values = values
        if self.on_step is not None:
            (flux,) = self._meter.flux(rise)
            self.on_step(loud, flux, passed_s, len(self._waiting) / self.rate)

    def _followed(self, name: str, wanted: float, passed_s: float) -> float:
        """Quickly upwards, slowly downwards."""
        before = self.values[name]
        constant_s = _ATTACK_S if wanted > before else RELEASE_S
        return float(before + (wanted - before) * (1 - np.exp(-passed_s / constant_s)))

    def _onset(self, flux: float, level: float, passed_s: float) -> float:
        self._since_onset_s += passed_s
        usual = float(np.median(self._flux)) if self._flux else 0.0
        self._flux.append(flux)
        if stands_out(flux, usual, level) and self._since_onset_s >= REFRACTORY_S:
            self._since_onset_s = 0.0
            self.onsets += 1
            return 1.0
        return float(self.values["onset"] * np.exp(-passed_s / ONSET_FADE_S))


def stands_out(flux: Any, usual: Any, level: Any) -> Any:
    """Whether a flux is an onset where its median is `usual`; numbers or arrays."""
    return (flux > np.maximum(_LEAST_FLUX, _ABOVE * usual)) & (level >= _SILENCE)
