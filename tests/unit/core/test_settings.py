"""Parameters are declared once and checked once."""

import dataclasses
import json

import pytest

from livedream.core.errors import SettingsError
from livedream.core.parameters import declared
from livedream.core.settings import DreamSettings, parse_size


def test_every_parameter_is_documented_and_its_default_is_in_range() -> None:
    for parameter in declared(DreamSettings):
        assert parameter.help
        assert parameter.check(parameter.default) == parameter.default
    assert len(declared(DreamSettings)) == len(dataclasses.fields(DreamSettings))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("octaves", -1),
        ("motif", 0.0),
        ("octaves", 2.5),
        ("octaves", True),
        ("strength", -1.0),
        ("strength", float("nan")),
        ("strength", 10**400),
        ("octaves", 10**400),
        ("strength", "12"),
        ("half_life", float("inf")),
        ("device", "tpu"),
        ("flow", "magic"),
        ("size", "big"),
        ("size", "0x10"),
        ("flow_size", "0p"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        DreamSettings(**{name: value})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert "must be" in str(caught.value)


def test_whole_numbers_do_for_floats() -> None:
    assert DreamSettings(strength=12).strength == 12.0
    assert isinstance(DreamSettings(strength=12).strength, float)


def test_settings_survive_json() -> None:
    settings = DreamSettings(strength=7.5, objective="0.5*eyes + faces", keep_colours=True)
    assert DreamSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize(("mask", "where"), [("", ""), ('a "b".png', 'mask("a ""b"".png")')])
def test_a_mask_of_older_files_is_a_region(mask: str, where: str) -> None:
    found = DreamSettings.from_mapping({"mask": mask, "strength": 8.0})
    assert found == DreamSettings(where=where, strength=8.0)


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"stregth": 3})])
def test_json_that_is_no_settings_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        DreamSettings.from_json(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("source", (1280, 720)),
        ("270p", (480, 270)),
        ("480x270", (480, 270)),
        ("1x1", (1, 1)),
    ],
)
def test_sizes(text: str, size: tuple[int, int]) -> None:
    assert parse_size(text, 1280, 720) == size


def test_p_means_the_short_side_of_a_portrait_too() -> None:
    assert parse_size("270p", 720, 1280) == (270, 480)
