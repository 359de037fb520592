"""What travels beside the picture: sound, subtitles, covers, timecode, other streams, their times.

The files are made with PyAV and judged by reading them with PyAV alone. One file, long as it is,
since all of it shares the makers and judges of such files.
"""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from files_made import TIME_BASE, copy, make_video, packets, picture, write_frames

from livedream.capture import open_source
from livedream.core.frame import SourceInfo
from livedream.present import open_sink

pytestmark = pytest.mark.slow  # many renders; `scripts/check` runs them

MS = Fraction(1, 1000)
EVEN = [600 * i for i in range(50)]  # 25 frames a second in files_made.TIME_BASE, two seconds


def notes_of(source: Path) -> tuple[str, ...]:
    with open_source(source) as opened:
        list(opened)
        return opened.info.notes


def tone(begin_s: float, seconds: float, rate: int = 48000) -> np.ndarray[Any, Any]:
    """A beep of 80 ms at the beginning of each second, mono."""
    at = begin_s + np.arange(round(seconds * rate)) / rate
    return np.where(at % 1 < 0.08, 0.7 * np.sin(2 * np.pi * 1000 * at), 0.0)


def make_film(
    path: Path,
    *,
    sound: str | None = None,
    seconds: float = 2.0,
    video: str = "libx264",
    rate: int = 48000,
    prepare: Callable[[Any, Any], None] | None = None,
    finish: Callable[[Any], None] | None = None,
    block: int = 1920,
    clock_s: float = 0.0,
) -> Path:
    """25 frames a second, white for 80 ms in each second, and sound that beeps then.

    block: samples of sound to a packet, where its codec does not say.
    prepare, finish: get the container (and the video) before the header, behind the last packet.
    """
    with av.open(str(path), "w") as out:
        pictures: Any = out.add_stream(video, rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        if video == "mjpeg":
            pictures.pix_fmt = "yuvj420p"
        pictures.codec_context.gop_size = 25
        pictures.codec_context.max_b_frames = 0
        if sound is not None:
            audio: Any = out.add_stream(sound, rate=rate, options={"strict": "-2"})
            audio.layout, audio.bit_rate = "mono", 128_000
        if prepare is not None:
            prepare(out, pictures)
        for index in range(round(25 * seconds)):
            white = 255 if index % 25 < 2 else 0
            rgb = np.full((48, 64, 3), white, np.uint8)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts = index + round(25 * clock_s)
            frame.time_base = Fraction(1, 25)
            out.mux(pictures.encode(frame))
        if sound is not None:
            for begin in range(0, round(rate * seconds), block):
                wave = tone(begin / rate, block / rate, rate)
                heard = av.AudioFrame.from_ndarray(
                    (wave[None] * 32767).astype(np.int16), format="s16", layout="mono"
                )
                heard.sample_rate, heard.pts = rate, begin + round(clock_s * rate)
                heard.time_base = Fraction(1, rate)
                out.mux(audio.encode(heard))
            out.mux(audio.encode(None))
        out.mux(pictures.encode(None))
        if finish is not None:
            finish(out)
    return path


def flashes(path: Path) -> list[float]:
    found, lit = [], False
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            bright = frame.to_ndarray(format="gray").mean() > 128
            if bright and not lit:
                found.append(float(frame.time or 0))
            lit = bright
    return found


def beeps(path: Path) -> list[float]:
    """When sound begins, in seconds, as a player hears it."""
    found, last = [], -9.0
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            wave = np.abs(frame.to_ndarray().astype(float).reshape(-1))
            wave = wave / 32768 if frame.format.name.startswith("s16") else wave
            for sample in np.nonzero(wave > 0.2)[0][[0, -1]] if (wave > 0.2).any() else ():
                time = float(frame.time or 0) + sample / frame.sample_rate
                if time - last > 0.3:
                    found.append(time)
                last = time
    return found


def kinds(path: Path) -> list[tuple[str, str]]:
    with av.open(str(path)) as container:
        return [
            (s.type, s.codec_context.name if s.codec_context is not None else str(s.name))
            for s in container.streams
        ]


# Sound that a container cannot hold


@pytest.mark.parametrize(
    ("source", "sound", "target", "wanted"),
    [
        ("in.avi", "pcm_s16le", "out.mp4", "aac"),
        ("in.mov", "pcm_s24le", "out.ts", "aac"),
        ("in.mp4", "aac", "out.webm", "opus"),
        ("in.mkv", "libopus", "out.avi", "pcm_s16le"),
        ("in.asf", "wmav2", "out.mp4", "aac"),
    ],
)
def test_sound_is_encoded_where_it_cannot_be_copied(
    tmp_path: Path, source: str, sound: str, target: str, wanted: str
) -> None:
    video = {".avi": "mjpeg", ".asf": "mpeg4"}.get(Path(source).suffix, "libx264")
    film = make_film(tmp_path / source, sound=sound, seconds=3, video=video)
    sink = copy(film, tmp_path / target)
    assert kinds(tmp_path / target)[1] == ("audio", wanted)
    assert any("written as" in note for note in sink.notes)
    heard = beeps(tmp_path / target)
    assert len(heard) == 3
    seen = flashes(tmp_path / target)
    if target.endswith(".avi"):  # it has no times: its reader guesses H.264 a frame late
        seen = [time - 0.04 for time in seen]
    given = zip(beeps(film), flashes(film), strict=True)  # WMA itself begins late
    late = [beep - flash for beep, flash in given]
    assert [a - b for a, b in zip(heard, seen, strict=True)] == pytest.approx(late, abs=0.03)


def test_encoded_sound_is_cut_to_the_sample(tmp_path: Path) -> None:
    film = make_film(tmp_path / "in.avi", sound="pcm_s16le", seconds=4, video="mjpeg")
    copy(film, tmp_path / "out.mp4", 0.52, 3.0)
    assert beeps(tmp_path / "out.mp4") == pytest.approx([0.48, 1.48], abs=0.003)
    assert flashes(tmp_path / "out.mp4") == pytest.approx([0.48, 1.48], abs=0.001)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert float(container.duration or 0) / 1e6 == pytest.approx(2.48, abs=0.03)


@pytest.mark.parametrize("suffix", [".webm", ".avi"])
def test_gaps_in_sound_are_silence(tmp_path: Path, suffix: str) -> None:
    """Sound that begins late, and of which the second beep is missing."""
    plain = make_film(tmp_path / "plain.mkv", sound="flac", seconds=4, block=960)
    film = tmp_path / "in.mkv"
    with av.open(str(plain)) as found, av.open(str(film), "w") as out:
        copies = [out.add_stream_from_template(s, opaque=True) for s in found.streams]
        for packet in found.demux():
            time = float((packet.pts or 0) * packet.time_base)
            heard = 0.5 < time < 1.5 or time > 2.5
            if packet.size and (packet.stream_index == 0 or not heard):
                packet.stream = copies[packet.stream_index]
                out.mux(packet)
    target = tmp_path / f"out{suffix}"
    copy(film, target)
    assert beeps(target) == pytest.approx([0, 2], abs=0.03)


@pytest.mark.parametrize(("start", "wanted"), [(0.0, [1, 2]), (0.52, [0.48, 1.48])])
@pytest.mark.parametrize("sound", ["libmp3lame", "flac", "pcm_s16le", "libopus"])
def test_sound_that_begins_late_does_so_in_avi(
    tmp_path: Path, sound: str, start: float, wanted: list[float]
) -> None:
    """It has no times: what is copied there begins with the picture."""
    plain = make_film(tmp_path / "plain.mkv", sound=sound, seconds=3, block=960)
    film, target = tmp_path / "in.mkv", tmp_path / "out.avi"
    with av.open(str(plain)) as found, av.open(str(film), "w") as out:
        copies = [out.add_stream_from_template(s, opaque=True) for s in found.streams]
        for packet in found.demux():
            late = packet.stream_index == 1 and (packet.pts or 0) * packet.time_base < 0.7
            if packet.size and not late:
                packet.stream = copies[packet.stream_index]
                out.mux(packet)
    sink = copy(film, target, start)
    assert beeps(target) == pytest.approx(wanted, abs=0.05)
    assert any("written as PCM" in note for note in sink.notes)


def test_vorbis_keeps_its_times_in_avi(tmp_path: Path) -> None:
    plain = make_film(tmp_path / "plain.mkv", seconds=3)
    film, target = tmp_path / "in.mkv", tmp_path / "out.avi"
    with av.open(str(plain)) as found, av.open(str(film), "w") as out:
        video = out.add_stream_from_template(found.streams.video[0], opaque=True)
        sound: Any = out.add_stream("vorbis", rate=48000, options={"strict": "-2"})
        sound.layout = "stereo"
        for packet in found.demux():
            if packet.size:
                packet.stream = video
                out.mux(packet)
        wave = np.tile(tone(0, 3, 48000).astype(np.float32), (2, 1))
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="stereo")
        frame.sample_rate = 48000
        out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    sink = copy(film, target)
    assert beeps(target) == pytest.approx(beeps(film), abs=0.03)
    assert any("written as PCM" in note for note in sink.notes)


@pytest.mark.parametrize(
    ("source", "video", "sound"),
    [
        ("in.asf", "mpeg4", "wmav2"),
        ("in.avi", "mjpeg", "adpcm_ima_wav"),
        ("in.mov", "libx264", "pcm_mulaw"),
        ("in.avi", "mjpeg", "libmp3lame"),
    ],
)
def test_old_sound_is_copied_into_matroska(
    tmp_path: Path, source: str, video: str, sound: str
) -> None:
    film = make_film(tmp_path / source, sound=sound, video=video)
    sink = copy(film, tmp_path / "out.mkv")
    assert sink.notes == ()
    name = sound.replace("libmp3lame", "mp3float")
    assert kinds(tmp_path / "out.mkv")[1] == ("audio", name)
    given, made = packets(film, "audio"), packets(tmp_path / "out.mkv", "audio")
    assert [p[2] for p in made] == [p[2] for p in given]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".ts", ".mkv", ".avi"])
@pytest.mark.parametrize("sound", ["ac3", "libmp3lame"])
def test_common_sound_is_copied_everywhere(tmp_path: Path, sound: str, suffix: str) -> None:
    film = make_film(tmp_path / "in.mkv", sound=sound)
    target = tmp_path / f"out{suffix}"
    assert copy(film, target).notes == ()
    given, made = packets(film, "audio"), packets(target, "audio")
    before = len(given) - len(made)  # AVI has nothing before 0, where codecs start
    assert before <= (suffix == ".avi")
    assert [p[2] for p in made] == [p[2] for p in given[before:]]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".ts", ".mkv"])
def test_adts_sound_of_a_transport_stream_is_copied(tmp_path: Path, suffix: str) -> None:
    film = make_film(tmp_path / "in.ts", sound="aac", seconds=3)
    target = tmp_path / f"out{suffix}"
    assert copy(film, target).notes == ()
    assert kinds(target) == [("video", "h264"), ("audio", "aac")]
    heard, seen = beeps(target), flashes(target)
    assert len(heard) == len(seen) == 3
    assert heard == pytest.approx(seen, abs=0.03)
    with av.open(str(target)) as container:
        headers = next(bytes(p) for p in container.demux(audio=0) if p.size)[:2] == b"\xff\xf1"
    assert headers == (suffix == ".ts")


# Times


def joined(tmp_path: Path, clock_s: float) -> Path:
    """Two transport streams, one behind the other; the second one's clock begins at `clock_s`."""
    one = make_film(tmp_path / "1.ts", sound="mp2")
    two = make_film(tmp_path / "2.ts", sound="mp2", clock_s=clock_s)
    path = tmp_path / "joined.ts"
    path.write_bytes(one.read_bytes() + two.read_bytes())
    return path


@pytest.mark.parametrize("clock_s", [0, 3600])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_joined_recordings_are_closed_up(tmp_path: Path, clock_s: float, suffix: str) -> None:
    film, target = joined(tmp_path, clock_s), tmp_path / f"out{suffix}"
    sink = copy(film, target)
    assert sink.frames_written == 100
    assert sink.notes == ()
    assert any("clock jumps once" in note for note in notes_of(film))
    seen, heard = flashes(target), beeps(target)
    assert [t - seen[0] for t in seen] == pytest.approx([0, 1, 2, 3], abs=0.05)
    assert heard == pytest.approx(seen, abs=0.03)
    assert len(packets(target, "audio")) == len(packets(film, "audio"))
    assert float(packets(target, "audio")[-1][0]) < 4.2


def test_a_range_of_joined_recordings(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    copy(joined(tmp_path, 3600), target, 1.5, 3.5)
    assert flashes(target) == pytest.approx([0.5, 1.5], abs=0.05)
    assert beeps(target) == pytest.approx(flashes(target), abs=0.03)


def test_three_recordings_in_a_row(tmp_path: Path) -> None:
    parts = [
        make_film(tmp_path / f"{n}.ts", sound="mp2", clock_s=s) for n, s in enumerate((9, 0, 50))
    ]
    film, target = tmp_path / "joined.ts", tmp_path / "out.mp4"
    film.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert copy(film, target).frames_written == 150
    assert any("jumps 2 times" in note for note in notes_of(film))
    assert flashes(target) == pytest.approx(range(6), abs=0.1)
    assert beeps(target) == pytest.approx(flashes(target), abs=0.03)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_a_film_that_begins_between_two_milliseconds_stays_there(
    tmp_path: Path, suffix: str
) -> None:
    times = [400 + 512 * number for number in range(9)]  # 1/15360 s
    film = make_video(tmp_path / "in.mkv", times=times, tones=1)
    with open_source(film) as source:
        given = [replace(f, pts=t, time_base=TIME_BASE) for f, t in zip(source, times, strict=True)]
        about = replace(source.info, time_base=TIME_BASE)
    target = tmp_path / f"out{suffix}"
    write_frames(target, given, about)
    assert [p[0] for p in packets(target)] == [t * TIME_BASE for t in times]


def test_an_ordinary_transport_stream_has_no_joint(tmp_path: Path) -> None:
    film = make_film(tmp_path / "in.ts", sound="mp2", clock_s=5)
    assert not any("jumps" in note for note in notes_of(film))


def test_packets_that_share_a_time_keep_it(tmp_path: Path) -> None:
    """TrueHD has 1,200 packets a second, as here; Matroska counts milliseconds."""
    film = make_film(tmp_path / "in.mkv", sound="pcm_s16le", seconds=3, block=40)
    times = [p[0] for p in packets(film, "audio")]
    assert len(set(times)) < len(times) == 3600
    target = tmp_path / "out.mkv"
    copy(film, target)
    assert packets(target, "audio") == packets(film, "audio")


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_the_range_holds_for_a_second_video(tmp_path: Path, suffix: str) -> None:
    """Its only keyframe is at 0: what the range needs of it lies before the range."""
    films = [make_video(tmp_path / f"{n}.mp4", times=EVEN * 1) for n in "ab"]
    film = tmp_path / "in.mkv"
    with av.open(str(film), "w") as out:
        sources = [av.open(str(f)) for f in films]
        copies = [out.add_stream_from_template(s.streams.video[0]) for s in sources]
        for source, copied in zip(sources, copies, strict=True):
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = copied
                    out.mux(packet)
            source.close()
    target = tmp_path / f"out{suffix}"
    copy(film, target, 0.5, 1.0)
    for number in (0, 1):
        with av.open(str(target)) as container:
            shown = [f for f in container.decode(video=number) if (f.time or 0) >= 0]
        last = packets(target, "video", number)[-1]
        assert float(last[0]) == pytest.approx(0.48, abs=0.03)
        first = next(f for f in reversed(shown) if float(f.time or 0) < 0.02)
        wanted = picture(13, 64, 48).astype(int)
        assert np.abs(first.to_ndarray(format="rgb24").astype(int) - wanted).mean() < 12


def test_a_transport_stream_holds_a_second_video(tmp_path: Path) -> None:
    def prepare(out: Any, video: Any) -> None:
        held = out.add_stream("libx264", rate=25)
        held.width, held.height, held.pix_fmt = 64, 48, "yuv420p"
        more.append(held)

    def finish(out: Any) -> None:
        frame = av.VideoFrame.from_ndarray(picture(1), format="rgb24")
        for number in range(25):
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(more[0].encode(frame))
        out.mux(more[0].encode(None))

    more: list[Any] = []
    film = make_film(tmp_path / "in.mp4", prepare=prepare, finish=finish)
    assert copy(film, tmp_path / "out.ts").notes == ()
    assert kinds(tmp_path / "out.ts") == [("video", "h264"), ("video", "h264")]
    with av.open(str(tmp_path / "out.ts")) as container:
        assert len(list(container.decode(video=1))) == 25


# Subtitles, covers, flags, chapters


def with_text(codec: str, lines: list[tuple[int, int, str]]) -> tuple[Any, Any]:
    """prepare, finish for `make_film`: subtitles of (begin, length, text) in milliseconds."""
    held: dict[str, Any] = {}

    def prepare(out: Any, video: Any) -> None:
        held["text"] = out.add_mux_stream(codec, time_base=MS)
        held["text"].metadata["language"] = "fra"
        held["text"].disposition = Disposition.forced

    def finish(out: Any) -> None:
        for begin, length, text in lines:
            packet = av.Packet(text.encode())
            packet.stream, packet.time_base = held["text"], MS
            packet.pts = packet.dts = begin
            packet.duration = length
            out.mux(packet)

    return prepare, finish


def lines_of(path: Path) -> list[tuple[float, float, bytes]]:
    found = packets(path, "subtitles")
    return [(float(t), float(d), b) for t, d, b in found if b.strip(b"\0")]


@pytest.mark.parametrize(
    ("suffix", "codec", "begins"),
    [(".mp4", "mov_text", b"\0\3"), (".mov", "mov_text", b"\0\3"), (".webm", "webvtt", b"")],
)
def test_subtitles_are_rewritten(tmp_path: Path, suffix: str, codec: str, begins: bytes) -> None:
    prepare, finish = with_text("subrip", [(500, 700, "one"), (1300, 400, "two")])
    film = make_film(tmp_path / "in.mkv", prepare=prepare, finish=finish)
    target = tmp_path / f"out{suffix}"
    sink = copy(film, target)
    assert any(f"written as {codec}" in note for note in sink.notes)
    assert kinds(target)[1] == ("subtitle", codec)
    assert lines_of(target) == [
        (pytest.approx(0.5, abs=0.002), pytest.approx(0.7, abs=0.002), begins + b"one"),
        (pytest.approx(1.3, abs=0.002), pytest.approx(0.4, abs=0.002), begins + b"two"),
    ]
    with av.open(str(target)) as container:
        assert container.streams.subtitles[0].metadata["language"] in ("fra", "fre")
    back = tmp_path / "back.mkv"
    copy(target, back)
    assert [line[2] for line in lines_of(back)] == [b"one", b"two"]


def test_subtitles_are_cut_to_the_range(tmp_path: Path) -> None:
    lines = [(100, 200, "gone"), (500, 700, "one"), (1200, 700, "two"), (1900, 50, "late")]
    prepare, finish = with_text("subrip", lines)
    film = make_film(tmp_path / "in.mkv", prepare=prepare, finish=finish)
    copy(film, tmp_path / "out.mkv", 1.0, 1.6)
    assert lines_of(tmp_path / "out.mkv") == [(0, 0.2, b"one"), (0.2, 0.4, b"two")]


def test_subtitles_at_one_time_and_out_of_order_keep_their_times(tmp_path: Path) -> None:
    lines = [(500, 700, "a"), (500, 100, "b"), (500, 300, "c")]
    prepare, finish = with_text("subrip", lines)
    film = make_film(tmp_path / "in.mkv", prepare=prepare, finish=finish)
    copy(film, tmp_path / "out.mkv")
    assert lines_of(tmp_path / "out.mkv") == [
        (0.5, 0.7, b"a"), (0.5, 0.1, b"b"), (0.5, 0.3, b"c")
    ]  # fmt: skip


def cover_bytes() -> bytes:
    context: Any = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt = 32, 32, "yuvj420p"
    context.time_base = Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 90, np.uint8), format="rgb24")
    frame = frame.reformat(format="yuvj420p")
    frame.pts = 0
    return b"".join(bytes(p) for p in [*context.encode(frame), *context.encode(None)])


def test_an_attached_cover_stays_an_attachment(tmp_path: Path) -> None:
    cover = cover_bytes()

    def prepare(out: Any, video: Any) -> None:
        out.add_attachment("font.ttf", "application/x-truetype-font", b"letters")
        out.add_attachment("cover.jpg", "image/jpeg", cover)

    film = make_film(tmp_path / "in.mkv", prepare=prepare)
    target = tmp_path / "out.mkv"
    assert copy(film, target).notes == ()
    content = target.read_bytes()
    assert content.count(b"cover.jpg") == 1
    assert content.count(b"image/jpeg") == 1
    assert cover in content
    with av.open(str(target)) as container:
        found = [s for s in container.streams if s.disposition & Disposition.attached_pic]
        assert [s.metadata["filename"] for s in found] == ["cover.jpg"]
    copy(film, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        found = [s for s in container.streams if s.disposition & Disposition.attached_pic]
        assert [next(bytes(p) for p in container.demux(s) if p.size) for s in found] == [cover]
    sink = copy(tmp_path / "out.mp4", tmp_path / "out.mov")
    assert sink.notes == (".mov cannot hold the cover picture (mjpeg): .mkv can",)


def test_flags_are_kept(tmp_path: Path) -> None:
    def prepare(out: Any, video: Any) -> None:
        video.disposition = Disposition.default | Disposition.original

    film = make_film(tmp_path / "in.mkv", sound="aac", prepare=prepare)
    copy(film, tmp_path / "out.mkv")
    with av.open(str(film)) as one, av.open(str(tmp_path / "out.mkv")) as two:
        flags = [[s.disposition for s in container.streams] for container in (one, two)]
    assert flags[0] == flags[1]
    assert flags[0][0] & Disposition.original


def test_chapters_are_kept_without_a_word_and_missed_with_one(tmp_path: Path) -> None:
    def prepare(out: Any, video: Any) -> None:
        out.set_chapters([
            {"id": 1, "start": 0, "end": 1000, "time_base": MS, "metadata": {"title": "one"}},
            {"id": 2, "start": 1000, "end": 2000, "time_base": MS, "metadata": {"title": "two"}},
        ])  # fmt: skip

    film = make_film(tmp_path / "in.mp4", prepare=prepare)
    for suffix in (".mp4", ".mov", ".mkv", ".webm"):
        assert copy(film, tmp_path / f"out{suffix}").notes == ()
        with av.open(str(tmp_path / f"out{suffix}")) as container:
            titles = [chapter["metadata"]["title"] for chapter in container.chapters()]
        assert titles == ["one", "two"]
    assert copy(film, tmp_path / "out.ts").notes == (".ts cannot hold chapters: .mkv can",)


# Timecode and timed data


@pytest.mark.skipif(
    tuple(map(int, av.__version__.split(".")[:2])) < (18, 1), reason="PyAV 18.1 writes timecode"
)
@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
@pytest.mark.parametrize(
    ("start", "wanted"), [(0.0, "01:02:03:24"), (1.0, "01:02:04:24"), (0.5, "01:02:04:12")]
)
def test_timecode_and_sound_are_kept(
    tmp_path: Path, suffix: str, start: float, wanted: str
) -> None:
    def prepare(out: Any, video: Any) -> None:
        video.metadata["timecode"] = "01:02:03:24"

    film = make_film(tmp_path / "in.mov", sound="aac", prepare=prepare)
    target = tmp_path / f"out{suffix}"
    assert copy(film, target, start).notes == ()
    with av.open(str(target)) as container:
        assert [s.type for s in container.streams] == ["video", "audio", "data"]
        assert container.streams.video[0].metadata["timecode"] == wanted
        assert container.streams[2].metadata["timecode"] == wanted


def test_timed_data_is_copied_or_named(tmp_path: Path) -> None:
    held: dict[str, Any] = {}

    def prepare(out: Any, video: Any) -> None:
        held["data"] = out.add_data_stream("bin_data")
        held["data"].time_base = MS

    def finish(out: Any) -> None:
        for number in range(4):
            packet = av.Packet(f"GPMF {number}".encode())
            packet.stream, packet.time_base = held["data"], MS
            packet.pts = packet.dts = 500 * number
            packet.duration = 500
            out.mux(packet)

    film = make_film(tmp_path / "in.mp4", prepare=prepare, finish=finish)
    sink = copy(film, tmp_path / "out.mp4", 0.5, 1.5)
    assert sink.notes == ()
    assert [(float(t), b) for t, _, b in packets(tmp_path / "out.mp4", "data")] == [
        (0, b"GPMF 1"), (0.5, b"GPMF 2")
    ]  # fmt: skip
    sink = copy(film, tmp_path / "out.mkv")
    assert len(sink.notes) == 1
    assert ".mkv cannot hold timed data" in sink.notes[0]
    assert sink.notes[0].endswith(("): .mov can", "): .mp4 can"))


def test_no_container_is_named_that_refuses_too(tmp_path: Path) -> None:
    def prepare(out: Any, video: Any) -> None:
        out.add_data_stream("klv").time_base = MS

    film = make_film(tmp_path / "in.ts", prepare=prepare)
    with open_source(film) as source:
        about: SourceInfo = source.info
    assert about.path == film
    sink = copy(film, tmp_path / "out.mkv")
    assert all(" can" not in note.partition("cannot")[2] for note in sink.notes)


def test_captions_inside_the_picture_are_named(tmp_path: Path) -> None:
    """An H.264 stream with ATSC A/53 captions in a message (SEI) before each picture."""
    captions = b"\xb5\x00\x31GA94\x03" + bytes([0x41, 0xFF, 0xFC, 0x94, 0x20, 0xFF])
    message = b"\x06\x04" + bytes([len(captions)]) + captions + b"\x80"
    plain, film = make_film(tmp_path / "plain.mp4"), tmp_path / "in.mp4"
    with av.open(str(plain)) as found, av.open(str(film), "w") as out:
        copied = out.add_stream_from_template(found.streams.video[0])
        for given in found.demux(video=0):
            if given.size:
                packet = av.Packet(len(message).to_bytes(4, "big") + message + bytes(given))
                packet.stream, packet.time_base = copied, given.time_base
                packet.pts, packet.dts, packet.duration = given.pts, given.dts, given.duration
                packet.is_keyframe = given.is_keyframe
                out.mux(packet)
    assert any("closed captions" in note for note in notes_of(film))
    assert not any("closed captions" in note for note in notes_of(plain))


@pytest.mark.parametrize("source", ["in.ts", "in.avi", "joined.ts"])
@pytest.mark.parametrize("killed", [True, False])
def test_a_render_is_gone_on_with_as_if_it_had_not_been_stopped(
    tmp_path: Path, source: str, killed: bool
) -> None:
    if source == "joined.ts":
        film = joined(tmp_path, 3600)
    elif source == "in.ts":
        film = make_film(tmp_path / source, sound="aac")
    else:
        film = make_film(tmp_path / source, sound="pcm_s16le", video="mjpeg")
    whole, parted = tmp_path / "whole.mp4", tmp_path / "parted.mp4"
    copy(film, whole)
    with open_source(film) as opened:
        sink: Any = open_sink(parted, opened.info)
        for frame, _ in zip(opened, range(17), strict=False):
            sink.write(frame)
        if killed:
            sink.abandon()
        else:
            sink.close(complete=False)
    with open_source(film, skip=17) as opened:
        sink = open_sink(parted, opened.info, resume=True)
        assert sink.frames_written == 17
        for frame in opened:
            sink.write(frame)
        sink.close()
    assert packets(parted, "audio") == packets(whole, "audio")
    times = [[p[:2] for p in packets(path)] for path in (whole, parted)]
    assert times[0] == times[1]
