"""Launch quantization: what is called by hand is there on the beat or bar. Bars of two seconds."""

from pathlib import Path

import pytest

from livedream.control.keys import Keys
from livedream.control.live_parameters import LiveParameters
from livedream.control.modulation import Modulation
from livedream.control.presets import Presets
from livedream.control.show import Show
from livedream.control.tempo import Tempo
from livedream.core.errors import SettingsError
from livedream.core.settings import DreamSettings

FRAME_S = 1 / 60
PROGRAM = """
[[steps]]
preset = "ink"
hold_s = 9.0
crossfade_s = 1.0
[[steps]]
preset = "neon"
hold_s = 9.0
crossfade_s = 0.0
"""


class Stage:
    """A show on a clock that stands until `play`; beats of half a second, the first bar at 0.

    No frame falls on a beat.
    """

    def __init__(self, folder: Path) -> None:
        self.now_s = 0.3 * FRAME_S
        clock = lambda: self.now_s  # noqa: E731
        parameters, tempo = LiveParameters(DreamSettings(), clock=clock), Tempo(120.0)
        modulation = Modulation(parameters, tempo, clock=clock)
        self.show = Show(parameters, Presets(folder), modulation, tempo, clock)
        parameters.set("launch", "bar")
        self.begun: list[tuple[str, float]] = []  # each preset that was gone to, and when

    def play(self, until_s: float) -> list[tuple[str, float]]:
        """Follow the show frame by frame; what it has gone to so far."""
        while self.now_s < until_s:
            self.now_s += FRAME_S
            self.show.follow()
            name = self.show.preset_name
            if name and (not self.begun or self.begun[-1][0] != name):
                self.begun.append((name, self.now_s))
        return self.begun

    @property
    def waiting(self) -> str:
        return self.show.queued.name if self.show.queued else ""


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def went(*found: tuple[str, float]) -> list[tuple[str, object]]:
    return [(name, pytest.approx(at_s, abs=FRAME_S + 1e-6)) for name, at_s in found]


@pytest.mark.parametrize(
    ("launch", "crossfade_s", "begins_s", "ends_s"),
    [
        ("beat", 4.0, 1.0, 1.0),  # a beat leaves no time for a crossfade
        ("bar", 0.0, 2.0, 2.0),
        ("bar", 0.5, 1.5, 2.0),
        ("bar", 600.0, 1.0, 2.0),  # at most half of a bar
        ("bar:2", 600.0, 2.0, 4.0),
        ("beat:3", 0.4, 1.0, 1.5),  # as many beats as it comes nearest to
    ],
)
def test_a_preset_is_there_on_the_beat_or_bar(
    stage: Stage, launch: str, crossfade_s: float, begins_s: float, ends_s: float
) -> None:
    stage.show.parameters.set("launch", launch)
    stage.show.parameters.set("saturation", 1.0, ramp_s=0.0)
    stage.play(0.7)
    stage.show.call_preset("pulse", crossfade_s)
    assert (stage.waiting, stage.show.preset_name) == ("pulse", "")
    assert stage.play(ends_s) == went(("pulse", begins_s))
    assert stage.waiting == ""
    if ends_s - begins_s > FRAME_S:  # what has no crossfade goes over as each parameter does
        reached = stage.show.presets.find("pulse").values["saturation"]
        seen = [
            stage.show.parameters.snapshot(ends_s + frame * FRAME_S).grade.saturation
            for frame in (-3, 2)
        ]
        assert (seen[0] == reached, seen[1] == reached) == (False, True)


@pytest.mark.parametrize("program", [False, True])
def test_called_late_in_a_bar_the_crossfade_is_shorter(stage: Stage, program: bool) -> None:
    stage.play(1.75)
    if program:
        stage.show.call_program("showreel")
    else:
        stage.show.call_preset("pulse", 10.0)
    assert stage.show.preset_name, "it has begun"
    reached = stage.show.parameters.target("strength")
    for at_s in (1.95, 2.01):
        there = stage.show.parameters.snapshot(at_s).dream.strength == reached
        assert there == (at_s > 2.0)


def test_off_is_at_once_and_so_is_what_waits_when_it_is_switched_off(stage: Stage) -> None:
    stage.play(0.5)
    stage.show.call_preset("ink", 0.0)
    stage.show.parameters.set("launch", "off")
    called_s = stage.now_s
    assert stage.play(0.6) == went(("ink", called_s))
    stage.show.call_preset("neon")
    assert (stage.show.preset_name, stage.waiting) == ("neon", "")


def test_another_call_takes_its_place_and_the_same_once_more_comes_at_once(stage: Stage) -> None:
    stage.play(0.5)
    stage.show.call_preset("ink", 0.0)
    stage.play(0.6)
    stage.show.call_preset("neon", 0.0)
    assert stage.waiting == "neon"
    assert stage.play(3.0) == went(("neon", 2.0))
    stage.show.call_preset("ink", 0.0)
    stage.play(3.1)
    stage.show.call_preset("ink", 0.0)
    called_s = stage.now_s
    assert (stage.show.preset_name, stage.waiting) == ("ink", "")
    assert stage.play(6.0) == went(("neon", 2.0), ("ink", called_s)), "and only once"


def test_who_says_now_does_not_wait_nor_does_the_show_itself(stage: Stage) -> None:
    stage.play(0.5)
    stage.show.call_preset("ink", now=True)
    assert stage.show.preset_name == "ink"
    stage.show.preset("neon")
    assert stage.show.preset_name == "neon"
    stage.show.call_program("drifting", now=True)
    assert stage.show.running_program is not None


def test_next_goes_on_from_what_waits(stage: Stage) -> None:
    names = stage.show.presets.names
    stage.show.preset(names[3])
    stage.play(0.5)
    stage.show.act("next")
    stage.show.act("next")
    assert stage.waiting == names[5]
    assert Keys(stage.show).press("p")
    assert stage.waiting == names[4]
    assert stage.show.preset_name == names[3]


def test_what_cannot_be_is_refused_when_it_is_called(stage: Stage) -> None:
    stage.show.call_preset("ink")
    stage.play(0.1)
    stage.show.call_preset("neon")
    for name, seconds in (("nothing", None), ("ink", 601.0)):
        with pytest.raises(SettingsError):
            stage.show.call_preset(name, seconds)
    with pytest.raises(SettingsError):
        stage.show.call_program("nothing")
    assert stage.waiting == "neon"


def test_a_preset_that_is_deleted_while_it_waits(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.show.save("mine")
    stage.show.preset("ink")
    stage.play(0.5)
    stage.show.call_preset("mine")
    stage.show.presets.remove("mine")
    notified: list[str] = []
    stage.show.listen(lambda: notified.append(stage.waiting))
    stage.play(2.0)
    assert (stage.show.preset_name, stage.waiting) == ("ink", "")
    assert caplog.text.count("launch: preset: no 'mine'") == 1
    assert notified == [""]


def test_the_tempo_may_be_tapped_and_launch_changed_while_it_waits(stage: Stage) -> None:
    stage.show.parameters.set("launch", "bar:4")
    stage.play(0.5)
    stage.show.call_preset("ink", 0.0)
    stage.play(5.3)
    stage.show.tap()  # the bar is here: eight seconds from now
    stage.play(9.0)
    assert stage.waiting == "ink"
    stage.show.parameters.set("launch", "bar")
    assert stage.play(9.5) == went(("ink", 9.3))
    stage.show.call_preset("neon", 0.0)  # on the bar at 11.3
    stage.play(10.0)
    stage.show.parameters.set("launch", "bar:4")
    assert stage.play(14.0)[1:] == went(("neon", 13.3))


@pytest.mark.parametrize("on", ["off", "bar:2", "beat"])
def test_a_program_is_there_on_the_bar_and_counts_from_it(
    stage: Stage, on: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "p.toml").write_text(PROGRAM)
    stage.show.parameters.set("on", on)
    stage.play(0.3)
    stage.show.call_program("p")
    assert (stage.waiting, stage.show.running_program) == ("p", None)
    begins_s = 2.0 if on == "beat" else 1.0  # its crossfade is no longer than its step
    then_s = {"off": begins_s + 9.0, "bar:2": 2.0 + 4.0, "beat": 2.5}[on]
    assert stage.play(then_s + FRAME_S)[:2] == went(("ink", begins_s), ("neon", then_s))


def test_ending_a_program_does_not_wait_and_ends_one_that_waits(stage: Stage) -> None:
    stage.play(0.5)
    stage.show.act("program")
    assert stage.waiting == "drifting"
    stage.show.call_program(None)
    assert stage.waiting == ""
    stage.show.act("program")
    stage.play(2.2)
    assert stage.show.running_program is not None
    stage.show.call_preset("ink")
    stage.show.act("program")
    assert stage.show.running_program is None
    assert stage.waiting == "ink"
    stage.show.act("home")
    assert stage.waiting == ""


def test_the_window_says_what_waits(stage: Stage) -> None:
    keys = Keys(stage.show)
    stage.show.preset("ink")
    stage.play(0.5)
    stage.show.call_preset("neon")
    assert keys.playing() == "Ink · next: Neon"
