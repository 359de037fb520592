"""What a show cannot do is refused where it was said, with the reason, and nothing is changed."""

import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from safetensors.torch import save_file
from waiting import PATIENCE_S, until

from livedream.capture.live import MemoryInput, Opened
from livedream.control.catalogue import Catalogue
from livedream.control.live_parameters import TAKEN_BACK, Change
from livedream.control.osc import OscServer
from livedream.core.addresses import listening
from livedream.core.errors import SettingsError
from livedream.core.settings import DREAMED, DreamSettings
from livedream.dream.networks.building import random_module
from livedream.dream.networks.registry import find_spec
from livedream.live.controllers import ControllerSettings
from livedream.live.job import LiveJob
from livedream.live.session import Session
from livedream.panel.messages import MessageHandler
from livedream.present.live import MemoryOutput

SMALL = DreamSettings(size="96p", flow="none", flow_size="96p", octaves=1, iterations=1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    (tmp_path / "presets").mkdir()
    monkeypatch.setattr("livedream.live.session.open_output", lambda *a, **k: MemoryOutput())
    return tmp_path


def opened(dream: DreamSettings = SMALL, **hands: Any) -> Session:
    job = LiveJob(
        source="pan", sinks=("record:none",), dream=dream, attract_s=99.0,
        controllers=ControllerSettings(**hands),
    )  # fmt: skip
    return Session(job, live_input=MemoryInput(Opened(160, 90, Fraction(25), "still"), "pan"))


@pytest.fixture
def session(home: Path) -> Iterator[Session]:
    (home / "presets" / "wrong.toml").write_text('[dream]\nobjective = "feathers"')
    with opened() as made:
        yield made


def test_an_objective_that_the_network_lacks_is_refused_at_once(session: Session) -> None:
    desk = MessageHandler(session.parameters, session.controllers.show, Catalogue())
    before = session.parameters.targets()
    long = 300 * "x" + ".png"
    for text in (
        "feathers", "faces:9999", "class:unicorn", "guide(eyes, nowhere.jpg)",
        f"guide(eyes, {long})", f"eyes@mask({long})",
    ):  # fmt: skip
        with pytest.raises(SettingsError, match=r"objective: .*(no |nowhere|too long)"):
            desk.handle({"set": "objective", "value": text}, "panel 1")
    with pytest.raises(SettingsError, match="no network 'googlenot'; did you mean googlenet"):
        desk.handle({"set": "network", "value": "googlenot"}, "panel 1")
    with pytest.raises(SettingsError, match="no layer 'feathers' in dreamnet"):
        desk.handle({"preset": "wrong"}, "panel 1")
    osc = OscServer(
        session.parameters, session.controllers.show, listening(":0", "127.0.0.1:1", name="osc")
    )
    with pytest.raises(SettingsError, match="no layer 'feathers'"):
        osc.message("/livedream/objective", ["feathers"], "127.0.0.1", 5000)
    assert session.parameters.targets() == before
    for text in ("eyes:3-5 + 0.5*class:goldfish", "stages.3.2.mix", ""):
        desk.handle({"set": "objective", "value": text}, "panel 1")


def test_what_only_the_loaded_network_knows_goes_back_to_what_it_dreams(session: Session) -> None:
    session.parameters.set("objective", "stages", ramp_s=0)  # all stages are no layer
    changes: list[Change] = []
    session.parameters.listen(changes.append)
    session.pool.get(session.parameters.snapshot().dream)
    assert session.parameters.target("objective") == ""
    # Either says what is dreamed, so that both are taken back.
    assert [list(change.targets) for change in changes] == [["objective", "prompt"]]
    session.pool.get(session.parameters.snapshot().dream)
    assert "stages" in session.pool.notes["objective"]
    session.parameters.set("objective", "eyes")
    assert not session.pool.notes


def test_a_network_that_cannot_be_had_does_not_stay_listed(session: Session) -> None:
    session.parameters.set("objective", "eyes", ramp_s=0)
    session.pool.get(session.parameters.snapshot().dream)
    back = threading.Event()
    session.parameters.listen(lambda change: back.set() if "" in change.targets.values() else None)
    session.parameters.set("network", "resnet50-places365")  # has no checksum: is not fetched
    back.clear()  # its own objective was announced
    session.pool.get(session.parameters.snapshot().dream)
    assert back.wait(PATIENCE_S)
    assert session.parameters.target("objective") == "eyes"
    assert "checksum" in session.pool.notes["network"]


def refused(session: Session, values: Mapping[str, Any]) -> list[str]:
    """What is to be dreamed once the pool has refused what was set."""
    back = threading.Event()
    session.parameters.listen(lambda change: back.set() if change.origin == TAKEN_BACK else None)
    session.parameters.apply(values, ramp_s=0.0)
    session.pool.get(session.parameters.snapshot().dream)
    assert back.wait(PATIENCE_S)
    return [session.parameters.target(name) for name in DREAMED]


def dreams(session: Session, **values: str) -> None:
    """Set it, and wait until its network dreams, and no other any more."""
    session.parameters.apply(values, ramp_s=0.0)
    now = session.parameters.snapshot().dream
    until(lambda: session.pool.get(now).settings.network == session.parameters.dreaming)
    session.pool.get(now)


NOT_THERE = {"network": "resnet50-places365"}  # has no checksum: is not fetched


def test_a_network_that_cannot_be_had_gives_back_what_was_named(home: Path) -> None:
    settings = SMALL.replace(network="dreamnet-things", objective="kind:lion")
    with opened(settings) as session:
        dreams(session, prompt="elephant")
        assert refused(session, NOT_THERE) == ["dreamnet-things", "kind:lion", "elephant"]
    with opened(SMALL.replace(objective="eyes")) as session:
        dreams(session, prompt="elephant")
        session.parameters.apply({"prompt": "monarch"})  # on its way when that comes
        session.pool.get(session.parameters.snapshot(time.monotonic() + 0.5).dream)
        assert refused(session, NOT_THERE) == ["", "eyes", "monarch"]
        dreams(session, prompt="")
        assert refused(session, NOT_THERE) == ["", "eyes", ""]


def test_a_network_that_cannot_be_had_gives_weights_of_ones_own_back(home: Path) -> None:
    path = home / "own.safetensors"
    path.write_bytes(find_spec("dreamnet-things").file_path.read_bytes())
    for network in ("", "dreamnet-things"):
        own = SMALL.replace(network=network, weights=str(path), prompt="elephant")
        with opened(own) as session:
            assert refused(session, NOT_THERE) == [network, "", "elephant"]
            assert session.pool.get(session.parameters.snapshot().dream) is session.pool.first


@pytest.mark.parametrize("ready", [False, True])
def test_a_prompt_that_is_refused_goes_with_the_network_it_brought(home: Path, ready: bool) -> None:
    mask = home / "mask.png"
    with opened(SMALL.replace(objective="eyes")) as session:
        if ready:
            dreams(session, prompt="elephant")
            dreams(session, objective="faces")
        wanted = session.parameters.target("objective")
        cv2.imwrite(str(mask), np.full((9, 16), 255, np.uint8))
        session.parameters.set("prompt", f"monarch@mask({mask})", ramp_s=0.0)
        mask.unlink()  # between the two
        assert refused(session, {"strength": 20.0}) == ["", wanted, ""]
        found = session.pool.get(session.parameters.snapshot().dream)
        assert (found, found.settings.objective) == (session.pool.first, wanted)


def test_what_cannot_be_given_back_leaves_the_show_alone(home: Path) -> None:
    guide = home / "guide.png"
    cv2.imwrite(str(guide), np.full((64, 64, 3), 255, np.uint8))
    with opened(SMALL.replace(objective=f"guide(eyes, {guide})")) as session:
        session.parameters.apply(NOT_THERE, ramp_s=0.0)
        guide.unlink()
        with session.supervisor.current():
            session.pool.get(session.parameters.snapshot().dream)
        until(lambda: "network" in session.pool.notes)
        # One that has failed stays among them.
        until(lambda: all(one.name != "network" for one in session.supervisor.threads))


def test_a_class_does_not_stay_listed_with_a_network_that_has_none_such(session: Session) -> None:
    session.parameters.set("objective", "class:goldfish")
    listed = session.parameters.targets()
    session.parameters.listen(lambda change: listed.update(change.targets))
    session.parameters.set("network", "dreamnet-birds")
    assert (listed["network"], listed["objective"]) == ("dreamnet-birds", "")
    with pytest.raises(SettingsError, match="dreamnet-birds: no class 'goldfish'"):
        session.parameters.set("objective", "class:goldfish")
    session.controllers.show.preset("goldfish")  # of the default network, whatever was chosen
    assert session.parameters.target("network") == ""


@pytest.mark.parametrize("network", ["", "dreamnet-birds"])
def test_from_the_own_objective_of_an_embedded_network_it_is_a_ramp(
    session: Session, network: str
) -> None:
    session.parameters.set("network", network, ramp_s=0)
    session.parameters.snapshot()
    session.parameters.set("objective", "strokes")
    assert "creatures" in session.parameters.snapshot().dream.objective


@pytest.mark.parametrize("default", [None, "features.7"])
def test_the_objective_of_weights_for_another_architecture_can_be_changed(
    home: Path, default: str | None
) -> None:
    path = home / "own.safetensors"
    said = {"architecture": "squeezenet1_1", "default_objective": default}
    state = random_module(find_spec("squeezenet1_1"), 3).state_dict()
    save_file(state, path, metadata={"livedream": json.dumps(said)})
    with opened(SMALL.replace(weights=str(path))) as made:
        own = made.pool.first.network.default_objective
        made.parameters.set("objective", "features.5")
        on_its_way = made.parameters.snapshot().dream
        made.pool.get(on_its_way)
        assert not made.pool.notes
        assert made.parameters.target("objective") == "features.5"
        assert (default or own) == own and own in on_its_way.objective


@pytest.mark.parametrize("option", ["program", "attract_program", "preset"])
def test_a_program_that_is_not_there_is_found_out_at_the_start(home: Path, option: str) -> None:
    with pytest.raises(SettingsError, match="no 'nope'"):
        opened(**{option: "nope"})


def test_an_option_beside_a_preset_holds(home: Path) -> None:
    """As in a film: whoever names both wants the preset otherwise."""
    with opened(preset="ink") as made:
        of_the_preset = made.parameters.targets()
    with opened(preset="ink", given=("strength", "size")) as made:
        found = made.parameters.targets()
    assert SMALL.strength != of_the_preset["strength"]
    assert found == {**of_the_preset, "strength": SMALL.strength}
    assert made.controllers.show.preset_name == "ink"


def test_a_prompt_beside_a_preset_with_a_network_is_dreamed_by_its_own(home: Path) -> None:
    dream = SMALL.replace(prompt="elephant")
    with opened(dream, preset="wings", given=("prompt",)) as made:
        found = made.parameters.targets()
        assert made.parameters.dreaming == "dreamnet+dreamnet-things"
    assert [found[name] for name in DREAMED] == ["", "", "elephant"]
    assert found["strength"] != dream.strength  # the preset's


def test_an_attract_program_needs_a_time_after_which_it_plays() -> None:
    with pytest.raises(SettingsError, match="--attract-program: add --attract-after 120"):
        LiveJob(source="pan", controllers=ControllerSettings(attract_program="showreel"))


def test_an_attract_program_needs_its_presets_at_the_start(home: Path) -> None:
    path = home / "mine.toml"
    path.write_text('[[steps]]\npreset = "ink"\n[[steps]]\npreset = "gone"')
    with pytest.raises(SettingsError, match="program mine, step 2: preset: no 'gone'"):
        opened(attract_program=str(path))


def test_a_show_that_is_started_again_goes_on_in_its_log(home: Path) -> None:
    path = home / "show.jsonl"
    for _ in range(2):
        with opened(log=str(path)) as made:
            made.parameters.set("strength", 20.0)
    found = [json.loads(line) for line in path.read_text().splitlines() if line]
    lines = [line for line in found if "bpm" not in line]  # where it ran for long enough
    assert [("log" in line, line.get("set")) for line in lines] == 2 * [
        (True, None),
        (False, {"strength": 20.0}),
    ]


def test_a_broken_preset_is_logged_with_the_reason(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (home / "presets" / "mine.toml").write_text("[dream]\nstrength = 900")
    with caplog.at_level(logging.WARNING), opened() as made:
        assert "preset mine: strength" in caplog.text
        state = MessageHandler(made.parameters, made.controllers.show, Catalogue()).state()
    assert state["broken"] == ["preset mine: strength: must be 0 to 100 (got 900)"]


def test_a_beat_is_followed_only_where_something_is_heard(home: Path) -> None:
    with pytest.raises(SettingsError, match="--follow-beat: no audio input; add --audio"):
        opened(follow_beat=True).close()
