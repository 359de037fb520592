"""A show log that is played again, without dreaming."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from livedream.control.show_reader import Playback, ShowScript
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
        (("objective", "prompt"), ("", "faces", 20.0), ("dreamnet-birds", "faces", 20.0)),
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
