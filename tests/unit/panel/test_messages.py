"""What a page's messages do."""

from dataclasses import asdict
from pathlib import Path

import pytest

from livedream.control.catalogue import Catalogue
from livedream.control.live_parameters import Change, LiveParameters
from livedream.control.presets import Presets
from livedream.control.show import Show
from livedream.core.errors import SettingsError
from livedream.core.health import Health, Status
from livedream.core.settings import DreamSettings
from livedream.panel.messages import MessageHandler, health


@pytest.mark.parametrize("mirror", [False, True], ids=["plain", "mirrored"])
def test_a_stroke_lies_where_it_is_seen_and_is_logged_as_the_camera_sees_it(
    tmp_path: Path, mirror: bool
) -> None:
    parameters = LiveParameters(DreamSettings())
    parameters.painting.begin(320, 180)
    parameters.set("mirror", mirror)
    logged: list[Change] = []
    parameters.listen(logged.append)
    handler = MessageHandler(parameters, Show(parameters, Presets(tmp_path)), Catalogue())
    handler.handle(
        {"paint": [[0.1, 0.5], [0.25, 0.5]], "brush": 0.2, "begins": True}, origin="panel 1"
    )
    painted = parameters.painting.painted
    assert painted is not None
    seen = painted.plane[:, ::-1] if mirror else painted.plane
    middle, across = seen.shape[0] // 2, seen.shape[1]
    assert seen[middle, across // 5] == 1 and not seen[:, across // 2 :].any()
    assert logged[-1].painted == {
        "paint": [[0.9, 0.5], [0.75, 0.5]] if mirror else [[0.1, 0.5], [0.25, 0.5]],
        "brush": 0.2, "erase": False, "begins": True,
    }  # fmt: skip


@pytest.mark.parametrize("points", [[], [[]], [["a", 0.5]], [0.5], [[1.2, 0.5]], 7])
def test_points_that_are_none_are_refused_on_a_mirrored_picture_too(
    tmp_path: Path, points: object
) -> None:
    parameters = LiveParameters(DreamSettings())
    parameters.set("mirror", True)
    handler = MessageHandler(parameters, Show(parameters, Presets(tmp_path)), Catalogue())
    with pytest.raises(SettingsError):
        handler.handle({"paint": points, "brush": 0.2}, origin="panel 1")


@pytest.mark.parametrize("weights", ["", "own.safetensors"])
def test_a_page_is_told_who_dreams_and_whether_that_was_named(tmp_path: Path, weights: str) -> None:
    parameters = LiveParameters(DreamSettings(weights=weights))
    (tmp_path / "herd.toml").write_text('[dream]\nprompt = "elephant"')
    (tmp_path / "flock.toml").write_text('[dream]\nnetwork = "dreamnet-birds"\nprompt = "eagle"')
    handler = MessageHandler(parameters, Show(parameters, Presets(tmp_path)), Catalogue())

    def told() -> tuple[str, ...]:
        state = handler.state()
        return tuple(state[name] for name in ("named", "network", "dreaming"))

    alone, with_words = "dreamnet", "dreamnet+dreamnet-things"
    if weights:
        alone = with_words = "your weights"
    assert told() == ("", "dreamnet", alone)
    parameters.set("prompt", "elephant")
    assert told() == ("", "dreamnet", with_words)
    handler.handle({"set": "network", "value": "dreamnet"}, origin="panel 1")
    assert told() == ("dreamnet", "dreamnet", "dreamnet")
    handler.handle({"set": "network", "value": ""}, origin="panel 1")
    assert told() == ("", "dreamnet", alone)
    networks = {one["name"]: one["network"] for one in handler.state()["presets"]}
    assert (networks["herd"], networks["flock"]) == (with_words, "dreamnet-birds")


@pytest.mark.parametrize(
    ("state", "detail", "word"),
    [
        ("ok", "640x360", "ok"),
        ("starting", "", "ok"),
        ("starting", "nothing answers", "lost"),
        ("lost", "no frame comes", "lost"),
        ("failed", "", "failed"),
    ],
)
@pytest.mark.parametrize("where", ["source", "beside", "controllers"])
def test_one_word_says_whether_all_is_well(where: str, state: str, detail: str, word: str) -> None:
    part = Health("part", state, detail)
    status = Status(
        source=part if where == "source" else Health("clouds", "ok"),
        beside=(part,) if where == "beside" else (),
    )
    controllers = {"osc": asdict(part)} if where == "controllers" else {}
    assert health(asdict(status), controllers, 0.0)["state"] == word


@pytest.mark.parametrize(
    ("frames", "silent_s", "word"), [(900, 2.0, "ok"), (900, 60.0, "failed"), (0, 60.0, "ok")]
)
def test_a_loop_that_hangs_has_failed(frames: int, silent_s: float, word: str) -> None:
    """frames: none before the first, which may take its time."""
    status = Status(time_s=100.0, source=Health("clouds", "ok"), frames=frames, notes=("a note",))
    found = health(asdict(status), {}, 100.0 + silent_s)
    hangs = ("no picture for 60 s",) if word == "failed" else ()
    assert (found["state"], found["notes"]) == (word, ("a note", *hangs))


def test_of_two_networks_in_turns_all_layers_are_offered_each_with_its_pictures() -> None:
    parameters = LiveParameters(DreamSettings(network="dreamnet-birds+dreamnet-insects"))
    handler = MessageHandler(parameters, Show(parameters), Catalogue())
    layers = handler.state()["layers"]
    names = [one["name"] for one in layers]
    assert len(set(names)) == len(names)
    networks = {one["name"]: one["network"] for one in layers}
    assert (networks["plumage"], networks["wings"]) == ("dreamnet-birds", "dreamnet-insects")
    assert len({one["mark"] for one in layers}) == 2
