"""Capture: where frames come from.

A source is a context manager that says what it is (`info`) and yields `Frame`s in order.
Files drop no frame; live sources keep only the latest one. `open_source` finds the right one.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from livedream.core.closing import Closeable
from livedream.core.errors import SourceError, os_reason
from livedream.core.frame import Frame, SourceInfo
from livedream.core.settings import DEINTERLACE

if TYPE_CHECKING:
    from livedream.media.containers import Opener


class Source(AbstractContextManager["Source"], Protocol):
    """The door to capture: `info`, iteration, `close`."""

    @property
    def info(self) -> SourceInfo: ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...


def open_source(
    text: str | Path,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    fps: Fraction | None = None,
    skip: int = 0,
    at: int | None = None,
    stream: int | None = None,
    deinterlace: str = DEINTERLACE.default,
    file: "Opener | None" = None,
) -> Source:
    """The source that `text` names.

    A video file; a picture; a folder of pictures, or a pattern of numbered ones such as
    frames/%05d.png; or, as a `str`, `synthetic:clouds?size=640x360&fps=25&seconds=10&seed=0`,
    `synthetic:noise` or `noise`.

    start_s, end_s: the range to deliver, in seconds from the first frame, the end not included;
    pts count from its start.  fps: of a picture sequence, 25 where it is None.  skip: frames at the
    beginning of the range that are not delivered, because a render that is resumed has them;
    those after them keep index and pts.  at: the pts of the first one after them, where it is
    known: a video file is read from there, not from its beginning.  stream: which of a file's
    video streams, from 1 on; the first where it is None.  deinterlace: "auto", "fields" or "off".
    file: opens what is read in place of a video file that lies on another machine.
    Raises SourceError, in one line, when there is nothing to read.
    """
    from livedream.capture import animated, pictures, synthetic
    from livedream.capture.video import VideoSource
    from livedream.media.timing import TimeRange

    part = TimeRange(start_s, end_s, skip, at)
    if isinstance(text, str) and synthetic.is_synthetic(text):
        _refuse(text, fps=fps, stream=stream)
        return synthetic.open_synthetic(text, part)
    path = Path(text)
    if file is not None:
        _refuse(path, fps=fps)
        return VideoSource(path, part, stream=stream, deinterlace=deinterlace, file=file)
    try:
        are_pictures = pictures.is_series(path) or pictures.is_picture(path)
        if are_pictures:
            _refuse(path, stream=stream)
        if not pictures.is_for_ffmpeg(path):
            if animated.is_animated(path):
                _refuse(path, fps=fps)
                return animated.AnimatedSource(path, part)
            if are_pictures:
                return pictures.open_pictures(path, part, fps)
    except OSError as error:  # the name is too long, for one
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{path} cannot be read ({os_reason(error)})") from error
    if path.exists():
        _refuse(path, fps=fps)
    return VideoSource(path, part, stream=stream, deinterlace=deinterlace)


def _refuse(source: str | Path, *, fps: Fraction | None = None, stream: int | None = None) -> None:
    """Raise SourceError for an option that this source has no use for."""
    if fps is not None:
        raise SourceError(f"--fps is for picture sequences, and {source} is not one")
    if stream is not None:
        raise SourceError(f"--stream is for video files, and {source} is not one")


class MemorySource(Closeable):
    """Frames that already lie in memory: for tests and for programs that make their own."""

    def __init__(self, frames: Iterable[Frame], info: SourceInfo) -> None:
        self.info = info
        self._frames = list(frames)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    def close(self) -> None:
        self._frames.clear()
