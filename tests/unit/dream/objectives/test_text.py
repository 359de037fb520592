"""The grammar, and where the parser points when a text breaks it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livedream.core.errors import ObjectiveError
from livedream.dream.objectives.text import parse_objective
from livedream.dream.objectives.value import channels, classes, guide, image_class, kind, layer


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("inception4c", layer("inception4c")),
        ("  inception_4c/output ", layer("inception_4c/output")),
        ("features.13.conv.0", layer("features.13.conv.0")),
        ("features-2", layer("features-2")),
        ("inception4c:12,87", channels("inception4c", 12, 87)),
        ("inception4c : 12 , 87", channels("inception4c", 12, 87)),
        ("a:12-15,3", channels("a", 3, 12, 13, 14, 15)),
        ("class:goldfish", image_class("goldfish")),
        ("class:great_white_shark", image_class("great_white_shark")),
        ("class: 1", image_class(1)),
        ('class:"Atlantic Puffin"', image_class("Atlantic Puffin")),
        ("guide(a, sea star.jpg)", guide("a", "sea star.jpg")),
        (r"guide(a, C:\pictures\star.jpg)", guide("a", r"C:\pictures\star.jpg")),
        (r'guide(a,"\\server\a ""b"", c.jpg")', guide("a", r'\\server\a "b", c.jpg')),
        (
            "0.2*inception4c:12 + 0.8*inception4d - 0.1*conv2",
            0.2 * channels("inception4c", 12) + 0.8 * layer("inception4d") - 0.1 * layer("conv2"),
        ),
        ("-a+b -c", -layer("a") + layer("b") - layer("c")),
        ("2 * a + .5*b + 1e-3*c", 2 * layer("a") + 0.5 * layer("b") + 0.001 * layer("c")),
        ("a:1 - 2*class:7", channels("a", 1) - 2 * image_class(7)),
        ("classes", classes()),
        ("kind:owl - 2*kind: dogs", kind("owl") - 2 * kind("dogs")),
        ('kind:"sea slug" + kinds', kind("sea slug") + layer("kinds")),
        ("a + 8*classes: 3-5,1 - b", layer("a") + 8 * classes(1, 3, 4, 5) - layer("b")),
        ("classes.3 + classes-2", layer("classes.3") + layer("classes-2")),
        ("classy + guided", layer("classy") + layer("guided")),
    ],
)
def test_texts(text: str, wanted: object) -> None:
    assert parse_objective(text) == wanted


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("   ", 0),
        ("a +", 3),
        ("a b", 2),
        ("a ++ b", 3),
        ("0.5*", 4),
        ("0.5*0.2*a", 7),
        ("a:", 2),
        ("a:1,", 4),
        ("a:5-2", 2),
        ("a:1-99999999", 2),
        ("a:x", 2),
        ("class:", 6),
        ('class:"open', 6),
        ("classes:tabby", 8),
        ("kind:", 5),
        ("a + kind:+", 9),
        ("classes:9-3", 8),
        ('class:""', 6),
        ("guide(a)", 7),
        ("guide(a, )", 9),
        ("guide(a, b", 10),
        ("guide(, b)", 6),
        ("a + %b", 4),
        ("1e999*a", 0),
        ("b - 1e39*a", 4),
        ("a & b", 2),
    ],
)
def test_errors_point_at_the_character(text: str, position: int) -> None:
    with pytest.raises(ObjectiveError) as caught:
        parse_objective(text)
    assert caught.value.position == position
    assert caught.value.text == text
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("+".join(["eyes"] * 5000), 500, "at most 100 terms [(]got more[)]"),
        ("a - b:" + ",".join(["1-999"] * 5000), 156, "at most 25000 numbers [(]got more[)]"),
        ("a@" + "|".join(["left"] * 5000), 2006, "at most 2000 characters"),
    ],
)
def test_what_would_take_seconds_to_read_is_refused(text: str, position: int, message: str) -> None:
    with pytest.raises(ObjectiveError, match=message) as caught:
        parse_objective(text)
    assert caught.value.position == position


def test_many_terms_with_short_regions_are_no_long_region() -> None:
    text = " + ".join(["0.25*menagerie@rect(0,0,0.5,0.5)"] * 100)
    assert len(parse_objective(text).terms) == 100


@given(st.text(alphabet="ab1:,-+*. ()\"'/_class:guide", max_size=30))
def test_any_text_parses_or_is_refused_with_a_place(text: str) -> None:
    try:
        objective = parse_objective(text)
    except ObjectiveError as error:
        assert 0 <= error.position <= len(text)
    else:
        assert parse_objective(str(objective)) == objective
