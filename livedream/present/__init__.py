"""Present: where dreamed frames go.

A sink is a context manager that takes `Frame`s in the order of their pts. Closing it finishes
the file; what was written before an error stays playable. `open_sink` finds the right one.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from livedream.core.closing import Closeable
from livedream.core.errors import SinkError
from livedream.core.frame import Frame, SourceInfo

if TYPE_CHECKING:
    from livedream.present.video import VideoOptions

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
    from livedream.present.video import VideoOptions

    options = VideoOptions(codec, quality, copy_streams, metadata, layer=layer, music=music)
    return make_sink(path, info, options, overwrite=overwrite, resume=resume)


def make_sink(
    path: str | Path,
    info: SourceInfo,
    options: "VideoOptions",
    *,
    overwrite: bool = False,
    resume: bool = False,
) -> FileSink:
    """`open_sink`, for whoever has its options."""
    make, _ = _kind(path)
    return make(Path(path), info, options, overwrite=overwrite, resume=resume)


def check_sink(
    path: str | Path,
    info: SourceInfo,
    options: "VideoOptions",
    *,
    overwrite: bool = False,
    resume: bool = False,
) -> None:
    """Raise what `make_sink` would of path, source, codec and music; nothing is made or changed."""
    _, check = _kind(path)
    check(Path(path), info, options, overwrite=overwrite, resume=resume)


def _kind(path: str | Path) -> tuple[Callable[..., FileSink], Callable[..., object]]:
    """What makes the sink that `path` means, and what checks whether it can."""
    from livedream.media.destination import check_name
    from livedream.present import animation, picture, series, video

    file = Path(path)
    check_name(file)
    if series.is_series(path):
        return series.PictureSeriesSink, series.check_series
    if file.suffix.lower() in animation.SUFFIXES:
        return animation.AnimationSink, animation.check_animation
    if file.suffix.lower() in picture.SUFFIXES:
        raise SinkError(f"{file.name} is one picture: give a folder, or a name such as %05d.png")
    return video.VideoSink, video.check_video


def read_settings(path: str | Path) -> str | None:
    """The settings that a video, a picture or a series was made with; None where it has none.

    Raises SourceError when it cannot be read.
    """
    from livedream.media import tags
    from livedream.present import picture, series

    file = series.first_picture(Path(path)) if series.is_series(path) else Path(path)
    if file is None:
        return None
    is_picture = file.suffix.lower() in picture.SUFFIXES
    return picture.read_settings(file) if is_picture else tags.read_settings(file)


def keeps_pixel_shape(path: str | Path) -> bool:
    """Whether what `path` means can hold pixels that are not square: videos, not pictures."""
    from livedream.present import animation, series

    return not series.is_series(path) and Path(path).suffix.lower() not in animation.SUFFIXES


def grows(path: str | Path) -> bool:
    """Whether what `path` means is there as it grows, and can be continued: not animations."""
    from livedream.present import animation

    return Path(path).suffix.lower() not in animation.SUFFIXES


class MemorySink(Closeable):
    """Keeps what it is given in `frames`: for tests and for programs that go on themselves."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def write(self, frame: Frame) -> None:
        self.frames.append(frame)

    def close(self) -> None:
        """Nothing to finish: the frames stay."""
