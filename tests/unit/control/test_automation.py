"""A film's parameters over its time, as one function of it."""

import json
import math
from dataclasses import fields, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livedream.control.automation import Automation, FilmTimeline
from livedream.control.curves import parse_curves
from livedream.control.modulation import Modulator
from livedream.control.presets import Preset
from livedream.control.programs import Every, Step
from livedream.core.errors import SettingsError
from livedream.core.settings import DreamSettings
from livedream.dream.networks.registry import find_spec
from livedream.region.painting import Painting

EYES = Preset(name="eyes", crossfade_s=2.0, values={"objective": "eyes", "strength": 30.0})
GRAY = Preset(
    name="gray", values={"saturation": 0.0, "freeze": True},
    modulators=(Modulator(parameter="contrast", offset=0.25, depth=0.0),),
)  # fmt: skip
TURNS = ((Step("eyes", 10.0), EYES), (Step("gray", 10.0, 4.0), GRAY))


def timeline(**more: Any) -> FilmTimeline:
    return FilmTimeline(Automation(**more), DreamSettings(strength=12.0), Fraction(25))


def test_curves_move_and_texts_switch_at_their_frame() -> None:
    curves = parse_curves("0:strength=0, 4:strength=40, 2:objective=strokes, 0:zoom=1, 4:zoom=2")
    found = timeline(curves=curves)
    seen = [found.snapshot(n / 25) for n in range(150)]
    assert seen[50].dream.strength == pytest.approx(20)
    assert seen[149].dream.strength == 40
    assert seen[25].grade.zoom == pytest.approx(1.25)
    assert [one.dream.objective for one in seen[48:52]] == ["", "", "strokes", "strokes"]
    assert all(one.fading is None for one in seen)


def test_what_jumps_at_a_frame_does_so_there_though_a_file_rounds_its_time() -> None:
    rate = Fraction(30000, 1001)
    curves = parse_curves("20f:objective=strokes, 20f:mirror=yes, 20f:zoom=1.5 hold, 30f:zoom=2")
    found = FilmTimeline(Automation(curves=curves), DreamSettings(), rate)
    seen = [found.snapshot(round(float(n / rate), 3)) for n in range(26)]  # as Matroska does
    assert [one.dream.objective for one in seen[18:22]] == ["", "", "strokes", "strokes"]
    assert [one.grade.mirror for one in seen[18:22]] == [False, False, True, True]
    assert [one.grade.zoom for one in seen[19:21]] == [seen[0].grade.zoom, 1.5]
    assert seen[25].grade.zoom == pytest.approx(1.75, abs=0.01)


def test_a_film_s_painted_region_is_what_was_kept() -> None:
    assert timeline(curves=parse_curves("1:strength=2")).snapshot(0.5).painted is None


def test_another_network_takes_its_own_objective_until_one_is_named() -> None:
    curves = parse_curves("0:objective=eyes, 1:network=dreamnet-birds, 2:objective=strokes")
    found = timeline(curves=curves)
    seen = [(s.network, s.objective) for s in (found.snapshot(t).dream for t in (0, 1, 2))]
    assert seen == [("", "eyes"), ("dreamnet-birds", ""), ("dreamnet-birds", "strokes")]


def test_network_and_objective_of_one_time_come_in_any_order() -> None:
    table = "time,objective,network\n0,fur,dreamnet\n1,plumage,dreamnet-birds\n"
    timeline(curves=parse_curves(table)).check()
    found = timeline(curves=parse_curves(table))
    seen = [(s.network, s.objective) for s in (found.snapshot(t).dream for t in (0, 1))]
    assert seen == [("dreamnet", "fur"), ("dreamnet-birds", "plumage")]
    both = timeline(curves=parse_curves("1:prompt=owl, 1:objective=eyes"))
    assert both.snapshot(1).dream.prompt == "owl"


def test_presets_take_turns_and_what_was_given_stays() -> None:
    found = timeline(steps=TURNS, kept=frozenset({"strength"}))
    assert found.snapshot(0).dream.objective == "eyes"
    assert found.snapshot(0).dream.strength == 12.0
    assert found.snapshot(9.9).grade.saturation == 1.0
    assert found.snapshot(12).grade.saturation == pytest.approx(0.5)
    last = found.snapshot(15)
    assert (last.grade.saturation, last.grade.freeze, last.dream.objective) == (0.0, False, "")
    assert last.grade.contrast == pytest.approx(1.5)
    again = found.snapshot(22.1)
    assert (again.dream.objective, again.grade.saturation) == ("eyes", 1.0)
    assert again.grade.contrast == 1.0


def test_a_curve_begins_at_the_preset_s_value_and_no_preset_moves_it_again() -> None:
    moves = parse_curves("10:strength=50, 20:strength=0, 1:objective=strokes")
    found = timeline(steps=TURNS, curves=moves)
    seen = [found.snapshot(t).dream.strength for t in (0, 5, 10, 15, 22, 30)]
    assert seen == [pytest.approx(v) for v in (30, 40, 50, 25, 0, 0)]
    assert found.snapshot(31).dream.objective == "strokes"
    assert found.snapshot(32).painted is None, "the mask that was kept"


def test_modulators_go_on_top_of_curves_and_stay_through_presets() -> None:
    up = Modulator(parameter="strength", depth=0.0, offset=0.25)
    found = timeline(steps=TURNS, modulators=(up,), curves=parse_curves("0:strength=20"))
    for time_s in (0, 5, 12, 25):
        assert found.snapshot(time_s).dream.strength == pytest.approx(32)


EVERYTHING: dict[str, Any] = {
    "steps": TURNS,
    "modulators": (
        Modulator(parameter="hue", depth=0.3, period_s=3.0),
        Modulator(parameter="mix", shape="wander", depth=-0.4, beats=3.0),
    ),
    "curves": parse_curves("0:rotation=0, 30:rotation=90 ease, 7:where=left, 13:network=dreamnet"),
}


def test_it_does_not_matter_where_one_begins_to_look() -> None:
    """To the bit: a render that goes on, and a worker's piece, see the same."""
    whole = timeline(**EVERYTHING)
    wanted = [whole.snapshot(n / 25) for n in range(900)]
    for first in (1, 260, 304, 610):
        late = timeline(**EVERYTHING)
        assert [late.snapshot(n / 25) for n in range(first, 900)] == wanted[first:]


def test_what_cannot_be_moved_in_a_film_is_refused() -> None:
    for name in ("freeze", "objective", "device"):
        with pytest.raises(SettingsError, match=f"'{name}' cannot be changed"):
            Automation(modulators=(Modulator(parameter=name),))
    many = tuple(Modulator(parameter="hue", phase=n / 32) for n in range(32))
    with pytest.raises(SettingsError, match="at most 32"):
        Automation(modulators=many, steps=TURNS)


@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize(("at_s", "first_s"), [(None, 8.0), (0.0, 8.0), (1.25, 9.25), (31.0, 9.0)])
def test_a_bar_begins_when_it_was_said_though_nothing_is_heard(
    at_s: float | None, first_s: float, heard: bool
) -> None:
    wanted = Automation(steps=TURNS, on=Every(4), bpm=120, bar=4, bar_at_s=at_s)
    if heard:
        wanted = wanted.hearing([np.zeros(48000, np.float32)])
    cues = [cue.begin_s + cue.crossfade_s for cue in islice(wanted.cues(), 3)]
    assert cues == pytest.approx([first_s, first_s + 8, first_s + 16])


@pytest.mark.parametrize(
    ("late", "said"),
    [
        ("objective=nosuchlayer", 'curves: 3600:objective="nosuchlayer": objective: no layer'),
        ("prompt=nosuchthing", "prompt: .*nosuchthing"),
        ("size=720", "size: must be 270p, 480x270 or source"),
        ("network=typo", "network: no network 'typo'"),
        ("where=mask(missing.png)", "where: .*missing.png"),
        ("where=mask(rtsp://camera/1)", "where: .* is live"),
        ("objective=eyes@mask(rtsp://camera/1)", "objective: .* is live"),
        ("objective=guide(eyes, rtsp://camera/1)", "objective: guide: .* is live"),
        # of another network, by then
        ("objective=fur, 1800:network=dreamnet-birds, 3601:objective=fur", "no layer 'fur' in"),
    ],
)
def test_a_text_that_cannot_be_dreamed_is_found_before_its_time(late: str, said: str) -> None:
    found = timeline(curves=parse_curves(f"3600:{late}"))
    with pytest.raises(SettingsError, match=said):
        found.check()


@pytest.mark.parametrize("late", ["where=left & painted", "objective=eyes@painted"])
def test_what_nobody_painted_is_found_out_before_its_time(
    late: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    found = timeline(curves=parse_curves(f"3600:{late}"))
    with pytest.raises(SettingsError, match="painted: nothing was kept"):
        found.check()
    painting = Painting()
    painting.do({"paint": [[0.5, 0.5]], "brush": 0.5, "begins": True})
    painting.keep("painted")
    found.check()


@pytest.mark.parametrize("late", ["where=moving & left", "objective=eyes@still"])
def test_a_region_of_motion_needs_a_flow_before_its_time(late: str) -> None:
    found = Automation(curves=parse_curves(f"3600:{late}"))
    FilmTimeline(found, DreamSettings(), Fraction(25)).check()
    with pytest.raises(SettingsError, match="needs motion, which --flow none"):
        FilmTimeline(found, DreamSettings(flow="none"), Fraction(25)).check()


def test_a_network_that_cannot_be_had_is_found_before_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights have no checksum that was published: they are fetched by hand only."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    found = timeline(curves=parse_curves("3600:network=resnet50-places365"))
    with pytest.raises(SettingsError, match=r"curves: .*network: resnet50-.* no published"):
        found.check()
    broken = Preset(name="broken", values={"network": "resnet50-places365"})
    with pytest.raises(SettingsError, match="preset broken: network: resnet50"):
        timeline(steps=(TURNS[0], (Step("broken", 3600.0), broken))).check()


@pytest.mark.parametrize("place", [0, 1])
def test_a_preset_that_cannot_be_dreamed_is_found_before_its_turn(place: int) -> None:
    for values, said in (
        ({"size": "720"}, "preset broken: size: must be"),
        ({"objective": "nosuchlayer"}, "preset broken: objective: no layer"),
        ({"where": "mask(missing.png)"}, "preset broken: where: .*missing.png"),
        ({"where": "mask(rtsp://camera/1)"}, "preset broken: where: .* is live"),
    ):
        turns = list(TURNS)
        turns[place] = (Step("broken", 3600.0), Preset(name="broken", values=values))
        with pytest.raises(SettingsError, match=said):
            timeline(steps=tuple(turns)).check()


def test_with_weights_of_one_s_own_all_else_is_found_before_its_turn() -> None:
    """What that file can dream only it knows."""
    own = DreamSettings(weights=str(find_spec("dreamnet").file_path))
    for values, said in (
        ({"objective": "nosuchlayer + guide(eyes, missing.jpg)"}, "guide: there is no picture"),
        ({"objective": "nosuchlayer@mask(missing.png)"}, "missing.png"),
        ({"network": "dreamnet-birds", "objective": "nosuchlayer"}, "no layer 'nosuchlayer'"),
        ({"objective": "nosuchlayer"}, None),
    ):
        steps = (TURNS[0], (Step("next", 3600.0), Preset(name="next", values=values)))
        found = FilmTimeline(Automation(steps=steps), own, Fraction(25))
        if said is None:
            found.check()
            continue
        with pytest.raises(SettingsError, match=f"preset next: objective: .*{said}"):
            found.check()


def test_what_can_be_dreamed_passes() -> None:
    timeline(**EVERYTHING).check()
    moves = parse_curves("0:objective=eyes, 1:network=dreamnet-birds, 2:objective=strokes")
    timeline(steps=TURNS, curves=moves).check()


def test_its_identity_is_all_that_it_holds() -> None:
    one = Automation(**EVERYTHING)
    others: dict[str, Any] = {
        "curves": parse_curves("0:rotation=1"), "modulators": (), "steps": TURNS[:1],
        "loop": False, "kept": frozenset({"strength"}), "on": Every(4), "bpm": 99.0, "bar": 3,
        "bar_at_s": 0.5,
    }  # fmt: skip
    assert set(others) == {one.name for one in fields(Automation)} - {"heard"}
    for name, value in others.items():
        assert replace(one, **{name: value}).identity() != one.identity(), name
    assert replace(one, kept=frozenset({"device"})).identity() == one.identity(), "no preset has it"
    assert Automation().identity() == {}


def test_a_preset_that_stays_is_plain_json() -> None:
    stays = Automation(steps=((Step("eyes", math.inf), EYES),), loop=False).identity()
    assert json.loads(json.dumps(stays, allow_nan=False))["presets"][0][:2] == [None, None]
