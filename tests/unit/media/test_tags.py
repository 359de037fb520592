"""Metadata: what is kept, what is dropped, where the settings go."""

from fractions import Fraction
from pathlib import Path

import pytest

from livedream.core.errors import SourceError
from livedream.media.tags import (
    SETTINGS,
    container_metadata,
    read_settings,
    stream_metadata,
    timecode_after,
    timecode_of,
)


def test_what_describes_the_old_file_is_dropped() -> None:
    found = {
        "major_brand": "isom",
        "compatible_brands": "isom",
        "ENCODER": "Lavf",
        "title": "Film",
        "DURATION-eng": "00:01",
        "_STATISTICS_TAGS": "BPS",
        "creation_time": "2020-01-01",
    }
    assert container_metadata(found, {}) == {"title": "Film", "creation_time": "2020-01-01"}


def test_own_metadata_wins() -> None:
    assert container_metadata({"title": "old"}, {"title": "new"}) == {"title": "new"}


def test_settings_follow_the_comment_and_replace_older_ones() -> None:
    once = container_metadata({"COMMENT": "mine"}, {SETTINGS: "{}"})
    assert once == {"comment": "mine\nlivedream settings: {}"}
    twice = container_metadata(once, {SETTINGS: '{"a": 1}'})
    assert twice == {"comment": 'mine\nlivedream settings: {"a": 1}'}


def test_streams_keep_their_language_and_attachments_their_names() -> None:
    found = {
        "language": "deu",
        "DURATION": "0:01",
        "filename": "a.ttf",
        "mimetype": "x",
        "BPS": "1",
    }
    assert stream_metadata(found) == {"language": "deu", "filename": "a.ttf", "mimetype": "x"}


def test_settings_of_what_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        read_settings(tmp_path / "nowhere.mp4")


NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("timecode", "frames", "rate", "wanted"),
    [
        ("01:02:03:04", 0, Fraction(25), "01:02:03:04"),
        ("01:02:03:24", 1, Fraction(25), "01:02:04:00"),
        ("23:59:59:24", 1, Fraction(25), "00:00:00:00"),
        ("00:00:59:29", 1, NTSC, "00:01:00:00"),
        ("00:00:59;29", 1, NTSC, "00:01:00;02"),
        ("00:09:59;29", 1, NTSC, "00:10:00;00"),
        ("00:00:00;00", 17982, NTSC, "00:10:00;00"),
        ("00:00:00;00", 107892, NTSC, "01:00:00;00"),
        ("00:00:59;59", 1, 2 * NTSC, "00:01:00;04"),
        ("noon", 5, Fraction(25), "noon"),
    ],
)
def test_timecode_counts_on(timecode: str, frames: int, rate: Fraction, wanted: str) -> None:
    """The figures of SMPTE ST 12-1: 17,982 frames in ten minutes of drop frames."""
    assert timecode_after(timecode, frames / rate, rate, rate) == wanted


def test_timecode_counts_in_the_frames_that_are_written() -> None:
    assert timecode_after("00:00:01:12", Fraction(0), Fraction(25), Fraction(50)) == "00:00:01:24"


def test_timecode_is_found_in_capital_letters_too() -> None:
    assert timecode_of({"title": "x"}, {"TIMECODE": "01:00:00:00"}) == "01:00:00:00"
    assert timecode_of({}) is None
