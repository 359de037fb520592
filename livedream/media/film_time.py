"""The time of a film: seconds since it begins for its viewer, whatever part of it is read."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from livedream.core.errors import SourceError, os_reason
from livedream.core.frame import SourceInfo
from livedream.media.containers import main_video, open_container
from livedream.media.timing import first_tick, shift_of


@dataclass(frozen=True, slots=True)
class FilmTime:
    """Where a film's time lies on its container's clock, in seconds.

    zero: its beginning.  start: of the part that is read, which the frames' times count from.
    end: of that part, None for the film's own.
    """

    zero: Fraction
    start: Fraction
    end: Fraction | None


def film_time(info: SourceInfo) -> FilmTime:
    """Of the file that frames come from, `info.path`."""
    assert info.path is not None
    with open_container(info.path) as container:
        video = main_video(container, info.stream)
        base = video.time_base or Fraction(1)
        first = video.start_time or 0
        zero = shift_of(container.start_time, first, base) * base
    end = None if info.end_s is None else (first + first_tick(info.end_s, base)) * base
    start = (first + first_tick(info.start_s, base)) * base if info.start_s else zero
    return FilmTime(zero, start, end)


def sound_begin(path: Path) -> Fraction:
    """Where a file's first sound track begins on its clock, in seconds.

    Raises SourceError where it cannot be read or has none.
    """
    try:
        with open_container(path) as container:
            if not container.streams.audio:
                raise SourceError(f"{path} has no sound: choose another file with --music")
            stream = container.streams.audio[0]
            return (stream.start_time or 0) * (stream.time_base or Fraction(1))
    except (av.FFmpegError, ValueError) as error:
        raise SourceError(
            f"{path} is not a sound file that FFmpeg can read ({os_reason(error)})"
        ) from error
