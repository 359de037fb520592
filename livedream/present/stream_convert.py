"""What a container cannot hold as it is: sound is encoded, text rewritten, a cover attached."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler
from av.codec.codec import Codec
from av.container.output import OutputContainer
from av.filter import Graph

from livedream.media.containers import Container, check_reachable
from livedream.media.joints import OneClock
from livedream.media.timing import Packet
from livedream.present.stream_copy import CopiedStream, CopyRange, fits, is_text

_BITS_PER_CHANNEL = 96_000  # AAC and Opus: transparent for nearly everybody (heuristic)
_NAMES = {"aac": "AAC", "libopus": "Opus", "pcm_s16le": "PCM", "flac": "FLAC"}
_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_EARLY_S = 1  # sound this long before a range is decoded with it: codecs need a start


class EncodedSound(CopiedStream):
    """Sound, decoded and encoded for a container that cannot hold it as it is.

    Gaps in it become silence, and a range is cut to the sample.
    """

    def __init__(
        self, path: Path, index: int, muxer: str, encoder: str, window: CopyRange | None = None
    ) -> None:
        super().__init__(path, index, muxer, window)
        self._encoder = encoder
        self.made = _NAMES.get(encoder, encoder)

    def again(self) -> "EncodedSound":
        return EncodedSound(self.path, self.stream.index, self.muxer, self._encoder, self.window)

    def add_to(self, out: OutputContainer) -> Any:
        context = self.stream.codec_context
        self._rate = _nearest_rate(self._encoder, context.sample_rate)
        self._layout = _LAYOUTS.get(context.layout.nb_channels, "stereo")
        target: Any = out.add_stream(self._encoder, rate=self._rate)
        target.layout = self._layout
        target.time_base = Fraction(1, self._rate)
        if self._encoder in ("aac", "libopus"):
            target.bit_rate = _BITS_PER_CHANNEL * AudioLayout(self._layout).nb_channels
        self.describe(target)
        self._target = target
        return target

    def packets(self, window: CopyRange) -> Iterator[Packet]:
        for frame in self._even(self.window or window):
            yield from self._target.encode(frame)
        yield from self._target.encode(None)

    def _even(self, window: CopyRange) -> Iterator[av.AudioFrame]:
        """The window's sound without gaps, in one format."""
        graph = Graph()
        source = graph.add_abuffer(
            format="flt", sample_rate=self._rate, layout=self._layout,
            time_base=Fraction(1, self._rate),
        )  # fmt: skip
        silence = "async=1"  # where there is none
        if self.muxer == "avi":  # whose sound begins with the picture
            silence += ":first_pts=0"
        chain = [source, graph.add("aresample", silence)]
        limits = {"start": window.start, "end": window.end}
        cut = ":".join(
            f"{k}={float(v - window.shift):.6f}" for k, v in limits.items() if v is not None
        )
        if cut:
            chain.append(graph.add("atrim", cut))
        chain.append(graph.add("abuffersink"))
        graph.link_nodes(*chain).configure()
        for frame in self._decoded(window):
            graph.push(frame)
            yield from _ready(graph)
        graph.push(None)
        yield from _ready(graph)

    def _decoded(self, window: CopyRange) -> Iterator[av.AudioFrame]:
        """Frames of 32 bit floats, their times in samples from where the film begins."""
        resampler, found, ahead = None, None, 0
        for frame in self._frames(window):
            kind = (frame.format.name, frame.layout.name, frame.sample_rate)
            if kind != found:  # television changes between 5.1 and stereo as it goes
                found, resampler = kind, AudioResampler("flt", self._layout, self._rate)
            assert resampler is not None
            if frame.pts is not None and frame.time_base is not None:
                ahead = round((frame.pts * frame.time_base - window.shift) * self._rate)
            for even in resampler.resample(frame):
                even.pts, even.time_base = ahead, Fraction(1, self._rate)
                ahead += even.samples
                yield even

    def _frames(self, window: CopyRange) -> Iterator[av.AudioFrame]:
        clock = OneClock(window.joints)
        try:
            for packet in self._container.demux(self.stream):
                clock.close_up(packet)
                time = None if packet.pts is None else packet.pts * packet.time_base
                if time is not None and window.start is not None and time < window.start - _EARLY_S:
                    continue
                if time is not None and window.end is not None and time >= window.end:
                    return
                try:
                    yield from packet.decode()
                except av.FFmpegError:
                    continue  # damage: silence
        except (av.FFmpegError, IndexError) as error:
            check_reachable(self.path, error)


def _ready(graph: Graph) -> Iterator[Any]:
    while True:
        try:
            yield graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return


def _nearest_rate(encoder: str, rate: int) -> int:
    """The lowest rate the encoder knows that loses nothing, or its highest."""
    known = sorted(Codec(encoder, "w").audio_rates or [rate])
    return next((k for k in known if k >= rate), known[-1])


class RewrittenText(CopiedStream):
    """Subtitles of letters in another codec; what it has no place for (fonts, positions) goes."""

    def __init__(self, path: Path, index: int, muxer: str, encoder: str) -> None:
        super().__init__(path, index, muxer)
        self._encoder = encoder
        self.made = encoder

    def again(self) -> "RewrittenText":
        return RewrittenText(self.path, self.stream.index, self.muxer, self._encoder)

    def add_to(self, out: OutputContainer) -> Any:
        decoder = self.stream.codec_context
        decoder.open(strict=False)
        target: Any = out.add_stream(self._encoder)
        target.codec_context.subtitle_header = decoder.subtitle_header or b""
        target.codec_context.time_base = target.time_base = self.stream.time_base
        self.describe(target)
        self._target = target
        return target

    def packets(self, window: CopyRange) -> Iterator[Packet]:
        for packet in super().packets(window):
            try:
                shown = self.stream.codec_context.decode2(packet)
                if shown is None or not len(shown):
                    continue  # MP4 fills the time between two lines with empty ones
                written = self._target.codec_context.encode_subtitle(shown)
            except av.FFmpegError:
                continue
            written.time_base = packet.time_base
            written.pts = written.dts = packet.pts
            written.duration = packet.duration
            if written.size:
                yield written


class AttachedCover(CopiedStream):
    """A cover picture as Matroska holds it: a file of its own, attached."""

    def again(self) -> "AttachedCover":
        return AttachedCover(self.path, self.stream.index, self.muxer)

    def add_to(self, out: OutputContainer) -> Any:
        picture = next((bytes(p) for p in self._read(CopyRange())), b"")
        kind = {"mjpeg": "jpeg"}.get(self.codec, self.codec)
        name = self.stream.metadata.get("filename") or f"cover.{kind.replace('jpeg', 'jpg')}"
        mimetype = self.stream.metadata.get("mimetype") or f"image/{kind}"
        target: Any = out.add_attachment(name, mimetype, picture)
        target.metadata.update(self.stream.metadata)
        return target

    def packets(self, window: CopyRange) -> Iterator[Packet]:
        return iter(())


def fitted(copied: CopiedStream, container: Container) -> CopiedStream | None:
    """The stream as the container can hold it, None where it cannot at all."""
    if copied.kind == "cover":
        if container.covers == "attachment":
            return AttachedCover(copied.path, copied.stream.index, copied.muxer)
        return copied if container.covers and fits(copied, container) else None
    if fits(copied, container):
        return copied
    return converted(copied, container)


def converted(copied: CopiedStream, container: Container) -> CopiedStream | None:
    """The stream in a codec that the container holds, None where there is none."""
    made: CopiedStream | None = None
    if copied.stream.codec_context is None or type(copied) is not CopiedStream:
        return None
    where = (copied.path, copied.stream.index, copied.muxer)
    if copied.kind == "audio":
        made = EncodedSound(*where, container.sound_encoder, copied.window)
    elif is_text(copied.stream) and container.text_encoder is not None:
        made = RewrittenText(*where, container.text_encoder)
    if made is not None and not fits(made, container):
        made.close()
        return None
    return made
