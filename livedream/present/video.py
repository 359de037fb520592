"""Video files that survive their writer: MP4, MOV, Matroska, WebM and others.

While frames come, the file under its final name is a growing one (see `growing`): whatever has
been written plays at any moment. Closing turns it into an ordinary file with its index in
front, with the source's sound, subtitles and metadata (see `remux`). A growing file whose
writer died is gone on with by opening it again with `resume`.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fractions import Fraction
from io import BytesIO
from math import floor
from pathlib import Path
from typing import Any

import av

from livedream.capture.sound import has_sound
from livedream.core.closing import Finalizable
from livedream.core.errors import ShapeError, SinkError
from livedream.core.frame import Frame, SourceInfo
from livedream.media.colour import from_rgb, output_tags, tag
from livedream.media.containers import GROWING, codec_for, container_for
from livedream.media.destination import cannot, check_destination
from livedream.media.display_size import put_display_size, with_room
from livedream.media.film_time import sound_begin
from livedream.media.filters import FrameFilter
from livedream.media.siting import left_sited
from livedream.media.timing import Packet, end_time
from livedream.present.encoders import DEFAULT_QUALITY, Chosen, choose, configure, leave_real_time
from livedream.present.fragmented import (
    FragmentedFile,
    SoundBeside,
    SoundTracks,
    growing_options,
    open_in_memory,
)
from livedream.present.remux import RemuxSpec, finishing, remux
from livedream.present.stream_copy import CopyRange, Music, copy_range_of


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """How a video is to be written.

    codec: "h264", "hevc", "av1", "vp9", "prores", "ffv1", or None for the container's own.
    quality: 0 (small) to 100 (best).  copy_streams: sound, subtitles and the like come along.
    metadata: written into the file, over the source's own.  piece: the file is a piece of a film
    that `join` makes: it has nothing but pictures, and stays as it grew.  layer: it lies over or
    beside a film that has the sound: titles, chapters and timecode come along, no other stream.
    music: a song that is the sound instead of the source's, where streams are copied; it begins
    with the film.
    """

    codec: str | None = None
    quality: float = DEFAULT_QUALITY
    copy_streams: bool = True
    metadata: Mapping[str, str] = field(default_factory=dict)
    piece: bool = False
    layer: bool = False
    music: Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.quality <= 100:
            raise SinkError(f"quality {self.quality:g} is out of range: must be 0 to 100")


def check_music(options: VideoOptions) -> None:
    """Raise SourceError where the song cannot be read, also where it will not be heard."""
    if options.music is not None and not options.piece:
        sound_begin(options.music)


def loses_sound(info: SourceInfo, options: VideoOptions) -> bool:
    """Whether a file without sound leaves out some that was to come along."""
    wanted = options.copy_streams and not options.layer
    return wanted and (options.music is not None or has_sound(info))


def check_video(
    path: Path,
    info: SourceInfo,
    options: VideoOptions,
    *,
    overwrite: bool = False,
    resume: bool = False,
) -> Chosen:
    """Raise what `VideoSink` would of path, codec and music; nothing is made. Gives its encoder."""
    sources = (options.music, *info.all_files)
    check_destination(path, sources=sources, overwrite=overwrite, resume=resume)
    check_music(options)
    return _chosen(path, info, options)


class VideoSink(Finalizable):
    """Writes frames into a video file; frames keep their pts and durations exactly.

    info: of the frames to come, and of the file whose other streams are copied.
    overwrite: replace what is there.  resume: go on behind the frames that an unfinished file
    holds; `frames_written` tells how many they are, 0 where there is no such file.
    late: the file is made with its first frame, for a sink that may never get one.
    sound: what is heard in place of the source's own, which is in this file only.
    header: what the growing file begins with.  end: of the last frame written here, in seconds.
    Raises SinkError when the file cannot be made; nothing on disk has changed then.
    """

    def __init__(
        self,
        path: Path,
        info: SourceInfo,
        options: VideoOptions | None = None,
        *,
        overwrite: bool = False,
        resume: bool = False,
        late: bool = False,
        sound: SoundBeside | None = None,
    ) -> None:
        options = options or VideoOptions()
        self._chosen = check_video(path, info, options, overwrite=overwrite, resume=resume)
        self.path = path
        self.frames_written = 0
        self._info = info
        self._options = options
        alone = self._options.piece or self._options.layer
        self._copies = self._options.copy_streams and not alone
        self._container = container_for(path)
        self._tags = output_tags(info.colour)
        if self._chosen.encoder.limited_only:
            self._tags = replace(self._tags, full_range=False)
        self._sited = left_sited()
        aspect = info.sample_aspect_ratio
        self._shaped = FrameFilter(("setsar", f"{aspect.numerator}/{aspect.denominator}:max=65535"))
        self._usual = max(1, round(1 / (info.rate * info.time_base)))  # ticks between frames
        self.notes = self._chosen.notes
        self._last_pts: int | None = None
        self.end: Fraction | None = None
        self._closed = False
        growing = self._container.growing
        self._own_sound = sound is not None
        self._sound: SoundBeside = sound or SoundTracks(
            info, GROWING[growing], growing_options(growing), wanted=self._copies,
            music=_music(self._options, info),
        )  # fmt: skip
        # What is not closed keeps its encoder's threads until Python collects garbage.
        self._opened = ExitStack()
        self._opened.callback(self._sound.close)
        try:
            self._prepare()
            written = self._growing.resume(self._sound) if resume else None
            if late:
                self._growing.create_late()
            elif written is None:
                self._growing.create(overwrite=overwrite or resume)
            else:
                self.frames_written, last_s = written
                if last_s is not None:
                    self._last_pts = floor(last_s / info.time_base)
            finishing(path).unlink(missing_ok=True)
        except BaseException:
            self._opened.close()
            raise

    def _prepare(self) -> None:
        """Open the encoder and make the growing file's header, with sound where it fits."""
        try:
            streams, header = self._header()
        except (av.FFmpegError, ValueError):
            self._sound.leave_out()
            try:
                streams, header = self._header()
            except (av.FFmpegError, ValueError) as error:
                raise cannot(self.path, error) from error
        self._stream, self.header = streams[0], header
        self._growing = FragmentedFile(self.path, self._container.growing, streams, header)
        self._opened.callback(self._growing.close)

    def _header(self) -> tuple[list[Any], bytes]:
        head, written = open_in_memory(self._container.growing)
        self._opened.callback(head.close)
        encoder, info = self._chosen.encoder, self._info
        aspect = info.sample_aspect_ratio
        rate = info.rate.limit_denominator(1_000_000)
        stream: Any = head.add_stream(encoder.name, rate=rate)
        stream.width, stream.height = info.width, info.height
        context = stream.codec_context
        configure(context, encoder, self._chosen.pixels, rate, self._options.quality)
        context.time_base = stream.time_base = info.time_base
        context.sample_aspect_ratio = aspect
        tag(context, self._tags)
        if encoder.tag and self._container.growing in ("mp4", "mov"):
            context.codec_tag = encoder.tag
        copies = [track.add_to(head) for track in self._sound.tracks]
        growing = self._container.growing
        if title := with_room("", growing, aspect):
            stream.metadata["title"] = title
        head.start_encoding()
        leave_real_time()
        header = BytesIO(written.take())
        put_display_size(header, growing, info.width, info.height, aspect)
        return [stream, *copies], header.getvalue()

    def write(self, frame: Frame) -> None:
        """Encode a frame; when this returns, the file on disk holds it.

        Raises ShapeError for another size, SinkError when the frame is not later than the last
        one or the disk is full; what was written before plays all the same.
        """
        height, width = frame.rgb.shape[:2]
        info = self._info
        if (width, height) != (info.width, info.height):
            wanted = f"{info.width}x{info.height}"
            raise ShapeError(f"frame {frame.index} is {width}x{height}, the file is {wanted}")
        pts = round(frame.pts * frame.time_base / info.time_base)
        if self._last_pts is not None and pts <= self._last_pts:
            raise SinkError(
                f"frame {frame.index} has pts {pts}: must be greater than {self._last_pts}"
            )
        picture = from_rgb(frame.rgb, self._chosen.pixels, self._tags, self._sited)
        if info.sample_aspect_ratio != 1:
            picture = self._shaped(picture)  # FFV1 writes down what its frames say
        picture.pts, picture.time_base = pts, info.time_base
        picture.duration = round(frame.duration * frame.time_base / info.time_base) or self._usual
        self._append(self._encoded(picture), picture.duration)
        self._last_pts = pts
        self.end = (pts + picture.duration) * info.time_base
        self.frames_written += 1

    def _encoded(self, picture: av.VideoFrame | None) -> list[Packet]:
        try:
            return list(self._stream.encode(picture))
        except av.FFmpegError as error:
            raise SinkError(f"{self._chosen.encoder.name} failed on a frame: {error}") from error

    def _append(self, encoded: list[Packet], duration: int) -> None:
        packets: list[tuple[int, Packet]] = []
        for packet in encoded:
            packet.duration = packet.duration or duration
            sound = self._sound.until(end_time(packet))
            packets += [(0, packet), *((track + 1, other) for track, other in sound)]
        self._growing.append(packets)

    def close(self, *, complete: bool = True) -> None:
        """Finish the file; one without a frame is removed.

        complete: all frames came; otherwise sound and subtitles end where the video does, and a
        file that could not be resumed once it is finished stays one that grows.
        Raises SinkError when the finished file cannot be written; the growing one still plays.
        """
        if self._closed:
            return
        if not self.frames_written:
            self.abandon()
            self.path.unlink(missing_ok=True)
            return
        try:
            self._append(self._encoded(None), 0)
            if self.end is not None:
                self._growing.append([(t + 1, packet) for t, packet in self._sound.rest(self.end)])
        finally:
            self.abandon()
        if not self._options.piece and (complete or self._container.grows_again):
            wanted = _finished(
                self.path, self._info, self._options, self._chosen, self._sound.window,
                complete=complete, end=self.end,
            )  # fmt: skip
            if self._own_sound:
                wanted = replace(wanted, source=self.path)
            self.notes += remux(self.path, wanted)

    def abandon(self) -> None:
        """Let go of the file without finishing it: it stays one that grows, to be resumed."""
        self._closed = True
        self._opened.close()


def join(
    path: Path,
    pieces: Sequence[Path],
    info: SourceInfo,
    options: VideoOptions,
    *,
    end: Fraction,
    complete: bool = True,
) -> tuple[str, ...]:
    """Make the film at `path` of its pieces, as a sink that wrote all of it would have.

    pieces: what sinks with the same info and options wrote, in order.  end: of the last frame, in
    seconds.  complete: as for `VideoSink.close`.  Returns notes on what could not be held.
    Raises SinkError when it cannot be written; the pieces are untouched.
    """
    chosen = _chosen(path, info, options)
    window = CopyRange()
    if options.copy_streams and info.path is not None:
        window = copy_range_of(info)
    wanted = _finished(path, info, options, chosen, window, complete=complete, end=end)
    return chosen.notes + remux(path, replace(wanted, pieces=pieces))


def _chosen(path: Path, info: SourceInfo, options: VideoOptions) -> Chosen:
    codec = codec_for(path, options.codec, alpha=info.alpha)
    return choose(codec, (info.width, info.height), options.quality, alpha=info.alpha)


def _music(options: VideoOptions, info: SourceInfo) -> Music | None:
    if options.music is None or options.piece or options.layer or not options.copy_streams:
        return None
    return Music.beside(options.music, info)


def _finished(
    path: Path, info: SourceInfo, options: VideoOptions, chosen: Chosen, window: CopyRange, *,
    complete: bool, end: Fraction | None,
) -> RemuxSpec:  # fmt: skip
    """What the finished file is to be."""
    container = container_for(path)
    tagged = container.name in ("mp4", "mov")
    return RemuxSpec(
        container, rate=info.rate, source=info.path if options.copy_streams else None,
        window=window, metadata=options.metadata, tag=chosen.encoder.tag if tagged else None,
        complete=complete, end=end, stream=info.stream, immersive=info.immersive,
        aspect=info.sample_aspect_ratio, layer=options.layer, music=_music(options, info),
    )  # fmt: skip
