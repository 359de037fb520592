"""Curves: what a text or a table means, and where one that is wrong is wrong."""

import re
from fractions import Fraction
from pathlib import Path

import pytest

from livedream.control.curves import Curve, Keyframe, parse_curves, read_curves
from livedream.core.errors import CurveError, GrammarError, SettingsError

RATE = Fraction(25)


def curve(text: str, start: float = 0.0) -> Curve:
    return Curve(parse_curves(text).timed(RATE), start)


def test_a_number_goes_from_keyframe_to_keyframe() -> None:
    found = curve("1:strength=10 hold, 3:strength=20, 5:strength=30 ease", start=4.0)
    seen = [found.at(t) for t in (0, 0.99, 1, 2, 3, 3.5, 4, 5, 99)]
    assert seen[:7] == [4, 4, 10, 15, 20, pytest.approx(20 + 10 * 0.15625), 25]
    assert seen[7:] == [30, 30]


def test_a_zero_that_is_no_small_value_is_there_at_once() -> None:
    for name, high in (("wander", 30.0), ("octaves", 6)):
        found = curve(f"0:{name}={high}, 10:{name}=0 ease, 20:{name}={high}")
        assert [found.at(t) for t in (0.0, 9.9, 10.0, 19.9, 20.0)] == [high, high, 0.0, 0.0, high]


def test_before_its_first_keyframe_it_comes_from_the_setting() -> None:
    assert curve("4:strength=20", start=10.0).at(2) == 15
    assert curve("0:strength=20", start=10.0).at(0) == 20
    assert curve("4:strength=20 hold", start=10.0).at(3.99) == 10


def test_a_text_and_a_table_mean_the_same() -> None:
    text = """
    # the opening
    0:strength=6, 0:hue=-20
    1:02.5:strength=20 ease ; 250f:half-life=2

    70:objective=0.2*eyes + strokes
    71:where=rect(0, 0, 0.5, 1) & !moving, 72:mirror=yes, 73:objective=""
    """
    table = (
        "# as a spreadsheet writes it\r\n"
        "time,strength,hue,half_life,objective,where,mirror\r\n"
        "0,6,-20\r\n"
        "62.5, 20 ease\r\n"
        "250f,,,2\r\n"
        "70,,,,0.2*eyes + strokes\r\n"
        '71,,,,,"rect(0, 0, 0.5, 1) & !moving",\r\n'
        "72,,,,,,yes\r\n"
        '73,,,,""\r\n'
    )
    found = parse_curves(text)
    assert found == parse_curves(table)
    assert found.keyframes[2] == Keyframe(Fraction("62.5"), "strength", 20.0, "ease")
    assert found.keyframes[3] == Keyframe(Fraction(250), "half_life", 2.0, "linear", frames=True)
    times = {one.name: t for t, one in found.timed(Fraction(30000, 1001))}
    assert times["half_life"] == pytest.approx(250 * 1001 / 30000)
    assert parse_curves(str(found)) == found


@pytest.mark.parametrize(
    "table",
    [
        "Time;Strength;prompt\r\n0;6;owl, leaf\r\n12,5;20,5 ease;\r\n;;\r\n",  # a German one
        "time\tstrength\tprompt\n0\t6\towl, leaf\n\t\t\n12,5\t20,5 ease\n",
        '"time","strength","prompt"\n"0","6","owl, leaf"\n"12.5","20.5 ease",\n',
        'time,strength,,prompt,\n0,6,,"owl, leaf",\n,,,,\n\n"","",,,""\n12.5,20.5 ease,"",,',
    ],
)
def test_a_table_is_read_as_any_spreadsheet_writes_it(table: str) -> None:
    wanted = parse_curves('0:strength=6, 0:prompt="owl, leaf", 12.5:strength=20.5 ease')
    assert parse_curves(table) == wanted


WRONG = [  # with a ^ below the character
    ("0:strength=600", "           ^", "must be 0 to 100"),
    ("0:strenght=6", "  ^", "did you mean strength"),
    ("0:device=cpu", "  ^", "no parameter device"),
    ("0:freeze=yes", "  ^", "not for curves"),
    ("0:strength=6 eas", "             ^", "linear, ease, hold"),
    ("0:strength=6 ease x", "                  ^", "expected a comma"),
    ("0:strength=loud", "           ^", "expected 0 to 100"),
    ("0:strength=1e999", "           ^", "0 to 100"),
    ("0:octaves=2.5", "          ^", "whole number"),
    ("strength=6", "^", "expected a time"),
    ("-1:strength=6", "^", "expected a time"),
    ("0 strength=6", "  ^", "expected :"),
    ("0:strength 6", "           ^", "expected ="),
    ("0:strength=6, 0:strength=7", "              ^", "already"),
    ("0:mirror=maybe", "         ^", "yes or no"),
    ("0:mirror=yes ease", "         ^", "yes or no"),
    ('0:prompt="owl"  ease', "                ^", "switches at its time"),
    ('0:prompt="owl', "         ^", "never closed"),
    ("0:objective=eyes + *b", "                   ^", "expected a layer"),
    ("0:where=left & upper", "               ^", "expected a region"),
    ("0:strength=6\n1:hue=a", "      ^", "line 2: "),
    ("time,strength\n0,6,7", "    ^", "line 2: no parameter is named above this cell"),
    ('time,strength\n0,"6 eas"', "     ^", "linear, ease, hold"),
    ("time;strength\n0;1,2,3", "     ^", "expected the end of this cell"),
    ("time,strength\n,6", "^", "expected a time"),
    ('time,prompt\n0,"owl', "  ^", "never closed"),
    ("time,strength,sterngth\n0,6", "              ^", "did you mean strength"),
    ("# nothing\n", "^", "expected a keyframe"),
]


@pytest.mark.parametrize(("text", "caret", "why"), WRONG)
def test_what_is_wrong_is_pointed_at(text: str, caret: str, why: str) -> None:
    with pytest.raises(CurveError) as caught:
        parse_curves(text)
    assert caught.value.pointer().split("\n")[1] == caret
    assert why in str(caught.value)
    assert isinstance(caught.value, GrammarError)


def test_files_that_are_no_curves(tmp_path: Path) -> None:
    path = tmp_path / "moves.txt"
    with pytest.raises(SettingsError, match="cannot be read"):
        read_curves(path)
    path.write_bytes(b"\x00\xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8 text"):
        read_curves(path)
    path.write_text("\ufeff0:strength=6", encoding="utf-8")
    assert len(read_curves(path).keyframes) == 1


def test_the_documentation_s_examples_are_curves() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "music.md").read_text(encoding="utf-8")
    shown = [block for block in re.findall(r"```text\n(.*?)```", page, re.S) if "^" not in block]
    assert len(shown) == 2
    for block in shown:
        assert len(parse_curves(block).keyframes) >= 4
