"""The words for a network's classes: names, synonyms, kinds, plurals, genera."""

from importlib import resources

import pytest

from livedream.control.catalogue import class_names
from livedream.core.errors import NetworkError
from livedream.dream.networks.registry import find_spec
from livedream.dream.networks.words import imagenet_classes, vocabulary


def found(network: str, word: str) -> list[str]:
    classes = class_names(find_spec(network))
    return [classes[number] for number in vocabulary(classes).find(word)]


def test_the_first_thousand_are_imagenet_s() -> None:
    """As torchvision has them, but for the two that it names by hand."""
    from torchvision.models import SqueezeNet1_0_Weights

    theirs = SqueezeNet1_0_Weights.IMAGENET1K_V1.meta["categories"]
    known = vocabulary(imagenet_classes())
    other = [i for i, name in enumerate(theirs) if name not in known or i not in known.find(name)]
    assert [theirs[i] for i in other] == ["crane bird", "maillot tank suit"]
    assert vocabulary(tuple(theirs)).find("bird") == known.find("bird")
    shifted = vocabulary(("background", *theirs)).find("bird")
    assert shifted == tuple(number + 1 for number in known.find("bird"))


@pytest.mark.parametrize(
    ("word", "count", "one"),
    [
        ("dog", 118, "pug"),
        ("bird", 59, "macaw"),
        ("insect", 27, "monarch"),
        ("vehicle", 67, "ambulance"),
        ("instrument", 26, "banjo"),  # musical: no weapons
        ("owl", 1, "great grey owl"),
        ("lady beetle", 1, "ladybug"),
        ("autumn", 13, "acorn"),
        ("kitchen", 18, "wok"),
        ("weddings", 10, "groom"),
        ("storm", 5, "umbrella"),
    ],
)
def test_a_word_names_all_that_are_one(word: str, count: int, one: str) -> None:
    names = found("dreamnet", word)
    assert len(names) == count and one in names


def test_a_name_may_be_that_of_two_things() -> None:
    assert found("dreamnet", "crane") == ["crane bird", "crane"]
    assert "crane bird" in found("dreamnet", "bird") and "crane" not in found("dreamnet", "bird")


@pytest.mark.parametrize(
    ("network", "word", "some"),
    [
        ("dreamnet-birds", "bird", 964),
        ("dreamnet-birds", "Corvus", 10),
        ("dreamnet-birds", "owls", 17),
        ("dreamnet-insects", "butterflies", 256),
        ("dreamnet-insects", "stink bug", 5),
        ("dreamnet-insects", "dragonfly", 111),
    ],
)
def test_species_are_found_by_genus_common_name_and_kind(
    network: str, word: str, some: int
) -> None:
    assert len(found(network, word)) == pytest.approx(some, rel=0.3)


@pytest.mark.parametrize(
    ("plural", "word"),
    [("wolves", "wolf"), ("Butterflies", "butterfly"), ("foxes", "fox"),
     ("tree_frogs", "tree-frog"), ("mice", "mouse"), ("buses", "bus"), ("dogs", "dog"),
     ("volcanoes", "volcano")],
)  # fmt: skip
def test_plurals_capitals_and_hyphens_do_not_matter(plural: str, word: str) -> None:
    assert found("dreamnet", plural) == found("dreamnet", word) != []


def test_labels_of_one_s_own_have_what_their_names_are_kinds_of() -> None:
    known = vocabulary(("Background", "beagle", "my aunt", "Tiger Cat"))
    assert known.find("dog") == (1,) and known.find("cat") == (3,) and known.find("my aunt") == (2,)
    with pytest.raises(NetworkError, match="names are not known"):
        vocabulary(()).find("dog")


def test_the_nearest_words_are_offered() -> None:
    with pytest.raises(NetworkError, match="no word 'dogg'; did you mean dog"):
        found("dreamnet", "dogg")
    assert "dogg" not in vocabulary(imagenet_classes()) and "Dogs" in vocabulary(imagenet_classes())


def test_the_table_is_small_and_its_licence_lies_beside_it() -> None:
    folder = resources.files("livedream.dream.networks")
    assert len((folder / "words.tsv").read_bytes()) < 300_000
    assert "Princeton University" in (folder / "words.LICENSE").read_text(encoding="utf-8")
