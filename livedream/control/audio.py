"""An audio input as a source of modulation: microphone, line in, or what the computer plays."""

import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livedream.capture.live import shown_name
from livedream.capture.live.heard import DeviceSound
from livedream.control.audio_analyzer import AudioAnalyzer, Heard
from livedream.core.errors import LivedreamError, SettingsError, SourceError, reason
from livedream.core.health import Health
from livedream.core.live_sound import LiveSound, full_scale
from livedream.core.supervisor import FaultLog, SupervisedThread, start_thread

_log = logging.getLogger(__name__)

_BLOCK_S: Final = 0.011  # half a frame of video at 50 fps
_POLL_S: Final = 1.0  # how often a device that is gone is looked for
_MOST_AGE_S: Final = 1.0  # heuristic: no driver keeps a block for longer
_SILENT_S: Final = 2.0  # without a block for so long the device counts as gone
_NOTHING: Final = "no sound comes"


def sounddevice() -> Any:
    """The library, with PortAudio behind it. Raises SettingsError, with what to install."""
    try:
        import sounddevice as library
    except ImportError as error:
        raise SettingsError(
            'audio: sounddevice is not installed; pip install "livedream[audio]"'
        ) from error
    except OSError as error:  # the library is there, PortAudio is not
        raise SettingsError(f"audio: {error}; on Debian: apt-get install libportaudio2") from error
    return library


def list_inputs(library: Any) -> list[tuple[int, str, int]]:
    """(number, name, channels) of each input.  Raises SourceError when the system has no sound."""
    try:
        found = enumerate(library.query_devices())
    except library.PortAudioError as error:
        raise SourceError(f"audio: {error}") from error
    inputs = [(number, shown_name(one["name"]), one["max_input_channels"]) for number, one in found]
    return [one for one in inputs if one[2] > 0]


def _age_s(when: Any) -> float | None:
    """How long ago the first sample was heard; some of PortAudio's drivers leave it out."""
    if when is None:
        return None
    age_s = float(when.currentTime - when.inputBufferAdcTime)
    return age_s if when.inputBufferAdcTime and 0.0 <= age_s < _MOST_AGE_S else None


class AudioInput:
    """Listens to an input device; comes back by itself when it was unplugged.

    device: part of its name, in any case; "" or "default" for the system's own; "system" for what
    the computer itself plays, "system:NAME" on one of its outputs.
    sound: where what is heard goes besides, None: nowhere.
    """

    def __init__(
        self, device: str = "", sound: LiveSound | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.device = "" if device == "default" else device
        self._sound, self._clock = sound, clock
        self._heard: DeviceSound | None = None
        self._analyzer: AudioAnalyzer | None = None
        # Called with what is measured, as `AudioAnalyzer.on_step`, and when that was heard.
        self.on_step: Heard | None = None
        self._stream: Any = None
        self._received_s = 0.0
        self._since_s = clock()
        self._detail = ""
        self._lost = _NOTHING  # why nothing is heard, while that is so
        self._faults = FaultLog(_log, "audio")  # of what is heard
        self._losses = FaultLog(_log, f"audio {device or 'default'}")
        self._blocks = self._reconnects = 0
        self._thread: SupervisedThread | None = None

    def value(self, name: str) -> float:
        """level, bass, mid, treble or onset, 0 to 1; 0 while nothing is heard."""
        analyzer = self._analyzer
        if analyzer is None or self._clock() - self._received_s > _SILENT_S:
            return 0.0
        return analyzer.values.get(name, 0.0)

    def start(self) -> None:
        """Begin to listen. Raises SettingsError when the library or the device is missing."""
        self._open()
        self._received_s = self._since_s  # a while for the first block
        self._thread = start_thread("audio", self._watch, every_s=_POLL_S)

    def close(self) -> None:
        if self._thread is not None:
            self._thread.close()
        self._close_stream()

    def health(self) -> Health:
        fault = self._faults.fault or (self._lost if self._is_gone() else "")
        return Health(
            f"audio {self.device or 'default'}", "lost" if fault else "ok",
            fault or self._detail, self._blocks, 0, self._since_s, self._reconnects,
        )  # fmt: skip

    def _is_gone(self) -> bool:
        return self._clock() - self._received_s > _SILENT_S

    def receive(self, block: NDArray[np.float32], when: Any = None) -> None:
        """One (n, channels) block from the device; for the analyser channels are averaged.

        when: PortAudio's times of it, where there are some.
        Never raises: it is called from the driver's thread.
        """
        with self._faults.catching():
            block = full_scale(block)
            if self._analyzer is not None:
                self._analyzer.analyze(block.mean(axis=1, dtype=np.float32))
            self._received_s = self._clock()
            if self._heard is not None:
                self._heard.put(block, self._received_s, _age_s(when))
            self._blocks += 1

    def _open(self) -> None:
        where, _, name = self.device.partition(":")
        rate = self._open_system(name) if where == "system" else self._open_input()
        self._since_s = self._clock()
        self._detail = f"{rate} Hz"

    def _open_system(self, name: str) -> int:
        from livedream.control.system_sound import RATE, SystemSound

        self._listen(RATE)
        self._stream = SystemSound(name, self.receive)
        return RATE

    def _open_input(self) -> int:
        library = sounddevice()
        index = self._index(library)
        try:
            rate = int(library.query_devices(index, "input")["default_samplerate"])
            self._listen(rate)
            self._stream = library.InputStream(
                device=index, samplerate=rate, blocksize=int(rate * _BLOCK_S), dtype="float32",
                callback=lambda block, frames, when, status: self.receive(block, when),
            )  # fmt: skip
            self._stream.start()
        except (library.PortAudioError, ValueError) as error:
            raise SourceError(f"audio: {self.device or 'default input'}: {error}") from error
        return rate

    def _listen(self, rate: int) -> None:
        self._analyzer = AudioAnalyzer(rate)
        self._analyzer.on_step = self._stepped
        self._heard = None if self._sound is None else DeviceSound(rate, self._sound)

    def _stepped(
        self, loud: NDArray[np.float32], flux: NDArray[np.float32], step_s: float, ago_s: float
    ) -> None:
        if self.on_step is not None:
            self.on_step(loud, flux, step_s, self._clock() - ago_s)

    def _index(self, library: Any) -> int | None:
        if not self.device:
            return None
        inputs = list_inputs(library)
        for index, name, _ in inputs:
            if self.device.lower() in name.lower():
                return index
        there = ", ".join(name for _, name, _ in inputs) or "none"
        raise SettingsError(f"audio: no input {self.device!r}; there are {there}")

    def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _watch(self) -> None:
        """Open the device again when it is gone."""
        if not self._is_gone():
            self._lost = _NOTHING
            self._losses.recovered("is back")
            return
        if self._clock() - self._since_s <= _SILENT_S:  # opened again just now
            return
        self._close_stream()
        lost: LivedreamError = SourceError(_NOTHING)
        try:
            if not self.device.startswith("system"):
                library = sounddevice()
                # PortAudio lists devices once; only starting it anew finds one plugged in again.
                with contextlib.suppress(library.PortAudioError):  # it has ended: a start failed
                    library._terminate()
                try:
                    library._initialize()
                except library.PortAudioError as error:  # a sound server that starts anew
                    raise SourceError(f"audio: {error}") from error
            self._open()
            self._reconnects += 1
        except LivedreamError as error:
            lost = error
        self._lost = reason(lost)
        self._losses.failed(lost, "is lost", traceback=False)
