"""``livedream find``: which network knows a word."""

import pytest

from livedream.cli import main


def rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()[1:]]


def test_networks_that_know_the_same_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "owls"]) == 0
    one, species = rows(capsys.readouterr().out)
    assert one[:2] == ["class", "great grey owl"] and one[3].startswith("dreamnet, googlenet")
    assert species[0] == "kind of 17 classes" and species[2:] == ["kind:owls", "dreamnet-birds"]
    assert species[1].endswith(" and 12 more")


def test_a_layer_is_found_by_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "compound", "eyes"]) == 0
    assert rows(capsys.readouterr().out) == [
        ["layer", "many legs, compound eyes", "creatures", "dreamnet-insects"]
    ]


def test_an_unknown_word_is_one_line_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "sparow"]) == 2
    assert "no network knows 'sparow'; did you mean sparrow" in capsys.readouterr().err
