"""Small encoded files for the tests, made with PyAV where they are needed."""

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from livedream.capture import open_source
from livedream.core.frame import Frame, Picture, SourceInfo
from livedream.present import FileSink, open_sink
from livedream.present.encoders import leave_real_time

TIME_BASE = Fraction(1, 15360)


def picture(index: int = 0, width: int = 64, height: int = 48) -> Picture:
    """A smooth coloured picture that moves with `index`, so that frames can be told apart."""
    y, x = np.mgrid[0:height, 0:width]
    red = 128 + 100 * np.sin((x + 5 * index) / 9)
    green = 128 + 100 * np.cos((y + 3 * index) / 7)
    blue = 60 + (40 * index) % 160 + 0 * x
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def uneven_pts(count: int) -> list[int]:
    """Times of a camera that cannot keep its rate, in TIME_BASE."""
    steps = [512, 700, 384, 1024, 513]
    times = [0]
    for index in range(count - 1):
        times.append(times[-1] + steps[index % len(steps)])
    return times


def frames(count: int = 12, width: int = 64, height: int = 48) -> list[Frame]:
    """Frames at uneven times; each lasts until the next one begins."""
    times = uneven_pts(count + 1)
    return [
        Frame(picture(i, width, height), times[i], TIME_BASE, i, times[i + 1] - times[i])
        for i in range(count)
    ]


def info(width: int = 64, height: int = 48, **more: Any) -> SourceInfo:
    """What a source of `frames` would say about itself."""
    rate = Fraction(25)
    return SourceInfo("made", width, height, rate, TIME_BASE, **more)


def make_video(
    path: Path,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    size: tuple[int, int] = (64, 48),
    times: Sequence[int] | None = None,
    container_format: str | None = None,
    tones: int = 0,
    subtitles: bool = False,
    metadata: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    context: dict[str, Any] | None = None,
    pictures: Iterable[Picture] | None = None,
) -> Path:
    """A video file.  tones: how many AAC tracks, each a sine of its own.  context: attributes of
    the encoder, such as its colour tags."""
    times = uneven_pts(12) if times is None else times
    width, height = size
    shown = list(pictures) if pictures else [picture(i, width, height) for i in range(len(times))]
    with av.open(str(path), "w", format=container_format) as out:
        video: Any = out.add_stream(codec, rate=25, options=options or {})
        video.width, video.height, video.pix_fmt = width, height, pixels
        video.codec_context.time_base = video.time_base = TIME_BASE
        for name, value in (context or {}).items():
            setattr(video.codec_context, name, value)
        audio = [_add_tone(out, number) for number in range(tones)]
        text: Any = out.add_mux_stream("subrip", time_base=Fraction(1, 1000)) if subtitles else None
        if text is not None:
            text.metadata["language"] = "deu"
        out.metadata.update(metadata or {})
        out.start_encoding()
        leave_real_time()
        length = times[-1] * TIME_BASE + Fraction(1, 25)
        for number, stream in enumerate(audio):
            for frame in _tone(number, float(length)):
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        if text is not None:
            for index in range(2):
                out.mux(_line(text, index))
        for pts, rgb in zip(times, shown, strict=False):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = pts, TIME_BASE
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return path


def _add_tone(out: Any, number: int) -> Any:
    stream = out.add_stream("aac", rate=48000)
    stream.metadata["language"] = ("eng", "fra")[number % 2]
    return stream


def _tone(number: int, seconds: float) -> Iterable[av.AudioFrame]:
    for block in range(int(seconds * 48000 / 1024) + 1):
        at = np.arange(block * 1024, (block + 1) * 1024) / 48000
        wave = 0.3 * np.sin(2 * np.pi * (330 + 110 * number) * at)
        frame = av.AudioFrame.from_ndarray(
            np.stack([wave, wave]).astype(np.float32), format="fltp", layout="stereo"
        )
        frame.sample_rate, frame.pts = 48000, block * 1024
        frame.time_base = Fraction(1, 48000)
        yield frame


def _line(stream: Any, index: int) -> Any:
    packet = av.Packet(f"line {index}".encode())
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = 100 + 150 * index
    packet.duration = 100
    return packet


def make_film(folder: Path) -> Path:
    """Two tracks of sound, subtitles, an attachment, chapters, metadata."""
    plain = make_video(
        folder / "plain.mkv",
        tones=2,
        subtitles=True,
        times=uneven_pts(40),
        metadata={"title": "Größe", "comment": "mine", "artist": "Me"},
    )
    path = folder / "film.mkv"
    with av.open(str(plain)) as found, av.open(str(path), "w") as out:
        copies = [out.add_stream_from_template(s, opaque=True) for s in found.streams]
        for copied, stream in zip(copies, found.streams, strict=True):
            copied.metadata.update(stream.metadata)
        out.add_attachment("font.ttf", "application/x-truetype-font", b"letters")
        out.metadata.update(found.metadata)
        chapters: Any = [
            {"id": i, "start": 800 * i, "end": 800 * i + 800, "time_base": Fraction(1, 1000),
             "metadata": {"title": f"part {i}"}}
            for i in range(2)
        ]  # fmt: skip
        out.set_chapters(chapters)
        for packet in found.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    return path


def packets(path: Path, kind: str = "video", number: int = 0) -> list[tuple[Any, ...]]:
    """(pts, duration, bytes) of every packet of one stream, times in seconds."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[number]
        found = [
            (p.pts * p.time_base, (p.duration or 0) * p.time_base, bytes(p))
            for p in container.demux(stream)
            if p.size
        ]
    return sorted(found, key=lambda item: item[0])


def decoded(path: Path) -> list[tuple[Fraction, Picture]]:
    """(time in seconds, RGB) of every frame, decoded by PyAV alone."""
    with av.open(str(path)) as container:
        return [
            (f.pts * f.time_base, f.to_ndarray(format="rgb24"))
            for f in container.decode(video=0)
            if f.pts is not None and f.time_base is not None
        ]


def pictures(source: Path | str) -> list[Picture]:
    """Every frame of a film or another source, as livedream reads it."""
    with open_source(source) as opened:
        return [frame.rgb for frame in opened]


def rotated(path: Path, target: Path, degrees: int) -> Path:
    """A copy of an MP4 whose track header tells players to turn the picture clockwise."""
    turns = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
    return with_matrix(path, target, turns[degrees])


def with_matrix(path: Path, target: Path, turn: tuple[int, int, int, int]) -> Path:
    """A copy of an MP4 whose track header takes each pixel to (a x + c y, b x + d y).

    turn: a, b, c, d."""
    a, b, c, d = turn
    matrix = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    content = path.read_bytes()
    at = content.index(b"tkhd") + 4 + 40  # version 0: the matrix is 40 bytes into the box
    target.write_bytes(content[:at] + matrix + content[at + 36 :])
    return target


def write_frames(path: Path | str, given: list[Frame], about: SourceInfo, **how: Any) -> FileSink:
    """A file of these frames, closed."""
    sink = open_sink(path, about, **how)
    for frame in given:
        sink.write(frame)
    sink.close()
    return sink


def copy(source: Path, target: Path, start: float = 0.0, end: float | None = None) -> FileSink:
    """A source written as it is, from `start` to `end` in seconds."""
    with open_source(source, start_s=start, end_s=end) as opened:
        return write_frames(target, list(opened), opened.info)
