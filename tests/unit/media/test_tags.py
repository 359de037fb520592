"""Metadata: what is kept, what is dropped, where the settings go."""

from pathlib import Path

import pytest

from livedream.core.errors import SourceError
from livedream.media.tags import SETTINGS, container_metadata, read_settings, stream_metadata


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
