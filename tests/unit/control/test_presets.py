"""Presets and programs: read, written, refused, played."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from livedream.control.live_parameters import LiveParameters
from livedream.control.modulation import MAXIMUM, Modulation, Modulator
from livedream.control.presets import KEPT, Presets, read_preset
from livedream.control.programs import (
    Program,
    ShowSettings,
    Step,
    find_program,
    list_programs,
    read_program,
)
from livedream.control.show import ACTIONS, Show
from livedream.control.tempo import Tempo
from livedream.core.errors import SettingsError
from livedream.core.settings import DreamSettings


class Time:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def show(tmp_path: Path, clock: Time) -> Show:
    parameters = LiveParameters(DreamSettings(octaves=4), clock=clock)
    return Show(
        parameters, Presets(tmp_path), Modulation(parameters, Tempo(), clock=clock), clock=clock
    )


def test_there_are_at_least_twelve_and_all_are_right(tmp_path: Path) -> None:
    presets = Presets(tmp_path)
    assert not presets.broken
    assert len(presets.names) >= 12
    for preset in presets:
        assert preset.title
        assert preset.about
        assert not set(preset.values) & set(KEPT)
        assert read_preset(preset.to_toml(), preset.name) == preset


def test_each_preset_has_its_pictures(tmp_path: Path) -> None:
    """A still for the panel, a moving one in the gallery."""
    root = Path(__file__).resolve().parents[3]
    gallery = (root / "docs" / "gallery.md").read_text(encoding="utf-8")
    for preset in Presets(tmp_path):
        still = root / "livedream" / "presets" / f"{preset.name}.jpg"
        moving = root / "docs" / "gallery" / f"{preset.name}.webp"
        for path, largest in ((still, 60_000), (moving, 500_000)):
            assert path.is_file(), "run python scripts/draw_presets.py"
            assert path.stat().st_size <= largest
        assert f"gallery/{preset.name}.webp" in gallery


def test_objectives_of_presets_bind_to_their_networks(tmp_path: Path) -> None:
    from livedream.dream.dreamer import Dreamer

    plain = DreamSettings(device="cpu", engine="torch")
    dreamer = Dreamer(plain)
    for preset in sorted(Presets(tmp_path), key=lambda one: str(one.values.get("network"))):
        named = {name: preset.values.get(name, "") for name in ("network", "objective", "prompt")}
        dreamer.adopt(plain.replace(**named))
        assert dreamer.network_name == (named["network"] or "dreamnet")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[dream]\nstrength = 900", r"strength: must be 0 to 100 \(got 900\)"),
        ("[dream]\nstrenght = 9", "did you mean strength"),
        ("[dream]\nseed = 3", "not a live parameter"),
        ("[grade]\nhue = 'red'", "got 'red'"),
        ("[dream]\nobjective = 'eyes +'", "at character"),
        ("[[modulators]]\nparameter = 'hue'\nsource = 'moon'", "got 'moon'"),
        ("[[modulators]]\ndepth = 0.3", "must name a parameter"),
        ("crossfade_s = -1", r"crossfade_s: must be 0 to 600 s \(got -1\)"),
        ("colour = 3", "unknown entry 'colour'"),
        ("][", "not TOML"),
    ],
)
def test_what_is_wrong_in_a_preset_is_said(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        read_preset(text, "mine")
    assert str(caught.value).startswith("preset mine: ")


def test_a_wrong_file_is_left_out_and_told_of(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("[dream]\nstrength = 900")
    (tmp_path / "good.toml").write_text('title = "Good"\n[dream]\nstrength = 9.0')
    presets = Presets(tmp_path)
    assert presets.find("good").values == {"strength": 9.0}
    assert "strength" in presets.broken["broken"]
    with pytest.raises(SettingsError, match="preset broken: strength"):
        presets.find("broken")
    with pytest.raises(SettingsError, match="menagerie"):
        presets.find("menagery")


def test_a_preset_glides_and_brings_back_what_it_does_not_name(show: Show, clock: Time) -> None:
    show.parameters.set("hue", 90.0, ramp_s=0)
    show.parameters.set("size", "270p")
    clock.now_s += 10
    show.preset("drifting-eyes", 4.0)
    clock.now_s += 2
    half = show.parameters.snapshot()
    assert 14 < half.dream.strength < 22
    assert 0 < half.grade.hue < 90
    clock.now_s += 3
    there = show.parameters.snapshot()
    assert there.dream.strength == 22
    assert there.grade.hue == 0
    assert there.dream.octaves == 4  # as livedream was started
    assert there.dream.size == "270p"  # of the machine, not of the preset
    assert show.preset_name == "drifting-eyes"


def test_between_networks_both_dream_for_a_while(show: Show, clock: Time) -> None:
    show.preset("plumage", 6.0)
    clock.now_s += 3
    half = show.parameters.snapshot()
    assert half.previous is not None
    assert half.previous.network == ""
    assert half.dream.network == "dreamnet-birds"
    assert half.crossfade == pytest.approx(0.5)


def test_next_and_previous_go_round(show: Show) -> None:
    names = show.presets.names
    show.act("next")
    assert show.preset_name == names[0]
    show.act("previous")
    assert show.preset_name == names[-1]
    show.act("next")
    assert show.preset_name == names[0]


def test_next_goes_on_past_what_cannot_be_dreamed_and_says_why(
    show: Show, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "gone.toml").write_text('[dream]\nwhere = "mask(gone.png)"\n')
    show.presets.read()
    names = show.presets.names
    at = names.index("gone")
    before, after = names[at - 1], names[(at + 1) % len(names)]
    show.preset(before)
    show.act("next")
    assert show.preset_name == after
    show.act("previous")
    assert show.preset_name == before
    assert "skipped preset gone: where: gone.png" in caplog.text


def test_every_action_does_something(show: Show) -> None:
    def state() -> tuple[object, ...]:
        triggers = show.parameters.snapshot().triggers
        return show.parameters.targets(), show.preset_name, show.running_program, triggers

    for name in ACTIONS:
        before = state()
        show.act(name)
        assert state() != before, name
    with pytest.raises(SettingsError, match="no 'explode'"):
        show.act("explode")


def test_freeze_blackout_and_reset(show: Show) -> None:
    show.act("freeze")
    show.act("blackout")
    show.act("reset")
    now = show.parameters.snapshot()
    assert now.grade.freeze and now.grade.blackout
    assert "reset" in now.triggers
    show.act("freeze")
    assert not show.parameters.snapshot().grade.freeze


def test_what_is_saved_comes_back(show: Show, clock: Time) -> None:
    show.parameters.apply({"objective": 'class:"Atlantic Puffin"', "hue": -20.0, "octaves": 3})
    show.modulate([Modulator(parameter="zoom", depth=-0.1, shape="saw", beats=4)], 0)
    show.save("my-look", 'With "quotes" and ü')
    clock.now_s += 20
    show.act("home")
    clock.now_s += 20
    show.preset("my-look", 0)
    clock.now_s += 20
    now = show.parameters.snapshot()
    assert now.dream.objective == 'class:"Atlantic Puffin"'
    assert (now.grade.hue, now.dream.octaves) == (-20, 3)
    assert show.modulation.modulators[0].beats == 4
    assert show.presets.find("my-look").title == 'With "quotes" and ü'
    (show.presets.folder / "my-look.jpg").touch()  # as the panel keeps it
    show.presets.remove("my-look")
    assert "my-look" not in show.presets.names
    assert not list(show.presets.folder.glob("my-look.*"))
    with pytest.raises(SettingsError, match="built in"):
        show.presets.remove("ink")


def test_what_is_saved_names_its_files_for_every_folder(
    show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("me.png", np.full((9, 16), 255, np.uint8))
    where = "mask({0}) | mask(camera:1) | mask(noise?size=64x48)"
    objective = "guide(faces, {0})@!mask({0}) + 0.5*guide(fur, rtsp://stage/1)"

    def saved(**values: str) -> dict[str, str]:
        show.parameters.apply(values)
        found = show.save("ours").values
        return {name: found[name] for name in values}

    here = tmp_path / "me.png"
    assert saved(where=where.format("me.png"), objective=objective.format("me.png")) == {
        "where": where.format(here), "objective": objective.format(here)
    }  # fmt: skip
    plain = {"where": " ", "objective": "eyes+0.50*fur"}  # as it was written
    assert saved(**plain) == plain


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "a/b", "A", "a" * 50, "nul\0", ".hidden"])
def test_names_that_are_no_files_are_refused(show: Show, name: str) -> None:
    with pytest.raises(SettingsError, match="name"):
        show.save(name)


def test_modulators_move_and_stay_in_range(show: Show, clock: Time) -> None:
    show.modulation.replace([Modulator(parameter="hue", depth=1.0, period_s=4.0, shape="sine")])
    seen = []
    for _ in range(400):
        clock.now_s += 0.05
        show.modulation.step(clock.now_s)
        seen.append(show.parameters.snapshot().grade.hue)
    assert max(seen) == pytest.approx(180, abs=3)
    assert min(seen) == pytest.approx(-180, abs=3)
    show.modulation.replace([], 0)
    show.modulation.step(clock.now_s)
    assert show.parameters.snapshot().grade.hue == 0


def test_modulators_fade_in_and_out(show: Show, clock: Time) -> None:
    steady = Modulator(parameter="brightness", depth=0.0, offset=-0.25)
    show.modulation.replace([steady], 2.0)
    seen = []
    for _ in range(40):
        clock.now_s += 0.1
        show.modulation.step(clock.now_s)
        seen.append(show.parameters.snapshot().grade.brightness)
    assert seen[0] == pytest.approx(0.975)
    assert seen[9] == pytest.approx(0.75, abs=0.01)
    assert seen[-1] == pytest.approx(0.5)


def test_a_modulator_fades_out_from_where_it_was(show: Show, clock: Time) -> None:
    show.modulation.replace([Modulator(parameter="brightness", depth=0.0, offset=-0.25)], 2.0)
    clock.now_s += 1.0
    show.modulation.replace([], 1.0)
    clock.now_s += 0.25
    show.modulation.step(clock.now_s)
    assert show.parameters.snapshot().grade.brightness == pytest.approx(1 - 0.5 * 0.25)


@pytest.mark.parametrize("name", ["depth", "offset"])
def test_a_modulator_whose_fader_is_dragged_goes_on(show: Show, clock: Time, name: str) -> None:
    show.modulation.audio_level = lambda source: 1.0
    moved = {"parameter": "brightness", "source": "bass", "depth": 0.0}
    show.modulate([Modulator(**moved), Modulator(parameter="hue")], 0.0)
    for step in range(61):  # one second
        show.modulate([Modulator(**{**moved, name: 0.4 * step / 60}), Modulator(parameter="hue")])
        clock.now_s += 1 / 60
        show.modulation.step(clock.now_s)
    # Of a range of 2, from 1 on, and behind by some of the half second that it takes.
    assert 1.2 < show.parameters.snapshot().grade.brightness < 1.8
    clock.now_s += 0.5
    show.modulation.step(clock.now_s)
    assert show.parameters.snapshot().grade.brightness == pytest.approx(1.8)
    assert [one.parameter for one in show.modulation.modulators] == ["brightness", "hue"]


def test_another_depth_fades_over_with_its_preset(show: Show, clock: Time) -> None:
    for depth in (0.2, 0.4):
        show.modulation.audio_level = lambda source: 1.0
        modulator = Modulator(parameter="brightness", source="bass", depth=depth)
        show.modulation.replace([modulator], 8.0)
        for share in (0.0, 0.5, 1.0):
            show.modulation.step(clock.now_s + 8.0 * share)
            wanted = 1 + 2 * (depth - 0.2 + 0.2 * share)
            assert show.parameters.snapshot().grade.brightness == pytest.approx(wanted)
        clock.now_s += 8.0


def test_sound_drives_what_it_is_to_drive(show: Show) -> None:
    show.modulation.audio_level = lambda name: {"bass": 0.8}.get(name, 0.0)
    show.modulation.replace([Modulator(parameter="mix", source="bass", depth=-0.5)])
    show.modulation.step(0)
    assert show.parameters.snapshot().grade.mix == pytest.approx(0.6)


def test_what_cannot_be_modulated_is_refused(show: Show) -> None:
    for name in ("objective", "nothing", "seed"):
        with pytest.raises(SettingsError, match="modulator"):
            show.modulate([Modulator(parameter=name)])
    with pytest.raises(SettingsError, match="at most"):
        show.modulate([Modulator(parameter="hue")] * (MAXIMUM + 1))


PROGRAM = """
title = "Two"
loop = true
[[steps]]
preset = "ink"
hold_s = 10
crossfade_s = 2
[[steps]]
preset = "down"
hold_s = 5
"""


def test_a_program_knows_where_it_is() -> None:
    program = read_program(PROGRAM, "two")
    assert [program.at(t) for t in (0, 9.9, 10, 14.9, 15, 25, 30)] == [0, 0, 1, 1, 2, 3, 4]
    once = read_program(PROGRAM.replace("true", "false"), "two")
    assert [once.at(t) for t in (0, 10, 16, 1000)] == [0, 1, 1, 1]


def test_a_program_calls_its_presets_in_time(show: Show, clock: Time) -> None:
    show.program(read_program(PROGRAM, "two"))
    assert show.preset_name == "ink"
    called = []
    for _ in range(310):
        clock.now_s += 0.1
        show.follow_program("program")
        if not called or called[-1] != show.preset_name:
            called.append(show.preset_name)
    assert called == ["ink", "down", "ink", "down", "ink"]
    show.program(None)
    clock.now_s += 30
    show.follow_program("program")
    assert show.preset_name == "ink"


def test_programs_of_the_package_are_right(tmp_path: Path) -> None:
    presets = Presets(tmp_path)
    programs, broken = list_programs(tmp_path)
    assert not broken
    assert "drifting" in programs
    for program in programs.values():
        for step in program.steps:
            presets.find(step.preset)


def test_a_byte_order_mark_hides_no_preset_and_no_program(tmp_path: Path) -> None:
    """As Windows' editors write it."""
    path = tmp_path / "mine.toml"
    path.write_text("[dream]\nstrength = 9.0\n", encoding="utf-8-sig")
    assert Presets(tmp_path).find("mine").values["strength"] == 9.0
    path.write_text("[[steps]]\npreset = 'ink'\nhold_s = 3\n", encoding="utf-8-sig")
    assert len(find_program(str(path)).steps) == 1


@pytest.mark.parametrize(
    "text", ["", "steps = 3", "[[steps]]\nhold_s = 3", "[[steps]]\npreset = 'ink'\nhold_s = 0"]
)
def test_a_wrong_program_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match="program wrong"):
        find_program(str(path))


def test_a_program_skips_a_preset_that_was_deleted_and_says_so(
    show: Show, clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
    show.save("mine")
    show.program(read_program(PROGRAM.replace("down", "mine"), "two"))
    show.presets.remove("mine")
    called = []
    for _ in range(400):
        clock.now_s += 0.1
        show.follow_program("program")
        called.append(show.preset_name)
    assert set(called) == {"ink"}
    assert show.running_program is not None
    assert show.health().state == "lost"
    assert "step 2 skipped: preset: no 'mine'" in show.health().detail
    assert caplog.text.count("step 2 skipped") == 1
    show.save("mine")
    show.preset("ink")
    called.clear()
    for _ in range(200):
        clock.now_s += 0.1
        show.follow_program("program")
        called.append(show.preset_name)
    assert set(called) == {"ink", "mine"}
    assert show.health().state == "ok"


def test_home_brings_the_size_back(show: Show) -> None:
    show.parameters.apply({"size": "270p", "mirror": True, "strength": 3.0, "blackout": True})
    show.act("home")
    now = show.parameters.targets()
    assert (now["size"], now["mirror"], now["strength"]) == ("360p", False, 14.0)
    assert now["blackout"]  # a moment's decision, which is taken back by its own button


BEATS = Program(
    name="beats", title="", loop=True,
    steps=(Step("ink", 90.0, 1.0), Step("neon", 90.0, 0.0), Step("pulse", 90.0, 20.0)),
)  # fmt: skip


def test_a_program_changes_on_the_bar(show: Show, clock: Time) -> None:
    """At 120 beats a minute a bar takes two seconds; a crossfade has ended on it."""
    show.tempo.set_bpm(120.0, clock.now_s)
    show.parameters.set("on", "bar:4")
    begun_s, clock.now_s = clock.now_s, clock.now_s + 0.7  # in the middle of a bar
    show.program(BEATS)
    assert show.preset_name == "ink"
    begun: dict[str, float] = {}
    for _ in range(60 * 26):
        clock.now_s += 1 / 60
        show.follow_program("program")
        begun.setdefault(show.preset_name, clock.now_s - begun_s)
    assert begun["neon"] == pytest.approx(8.0, abs=0.02), "without a crossfade, on the fourth bar"
    assert begun["pulse"] == pytest.approx(16.0 - 4.0, abs=0.02), "at most half of the time"
    show.parameters.snapshot()
    assert show.program_step == 0, "and from the beginning: a second before the 24th"


def play(show: Show, clock: Time, seconds: float) -> list[tuple[float, int]]:
    """Follow the program for so long: each step it goes to, and when."""
    end_s, found, before = clock.now_s + seconds, [], show.program_step
    while clock.now_s < end_s - 1e-6:
        clock.now_s += 1 / 60
        show.follow_program("program")
        if show.program_step != before:
            before = show.program_step
            found.append((round(clock.now_s, 1), before))
    return found


def test_on_may_change_while_a_program_runs(show: Show, clock: Time) -> None:
    """Bars of two seconds; steps of three, without crossfades."""
    steps = tuple(Step(name, 3.0, 0.0) for name in ("ink", "neon", "pulse"))
    show.tempo.set_bpm(120.0, clock.now_s)
    begun_s = clock.now_s
    show.program(Program(name="p", title="", steps=steps))
    at = lambda *found: [(round(begun_s + s, 1), step) for s, step in found]  # noqa: E731
    assert play(show, clock, 7.0) == at((3, 1), (6, 2))
    show.parameters.set("on", "bar")  # in the middle of the fourth bar
    assert play(show, clock, 6.0) == at((8, 0), (10, 1), (12, 2))
    show.parameters.set("on", "bar:2")  # counted on from the last change
    assert play(show, clock, 3.8) == at((16, 0))
    show.parameters.set("on", "beat")  # not at once, but on the next one
    assert play(show, clock, 0.5) == at((17, 1))
    show.parameters.set("on", "off")  # the step has its three seconds from now on
    assert play(show, clock, 4.0) == at((20.3, 2))
    assert show.running_program is not None


@pytest.mark.parametrize("name", ["on", "launch"])
def test_when_presets_come_stays_where_they_come_and_go(show: Show, name: str) -> None:
    show.parameters.set(name, "bar:8")
    show.preset("ink", 0.0)
    assert show.parameters.target(name) == "bar:8"
    assert name not in show.save("mine").values
    show.act("home")
    assert show.parameters.target(name) == "off"


@pytest.mark.parametrize(
    ("said", "kept"),
    [("bar:1", "bar"), ("beat:1", "beat"), ("bar:4096", "bar:4096"), ("off", "off")],
)
def test_on_is_kept_as_it_is_usually_written(said: str, kept: str) -> None:
    assert ShowSettings(on=said).on == kept
    assert str(ShowSettings(on=said).every or "off") == kept


@pytest.mark.parametrize("said", ["", "bars", "bar:0", "bar:4097", "bar:1.5", "9" * 5000, "bar:8 "])
def test_what_on_cannot_be_is_refused(said: str, show: Show) -> None:
    with pytest.raises(SettingsError, match="on: must be off, beat, bar, beat:N or bar:N"):
        show.parameters.set("on", said)
    with pytest.raises(SettingsError, match=r"on: is off, beat, .*, which cannot be modulated"):
        show.parameters.modulate("on", "test", 0.5)
    assert show.parameters.target("on") == "off"


def test_a_crossfade_ends_on_the_bar_and_beats_may_be_counted_anew(show: Show, clock: Time) -> None:
    begun_s = clock.now_s
    show.tempo.set_bpm(120.0, begun_s)
    show.parameters.set("on", "beat:8")
    show.program(BEATS)
    while show.preset_name != "pulse":
        clock.now_s += 1 / 60
        show.follow_program("program")
    saturation = show.presets.find("pulse").values["saturation"]
    for until in (7.9, 8.02):
        clock.now_s = begun_s + until
        there = show.parameters.snapshot().grade.saturation == saturation
        assert there == (until > 8)
    clock.now_s = begun_s + 9.0
    for _ in range(3):
        show.tap()
        clock.now_s += 0.5  # the first tap is on a bar: 9.0
    changed = 0.0
    while not changed:
        clock.now_s += 1 / 60
        show.follow_program("program")
        changed = clock.now_s - begun_s if show.preset_name == "ink" else 0.0
    assert changed == pytest.approx(13.0 - 1.0, abs=0.03)
