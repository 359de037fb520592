"""Present: where dreamed frames go.

A sink is a context manager that takes `Frame`s in the order of their pts. Closing it finishes
the file; what was written before an error stays playable. `open_sink` finds the right one.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from livedream.core.closing import Closeable
from livedream.core.errors import SinkError
from livedream.core.frame import Frame, SourceInfo

_NOTHING: Mapping[str, str] = MappingProxyType({})


class FileSink(AbstractContextManager["FileSink"], Protocol):
    """The door to present: what `open_sink` gives.

    close: `complete` says whether all frames came; otherwise sound and subtitles end where the
    video does.
    """

    def write(self, frame: Frame) -> None: ...

    @property
    def frames_written(self) -> int: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    def close(self, *, complete: bool = True) -> None: ...


def open_sink(
    path: str | Path,
    info: SourceInfo,
    *,
    codec: str | None = None,
    quality: float = 80.0,
    overwrite: bool = False,
    resume: bool = False,
    copy_streams: bool = True,
    layer: bool = False,
    metadata: Mapping[str, str] = _NOTHING,
    music: Path | None = None,
) -> FileSink:
    """The sink that `path` means.

    .mp4 .m4v .mov .mkv .webm .avi .ts are videos, .gif .webp animations; a folder (ending in a
    slash, or there already) or a pattern such as frames/%05d.png is filled with pictures.

    info: of the frames to come.  codec: None for the container's own (H.264 where it can).
    quality: 0 (small) to 100 (best).  resume: go on behind the frames that an unfinished render
    left; `frames_written` tells their number.  copy_streams: sound, subtitles and the like of
    `info.path` come along.  layer: only what it says of itself comes along, for what lies over it.
    metadata: written into the file.  music: a song, which is the sound then; it begins with the
    film.
    Raises SinkError, in one line, when nothing can be written there.
    """
    from livedream.media.destination import check_name
    from livedream.present import animation, picture, series, video

    options = video.VideoOptions(codec, quality, copy_streams, metadata, layer=layer, music=music)
    file = Path(path)
    check_name(file)
    if series.is_series(path):
        return series.PictureSeriesSink(file, info, options, overwrite=overwrite, resume=resume)
    if file.suffix.lower() in animation.SUFFIXES:
        return animation.AnimationSink(file, info, options, overwrite=overwrite, resume=resume)
    if file.suffix.lower() in picture.SUFFIXES:
        raise SinkError(f"{file.name} is one picture: give a folder, or a name such as %05d.png")
    return video.VideoSink(file, info, options, overwrite=overwrite, resume=resume)


def keeps_pixel_shape(path: str | Path) -> bool:
    """Whether what `path` means can hold pixels that are not square: videos, not pictures."""
    from livedream.present import animation, series

    return not series.is_series(path) and Path(path).suffix.lower() not in animation.SUFFIXES


class MemorySink(Closeable):
    """Keeps what it is given in `frames`: for tests and for programs that go on themselves."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def write(self, frame: Frame) -> None:
        self.frames.append(frame)

    def close(self) -> None:
        """Nothing to finish: the frames stay."""
