"""OBS set up by its WebSocket: against a server that speaks its protocol (version 5)."""

import base64
import hashlib
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from livedream.cli import build_parser, main
from livedream.cli.live import job_of
from livedream.control.live_parameters import LiveParameters
from livedream.control.obs import Obs, ObsControl, source_for
from livedream.control.obs_address import PASSWORD
from livedream.control.obs_notes import ObsChanges, ObsNotes
from livedream.control.presets import Presets
from livedream.control.show import Show
from livedream.core.errors import SettingsError, SourceError
from livedream.core.settings import DreamSettings

pytest.importorskip("obsws_python", reason="wants the extra obs")

SECRET = "swordfish"
UDP = source_for(("window", "udp://127.0.0.1:9000?bitrate=6M"), (640, 360), 25.0)


class Studio:
    """As much of OBS as is asked for: scenes, inputs, and a password."""

    def __init__(self, port: int = 0) -> None:
        self.scenes, self.scene = ["Scene", "menagerie", "Talking"], "Scene"
        self.inputs: dict[str, dict[str, Any]] = {
            "Mic/Aux": {"kind": "pulse_input_capture", "settings": {}, "offset": 20},
            "Film": {"kind": "ffmpeg_source", "settings": {}, "offset": 0},
        }
        self.collection, self.collections = "Untitled", {"Untitled": self.inputs}
        self.transforms: list[dict[str, Any]] = []
        self.nonsense: Any = ...  # in place of every answer
        self.refuses = ""  # what is asked for in vain
        self._open: list[ServerConnection] = []
        self._server = serve(self._talk, "127.0.0.1", port, close_timeout=0.1)
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def choose(self, collection: str) -> None:
        """Another scene collection; a new one has a microphone, as in OBS."""
        new = {"Mic/Aux": {"kind": "pulse_input_capture", "settings": {}, "offset": -40}}
        self.collection, self.inputs = collection, self.collections.setdefault(collection, new)

    def close(self) -> None:
        self._server.shutdown()
        for one in self._open:
            one.close()
        self._thread.join()

    def _talk(self, socket: ServerConnection) -> None:
        self._open.append(socket)
        lock = {"challenge": "abc", "salt": "def"}
        socket.send(json.dumps({"op": 0, "d": {"rpcVersion": 1, "authentication": lock}}))
        try:
            said = json.loads(socket.recv())["d"].get("authentication")
            first = base64.b64encode(hashlib.sha256((SECRET + lock["salt"]).encode()).digest())
            wanted = hashlib.sha256(first + lock["challenge"].encode()).digest()
            if said != base64.b64encode(wanted).decode():
                socket.close(4009, "authentication failed")
                return
            socket.send(json.dumps({"op": 2, "d": {"negotiatedRpcVersion": 1}}))
            while True:
                asked = json.loads(socket.recv())["d"]
                if self.nonsense is not ...:
                    socket.send(json.dumps({"op": 7, "d": self.nonsense}))
                    continue
                kind, details = asked["requestType"], asked.get("requestData", {})
                found = None if kind == self.refuses else getattr(self, kind)(**details)
                code = 702 if kind == self.refuses else 600 if found is None else 100
                answer = {
                    "requestType": kind, "requestId": asked["requestId"],
                    "requestStatus": {"result": code == 100, "code": code},
                    "responseData": found or {},
                }  # fmt: skip
                socket.send(json.dumps({"op": 7, "d": answer}))
        except ConnectionClosed:
            pass

    # What can be asked for, under OBS's names.

    def GetVersion(self) -> dict[str, Any]:  # noqa: N802
        return {"obsVersion": "29.0.2", "obsWebSocketVersion": "5.1.0"}

    def GetSceneList(self) -> dict[str, Any]:  # noqa: N802
        return {"scenes": [{"sceneName": name} for name in reversed(self.scenes)]}

    def GetSceneCollectionList(self) -> dict[str, Any]:  # noqa: N802
        there = list(self.collections)
        return {"currentSceneCollectionName": self.collection, "sceneCollections": there}

    def GetCurrentProgramScene(self) -> dict[str, Any]:  # noqa: N802
        return {"currentProgramSceneName": self.scene}

    def GetSpecialInputs(self) -> dict[str, Any]:  # noqa: N802
        return {"mic1": "Mic/Aux", "mic2": None}

    def GetInputList(self) -> dict[str, Any]:  # noqa: N802
        return {
            "inputs": [{"inputName": n, "inputKind": i["kind"]} for n, i in self.inputs.items()]
        }

    def GetVideoSettings(self) -> dict[str, Any]:  # noqa: N802
        return {"baseWidth": 1920, "baseHeight": 1080}

    def CreateInput(self, **asked: Any) -> dict[str, Any]:  # noqa: N802
        self.inputs[asked["inputName"]] = {
            "kind": asked["inputKind"], "settings": asked["inputSettings"], "offset": 0
        }  # fmt: skip
        return {"sceneItemId": 7}

    def SetSceneItemTransform(self, **asked: Any) -> dict[str, Any]:  # noqa: N802
        self.transforms.append(asked)
        return {}

    def GetInputSettings(self, inputName: str) -> dict[str, Any]:  # noqa: N802, N803
        return {"inputSettings": self.inputs[inputName]["settings"]}

    def SetInputSettings(self, inputName: str, inputSettings: Any) -> dict[str, Any]:  # noqa: N802, N803
        self.inputs[inputName]["settings"] |= inputSettings
        return {}

    def RemoveInput(self, inputName: str) -> dict[str, Any] | None:  # noqa: N802, N803
        return {} if self.inputs.pop(inputName, None) else None

    def GetInputAudioSyncOffset(self, inputName: str) -> dict[str, Any] | None:  # noqa: N802, N803
        if self.inputs[inputName]["offset"] is None:  # one without sound
            return None
        return {"inputAudioSyncOffset": self.inputs[inputName]["offset"]}

    def SetInputAudioSyncOffset(  # noqa: N802
        self,
        inputName: str,  # noqa: N803
        inputAudioSyncOffset: int,  # noqa: N803
    ) -> dict[str, Any] | None:
        if inputName not in self.inputs:
            return None
        self.inputs[inputName]["offset"] = inputAudioSyncOffset
        return {}


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Studio]:
    monkeypatch.setenv(PASSWORD, SECRET)
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    one = Studio()
    yield one
    one.close()


@pytest.fixture
def show(tmp_path: Path) -> Show:
    return Show(LiveParameters(DreamSettings()), Presets(tmp_path))


def at(studio: Studio) -> str:
    return f"127.0.0.1:{studio.port}"


def test_the_source_is_made_once_over_the_whole_picture(studio: Studio) -> None:
    notes = ObsNotes.read()
    obs = Obs(at(studio))
    assert obs.show(UDP, notes) == "made source 'livedream' in scene 'Scene'"
    assert studio.inputs["livedream"]["settings"] == {
        "is_local_file": False,
        "input": "udp://127.0.0.1:9000",
        "input_format": "mpegts",
        "buffering_mb": 0,
        "reconnect_delay_sec": 1,
        "hw_decode": False,
        "clear_on_media_end": False,
    }
    ((transform),) = (one["sceneItemTransform"] for one in studio.transforms)
    assert (transform["boundsWidth"], transform["boundsHeight"]) == (1920, 1080)
    studio.inputs["livedream"]["settings"]["buffering_mb"] = 2
    assert obs.show(UDP, ObsNotes.read()) == "showing source 'livedream'"
    assert studio.inputs["livedream"]["settings"]["buffering_mb"] == 0
    assert len(studio.transforms) == 1
    obs.close()


def test_a_source_of_that_name_that_is_something_else_stays(studio: Studio) -> None:
    studio.inputs["livedream"] = {"kind": "image_source", "settings": {}, "offset": 0}
    obs = Obs(at(studio))
    with pytest.raises(SourceError, match="another kind"):
        obs.show(UDP, ObsNotes.read())
    obs.close()


def test_everything_is_taken_back_weeks_later_too(studio: Studio) -> None:
    obs = Obs(at(studio))
    notes = ObsNotes.read()
    obs.show(UDP, notes)
    assert obs.delay(330, notes) == ["Mic/Aux"]
    obs.delay(360, ObsNotes.read())  # another day
    assert studio.inputs["Mic/Aux"]["offset"] == 360
    assert obs.undo(ObsNotes.read()) == [
        "removed source 'livedream'",
        "Mic/Aux: sync offset 20 ms, as before",
    ]
    assert "livedream" not in studio.inputs
    assert studio.inputs["Mic/Aux"]["offset"] == 20
    assert obs.undo(ObsNotes.read()) == []
    obs.close()


@pytest.mark.parametrize("name", ["\N{MICROPHONE} Mic", "Mic\x7f\n\x1b[2J", "Mic \ud800"])
def test_any_name_of_a_microphone_is_written_down(name: str, studio: Studio) -> None:
    studio.inputs[name] = {"kind": "pulse_input_capture", "settings": {}, "offset": 7}
    obs = Obs(at(studio))
    obs.delay(330, ObsNotes.read())
    assert list(ObsNotes.read().changes["Untitled"].offsets.values()) == [20, 7]
    said = obs.undo(ObsNotes.read())
    if "\ud800" in name:  # of which a file has no letter
        assert said[1:] == ["Mic ?: has gone from OBS"]
    else:
        assert said[1:] == [f"{name}: sync offset 7 ms, as before"]
    obs.close()


def test_what_obs_refuses_now_is_undone_later(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    obs = Obs(at(studio))
    notes = ObsNotes.read()
    obs.show(UDP, notes)
    obs.delay(330, notes)
    obs.close()
    studio.refuses = "RemoveInput"
    assert main(["obs", "--at", at(studio), "--undo"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "source 'livedream': not undone (obs: RemoveInput: 702)",
        "Mic/Aux: sync offset 20 ms, as before",
    ]
    studio.refuses = ""
    assert main(["obs", "--at", at(studio), "--undo"]) == 0
    assert capsys.readouterr().out == "removed source 'livedream'\n"
    assert "livedream" not in studio.inputs and studio.inputs["Mic/Aux"]["offset"] == 20


def test_each_scene_collection_is_undone_for_itself(studio: Studio) -> None:
    obs = Obs(at(studio))
    for collection, late_ms in (("Untitled", 330), ("Stage", 250)):
        studio.choose(collection)
        obs.show(UDP, ObsNotes.read())
        obs.delay(late_ms, ObsNotes.read())
    studio.choose("Elsewhere")
    assert obs.undo(ObsNotes.read()) == [
        "scene collection 'Untitled': choose it in OBS and undo again",
        "scene collection 'Stage': choose it in OBS and undo again",
    ]
    assert studio.inputs["Mic/Aux"]["offset"] == -40
    studio.choose("Untitled")
    assert obs.undo(ObsNotes.read()) == [
        "removed source 'livedream'",
        "Mic/Aux: sync offset 20 ms, as before",
        "scene collection 'Stage': choose it in OBS and undo again",
    ]
    assert studio.inputs["Mic/Aux"]["offset"] == 20
    assert "livedream" in studio.collections["Stage"]
    del studio.collections["Stage"]
    assert obs.undo(ObsNotes.read()) == ["scene collection 'Stage': has gone from OBS"]
    assert obs.undo(ObsNotes.read()) == []
    obs.close()


def test_what_was_deleted_in_obs_is_forgotten(studio: Studio) -> None:
    obs = Obs(at(studio))
    obs.show(UDP, ObsNotes.read())
    obs.delay(330, ObsNotes.read())
    studio.inputs.clear()
    assert obs.undo(ObsNotes.read()) == [
        "source 'livedream': has gone from OBS",
        "Mic/Aux: has gone from OBS",
    ]
    assert obs.undo(ObsNotes.read()) == []
    obs.close()


def test_a_scene_brings_its_preset(studio: Studio, show: Show) -> None:
    control = ObsControl(show, at(studio), ("udp://127.0.0.1:9000",))
    notes = ObsNotes.read()
    notes.scenes["Talking"] = "ink"
    notes.write()
    control = ObsControl(show, at(studio), ("udp://127.0.0.1:9000",))
    for scene, preset in (("menagerie", "menagerie"), ("Scene", "menagerie"), ("Talking", "ink")):
        studio.scene = scene
        control.step()
        assert show.preset_name == preset
        assert scene in control.health().detail
    # The microphones go with what OBS shows, the first one by UDP.
    for output, ms in (("rtmp live.example/***", 640), ("udp 127.0.0.1:9000", 250),
                       ("udp 127.0.0.1:9001", 400)):  # fmt: skip
        control.is_late(output, ms)
    control.step()
    assert studio.inputs["Mic/Aux"]["offset"] == 250
    control.close()


def test_what_is_assigned_while_a_show_runs_holds_and_stays(studio: Studio, show: Show) -> None:
    control = ObsControl(show, at(studio), ("udp://127.0.0.1:9000",))
    control.step()
    assert main(["obs", "--at", at(studio), "--scene", "Talking=ink"]) == 0
    studio.scene = "Talking"
    control.is_late("udp 127.0.0.1:9000", 250)  # which is written down as well
    control.step()
    assert show.preset_name == "ink"
    notes = ObsNotes.read()
    assert notes.changes == {"Untitled": ObsChanges(True, {"Mic/Aux": 20})}
    assert notes.scenes == {"Talking": "ink"}
    control.close()


def test_what_is_assigned_while_something_is_done_in_obs_stays(studio: Studio) -> None:
    obs, notes = Obs(at(studio)), ObsNotes.read()
    other = ObsNotes.read()
    other.scenes["Talking"] = "ink"
    other.write()
    obs.show(UDP, notes)
    obs.delay(330, notes)
    found = ObsNotes.read()
    assert found.changes == {"Untitled": ObsChanges(True, {"Mic/Aux": 20})}
    assert found.scenes == {"Talking": "ink"}
    obs.close()


def test_what_was_tuned_by_hand_stays_when_obs_was_away_for_a_moment(
    studio: Studio, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livedream.control.obs._AGAIN", 0)
    control = ObsControl(show, at(studio), ("udp://127.0.0.1:9000",))
    studio.scene = "menagerie"
    control.step()
    assert show.preset_name == "menagerie"
    show.preset("ink", 0.0)
    studio.nonsense = {}
    control.step()
    assert control.health().state == "lost"
    studio.nonsense = ...
    control.step()
    assert control.health().state == "ok"
    assert show.preset_name == "ink"
    control.close()


def test_the_delay_is_set_when_obs_is_back_and_without_one_that_has_no_sound(
    studio: Studio, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livedream.control.obs._AGAIN", 0)
    studio.inputs = {"Mute": {"kind": "pulse_input_capture", "settings": {}, "offset": None},
                     **studio.inputs}  # fmt: skip
    control = ObsControl(show, at(studio), ("udp://127.0.0.1:9000",))
    control.step()
    control.is_late("udp 127.0.0.1:9000", 250)
    studio.nonsense = {}
    control.step()
    assert studio.inputs["Mic/Aux"]["offset"] == 20
    studio.nonsense = ...
    control.step()
    assert studio.inputs["Mic/Aux"]["offset"] == 250
    assert control.health().state == "ok"
    studio.inputs["Mic/Aux"]["offset"] = 100  # by hand
    control.step()
    assert studio.inputs["Mic/Aux"]["offset"] == 100
    control.close()


def test_obs_may_come_later_and_come_back(
    studio: Studio, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livedream.control.obs._AGAIN", 0)
    port = studio.port
    control = ObsControl(show, f"127.0.0.1:{port}", ("udp://127.0.0.1:9000",))
    control.step()
    assert control.health().state == "ok"
    studio.close()
    control.step()
    assert control.health().state == "lost"
    control.step()
    assert "nothing answers" in control.health().detail
    again = Studio(port)
    try:
        again.scene = "menagerie"
        control.step()
        assert (control.health().state, show.preset_name) == ("ok", "menagerie")
        assert control.health().reconnects == 1
    finally:
        control.close()
        again.close()


@given(nonsense=st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["inputs", "currentProgramSceneName", "baseWidth"]), inner, max_size=2
    ),
    max_leaves=4,
))  # fmt: skip
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_answers_nonsense_is_as_good_as_nobody(
    nonsense: Any, studio: Studio, show: Show
) -> None:
    studio.nonsense = nonsense
    control = ObsControl(show, at(studio), ("udp://127.0.0.1:9000",))
    control.step()
    assert control.health().state == "lost"
    assert show.preset_name == ""
    control.close()


@pytest.mark.parametrize("wrong", ["sw0rdfish", ""])
def test_a_password_is_asked_for_and_never_shown(
    wrong: str, studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HOME", str(Path(PASSWORD)))  # no OBS's settings there
    caplog.set_level(logging.DEBUG)
    Obs(at(studio)).close()
    monkeypatch.setenv(PASSWORD, wrong)
    with pytest.raises(SourceError, match=PASSWORD) as raised:
        Obs(at(studio))
    assert SECRET not in caplog.text
    assert not wrong or wrong not in caplog.text + str(raised.value)


def test_where_nothing_answers_a_line_says_what_to_switch_on() -> None:
    with pytest.raises(SourceError, match="Enable WebSocket server"):
        Obs("127.0.0.1:1")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("global.ini", "\ufeff[General]\nA=1\n[OBSWebSocket]\nServerPort=%d\nServerPassword=%s\n"),
        (
            "plugin_config/obs-websocket/config.json",
            '{"server_port": %d, "server_password": "%s", "server_enabled": true}',
        ),
    ],
)
def test_obs_on_this_machine_is_found_by_its_own_settings(
    file: str, content: str, studio: Studio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(PASSWORD)
    monkeypatch.setattr("livedream.control.obs_address._folders", lambda: [tmp_path / "obs-studio"])
    path = tmp_path / "obs-studio" / file
    path.parent.mkdir(parents=True)
    path.write_text(content % (studio.port, SECRET), encoding="utf-8")
    obs = Obs()
    assert obs.scene == "Scene"
    obs.close()


def test_what_obs_can_show() -> None:
    def shown(*sinks: str) -> Any:
        settings = source_for(sinks, (640, 360), 29.97).settings
        return settings.get("input") or settings["url"]

    assert shown("browser", "udp://192.168.1.9:9005") == "udp://0.0.0.0:9005"
    assert shown("udp://localhost:9005") == "udp://127.0.0.1:9005"
    assert shown("udp://[::1]:9005") == "udp://[::1]:9005"
    assert shown("udp://[2001:db8::9]:9005") == "udp://[::]:9005"
    assert shown("udp://239.1.1.1:9005?ttl=4") == "udp://239.1.1.1:9005"
    assert shown("udp://[ff15::7]:9005") == "udp://[ff15::7]:9005"
    assert shown("udp://studio:9005") == "udp://0.0.0.0:9005"
    assert shown("ndi", "browser") == "http://127.0.0.1:8766/"
    assert shown("browser?of=layer") == "http://127.0.0.1:8766/"
    assert shown("browser:localhost:8000") == "http://localhost:8000/"
    assert shown("browser:8767") == "http://127.0.0.1:8767/"
    assert shown("browser:[::1]") == "http://[::1]:8766/"
    assert shown("browser:127.0.0.1:8766?token=a%26b") == "http://127.0.0.1:8766/?token=a%26b"
    # Of several the one that OBS hears, or may hear.
    assert shown("udp://192.168.1.9:9005", "udp://localhost:9006") == "udp://127.0.0.1:9006"
    assert shown("udp://192.168.1.9:9005", "udp://239.1.1.1:9006") == "udp://239.1.1.1:9006"
    for sinks in (("window",), ("browser:0.0.0.0:8766",), ("browser:0",)):
        with pytest.raises(SettingsError, match="add --sink udp"):
            source_for(sinks, (640, 360), 25.0)


@pytest.mark.parametrize(
    ("obs", "sink"),
    [
        ("192.168.1.9:4455", "udp://192.168.1.9:9000"),
        ("[2001:db8::9]:4455", "udp://[2001:db8::9]:9000"),
        ("studio", "udp://studio:9000"),
        ("", "udp://127.0.0.1:9000"),
        ("localhost:4455", "udp://127.0.0.1:9000"),
        ("[::1]:4455", "udp://127.0.0.1:9000"),
        ("127.0.0.2:4455", "udp://127.0.0.1:9000"),
    ],
)
def test_without_a_sink_the_picture_goes_to_where_obs_is(obs: str, sink: str, show: Show) -> None:
    job = job_of(build_parser().parse_args(["live", "0", "--obs", obs]))
    assert job.sinks == (sink,)
    ObsControl(show, obs, job.sinks)


def test_a_sink_that_stays_here_is_nothing_for_obs_elsewhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = ["live", "0", "--sink", "udp://127.0.0.1:9000", "--sink", "browser"]
    assert main([*here, "--obs", "192.168.1.9:4455"]) == 2
    said = capsys.readouterr().err
    assert "on 192.168.1.9 can show; add --sink udp://192.168.1.9:9000" in said
    assert said.count("\n") == 1
    both = ("udp://127.0.0.1:9000", "udp://192.168.1.9:9001")
    found = source_for(both, (640, 360), 25.0, "192.168.1.9:4455").settings
    assert found["input"] == "udp://0.0.0.0:9001"
    several = ("udp://10.0.0.7:9000", "udp://192.168.1.9:9001")
    found = source_for(several, (640, 360), 25.0, "192.168.1.9:4455").settings
    assert found["input"] == "udp://0.0.0.0:9001"


@pytest.mark.parametrize("sink", ["udp://127.0.0.1:90000", "udp://127.0.0.1", "browser:x:y"])
def test_a_sink_that_is_none_is_one_line(sink: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["live", "0", "--sink", sink, "--obs"]) == 2
    said = capsys.readouterr().err
    assert "the port must be" in said and said.count("\n") == 1


@pytest.mark.parametrize(
    "address",
    ["x:y", "[::1", "me:secret@127.0.0.1:4455", "me:secret@[::1", "127.0.0.1/path"],
)
def test_addresses_that_are_none(address: str, show: Show) -> None:
    with pytest.raises(SettingsError, match="obs: must be HOST:PORT") as raised:
        ObsControl(show, address, ("udp://127.0.0.1:9000",))
    assert "secret" not in str(raised.value)


def test_the_command(studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["obs", "--at", at(studio), "--scene", "Talking=ink", "--scene", "menagerie="]) == 0
    found = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert found[1:] == [["scene", "preset"], ["Scene"], ["menagerie"], ["Talking", "ink"]]
    assert main(["obs", "--at", at(studio), "--scene", "Talking=nonesuch"]) == 2
    assert main(["obs", "--at", at(studio), "--scene", "Talking"]) == 2
    assert main(["obs", "--at", at(studio), "--undo"]) == 0
    assert capsys.readouterr().out == "nothing to undo\n"
