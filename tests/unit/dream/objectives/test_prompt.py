"""Prompts: words to an objective."""

import pytest

from livedream.control.catalogue import check_objective
from livedream.core.errors import ObjectiveError
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks import registry
from livedream.dream.networks.network import load_network
from livedream.dream.objectives.binding import bind
from livedream.dream.objectives.place_terms import KindPart
from livedream.dream.objectives.prompt import (
    as_written,
    dreamed,
    dreaming_network,
    network_for,
    parse_prompt,
)
from livedream.dream.objectives.terms import LayerPart
from livedream.dream.objectives.text import parse_objective

BOTH = "dreamnet+dreamnet-things"


@pytest.mark.parametrize(
    ("text", "objective"),
    [
        ("owl", "kind:owl"),
        ("An owl in autumn leaves", "kind:owl + kind:autumn + kind:leaves"),
        ("sea slug, crab -great grey owl", 'kind:"sea slug" + kind:crab - kind:"great grey owl"'),
        ("tree-frogs and -dog", "kind:tree-frogs - kind:dog"),
        ('-"my aunt" on fire', '-kind:"my aunt" + kind:fire'),
        ("sea -slug", "kind:sea - kind:slug"),
        ("owl@moving & !left sea slug@still", 'kind:owl@moving & !left + kind:"sea slug"@still'),
        ("sea@left slug", "kind:sea@left + kind:slug"),
        ("owl - dog, tree-frog", "kind:owl - kind:dog + kind:tree-frog"),
        ("- the dog owl/cat", "-kind:dog + kind:owl + kind:cat"),
        ("„my aunt“ –“St. Mary’s” – « owl »", 'kind:"my aunt" - kind:"St. Mary\'s" - kind:owl'),
        ("‘sea lion’ — owl −dog", 'kind:"sea lion" - kind:owl - kind:dog'),
        ("forest without dogs or cats in snow", "kind:forest - kind:dogs - kind:cats + kind:snow"),
        ("owl, not the dog with cat", "kind:owl - kind:dog + kind:cat"),
        ("no dogs, cats", "-kind:dogs + kind:cats"),
        ("tiger shark, sea lion", 'kind:"tiger shark" + kind:"sea lion"'),
        ("tiger, shark; bear + cat", "kind:tiger + kind:shark + kind:bear + kind:cat"),
        ("St. Bernard", 'kind:"St Bernard"'),
        ("fox behind two trees", "kind:fox + kind:trees"),
        ("three toed sloth", 'kind:"three toed sloth"'),
        ("star fish in wind mill", 'kind:"star fish" + kind:"wind mill"'),
        ("a corn, cab in snow", "kind:corn + kind:cab + kind:snow"),
        ("cat bird", "kind:cat + kind:bird"),
        ("snowy egret @left", 'kind:"snowy egret"@left'),
        ("black and gold garden spider", 'kind:"black and gold garden spider"'),
    ],
)  # fmt: skip
def test_prompts(text: str, objective: str) -> None:
    assert parse_prompt(text) == parse_objective(objective)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("owl % cat", 4),
        ('owl "cat', 4),
        ("the of", 0),
        ("", 0),
        ("owl --x", 4),
        ("owl@nowhere", 4),
        ("owl- dog", 3),
        ("“owl” - -x", 6),
        ("kind:owl", 4),
        ("not", 0),
    ],
)
def test_errors_point_at_the_character(text: str, position: int) -> None:
    with pytest.raises(ObjectiveError) as caught:
        parse_prompt(text)
    assert caught.value.position == position


def test_a_long_prompt_is_refused() -> None:
    with pytest.raises(ObjectiveError, match="at most 32 words"):
        parse_prompt("owl " * 33)


def test_a_prompt_is_dreamed_instead_of_the_objective() -> None:
    assert dreamed("owl", "eyes", "faces") == "kind:owl"
    assert dreamed(" ", "eyes", "faces") == "eyes"
    assert dreamed("", "", "faces") == "faces"


def test_a_dreamer_takes_a_prompt_and_lets_it_go() -> None:
    settings = DreamSettings(prompt="owl", size="source", device="cpu")
    dreamer = Dreamer(settings)
    assert str(dreamer.objective.objective) == "kind:owl"
    dreamer.adopt(settings.replace(prompt="-fish in snow"))
    assert str(dreamer.objective.objective) == "-kind:fish + kind:snow"
    dreamer.adopt(settings.replace(prompt="", objective="eyes"))
    assert str(dreamer.objective.objective) == "eyes"
    with pytest.raises(ObjectiveError, match="no word 'owll'; did you mean owl"):
        dreamer.adopt(settings.replace(prompt="owll"))


@pytest.mark.parametrize(
    ("prompt", "position", "word"),
    [
        ("a great grey owl in autum leafs", 20, "autum"),
        ("sea slug  -slugg", 11, "slugg"),
        ('dog@left & !moving, "my ant"@right', 20, "my ant"),
        ("-owll", 1, "owll"),
        ("dog – owll", 6, "owll"),
    ],
)  # fmt: skip
def test_an_unknown_word_is_shown_where_it_was_written(
    prompt: str, position: int, word: str
) -> None:
    """By what loads a network, and by what only looks at its file: panel, OSC, presets."""
    for check in (
        lambda: Dreamer(DreamSettings(prompt=prompt, device="cpu")),
        lambda: check_objective("", "", prompt),
    ):
        with pytest.raises(ObjectiveError, match=f"no word '{word}'; did you mean ") as caught:
            check()
        assert (caught.value.text, caught.value.position) == (prompt, position)


def test_an_objective_s_fault_stays_its_own() -> None:
    with pytest.raises(ObjectiveError) as caught, as_written("owl"):
        parse_objective("eyes + + eyes")
    assert caught.value.text == "eyes + + eyes"


def test_a_word_that_no_class_has_is_the_layer_of_that_name() -> None:
    """dreamnet's mosaic is a layer only; eyes are classes as well, and stay these."""
    network = load_network()
    own = bind("mosaic - strokes@left + eyes", network)
    prompt = bind(parse_prompt("Mosaic -strokes@left"), network)
    assert prompt.layers == own.layers[:2]
    assert [[type(part) for part in parts] for parts in prompt.parts] == [[LayerPart], [LayerPart]]
    assert (prompt.weights.tolist(), len(prompt.regions)) == ([1.0, -1.0], 1)
    assert isinstance(bind("kind:eyes", network).parts[0][0], KindPart)
    check_objective("", "", "mosaic -strokes@left owl")
    with pytest.raises(ObjectiveError, match="did you mean mosaic"):
        check_objective("", "", "mosaics")
    with pytest.raises(ObjectiveError, match="no word 'mosaic'"):
        check_objective("dreamnet-birds", "", "mosaic")


@pytest.mark.parametrize(
    ("prompt", "chosen"),
    [
        ("elephants at the seashore", BOTH),
        ("monarch -dog, lion@left", BOTH),
        ("castle", ""),
        ("elephants and castles", ""),
        ("bear", BOTH),  # one of four
        ("boat", ""),  # two of nine
        ("dog", ""),  # six of 118
        ("elephants and dogs", ""),
        ("nosuchthing", ""),
        ("???", ""),
        (" ", ""),
    ],
)
def test_words_that_two_networks_know_are_dreamed_by_both(prompt: str, chosen: str) -> None:
    assert dreaming_network("", prompt) == chosen
    assert dreaming_network("dreamnet", prompt) == "dreamnet"
    assert dreaming_network("", prompt, weights="own.safetensors") == ""


def test_a_prompts_network_is_found_once_and_without_the_users_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read(*_: object) -> None:
        raise AssertionError("the user's networks were read")

    monkeypatch.setattr(registry, "own_networks", read)
    network_for.cache_clear()
    assert [network_for("elephants and a lion") for _ in range(3)] == [BOTH] * 3
    assert network_for.cache_info().misses == 1


def test_a_network_that_a_prompt_chose_goes_with_the_prompt() -> None:
    settings = DreamSettings(prompt="elephant", device="cpu", engine="torch")
    dreamer = Dreamer(settings)
    assert (dreamer.network_name, dreamer.settings.network) == (BOTH, BOTH)
    loaded = dreamer.network
    dreamer.adopt(settings.replace(prompt="monarch"))
    assert dreamer.network is loaded
    for name in ("castle", ""):
        dreamer.adopt(settings.replace(prompt=name, objective="eyes"))
        assert (dreamer.network_name, dreamer.settings.network) == ("dreamnet", "")


def test_a_network_that_is_given_dreams_every_prompt_until_another_is_named() -> None:
    given = load_network("dreamnet", random_seed=3)
    settings = DreamSettings(device="cpu", engine="torch")
    for prompt in ("", "castle", "elephant"):
        dreamer = Dreamer(settings.replace(prompt=prompt), given)
        for after in ("castle", "elephant", ""):
            dreamer.adopt(settings.replace(prompt=after))
            assert dreamer.network is given
        dreamer.adopt(settings.replace(precision="fp32", prompt="elephant"))  # loaded anew
        assert dreamer.network is given
    dreamer.adopt(settings.replace(network="dreamnet-birds", prompt="eagle"))
    assert dreamer.network.name == "dreamnet-birds"
    dreamer.adopt(settings.replace(prompt="elephant"))
    assert dreamer.network_name == BOTH


def test_a_network_that_is_given_later_dreams_every_prompt_too() -> None:
    given = load_network("dreamnet", random_seed=3)
    settings = DreamSettings(prompt="elephant", device="cpu", engine="torch")
    dreamer = Dreamer(settings)
    dreamer.adopt(settings, network=given)
    dreamer.adopt(settings)
    dreamer.adopt(settings.replace(prompt="monarch"))
    assert dreamer.network is given
