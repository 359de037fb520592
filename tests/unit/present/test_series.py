"""Picture series: whole pictures, counted when going on."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from livedream.capture import open_source
from livedream.core.errors import SinkError, SourceError
from livedream.core.frame import Frame, SourceInfo
from livedream.media.tags import SETTINGS
from livedream.present import open_sink
from livedream.present.picture import write_picture

INFO = SourceInfo("made", 8, 6, Fraction(25), Fraction(1, 25))


def frame(index: int) -> Frame:
    return Frame(np.full((6, 8, 3), 10 * index, np.uint8), index, INFO.time_base, index, 1)


def fill(path: str | Path, numbers: range, **how: bool) -> int:
    with open_sink(path, INFO, **how) as sink:
        found = sink.frames_written
        for number in numbers:
            sink.write(frame(number))
    return found


def test_a_folder_is_made_and_filled(tmp_path: Path) -> None:
    fill(f"{tmp_path}/frames/", range(3))
    names = sorted(p.name for p in (tmp_path / "frames").iterdir())
    assert names == ["000000.png", "000001.png", "000002.png"]
    with open_source(tmp_path / "frames") as source:
        assert [int(f.rgb[0, 0, 0]) for f in source] == [0, 10, 20]


def test_a_pattern_names_the_pictures(tmp_path: Path) -> None:
    fill(tmp_path / "shot.%03d.jpg", range(2))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["shot.000.jpg", "shot.001.jpg"]


@pytest.mark.parametrize(
    ("pattern", "first"),
    [
        ("50%_%03d.png", "50%_000.png"),
        ("100% %03d.png", "100% 000.png"),
        ("%5d.png", "00000.png"),
        ("%%_%d.png", "%%_0.png"),
    ],
)
def test_a_percent_sign_that_is_no_number_is_just_that(
    tmp_path: Path, pattern: str, first: str
) -> None:
    fill(tmp_path / pattern, range(2))
    assert min(p.name for p in tmp_path.iterdir()) == first
    assert fill(tmp_path / pattern, range(2, 3), resume=True) == 2
    with open_source(f"{tmp_path}/{pattern}") as source:
        assert [int(f.rgb[0, 0, 0]) for f in source] == [0, 10, 20]


@pytest.mark.parametrize("name", ["a_%03d_%d.png", "one.png", "100%.png"])
def test_one_picture_is_not_enough_for_a_film(tmp_path: Path, name: str) -> None:
    with pytest.raises(SinkError, match=r"is one picture: give a folder, or .*%05d\.png"):
        open_sink(tmp_path / name, INFO)


def test_pictures_that_are_there_are_not_overwritten(tmp_path: Path) -> None:
    fill(tmp_path / "%03d.png", range(3))
    with pytest.raises(SinkError, match=r"000\.png and 2 more exist"):
        open_sink(tmp_path / "%03d.png", INFO)
    fill(tmp_path / "%03d.png", range(2), overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000.png", "001.png"]


def test_going_on_counts_up_to_the_first_gap(tmp_path: Path) -> None:
    fill(tmp_path / "%03d.png", range(5))
    (tmp_path / "003.png").unlink()
    assert fill(tmp_path / "%03d.png", range(3, 6), resume=True) == 3
    with open_source(f"{tmp_path}/%03d.png") as source:
        assert [int(f.rgb[0, 0, 0]) for f in source] == [0, 10, 20, 30, 40, 50]


@pytest.mark.parametrize("begin", [0, 1])
def test_pictures_of_somebody_else_s_are_not_gone_on_with(tmp_path: Path, begin: int) -> None:
    for number in range(begin, begin + 3):
        (tmp_path / f"{number:03}.png").write_bytes(b"somebody's")
    with pytest.raises(SinkError, match=r"^--resume: .* is no beginning of a render: choose"):
        open_sink(tmp_path / "%03d.png", INFO, metadata={SETTINGS: "{}"}, resume=True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == 3 * [b"somebody's"]


def test_going_on_with_nothing_begins(tmp_path: Path) -> None:
    assert fill(tmp_path / "new" / "%03d.png", range(1), resume=True) == 0


def test_a_folder_in_a_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="does not exist: create it"):
        open_sink(tmp_path / "a" / "b" / "%d.png", INFO)


def test_sound_that_is_lost_is_named(tmp_path: Path, film_with_sound: Path) -> None:
    sink = open_sink(f"{tmp_path}/frames/", replace(INFO, path=film_with_sound))
    assert sink.notes == ("pictures cannot hold audio: .mkv can",)


@pytest.mark.parametrize("how", ["overwrite", "resume"])
@pytest.mark.parametrize("output", ["%05d.png", "%04d.png", "again/%05d.png"])
def test_pictures_never_replace_those_they_are_made_of(
    tmp_path: Path, how: str, output: str
) -> None:
    for number in range(1, 6):  # as most programs count
        write_picture(tmp_path / f"{number:05d}.png", frame(number).rgb)
    (tmp_path / "again").symlink_to(tmp_path)
    with open_source(tmp_path / "%05d.png", end_s=0.08) as source:
        assert source.info.frames == 2  # the others are the source's, too
        with pytest.raises(SinkError, match=r"0000\d\.png is the source itself: choose another"):
            open_sink(tmp_path / output, source.info, **{how: True})
    assert len(list(tmp_path.glob("*.png"))) == 5


def test_an_animation_never_replaces_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    fill(path, range(3))
    before = path.read_bytes()
    with open_source(path) as source, pytest.raises(SinkError, match="is the source itself"):
        open_sink(path, source.info, overwrite=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("output", "note"),
    [
        ("frames/", "pictures cannot hold audio: .mkv can"),
        ("a.gif", ".gif cannot hold audio: .mkv can"),
        ("a.webp", ".webp cannot hold audio: .mkv can"),
    ],
)
def test_music_that_is_lost_is_named(
    tmp_path: Path, film_with_sound: Path, output: str, note: str
) -> None:
    path = f"{tmp_path}/{output}"
    with open_sink(path, INFO, music=film_with_sound) as sink:
        assert sink.notes == (note,)
    with open_sink(path, INFO, music=film_with_sound, copy_streams=False) as sink:
        assert sink.notes == ()


@pytest.mark.parametrize("output", ["frames/", "a.gif", "a.webp", "a.mkv"])
@pytest.mark.parametrize("copy_streams", [True, False])
def test_a_song_that_cannot_be_read_is_refused(
    tmp_path: Path, output: str, *, copy_streams: bool
) -> None:
    song = tmp_path / "missing.flac"
    with pytest.raises(SourceError, match=r"missing\.flac is not a sound file"):
        open_sink(f"{tmp_path}/{output}", INFO, music=song, copy_streams=copy_streams)
    assert list(tmp_path.iterdir()) == []
