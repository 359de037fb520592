"""Writing real files: times, colours, what is copied."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from files_made import (
    TIME_BASE,
    copy,
    decoded,
    frames,
    info,
    make_film,
    make_video,
    packets,
    picture,
    uneven_pts,
    write_frames,
)

from livedream.capture import open_source
from livedream.core.errors import SinkError
from livedream.core.frame import ColourTags, Frame
from livedream.media.tags import SETTINGS, read_settings
from livedream.present import open_sink

VIDEOS = [
    (".mp4", "h264"),
    (".mov", "h264"),
    (".m4v", "h264"),
    (".mkv", "h264"),
    (".mp4", "hevc"),
    (".mp4", "av1"),
    (".mov", "prores"),
    (".webm", "vp9"),
    (".webm", "av1"),
    (".mkv", "ffv1"),
]


@pytest.mark.parametrize(("suffix", "codec"), VIDEOS)
def test_frames_come_back_at_their_times(tmp_path: Path, suffix: str, codec: str) -> None:
    given, path = frames(20), tmp_path / f"out{suffix}"
    sink = write_frames(path, given, info(), codec=codec)
    assert sink.frames_written == 20
    exact = suffix in (".mp4", ".mov", ".m4v")
    for frame, (time, rgb) in zip(given, decoded(path), strict=True):
        assert abs(time - frame.pts * TIME_BASE) <= (0 if exact else Fraction(1, 2000))
        assert np.abs(rgb.astype(int) - frame.rgb).mean() < 6
    if exact:
        lengths = [length for _, length, _ in packets(path)]
        assert lengths == [f.duration * TIME_BASE for f in given]


@pytest.mark.parametrize("suffix", [".avi", ".ts"])
def test_other_containers_keep_the_pace(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    given = [Frame(picture(i), i, Fraction(1, 25), i, 1) for i in range(20)]
    write_frames(path, given, replace(info(), time_base=Fraction(1, 25)))
    times = [time for time, _ in decoded(path)]
    passed = [float(time - times[0]) for time in times]
    assert passed == pytest.approx([i / 25 for i in range(20)], abs=0.001)


@pytest.mark.parametrize("size", [(64, 48), (33, 17), (1, 1)])
def test_ffv1_gives_back_the_same_bytes(tmp_path: Path, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (6, size[1], size[0], 3), dtype=np.uint8)
    given = [replace(f, rgb=rgb) for f, rgb in zip(frames(6, *size), noise, strict=True)]
    write_frames(tmp_path / "out.mkv", given, info(*size), codec="ffv1")
    with open_source(tmp_path / "out.mkv") as source:
        back = [f.rgb for f in source]
    assert all(np.array_equal(a, b) for a, b in zip(noise, back, strict=True))


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9"])
@pytest.mark.parametrize("size", [(63, 47), (64, 47), (1, 1)])
def test_odd_sizes_are_kept(tmp_path: Path, codec: str, size: tuple[int, int]) -> None:
    if codec == "hevc" and size == (1, 1):
        with pytest.raises(SinkError, match="no hevc encoder works for 1x1"):
            open_sink(tmp_path / "out.mkv", info(*size), codec=codec)
        assert not (tmp_path / "out.mkv").exists()
        return
    sink = write_frames(tmp_path / "out.mkv", frames(4, *size), info(*size), codec=codec)
    assert [rgb.shape for _, rgb in decoded(tmp_path / "out.mkv")] == [(size[1], size[0], 3)] * 4
    assert any("odd" in note for note in sink.notes)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (ColourTags(1, 1, 1, False), (1, 1, 1, 1)),
        (ColourTags(6, 6, 6, False), (6, 6, 6, 1)),
        (ColourTags(6, 2, 2, True), (6, 2, 2, 2)),
        (ColourTags(9, 9, 14, False), (9, 9, 14, 1)),
        (ColourTags(9, 9, 16, False), (1, 1, 1, 1)),
        (ColourTags(), (1, 1, 1, 1)),
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_colours_are_tagged_as_they_are_written(
    tmp_path: Path, suffix: str, given: ColourTags, wanted: tuple[int, int, int, int]
) -> None:
    colour = np.zeros((48, 64, 3), np.uint8)
    colour[:] = (200, 60, 90)
    path = tmp_path / f"out{suffix}"
    about = info(colour=given)
    write_frames(path, [replace(f, rgb=colour) for f in frames(3)], about, quality=100)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        found = (
            context.colorspace,
            context.color_primaries,
            context.color_trc,
            context.color_range,
        )
    assert found == wanted
    with open_source(path) as source:
        back = next(iter(source)).rgb
    assert np.abs(back.astype(int) - colour).max() <= 3


def test_the_sample_aspect_ratio_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    write_frames(path, frames(3), info(sample_aspect_ratio=Fraction(16, 15)))
    with av.open(str(path)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 15)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_hevc_is_tagged_as_quicktime_wants_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    write_frames(path, frames(3), info(), codec="hevc")
    content = path.read_bytes()
    assert b"hvc1" in content
    assert b"hev1" not in content


def test_the_index_is_in_front_and_nothing_is_left_beside(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    write_frames(path, frames(5), info())
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert b"moof" not in content
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path)


def test_everything_else_is_copied_untouched(film: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mkv"
    sink = copy(film, target)
    assert sink.notes == ()
    for kind, count in (("audio", 2), ("subtitles", 1)):
        for number in range(count):
            assert packets(target, kind, number) == packets(film, kind, number)
    with av.open(str(target)) as container:
        assert [s.metadata.get("language") for s in container.streams.audio] == ["eng", "fra"]
        assert container.streams.subtitles[0].metadata["language"] == "deu"
        attachment: Any = next(s for s in container.streams if s.type == "attachment")
        assert (attachment.name, attachment.data) == ("font.ttf", b"letters")
        assert container.metadata["title"] == "Größe"
        assert container.metadata["ARTIST"] == "Me"
        titles = [chapter["metadata"]["title"] for chapter in container.chapters()]
    assert titles == ["part 0", "part 1"]


def test_what_the_container_cannot_hold_is_named(film: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    sink = copy(film, target)
    assert sink.notes == (
        ".mp4 cannot hold subtitles (subrip): written as mov_text (.mkv keeps it as it is)",
        ".mp4 cannot hold attachment (font.ttf): .mkv can",
    )
    for number in range(2):
        bytes_of = [p[2] for p in packets(target, "audio", number)]
        assert bytes_of == [p[2] for p in packets(film, "audio", number)]


def test_sound_can_be_left_out(film: Path, tmp_path: Path) -> None:
    with open_source(film) as source:
        sink = write_frames(tmp_path / "out.mkv", list(source), source.info, copy_streams=False)
    assert sink.notes == ()
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert [s.type for s in container.streams] == ["video"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_range_takes_its_sound_along(tmp_path: Path, suffix: str) -> None:
    film = make_video(tmp_path / "in.mp4", tones=1, times=uneven_pts(60))
    target = tmp_path / f"out{suffix}"
    copy(film, target, 0.5, 1.25)
    whole = [p for p in packets(film, "audio") if 0.5 <= p[0] < 1.25]
    part = packets(target, "audio")
    assert [p[2] for p in part] == [p[2] for p in whole]
    begin = min(t for t in (p[0] for p in packets(film)) if t >= 0.5)
    shift = packets(film)[0][0] + Fraction(1, 2)
    assert float(part[0][0]) == pytest.approx(float(whole[0][0] - shift), abs=0.001)
    assert float(decoded(target)[0][0]) == pytest.approx(float(begin - shift), abs=0.001)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_clock_that_begins_late_is_moved_with_its_sound(tmp_path: Path, suffix: str) -> None:
    """As recordings of television begin: hours into the day."""
    plain = make_video(tmp_path / "plain.mp4", tones=1, times=uneven_pts(40))
    film = tmp_path / "film.mkv"
    with (
        av.open(str(plain)) as found,
        av.open(str(film), "w", container_options={"avoid_negative_ts": "disabled"}) as out,
    ):
        copies = [out.add_stream_from_template(s, opaque=True) for s in found.streams]
        for packet in found.demux():
            if packet.size and packet.pts is not None and packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                ticks = round(80_000 / packet.time_base)
                packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
                out.mux(packet)
    sink = copy(film, tmp_path / f"out{suffix}")
    assert sink.frames_written == 40
    wanted, got = packets(plain), packets(tmp_path / f"out{suffix}")
    begin = got[0][0]
    assert 0 <= begin < 0.1
    assert [float(p[0] - begin) for p in got] == pytest.approx(
        [float(p[0]) for p in wanted], abs=0.002
    )
    sound, given = packets(tmp_path / f"out{suffix}", "audio"), packets(plain, "audio")
    assert [p[2] for p in sound] == [p[2] for p in given]
    assert float(sound[0][0] - begin) == pytest.approx(float(given[0][0]), abs=0.002)


def test_a_film_that_was_stopped_has_no_sound_behind_its_end(tmp_path: Path) -> None:
    film = make_video(tmp_path / "in.mp4", tones=1, times=uneven_pts(60))
    with open_source(film) as source:
        sink = open_sink(tmp_path / "out.mp4", source.info)
        for frame, _ in zip(source, range(15), strict=False):
            sink.write(frame)
        sink.close(complete=False)
    last = packets(tmp_path / "out.mp4")[-1]
    assert len(packets(tmp_path / "out.mp4")) == 15
    assert packets(tmp_path / "out.mp4", "audio")[-1][0] < last[0] + last[1]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
def test_the_settings_can_be_read_back(tmp_path: Path, suffix: str) -> None:
    settings = '{"name": "Ümläut",  "octaves": 4,\n "text": "a \\"b\\""}'
    path = tmp_path / f"out{suffix}"
    write_frames(path, frames(3), info(), metadata={SETTINGS: settings, "title": "t"})
    assert read_settings(path) == settings.replace("\n", " ")


def test_a_comment_is_kept_beside_the_settings(film: Path, tmp_path: Path) -> None:
    for target in (tmp_path / "one.mkv", tmp_path / "two.mkv"):
        with open_source(film) as source:
            about = replace(source.info, path=film)
            write_frames(
                target, list(source), about, metadata={SETTINGS: f'{{"to": "{target.name}"}}'}
            )
        assert read_settings(target) == f'{{"to": "{target.name}"}}'
        with av.open(str(target)) as container:
            assert container.metadata["COMMENT"].splitlines()[0] == "mine"
        film = target
    with av.open(str(film)) as container:
        assert container.metadata["COMMENT"].count("livedream settings") == 1


def test_a_file_without_settings_has_none(tmp_path: Path) -> None:
    assert read_settings(make_video(tmp_path / "plain.mp4")) is None


def test_a_container_without_metadata_says_so(tmp_path: Path) -> None:
    sink = write_frames(tmp_path / "out.ts", frames(3), info(), metadata={SETTINGS: "{}"})
    assert sink.notes == (".ts cannot hold metadata: .mkv can",)


def test_better_quality_is_larger(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (8, 48, 64, 3), dtype=np.uint8)
    given = [replace(f, rgb=rgb) for f, rgb in zip(frames(8), noise, strict=True)]
    for codec in ("h264", "hevc", "av1", "vp9"):
        sizes = []
        for quality in (20, 80, 100):
            path = tmp_path / f"{codec}-{quality}.mkv"
            write_frames(path, given, info(), codec=codec, quality=quality)
            sizes.append(path.stat().st_size)
        assert sizes[0] < sizes[1] < sizes[2], codec


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_sound_that_a_muxer_refuses_costs_no_picture(tmp_path: Path, suffix: str) -> None:
    source = make_video(tmp_path / "in.mov", tones=1, times=uneven_pts(40))
    with av.open(str(source)) as container:
        places = [p.pos for p in container.demux(container.streams.audio[0]) if p.size]
    content = bytearray(source.read_bytes())
    for place in places[5:9]:
        content[place : place + 2] = b"\xff\xf1"  # as if it were ADTS, in a track that is not
    source.write_bytes(content)
    copy(source, tmp_path / f"out{suffix}")
    assert len(decoded(tmp_path / f"out{suffix}")) == 40


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_track_of_an_unknown_codec_is_named(tmp_path: Path, suffix: str) -> None:
    source = make_video(tmp_path / "in.mp4", tones=1)
    content = source.read_bytes()
    source.write_bytes(content.replace(b"mp4a", b"zzzz").replace(b"esds", b"zsds"))
    sink = copy(source, tmp_path / f"out{suffix}")
    assert len(decoded(tmp_path / f"out{suffix}")) == 12
    assert len(sink.notes) == 1 and "audio (unknown)" in sink.notes[0]
