"""The words for a network's classes: names, synonyms, kinds, plurals, genera."""

from importlib import resources

import pytest

from livedream.core.errors import NetworkError
from livedream.dream.networks.file_notes import class_names
from livedream.dream.networks.registry import find_spec
from livedream.dream.networks.words import (
    imagenet_classes,
    imagenet_numbers,
    is_name,
    mentions,
    vocabulary,
)


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
        ("vehicle", 71, "school bus"),
        ("instrument", 26, "banjo"),  # musical: no weapons
        ("owl", 1, "great grey owl"),
        ("lady beetle", 1, "ladybug"),
        ("autumn", 13, "acorn"),
        ("kitchen", 18, "wok"),
        ("weddings", 10, "groom"),
        ("storm", 5, "umbrella"),
        ("stormy", 5, "umbrella"),
        ("train", 5, "bullet train"),
        ("kittens", 5, "tabby"),
        ("puppy", 118, "pug"),
        ("moth", 6, "monarch"),
        ("crow", 2, "jay"),
        ("hot-air balloon", 1, "balloon"),
        ("jack o'lantern", 1, "jack-o'-lantern"),
    ],
)
def test_a_word_names_all_that_are_one(word: str, count: int, one: str) -> None:
    names = found("dreamnet", word)
    assert len(names) == count and one in names


@pytest.mark.parametrize(
    ("word", "meant", "other"),
    [
        ("wood", "agaric", "oboe"),
        ("wind", "pinwheel", "oboe"),
        ("spring", "daisy", "geyser"),
        ("plants", "daisy", "lumbermill"),
        ("dress", "gown", "jean"),
        ("jacket", "cardigan", "Cardigan"),  # that is a dog
        ("gears", "stopwatch", "drilling platform"),
        ("house", "barn", "cinema"),
        ("matches", "matchstick", "groom"),
        ("bars", "beer glass", "parallel bars"),
        ("mail", "mailbox", "chain mail"),
        ("horns", "ram", "French horn"),
        ("ears", "hare", "ear"),
        ("rails", "bullet train", "American coot"),
        ("fruit", "fig", "corn"),
        ("food", "pizza", "menu"),
        ("computer", "laptop", "slide rule"),
        ("shield", "shield", "breastplate"),
        ("angel", "harp", "harmonica"),
        ("japan", "gong", "chime"),
    ],
)
def test_a_word_means_what_people_mean(word: str, meant: str, other: str) -> None:
    names = found("dreamnet", word)
    assert meant in names and other not in names


@pytest.mark.parametrize("word", ["", "-", "head", "mole", "key", "arm", "pool", "cell", "jack"])
def test_what_nobody_means_is_refused(word: str) -> None:
    with pytest.raises(NetworkError, match="no word"):
        found("dreamnet", word)


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
    ("network", "word", "count"),
    [
        ("dreamnet-birds", "bald eagle", 1),
        ("dreamnet-birds", "great horned owl", 1),
        ("dreamnet-birds", "brown pelican", 3),  # eastern ones, and California's
        ("dreamnet-insects", "red admiral", 3),
        ("dreamnet-birds", "crow", 10),  # magpies and jays stand in for them among ImageNet's
        ("dreamnet-birds", "raptor", 76),  # Screech-Owls among them
        ("dreamnet-birds", "pigeon", 21),  # no roller
        ("dreamnet-birds", "grouse", 5),  # no moorhen
        ("dreamnet-birds", "oriole", 10),  # no grackle
        ("dreamnet-birds", "hedge sparrow", 1),
        ("dreamnet-insects", "honeybee", 1),
    ],
)
def test_a_species_name_and_a_kind_bring_no_others(network: str, word: str, count: int) -> None:
    assert len(found(network, word)) == count


def test_what_follows_a_hyphen_is_an_animal_only_with_a_capital() -> None:
    """Japanese White-eyes are no eyes; as a layer of that network they can be dreamed."""
    known = vocabulary(class_names(find_spec("dreamnet-birds")))
    assert "eyes" not in known and "screech owl" in known


@pytest.mark.parametrize("name", ["star fish", "snowy egret", "black swallowtail", "sea slugs"])
def test_names_are_known_whole(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("words", ["cat bird", "a corn", "cab in", "owl dog"])
def test_two_words_are_no_name(words: str) -> None:
    assert not is_name(words)


@pytest.mark.parametrize(
    ("text", "word", "has"),
    [
        ("wings spotted, feathered", "wing", True),
        ("many legs, compound eyes", "Compound Eye", True),
        ("veins slanting", "ant", False),
        ("wings spotted", "spot", False),
        ("weave", "", False),
    ],
)
def test_a_text_mentions_whole_words(text: str, word: str, has: bool) -> None:
    assert mentions(text, word) == has


@pytest.mark.parametrize(
    ("plural", "word"),
    [("wolves", "wolf"), ("Butterflies", "butterfly"), ("foxes", "fox"),
     ("tree_frogs", "tree-frog"), ("mice", "mouse"), ("buses", "bus"), ("dogs", "dog"),
     ("volcanoes", "volcano"), ("children", "child"), ("fungi", "fungus"), ("cows", "cow"),
     ("teeth", "tooth"), ("owl's", "owl"), ("star fish", "starfish"), ("cyber-punk", "cyberpunk"),
     ("spiderweb", "spider web")],
)  # fmt: skip
def test_plurals_capitals_and_hyphens_do_not_matter(plural: str, word: str) -> None:
    assert found("dreamnet", plural) == found("dreamnet", word) != []


def test_labels_of_one_s_own_have_what_their_names_are_kinds_of() -> None:
    known = vocabulary(("Background", "beagle", "my aunt", "Tiger Cat"))
    assert "raven" not in vocabulary(("magpie",))  # in ImageNet it is what comes nearest
    assert known.find("dog") == (1,) and known.find("cat") == (3,) and known.find("my aunt") == (2,)
    with pytest.raises(NetworkError, match="names are not known"):
        vocabulary(()).find("dog")


def test_some_of_imagenet_s_classes_are_known_by_their_order() -> None:
    """Two have a name that is also another's: the crane, a bird or a machine, and the cardigan."""
    names, numbers = imagenet_classes(), imagenet_numbers()
    bird, dog, garment, crane = (
        numbers[one] for one in ("n02012849", "n02113186", "n02963159", "n03126707")
    )
    assert (names[bird], names[dog], names[garment]) == ("crane", "Cardigan", "cardigan")
    some = sorted({*range(0, 1000, 6), bird, dog, garment, crane})
    known = vocabulary(tuple(names[one] for one in some))
    assert known.find("crane") == (some.index(bird), some.index(crane))
    assert some.index(bird) in known.find("bird") and some.index(crane) not in known.find("bird")
    assert known.find("sweater") == (some.index(garment),)
    assert some.index(dog) in known.find("dog")


@pytest.mark.parametrize("word", ["cat", "animal"])
def test_names_of_one_s_own_are_not_taken_for_imagenet_s(word: str) -> None:
    own = ("crane", "elephant", "hammer", "lion", "tiger", "zebra")
    assert own.index("tiger") in vocabulary(own).find(word)


@pytest.mark.parametrize(
    ("word", "offered"),
    [
        ("dogg", "did you mean dog"),
        ("elefant", "did you mean elephant[?]"),
        ("sand", "did you mean sand bar"),
        ("snow goose", "did you mean snow or goose[?]"),
        ("pigeon", "words are names of things; 'livedream find pigeon' says"),
        ("skyscraper", "words are names of things; 'livedream find skyscraper' says"),
    ],
)
def test_what_is_near_is_offered(word: str, offered: str) -> None:
    with pytest.raises(NetworkError, match=f"no word '{word}'; {offered}"):
        found("dreamnet", word)


def test_a_vocabulary_knows_what_it_has() -> None:
    assert "dogg" not in vocabulary(imagenet_classes()) and "Dogs" in vocabulary(imagenet_classes())


def test_the_table_is_small_and_its_licence_lies_beside_it() -> None:
    folder = resources.files("livedream.dream.networks")
    assert len((folder / "words.tsv").read_bytes()) < 300_000
    assert "Princeton University" in (folder / "words.LICENSE").read_text(encoding="utf-8")
