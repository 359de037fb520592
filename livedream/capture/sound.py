"""The sound of a file, decoded, as blocks of one channel on the film's own time."""

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
from livedream.media.containers import open_container
from livedream.media.film_time import film_time, sound_begin
from livedream.media.joints import OneClock

SOUND_RATE: Final = 48_000  # samples a second, whatever the file has
_GAP_S: Final = 0.04  # less is how containers round their times, and no gap
_LONGEST_GAP_S: Final = 24 * 3600  # a clock that jumps further is damage


def sound_of(info: SourceInfo, music: Path | None = None) -> Iterator[NDArray[np.float32]]:
    """What is heard with a film: of the file that its frames come from, or of a song that begins
    with the film. Its first sound track, the whole of it, whatever part of the film is read.

    (n,) blocks of `SOUND_RATE` samples a second without gaps from the film's beginning on, the mean
    of all channels; silence where there is no sound or it does not decode.  Raises SourceError for
    a file that cannot be read or has none.
    """
    path = music or info.path
    if path is None:
        raise SourceError(f"{info.name} has no sound: give a song with --music")
    begins = sound_begin(path)
    joints = () if music else info.joints
    zero = begins if music else film_time(info).zero
    with open_container(path) as container:
        done = 0  # samples given
        for begin, heard in _decoded(container, joints):
            at = done if begin is None else round((begin - zero) * SOUND_RATE)
            if at > done + _LONGEST_GAP_S * SOUND_RATE:
                continue
            if done and abs(at - done) < _GAP_S * SOUND_RATE:
                at = done
            while at > done:
                silence = min(at - done, SOUND_RATE)
                yield np.zeros(silence, np.float32)
                done += silence
            if (new := heard[done - at :]).size:
                yield new
                done += new.size
        if not done:
            raise SourceError(f"{path} has no sound that decodes: choose another file with --music")


def _decoded(
    container: Any, joints: tuple[Any, ...]
) -> Iterator[tuple[Fraction | None, NDArray[np.float32]]]:
    """Blocks with the time of their first sample on the file's clock, where it is known."""
    clock, kind = OneClock(joints), None
    resampler = AudioResampler("fltp", rate=SOUND_RATE)
    packets = container.demux(container.streams.audio[0])
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError, IndexError):
            # IndexError: PyAV trips over a stream that damage made up halfway (18.1).
            return
        clock.close_up(packet)
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        for frame in frames:
            found = (frame.format.name, frame.layout.name, frame.sample_rate)
            if found != kind:  # television changes between 5.1 and stereo as it goes
                kind = found
                resampler = AudioResampler("fltp", frame.layout.name, SOUND_RATE)
            begin = None if frame.pts is None else frame.pts * frame.time_base
            frame.pts = None
            for even in resampler.resample(frame):
                yield begin, even.to_ndarray().mean(axis=0, dtype=np.float32)
                begin = None
