"""Objectives as values, and as text that reads back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livedream.core.errors import ObjectiveError
from livedream.dream.objectives.text import parse_objective
from livedream.dream.objectives.value import (
    MOST_WEIGHT,
    Objective,
    channels,
    guide,
    image_class,
    layer,
)

names = st.from_regex(r"[A-Za-z0-9_]([\w./-]{0,12}\w)?", fullmatch=True).filter(str.isascii)
lines = st.text(min_size=1, max_size=20).filter(
    lambda text: (
        text.strip() == text and not set(text) & set("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
    )
)
targets = st.one_of(
    names.map(layer),
    st.builds(
        lambda name, numbers: channels(name, *numbers),
        names,
        st.sets(st.integers(0, 60), min_size=1),
    ),
    lines.map(image_class),
    st.integers(0, 2000).map(image_class),
    st.builds(guide, names, lines),
)
weights = st.one_of(st.integers(-5, 5), st.floats(-MOST_WEIGHT, MOST_WEIGHT))


@st.composite
def objectives(draw: st.DrawFn) -> Objective:
    terms = draw(st.lists(st.tuples(weights, targets), min_size=1, max_size=5))
    total = terms[0][0] * terms[0][1]
    for weight, target in terms[1:]:
        total = total + weight * target
    return total


@given(objectives())
def test_the_text_of_an_objective_reads_back(objective: Objective) -> None:
    assert parse_objective(str(objective)) == objective


def test_arithmetic() -> None:
    mixed = 0.2 * channels("a", 12, 87) + layer("b") - 0.1 * layer("c") + -layer("d") / 2
    assert str(mixed) == "0.2*a:12,87 + b - 0.1*c - 0.5*d"
    assert layer("a") * 3 == 3 * layer("a")
    assert hash(mixed) == hash(parse_objective(str(mixed)))
    quarter = np.linspace(0, 1, 5)[1]
    assert str(layer("a") * quarter + quarter * layer("b") / quarter) == "0.25*a + b"


def test_channels_are_a_set() -> None:
    assert channels("a", 3, 1, 2, 3) == channels("a", 1, 2, 3)
    assert str(channels("a", 9, 3, 4, 5, 7, 8, 11, 12)) == "a:3-5,7-9,11,12"


def test_text_for_names_and_paths_is_quoted_where_it_must_be() -> None:
    assert str(image_class("goldfish")) == "class:goldfish"
    assert str(image_class("Atlantic Puffin")) == 'class:"Atlantic Puffin"'
    assert str(image_class('the "king"')) == 'class:"the ""king"""'
    assert str(guide("a", "my pictures/sea star.jpg")) == "guide(a, my pictures/sea star.jpg)"
    assert str(guide("a", "b (1).jpg")) == 'guide(a, "b (1).jpg")'


def test_a_guide_may_be_pixels() -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    objective = guide("a", pixels)
    assert objective == guide("a", pixels.copy())
    pixels[0, 0] = 255
    assert objective != guide("a", pixels)
    assert "6x4 pixels" in str(objective)


@pytest.mark.parametrize(
    "make",
    [
        lambda: layer("two words"),
        lambda: layer(""),
        lambda: layer("ends-"),
        lambda: channels("a"),
        lambda: channels("a", -1),
        lambda: image_class(" "),
        lambda: guide("a", ""),
        lambda: guide("a", np.zeros((3, 4, 5), np.uint8)),
        lambda: guide("a", np.zeros((3, 4, 3), np.float32)),
        lambda: float("nan") * layer("a"),
        lambda: layer("a") / 1e-320,
    ],
)
def test_what_makes_no_sense_is_refused(make) -> None:
    with pytest.raises(ObjectiveError):
        make()
