"""Idle: stillness is told from noise and from slow motion; the attract mode leaves no trace."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livedream.control.live_parameters import LiveParameters
from livedream.control.modulation import Modulation, Modulator
from livedream.control.presets import Presets
from livedream.control.show import ATTRACT, Show
from livedream.control.show_log import ShowLog
from livedream.control.show_reader import Playback, read_show
from livedream.control.tempo import Tempo
from livedream.core.frame import Picture
from livedream.core.settings import DreamSettings
from livedream.live.idle import Attract, AttractProgram, StillWatch


def test_noise_is_still_and_a_body_is_not(texture: Picture) -> None:
    random = np.random.default_rng(3)
    watch = StillWatch(10.0)

    def noisy(picture: Picture) -> Picture:
        grain = random.normal(0, 6, picture.shape)
        return np.clip(picture + grain, 0, 255).astype(np.uint8)

    found = [watch.update(noisy(texture), None, second * 0.5) for second in range(40)]
    assert not any(found[:20])
    assert all(found[21:])
    moved = texture.copy()
    moved[40:100, 20:60] = 255 - moved[40:100, 20:60]
    assert not any(watch.update(noisy(moved), None, 20.0 + 0.5 * i) for i in range(4))


def test_never_when_it_is_off(texture: Picture) -> None:
    watch = StillWatch(0.0)
    assert not any(watch.update(texture, None, float(second)) for second in range(100))


def test_the_attract_mode_moves_the_values_and_leaves_the_targets() -> None:
    now = [0.0]
    parameters = LiveParameters(DreamSettings(), clock=lambda: now[0])
    modulation = Modulation(parameters, Tempo())
    attract, targets = Attract(modulation.move), parameters.targets()
    seen = set()
    for _ in range(300):
        now[0] += 0.1
        attract.step(True, now[0])
        seen.add(round(parameters.snapshot().grade.zoom, 3))
    assert len(seen) > 10
    assert parameters.targets() == targets
    for _ in range(40):
        now[0] += 0.1
        attract.step(False, now[0])
    assert parameters.snapshot().grade.zoom == pytest.approx(1.0)


def test_a_replay_reads_a_text_with_a_line_separator(tmp_path: Path) -> None:
    parameters = LiveParameters(DreamSettings())
    log = ShowLog(tmp_path / "show.jsonl", parameters)
    log.start()
    parameters.set("prompt", "owl\u2028dog")
    log.close()
    script = read_show(tmp_path / "show.jsonl")
    assert [line["set"]["prompt"] for _, line in script.events] == ["owl\u2028dog"]


def test_a_replay_has_the_attract_mode_s_waves(tmp_path: Path) -> None:
    now = [0.0]
    clock = lambda: now[0]  # noqa: E731
    parameters = LiveParameters(DreamSettings(), clock=clock)
    modulation = Modulation(parameters, Tempo(), clock=clock)
    log = ShowLog(tmp_path / "show.jsonl", parameters, clock=clock)
    log.start()
    modulation.on_step = log.modulated
    attract, zooms = Attract(modulation.move), []
    for index in range(200):
        now[0] += 0.1
        attract.step(index < 150, now[0])
        modulation.step(now[0])  # as its thread does
        zooms.append(parameters.snapshot().grade.zoom)
    log.close()
    assert np.ptp(zooms) > 0.02
    assert zooms[-1] == 1.0
    again = Playback(read_show(tmp_path / "show.jsonl"), DreamSettings())
    replayed = [again.snapshot(0.1 * (index + 1) + 2e-4).grade.zoom for index in range(200)]
    np.testing.assert_allclose(replayed, zooms, atol=1e-4)


def test_after_an_attract_program_all_is_as_it_was(tmp_path: Path) -> None:
    parameters = LiveParameters(DreamSettings())
    show = Show(parameters, Presets(tmp_path))
    attract = AttractProgram(show, "showreel")
    show.preset("ink", 0.0)
    parameters.set("strength", 33.0)  # by hand
    show.modulate([Modulator(parameter="hue", source="lfo", depth=0.3)])
    before = show.look()
    attract.step(False, 0.0)
    assert show.look() == before
    attract.step(True, 1.0)
    assert show.running_program is not None
    assert show.running_program.name == "showreel"
    assert parameters.target("strength") != 33.0
    attract.step(True, 2.0)
    by_hand = {"blackout": True, "mirror": True, "saturation": 0.5}
    for name, value in by_hand.items():
        parameters.set(name, value, origin="panel 1")
    attract.step(False, 3.0)
    assert show.running_program is None
    assert show.look() == replace(before, values={**before.values, **by_hand})
    assert before.preset == "ink" and before.values["strength"] == 33.0
    show.act("program")  # the key starts what somebody chose last, or the first
    assert show.running_program is not None
    assert show.running_program.name == "drifting"


def test_a_program_that_played_before_an_attract_program_plays_again(tmp_path: Path) -> None:
    show = Show(LiveParameters(DreamSettings()), Presets(tmp_path))
    attract = AttractProgram(show, "aviary")
    show.program("drifting")
    for wanted, name in ((True, "aviary"), (False, "drifting")):
        attract.step(wanted, 1.0)
        assert show.running_program is not None
        assert show.running_program.name == name


def test_what_is_set_by_hand_stays_over_the_next_step_of_an_attract_program(
    tmp_path: Path,
) -> None:
    now = [0.0]
    parameters = LiveParameters(DreamSettings(), clock=lambda: now[0])
    show = Show(parameters, Presets(tmp_path), clock=lambda: now[0])
    attract = AttractProgram(show, "showreel")
    show.preset("ink", 0.0)
    before = show.look()
    attract.step(True, now[0])
    parameters.set("strength", 33.0, origin="panel 1")
    modulators = (Modulator(parameter="hue", source="lfo", depth=0.3),)
    show.modulate(modulators)
    now[0] += 15.0
    show.follow()
    assert show.program_step == 1
    assert parameters.target("strength") != 33.0
    attract.step(False, now[0])
    values = {**before.values, "strength": 33.0}
    assert show.look() == replace(before, values=values, modulators=modulators)


def test_a_preset_by_hand_stays_over_the_next_step_of_an_attract_program(tmp_path: Path) -> None:
    now = [0.0]
    parameters = LiveParameters(DreamSettings(), clock=lambda: now[0])
    show = Show(parameters, Presets(tmp_path), clock=lambda: now[0])
    attract = AttractProgram(show, "showreel")
    show.preset("ink", 0.0)
    attract.step(True, now[0])
    show.call_preset("brushwork", origin="panel 1")
    wanted = show.look()
    now[0] += 15.0
    show.follow()
    assert show.look() != wanted
    attract.step(False, now[0])
    assert show.look() == wanted
    assert wanted.preset == "brushwork"


def test_an_objective_by_hand_stays_with_the_network_that_it_is_for(tmp_path: Path) -> None:
    parameters = LiveParameters(DreamSettings())
    show = Show(parameters, Presets(tmp_path))
    attract = AttractProgram(show, "showreel")
    attract.step(True, 0.0)
    parameters.set("network", "dreamnet-birds", origin=ATTRACT)  # as a preset of it may
    parameters.set("objective", "birds", origin="panel 1")
    attract.step(False, 1.0)
    assert parameters.target("network") == "dreamnet-birds"
    assert parameters.target("objective") == "birds"


def test_a_program_by_hand_stays_when_an_attract_program_would_end(tmp_path: Path) -> None:
    now = [0.0]
    show = Show(LiveParameters(DreamSettings(), clock=lambda: now[0]), Presets(tmp_path),
                clock=lambda: now[0])  # fmt: skip
    attract = AttractProgram(show, "aviary")
    show.program("drifting")
    attract.step(True, now[0])
    show.call_program("showreel", origin="panel 1")
    assert not show.attracting
    now[0] += 15.0
    show.follow()
    playing, wanted = show.running_program, show.look()
    assert playing is not None and show.program_step == 1
    attract.step(False, now[0])
    assert (show.running_program, show.program_step, show.look()) == (playing, 1, wanted)


@pytest.mark.parametrize("program", [False, True])
def test_what_is_called_by_hand_and_waits_comes_after_an_attract_program(
    tmp_path: Path, program: bool
) -> None:
    now = [0.1]
    clock = lambda: now[0]  # noqa: E731
    parameters = LiveParameters(DreamSettings(), clock=clock)
    show = Show(parameters, Presets(tmp_path), tempo=Tempo(120.0), clock=clock)
    parameters.set("launch", "bar")
    attract = AttractProgram(show, "aviary")
    attract.step(True, now[0])
    if program:
        show.call_program("drifting", origin="panel 1")
    else:
        show.call_preset("ink", origin="panel 1")
    attract.step(False, now[0])
    assert show.queued is not None
    assert show.running_program is None
    for now[0] in (1.0, 1.5, 2.01):  # the bar is at 2
        show.follow()
    assert show.queued is None
    if program:
        assert show.running_program is not None
        assert show.running_program.name == "drifting"
    else:
        assert show.preset_name == "ink"


def test_an_attract_program_that_is_stopped_by_hand_leaves_none(tmp_path: Path) -> None:
    show = Show(LiveParameters(DreamSettings()), Presets(tmp_path))
    attract = AttractProgram(show, "aviary")
    show.program("drifting")
    before = show.look()
    attract.step(True, 0.0)
    show.act("program", origin="keyboard")
    attract.step(False, 1.0)
    assert show.running_program is None
    assert show.look() == before


def test_the_key_starts_the_program_that_an_attract_program_interrupted(tmp_path: Path) -> None:
    show = Show(LiveParameters(DreamSettings()), Presets(tmp_path))
    attract = AttractProgram(show, "showreel")
    show.program("aviary")
    attract.step(True, 0.0)
    show.act("program", origin="keyboard")  # ends the attract program
    attract.step(False, 1.0)
    assert show.running_program is None
    show.act("program", origin="keyboard")
    assert show.running_program is not None
    assert show.running_program.name == "aviary"
