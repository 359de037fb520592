"""GIF and WebP animations: for short loops, written whole at the end.

A GIF's palette is made for the whole film, so nothing can be written before the last frame has
come. Until then the frames lie, losslessly, in a hidden file beside the output; memory stays
bounded, but what a killed writer leaves is no animation, and cannot be gone on with.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.filter import Graph

from livedream.core.closing import Finalizable
from livedream.core.errors import SinkError, UnfinishedError
from livedream.core.frame import Frame, SourceInfo
from livedream.core.whole_file import beside, whole_file
from livedream.media.containers import no_alpha, url_of
from livedream.media.destination import cannot, check_destination
from livedream.present.encoders import check_size
from livedream.present.video import VideoOptions, VideoSink, check_music, loses_sound

SUFFIXES = (".gif", ".webp")
_MOST_FRAMES = 1500  # a minute at 25 per second: beyond, such files are of no use (heuristic)
_TICK = {".gif": Fraction(1, 100), ".webp": Fraction(1, 1000)}  # both formats' unit of time
# Ticks: browsers show what is not longer than 10 ms for 100 ms.
_LEAST = {".gif": 2, ".webp": 11}
_MOST_PX = {".gif": (65535, 65535), ".webp": (16383, 16383)}  # their fields have 16 and 14 bits
_LONGEST_GIF_DELAY = 65535  # its field has 16 bits


def check_animation(
    path: Path,
    info: SourceInfo,
    options: VideoOptions,
    *,
    overwrite: bool = False,
    resume: bool = False,
) -> None:
    """Raise what `AnimationSink` would; nothing is made."""
    suffix = path.suffix.lower()
    if resume:
        again = "start over with --overwrite" if path.exists() else "leave out --resume"
        raise SinkError(
            f"{suffix} files are written in one go at the end, so there is nothing to resume: "
            f"{again}, or render to .mkv"
        )
    if info.alpha:
        raise no_alpha(f"an animated {suffix}")
    check_destination(path, sources=info.all_files, overwrite=overwrite)
    check_size(suffix, (info.width, info.height), _MOST_PX[suffix])
    if options.codec is not None:
        raise SinkError(f"{suffix} has only one codec: leave out {options.codec}")
    check_music(options)
    if info.frames is not None and info.frames > _MOST_FRAMES:
        raise SinkError(_too_long(suffix, info.frames))


class AnimationSink(Finalizable):
    """Collects frames, and makes a GIF or WebP of them when it is closed.

    options: its quality is WebP's; a codec makes no sense here.
    Raises SinkError for a film that is too long, when resuming, or when nothing can be written.
    """

    def __init__(
        self,
        path: Path,
        info: SourceInfo,
        options: VideoOptions | None = None,
        *,
        overwrite: bool = False,
        resume: bool = False,
    ) -> None:
        self._options = options or VideoOptions()
        check_animation(path, info, self._options, overwrite=overwrite, resume=resume)
        suffix = path.suffix.lower()
        self.path = path
        self._closed = False
        self._tick, self._least = _TICK[suffix], _LEAST[suffix]
        self._loops = info.loops
        self._usual_s = 1 / info.rate
        self._last_s = self._end_s = Fraction(0)
        self._beside = beside(path, ".frames.mkv")
        lossless = VideoOptions(codec="ffv1", copy_streams=False)
        # Milliseconds, Matroska's unit: times come back as they went in.
        plain = replace(info, path=None, time_base=Fraction(1, 1000))
        self._frames = VideoSink(self._beside, plain, lossless, overwrite=True)
        silent = loses_sound(info, self._options)
        self.notes: tuple[str, ...] = ()
        if silent:
            self.notes += (f"{suffix} cannot hold audio: .mkv can",)
        most = 1 / (self._least * self._tick)
        if info.rate > most:
            shown = f"browsers show {int(most)} frames a second of {suffix} at most"
            self.notes += (f"{shown}: no more are kept",)

    @property
    def frames_written(self) -> int:
        return self._frames.frames_written

    def write(self, frame: Frame) -> None:
        """Keep a frame.  Raises SinkError when there are too many, or no room for it."""
        if self.frames_written >= _MOST_FRAMES:
            raise SinkError(_too_long(self.path.suffix, self.frames_written + 1))
        try:
            self._frames.write(frame)
        except UnfinishedError as error:  # of the frames kept beside it
            why = error.__cause__
            raise cannot(self.path, why if isinstance(why, OSError) else error) from error
        self._last_s = frame.pts * frame.time_base
        self._end_s = self._last_s + (frame.duration * frame.time_base or self._usual_s)

    def close(self, *, complete: bool = True) -> None:
        """Make the animation of the frames that came, be they all or not."""
        if self._closed:
            return
        self._closed = True
        try:
            self._frames.close()
            if self.frames_written:
                film = _Film(
                    self._beside, self._tick, self._least, self._last_s, self._end_s, self._loops
                )
                with whole_file(self.path, lasting=True) as unfinished:
                    if self.path.suffix.lower() == ".gif":
                        _write_gif(film, unfinished)
                    else:
                        quality = f"{self._options.quality:g}"
                        webp = {"quality": quality, "compression_level": "4"}
                        # Not libwebp_anim, which keeps a block of the last frame where a new one
                        # is like it: over many frames those stay behind, as squares.
                        _encode(film, unfinished, ("webp", "libwebp", "bgra", webp))
        except (av.FFmpegError, OSError) as error:
            if isinstance(error, SinkError):
                raise
            raise cannot(self.path, error) from error
        finally:
            with suppress(OSError):
                self._beside.unlink(missing_ok=True)


def _too_long(suffix: str, frames: int) -> str:
    return f"{frames} frames are too many for {suffix} (at most {_MOST_FRAMES}): use .mp4 or .mkv"


@dataclass(frozen=True, slots=True)
class _Film:
    """What an animation is made of.

    frames: the file that holds them.  tick: the format's unit of time, in seconds.  least: how
    many of them a frame is shown at least.  last_s, end_s: when the last frame begins and ends.
    loops: how often it is shown, 0 for ever.
    """

    frames: Path
    tick: Fraction
    least: int
    last_s: Fraction
    end_s: Fraction
    loops: int

    @property
    def last_ticks(self) -> int:
        """How long the last frame is shown."""
        return max(self.least, round(self.end_s / self.tick) - round(self.last_s / self.tick))


def _write_gif(film: _Film, path: Path) -> None:
    tick = film.tick
    with av.open(url_of(film.frames)) as container:
        palette = _palette(container)
    with av.open(url_of(film.frames)) as container:
        stream = container.streams.video[0]
        graph = Graph()
        picture: Any = graph.add_buffer(
            width=stream.width, height=stream.height, format=av.VideoFormat("bgr0"), time_base=tick
        )
        colours: Any = graph.add_buffer(
            width=palette.width, height=palette.height, format=palette.format, time_base=tick
        )
        use: Any = graph.add("paletteuse", "dither=sierra2_4a:diff_mode=rectangle")
        out: Any = graph.add("buffersink")
        picture.link_to(use, 0, 0)
        colours.link_to(use, 0, 1)
        use.link_to(out)
        graph.configure()
        colours.push(palette)
        colours.push(None)

        def painted(frame: av.VideoFrame) -> av.VideoFrame:
            picture.push(frame)
            result: av.VideoFrame = out.pull()
            return result

        _encode(film, path, ("gif", "gif", "pal8", {}), painted)


def _palette(container: Any) -> av.VideoFrame:
    """The 256 colours that the whole film is best painted with."""
    stream = container.streams.video[0]
    graph = Graph()
    picture: Any = graph.add_buffer(template=stream)
    make: Any = graph.add("palettegen", "reserve_transparent=1")
    out: Any = graph.add("buffersink")
    picture.link_to(make)
    make.link_to(out)
    graph.configure()
    for frame in container.decode(stream):
        picture.push(frame)
    picture.push(None)
    palette: av.VideoFrame = out.pull()
    return palette


def _encode(
    film: _Film,
    path: Path,
    kind: tuple[str, str, str, dict[str, str]],
    paint: Callable[[av.VideoFrame], av.VideoFrame] = lambda frame: frame,
) -> None:
    container_format, codec, pixels, options = kind
    muxing = {"loop": str(film.loops)}
    if container_format == "gif":
        # A GIF without a number of loops is shown once; its muxer wants the last delay beforehand.
        muxing = {"loop": str(film.loops if film.loops != 1 else -1)}
        muxing["final_delay"] = str(min(film.last_ticks, _LONGEST_GIF_DELAY))
    with (
        av.open(url_of(film.frames)) as container,
        av.open(url_of(path), "w", format=container_format, container_options=muxing) as out,
    ):
        source = container.streams.video[0]
        stream: Any = out.add_stream(codec, rate=source.average_rate or 25, options=options)
        stream.width, stream.height, stream.pix_fmt = source.width, source.height, pixels
        stream.codec_context.time_base = stream.time_base = film.tick
        for frame in _retimed(container.decode(source), film):
            made = paint(frame)
            made = made.reformat(format=pixels) if made.format.name != pixels else made
            made.pts, made.time_base, made.duration = frame.pts, film.tick, frame.duration
            for packet in stream.encode(made):
                packet.duration = frame.duration
                out.mux_one(packet)
        out.mux(stream.encode(None))


def _retimed(frames: Iterator[av.VideoFrame], film: _Film) -> Iterator[av.VideoFrame]:
    """Frames at the format's own ticks; of two that are too close, the later takes the place of the
    earlier, which it may have come to replace for long."""
    tick = film.tick
    waiting: av.VideoFrame | None = None
    for frame in frames:
        assert frame.pts is not None and frame.time_base is not None
        frame.pts = round(frame.pts * frame.time_base / tick)
        frame.time_base = tick
        if waiting is not None:
            gap = frame.pts - (waiting.pts or 0)
            if gap < film.least:
                frame.pts = waiting.pts
            else:
                waiting.duration = gap
                yield waiting
        waiting = frame
    if waiting is not None:
        waiting.duration = film.last_ticks
        yield waiting
