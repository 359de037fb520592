"""Prompts: words to an objective."""

import pytest

from livedream.core.errors import ObjectiveError
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.dream.objectives.prompt import dreamed, parse_prompt
from livedream.dream.objectives.text import parse_objective


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
    ],
)  # fmt: skip
def test_prompts(text: str, objective: str) -> None:
    assert parse_prompt(text) == parse_objective(objective)


@pytest.mark.parametrize(
    ("text", "position"),
    [("owl % cat", 4), ('owl "cat', 4), ("the of", 0), ("", 0), ("owl --x", 4), ("owl@nowhere", 4)],
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
