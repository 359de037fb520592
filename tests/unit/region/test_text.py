"""The grammar of regions, and where the parser points when a text breaks it."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from livedream.core.errors import RegionError
from livedream.region.text import parse_region
from livedream.region.value import PLAIN, Both, Either, Leaf, Not, Region, leaves

A, B, C = Leaf("moving"), Leaf("left"), Leaf("dark")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("moving", A),
        ("  ( moving ) ", A),
        ("moving & left | dark", Either((Both((A, B)), C))),
        ("moving&(left|!dark)", Both((A, Either((B, Not(C)))))),
        ("!!moving", Not(Not(A))),
        ("!(moving | left)", Not(Either((A, B)))),
        ("rect(0, .25, 0.5, 1)", Leaf("rect", (0.0, 0.25, 0.5, 1.0))),
        ("key( #00FF00 )", Leaf("key", ("#00ff00",))),
        ("mask(a b.png)", Leaf("mask", ("a b.png",))),
        ('mask("a,(""b"").png")', Leaf("mask", ('a,("b").png',))),
    ],
)
def test_texts(text: str, wanted: Region) -> None:
    assert parse_region(text) == wanted


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 0, "expected a region"),
        ("mooving", 0, "did you mean moving"),
        ("moving &", 8, "expected a region"),
        ("moving left", 7, "expected &, | or the end"),
        ("(moving", 7, "expected &, | or [)]"),
        ("moving)", 6, "expected &"),
        ("rect(0,0,2,1)", 9, "the width is a part"),
        ("rect(0,0,0,1)", 9, "the width is a part"),
        ("rect(0,0,1)", 10, "a comma and the height"),
        ("rect", 4, "expected [(] after rect"),
        ("key(green)", 4, "a colour such as"),
        ("key(#00ff0)", 4, "a colour such as"),
        ('mask("a.png)', 5, "never closed"),
        ('mask("")', 5, "between the quotes"),
        ("left(1)", 4, "expected &"),
        ("!" * 60 + "left", 50, "too many"),
    ],
)
def test_errors_point_at_the_character(text: str, position: int, message: str) -> None:
    with pytest.raises(RegionError, match=message) as caught:
        parse_region(text)
    assert caught.value.position == position
    assert caught.value.pointer().splitlines()[1] == " " * position + "^"


def test_a_region_has_an_end() -> None:
    with pytest.raises(RegionError, match="at most 2000 characters"):
        parse_region("left|" * 500 + "top")


def regions() -> st.SearchStrategy[Region]:
    parts = st.floats(0.01, 1.0).map(lambda x: round(x, 3))
    leaf = st.one_of(
        st.sampled_from(PLAIN).map(Leaf),
        st.tuples(parts, parts, parts, parts).map(lambda values: Leaf("rect", values)),
        st.text(st.characters(exclude_characters="\n", exclude_categories=("Cs",)), min_size=1)
        .filter(lambda text: bool(text.strip()))
        .map(lambda path: Leaf("mask", (path,))),
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            inner.map(Not),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: Both(tuple(parts))),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: Either(tuple(parts))),
        ),
        max_leaves=6,
    )


@settings(max_examples=100)
@given(region=regions())
@example(Leaf("mask", ("#\r",)))
def test_a_region_is_read_back_from_its_text(region: Region) -> None:
    found = parse_region(str(region))
    assert found == region
    assert list(leaves(found)) == list(leaves(region))
