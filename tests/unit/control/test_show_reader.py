"""A show log that is played again, without dreaming."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from livedream.control.show_reader import Playback, ShowScript
from livedream.core.errors import SettingsError
from livedream.core.grade import GradeSettings
from livedream.core.settings import DreamSettings

BIRDS = {"network": "dreamnet-birds", "objective": "plumage", "prompt": ""}


def script(*lines: Mapping[str, Any], **dream: Any) -> ShowScript:
    """A show that began with the settings `dream`."""
    events = tuple((float(line["t"]), line) for line in lines)
    return ShowScript(
        Path("show.jsonl"), DreamSettings(**dream), GradeSettings(), (16, 9), events, {}
    )


@pytest.mark.parametrize(
    ("kept", "before", "after"),
    [
        ((), ("", "eyes", 20.0), ("dreamnet-birds", "plumage", 20.0)),
        (("strength",), ("", "eyes", 44.0), ("dreamnet-birds", "plumage", 44.0)),
        (("objective", "prompt"), None, ("dreamnet", "faces", 20.0)),
        (("network", "objective", "prompt"), None, ("dreamnet", "faces", 20.0)),
    ],
)
def test_what_is_given_again_is_kept_by_the_network_that_fades_out(
    kept: tuple[str, ...],
    before: tuple[str, str, float] | None,
    after: tuple[str, str, float],
) -> None:
    show = script({"t": 1.0, "set": BIRDS, "seconds": 4.0}, objective="eyes", strength=20.0)
    given = DreamSettings(network="dreamnet", objective="faces", strength=44.0)
    playback = Playback(show, given, kept)
    playback.snapshot(0.9)
    now = playback.snapshot(3.0)
    seen = [one and (one.network, one.objective, one.strength) for one in (now.fading, now.dream)]
    assert seen == [before, after]


def test_what_is_given_again_is_kept_of_what_moves_and_of_what_fades_out() -> None:
    moved = {"t": 0.5, "offsets": {"strength": {"modulator1": 0.25}}}
    show = script(moved, {"t": 1.0, "set": {**BIRDS, "strength": 30.0}, "seconds": 4.0})
    playback = Playback(show, DreamSettings(strength=44.0), ("strength",))
    now = playback.snapshot(3.0)
    assert now.fading is not None
    assert now.fading.strength == now.dream.strength == 44.0


@pytest.mark.parametrize(
    ("late", "said"),
    [
        ({"where": "mask(camera:1)"}, "where: camera:1 is live, .*, or give --where for the whole"),
        ({"where": "mask(missing.png)"}, "where: .*missing.png"),
        ({"objective": "eyes@mask(camera:1)"}, "objective: camera:1 is live"),
        ({"objective": "guide(faces, camera:1)"},
         "objective: guide: camera:1 is live, .*, or give --objective for the whole"),
        ({"objective": "guide(faces, missing.jpg)"}, "objective: guide: there is no picture"),
        ({"objective": "nosuchlayer"}, "objective: no layer 'nosuchlayer'"),
        ({"prompt": "nosuchthing"}, "prompt: .*nosuchthing.*, or give --prompt for the whole"),
        ({"network": "typo"}, "network: no network 'typo'"),
        ({"strength": 500.0}, "strength: must be 0 to 100"),
    ],
)  # fmt: skip
def test_what_cannot_be_dreamed_again_is_found_before_its_time(
    late: dict[str, Any], said: str
) -> None:
    show = script({"t": 2400.0, "set": late})
    for begin_s in (0.0, 2400.0, 3000.0):  # what was set before counts as well
        with pytest.raises(SettingsError, match=rf"--replay: show.jsonl, .*00 s: {said}"):
            Playback(show, show.dream).check(begin_s, 3600.0)
    Playback(show, show.dream).check(0.0, 2399.0)
    Playback(show, show.dream, tuple(late)).check(0.0, 3600.0)


def test_what_was_set_before_a_recording_and_is_no_more_does_not_count() -> None:
    live = {"where": "mask(camera:1)", "objective": "guide(faces, camera:1)"}
    show = script(
        {"t": 10.0, "set": {"where": "left", "prompt": "owl"}},  # which takes its place
        {"t": 20.0, "set": {"where": "right@"}},
        **live,
    )
    Playback(show, show.dream).check(12.0, 15.0)


def test_what_a_show_has_painted_is_there_when_it_is_dreamed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))  # where nothing was kept
    show = script({"t": 1.0, "set": {"objective": "eyes@painted"}}, where="painted")
    Playback(show, show.dream).check(0.0, 2.0)


def test_what_is_given_again_need_not_be_there_any_more() -> None:
    given = DreamSettings(where="left", objective="eyes")
    for kept in (("where",), ("objective", "prompt"), ("network", "objective", "prompt")):
        late = {"where": "mask(missing.png)"} if "where" in kept else {"objective": "nosuchlayer"}
        playback = Playback(script({"t": 1.0, "set": late}), given, kept)
        playback.check(0.0, 2.0)
        dream = playback.snapshot(2.0).dream
        assert {name: getattr(dream, name) for name in kept} == {
            name: getattr(given, name) for name in kept
        }


def test_a_prompt_that_is_given_again_is_dreamed_by_its_network_throughout() -> None:
    show = script({"t": 1.0, "set": BIRDS}, {"t": 3.0, "set": {"prompt": "castle"}})
    given = DreamSettings(prompt="elephant", strength=44.0)
    playback = Playback(show, given, ("prompt", "strength"))
    Playback(show, given, ("prompt", "strength")).check(0.0, 5.0)
    for time_s in (0.0, 1.1, 3.1, 9.0):
        now = playback.snapshot(time_s)
        assert (now.dream.network, now.dream.prompt) == ("dreamnet+dreamnet-things", "elephant")
        assert (now.fading, now.dream.strength) == (None, 44.0)
