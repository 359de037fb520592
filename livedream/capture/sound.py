"""The sound of a file, decoded, as blocks on the film's own time."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from livedream.core.errors import SourceError
from livedream.core.frame import SourceInfo
from livedream.core.live_sound import SOUND_RATE, full_scale
from livedream.media.containers import check_reachable, open_container
from livedream.media.film_time import film_time, sound_begin
from livedream.media.joints import OneClock

_GAP_S: Final = 0.04  # less is how containers round their times, and no gap
_LONGEST_GAP_S: Final = 24 * 3600  # a clock that jumps further is damage


def has_sound(info: SourceInfo) -> bool:
    """Whether the frames come from a file with sound in it."""
    if info.path is None:
        return False
    with open_container(info.path) as container:
        return bool(container.streams.audio)


def sound_of(
    info: SourceInfo, music: Path | None = None, *, stereo: bool = False
) -> Iterator[NDArray[np.float32]]:
    """What is heard with a film: of the file that its frames come from, or of a song that begins
    with the film. Its first sound track, the whole of it, whatever part of the film is read.

    (n,) blocks of `SOUND_RATE` samples a second without gaps from the film's beginning on, the mean
    of all channels, or (n, 2) in stereo; silence where there is no sound or it does not decode.
    Raises SourceError for a file that cannot be read or has none.
    """
    path = music or info.path
    if path is None:
        raise SourceError(f"{info.name} has no sound: give a song with --music")
    begins = sound_begin(path)
    joints = () if music else info.joints
    zero = begins if music else film_time(info).zero
    with open_container(path) as container:
        done = 0  # samples given
        for begin, even in _decoded(path, container, joints, "stereo" if stereo else None):
            heard = even if stereo else even.mean(axis=1, dtype=np.float32)
            at = done if begin is None else round((begin - zero) * SOUND_RATE)
            if at > done + _LONGEST_GAP_S * SOUND_RATE:
                continue
            if done and abs(at - done) < _GAP_S * SOUND_RATE:
                at = done
            while at > done:
                silence = min(at - done, SOUND_RATE)
                yield np.zeros((silence, *heard.shape[1:]), np.float32)
                done += silence
            if len(new := heard[done - at :]):
                yield new
                done += len(new)
        if not done:
            raise SourceError(f"{path} has no sound that decodes: choose another file with --music")


class Evener:
    """Makes sound of any kind even: `SOUND_RATE`, float.

    layout: "stereo", None for each frame's own channels.
    """

    def __init__(self, layout: str | None) -> None:
        self._layout = layout
        self._kind: object = None
        self._resampler: AudioResampler | None = None

    def even(self, frame: av.AudioFrame) -> Iterator[NDArray[np.float32]]:
        """(n, channels) blocks of what there is now, a few samples behind."""
        found = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or found != self._kind:
            self._kind = found  # television changes between 5.1 and stereo as it goes
            layout = self._layout or frame.layout.name
            self._resampler = AudioResampler("fltp", layout, SOUND_RATE)
        frame.pts = None
        for made in self._resampler.resample(frame):
            yield full_scale(made.to_ndarray().T)


def _decoded(
    path: Path, container: Any, joints: tuple[Any, ...], layout: str | None
) -> Iterator[tuple[Fraction | None, NDArray[np.float32]]]:
    """(n, channels) blocks with the time of their first sample on the file's clock, where it is
    known."""
    clock, evener = OneClock(joints), Evener(layout)
    packets = container.demux(container.streams.audio[0])
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError, IndexError) as error:
            # IndexError: PyAV (18.1) at the end, after a stream that began late.
            check_reachable(path, error)
            return
        clock.close_up(packet)
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        for frame in frames:
            begin = None if frame.pts is None else frame.pts * frame.time_base
            for even in evener.even(frame):
                yield begin, even
                begin = None
