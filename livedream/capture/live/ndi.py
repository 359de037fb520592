"""An NDI sender as a source, by its name; found again when it comes back, whatever its size."""

import time
from typing import Any, Final

import cv2
import numpy as np

from livedream.capture.live import Opened, named, shown_name, stated_rate
from livedream.capture.live.heard import DeviceSound
from livedream.core.errors import SourceError
from livedream.core.frame import Picture
from livedream.core.live_sound import SOUND_RATE, LiveSound, full_scale

_FOUND_S: Final = 3.0  # how long senders on the network take to be heard of
_LOOK_S: Final = 0.05  # between two looks at who has been heard of
_FIRST_S: Final = 3.0  # and until the first picture
_SOUND_S: Final = 0.5  # heuristic: and from there to the first sound, where there is one
_SOUND_LEFT: Final = 240  # samples; who takes all that NDI has ready gets the same once more
_GONE_S: Final = 2.0  # without a connection for so long the sender is gone
_WAIT_S: Final = 0.5
_POLL_S: Final = 0.004  # NDI says when there is a new picture to nobody; a look costs 15 us
_OWN: Final = "(livedream)"  # what livedream itself sends, unless it is asked for


def is_ndi(text: str) -> bool:
    return text == "ndi" or text.startswith("ndi:")


def list_senders(wait_s: float = _FOUND_S) -> list[str]:
    """Their names, `HOST (STREAM)`. Raises SourceError without cyndilib."""
    return [shown_name(one) for one in _heard_of(_finder(), "", wait_s)]


class NdiInput:
    """`ndi` (the first sender) or `ndi:NAME` (a part of its name, in any case).

    sound: where its sound goes, None: nowhere.
    """

    def __init__(self, text: str, sound: LiveSound | None = None) -> None:
        self.name = text
        self._sound = sound
        self._heard: DeviceSound | None = None
        self._audio: Any = None
        self._wanted = text.partition(":")[2]
        self._finder: Any = None
        self._receiver: Any = None
        self._video: Any = None
        self._first: Picture | None = None
        self._seen_s = self._sent = 0.0

    def open(self) -> Opened:
        self.close()
        self._finder = _finder()
        from cyndilib.audio_frame import AudioFrameSync
        from cyndilib.receiver import Receiver
        from cyndilib.video_frame import VideoFrameSync
        from cyndilib.wrapper.ndi_recv import RecvBandwidth, RecvColorFormat

        found = _heard_of(self._finder, self._wanted, _FOUND_S)
        if not found:
            there = ", ".join(map(shown_name, _heard_of(self._finder, "", 0.0))) or "none"
            raise SourceError(f"{self.name}: no such NDI sender; there are {there}")
        self._receiver = Receiver(
            color_format=RecvColorFormat.RGBX_RGBA, bandwidth=RecvBandwidth.highest,
            allow_video_fields=False, recv_name="livedream",
        )  # fmt: skip
        # cyndilib's receiver has a frame sync at work: what is taken past it is half of the frames.
        self._video = VideoFrameSync()
        self._receiver.frame_sync.set_video_frame(self._video)
        if self._sound is not None:
            self._audio = AudioFrameSync()
            self._audio.sample_rate, self._audio.num_channels = SOUND_RATE, 2
            self._receiver.frame_sync.set_audio_frame(self._audio)
            self._heard = DeviceSound(SOUND_RATE, self._sound)
        self._receiver.set_source(self._finder.get_source(found[0]))
        until_s = self._seen_s = time.monotonic() + _FIRST_S
        while self._first is None:
            if time.monotonic() > until_s:
                raise SourceError(f"{self.name}: {shown_name(found[0])} sends no picture")
            self._first = self._receive()
        until_s = time.monotonic() + _SOUND_S
        while (silent := not self._hear()) and self._heard and time.monotonic() < until_s:
            time.sleep(_POLL_S)
        height, width = self._first.shape[:2]
        rate, name = stated_rate(self._video.get_frame_rate()), shown_name(found[0])
        return Opened(width, height, rate, f"{name}, {width}x{height}", not silent)

    def read(self) -> Picture | None:
        first, self._first = self._first, None
        return first if first is not None else self._receive()

    def close(self) -> None:
        receiver, self._receiver, self._video, self._first = self._receiver, None, None, None
        self._audio = self._heard = None
        self._sent = 0.0
        if receiver is not None:
            receiver.disconnect()
        self._finder = None

    def _receive(self) -> Picture | None:
        """The next picture, None after a while without one."""
        until_s = time.monotonic() + _WAIT_S
        while not self._is_new():
            self._hear()
            now_s = time.monotonic()
            if self._receiver.is_connected():
                self._seen_s = max(self._seen_s, now_s)
            elif now_s - self._seen_s > _GONE_S:
                raise SourceError(f"{self.name}: the NDI sender is gone")
            if now_s > until_s:
                return None
            time.sleep(_POLL_S)
        width, height = self._video.get_resolution()
        lines = np.asarray(self._video.get_array()).reshape(height, self._video.get_line_stride())
        rgba = np.ascontiguousarray(lines[:, : 4 * width]).reshape(height, width, 4)
        return np.asarray(cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), np.uint8)

    def _hear(self) -> bool:
        """Take what has come of the sound; whether there was some."""
        if self._heard is None:
            return False
        frame_sync = self._receiver.frame_sync
        ready = frame_sync.audio_samples_available() - _SOUND_LEFT
        if ready < _SOUND_LEFT or not frame_sync.capture_audio(ready):
            return False
        block = full_scale(self._audio.get_array().T)
        # Senders hand over what is heard from that moment on.
        self._heard.put(block, time.monotonic() + len(block) / SOUND_RATE, None)
        return True

    def _is_new(self) -> bool:
        """Look at the newest picture; whether it is another one than before."""
        self._receiver.frame_sync.capture_video()
        if not self._video.xres:
            return False
        sent = self._video.get_timestamp_posix()
        if sent == self._sent:
            return False
        self._sent = sent
        return True


def _finder() -> Any:
    try:
        from cyndilib.finder import Finder
    except ImportError as error:
        raise SourceError('ndi: cyndilib is not installed; pip install "livedream[ndi]"') from error
    # Not opened: that would start a thread which asks NDI for its senders as well, and what one of
    # the two is told is no longer there once the other asks.
    return Finder()


def _heard_of(finder: Any, wanted: str, wait_s: float) -> list[str]:
    """Senders whose name contains `wanted`, livedream's own last; waits for the first of them."""
    until_s = time.monotonic() + wait_s
    while True:
        finder.wait_for_sources(0.0)  # takes what is new; to wait here would hold up all of Python
        names = [str(one) for one in finder.get_source_names()]
        found = named(wanted, names)
        if found or time.monotonic() >= until_s:
            return sorted(found, key=lambda one: _OWN in one)
        time.sleep(_LOOK_S)
