"""Class names: label files and finding a class by what people call it."""

from pathlib import Path

import pytest

from livedream.core.errors import NetworkError, WeightsError
from livedream.dream.networks.classes import find_class, read_labels

BIRDS = ("Haemorhous cassinii (Cassin's Finch)", "Aramus guarauna (Limpkin)", "background")


def labels(folder: Path, text: str) -> Path:
    path = folder / "labels.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_plain_labels_come_in_order(tmp_path: Path) -> None:
    assert read_labels(labels(tmp_path, "tench\n2 cv\n\ncrane, bird\n")) == (
        "tench",
        "2 cv",
        "crane, bird",
    )


def test_an_index_before_the_label_decides_the_order(tmp_path: Path) -> None:
    assert read_labels(labels(tmp_path, "1 Limpkin\n0 Cassin's Finch\n2 background")) == (
        "Cassin's Finch",
        "Limpkin",
        "background",
    )


@pytest.mark.parametrize("text", ["0 tench\n1 crane\n", "tench\ncrane\n"])
def test_a_byte_order_mark_is_no_part_of_a_label(tmp_path: Path, text: str) -> None:
    """As Windows' editors write it."""
    assert read_labels(labels(tmp_path, "\ufeff" + text)) == ("tench", "crane")


def test_places365_writes_the_index_last(tmp_path: Path) -> None:
    text = "/a/airfield 0\n/b/beach_house 1\n/d/diner/outdoor 2\n"
    found = read_labels(labels(tmp_path, text))
    assert found == ("airfield", "beach_house", "diner outdoor")
    assert find_class(found, 3, "beach house") == 1


def test_gaps_and_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="indices are not 0 to 1"):
        read_labels(labels(tmp_path, "0 a\n2 b\n"))
    with pytest.raises(WeightsError, match="no-such"):
        read_labels(tmp_path / "no-such.txt")


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ("Limpkin", 1),
        ("aramus guarauna", 1),
        ("aramus_guarauna (limpkin)", 1),
        ("CASSIN'S  FINCH", 0),
        ("background", 2),
        (" 2 ", 2),
        (0, 0),
    ],
)
def test_a_class_is_found_by_name_synonym_or_number(wanted: str | int, index: int) -> None:
    assert find_class(BIRDS, 3, wanted) == index


def test_synonyms_may_stand_between_commas() -> None:
    assert find_class(("tench, Tinca tinca", "goldfish"), 2, "tinca tinca") == 0


def test_a_whole_label_wins_over_a_synonym() -> None:
    assert find_class(("crane, machine", "crane"), 2, "crane") == 1


def test_what_is_not_there_is_met_with_the_nearest() -> None:
    with pytest.raises(NetworkError, match=r"no class 'limpkim'; did you mean limpkin"):
        find_class(BIRDS, 3, "limpkim")
    with pytest.raises(NetworkError, match="classes 0 to 2"):
        find_class(BIRDS, 3, 3)
    with pytest.raises(NetworkError, match="--labels"):
        find_class((), 3, "limpkin")
