"""``livedream find``: which network knows a word."""

import pytest

from livedream.cli import main
from livedream.control.catalogue import check_objective
from livedream.core.errors import ObjectiveError


def rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()[1:]]


def test_networks_that_know_the_same_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "owls"]) == 0
    one, species, behind = rows(capsys.readouterr().out)
    assert one[:2] == ["class", "great grey owl"] and one[3].startswith("dreamnet, goog")
    assert behind[2:] == ['class:"great grey owl"', "vgg16, vgg19, mobilenet_v3_large"]
    assert species[0] == "kind of 17 classes" and species[2:] == ["kind:owls", "dreamnet-birds"]
    assert species[1].endswith(" and 12 more")


@pytest.mark.parametrize("word", ["owl", "dog", "insect"])
def test_what_is_found_can_be_dreamed(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", word]) == 0
    for _, _, objective, networks in rows(capsys.readouterr().out):
        for network in networks.split(", "):
            check_objective(network, objective)


@pytest.mark.parametrize("objective", ["kind:owl", "classes:1-9", "class:goldfish@left"])
def test_networks_whose_classes_lie_deeper_refuse_kinds(objective: str) -> None:
    for network in ("vgg16", "vgg19", "mobilenet_v3_large"):
        with pytest.raises(ObjectiveError, match=f"{network} has no layer .*; try class:NAME"):
            check_objective(network, f"0.5*class:goldfish + {objective}")
        with pytest.raises(ObjectiveError, match=f"{network} has no layer"):
            check_objective(network, "", "an owl")


def test_a_layer_is_found_by_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "compound", "eyes"]) == 0
    assert rows(capsys.readouterr().out) == [
        ["layer", "many legs, compound eyes", "creatures", "dreamnet-insects"]
    ]


@pytest.mark.parametrize(("word", "layer"), [("ant", "veins"), ("spot", "wings"), ("eyes", "")])
def test_a_piece_of_a_word_is_no_layer(
    word: str, layer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As sl-ant-ing; nor is a Japanese White-eye an eye."""
    assert main(["find", word]) == 0
    found = rows(capsys.readouterr().out)
    assert all(row[2] != layer for row in found)
    assert all("White-eye" not in row[1] for row in found)


def test_an_empty_word_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "_"]) == 2
    assert "no network knows '_'" in capsys.readouterr().err


def test_an_unknown_word_is_one_line_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "sparow"]) == 2
    assert "no network knows 'sparow'; did you mean sparrow" in capsys.readouterr().err
