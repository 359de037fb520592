"""Shows in processes of their own: started, stopped, begun again, and what goes on in the next."""

import gc
import json
from collections import ChainMap
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from show_made import COMMAND
from waiting import PATIENCE_S, no_thread_left, until
from websockets.sync.client import connect

from livedream.panel.curtain import Curtain
from livedream.panel.kept import Kept
from livedream.panel.setup import Setup
from livedream.panel.show_process import ShowProcess


@pytest.fixture
def show() -> Iterator[ShowProcess]:
    with closing(ShowProcess(command=COMMAND, stop_s=0.5, first_pause_s=0.1)) as made:
        made.open()
        yield made


def setup(folder: Path, source: str = "run", *opening: str) -> Setup:
    return Setup(words=(f"--source={source}", f"--record={folder / 'heard'}"), opening=opening)


def heard(folder: Path) -> list[dict[str, Any]]:
    file = folder / "heard"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def applied(messages: list[dict[str, Any]]) -> dict[str, Any] | None:
    """What a show was told to set when it began, None until it was told all of it."""
    before = list(takewhile(lambda message: "modulators" not in message, messages))
    told = [message["apply"] for message in before if "apply" in message]
    return dict(ChainMap(*told)) if len(before) < len(messages) else None


STATE = {
    "preset": "", "bpm": 120.0, "bpm_set": 0, "modulators": [], "program": None,
    "attracting": False,
}  # fmt: skip


def heard_from_a_show(beginning: tuple[str, ...] = (), **state: Any) -> Kept:
    """What is kept of one that said this of itself."""
    kept = Kept(beginning=beginning)
    kept.begin(())
    kept.hear({"hello": {}, "values": {}, "state": STATE})
    kept.hear({"state": {**STATE, **state}})
    return kept


def status(leader: str) -> dict[str, Any]:
    return {"status": {"tempo": {"leader": leader}}}


def say(show: ShowProcess, **message: Any) -> None:
    with connect(f"ws://127.0.0.1:{show.port}/socket", compression=None) as link:
        for _ in ("values", "state"):
            link.recv(timeout=PATIENCE_S)
        link.send(json.dumps(message))


def is_in(show: ShowProcess, state: str, number: int) -> bool:
    return (show.state.state, show.state.number) == (state, number)


def test_what_was_set_goes_on_in_the_next_show(show: ShowProcess, tmp_path: Path) -> None:
    show.start(setup(tmp_path, "run", "--preset=ink"))
    until(lambda: is_in(show, "running", 1))
    assert "--preset=ink" in heard(tmp_path)[0]["words"]
    say(show, apply={"strength": 33.0, "network": "googlenet", "blackout": True})
    until(lambda: "strength" in str(heard(tmp_path)))
    before = len(heard(tmp_path))
    show.start(setup(tmp_path, "run:again", "--preset=ink"))
    until(lambda: is_in(show, "running", 2))
    told = until(lambda: applied(heard(tmp_path)[before:]))
    assert told == {"strength": 33.0, "network": "googlenet", "blackout": True}
    (words,) = [m["words"] for m in heard(tmp_path) if "--source=run:again" in str(m)]
    assert "--network=googlenet" in words and "--preset=ink" not in words
    show.start(setup(tmp_path, "run:other", "--preset=neon"))  # which says how it begins
    until(lambda: is_in(show, "running", 3))
    (words,) = [m["words"] for m in heard(tmp_path) if "--source=run:other" in str(m)]
    assert "--preset=neon" in words and "--network=googlenet" not in words


def test_of_the_panel_and_the_set_up_what_was_said_last_counts(
    show: ShowProcess, tmp_path: Path
) -> None:
    for number, on, wanted in (
        (1, "bar:8", None), (2, "bar:8", "beat"), (3, "bar:2", None), (4, "", None), (5, "", "beat")
    ):  # fmt: skip
        begun = len(heard(tmp_path))
        words = setup(tmp_path).words + ((f"--on={on}",) if on else ())
        show.start(Setup(words=words, opening=()))
        until(lambda number=number: is_in(show, "running", number))
        if number > 1:
            found = until(lambda since=begun: applied(heard(tmp_path)[since:]))
            assert found.get("on") == wanted, number
        if wanted is None and number != 3:
            say(show, set="on", value="beat")
            until(lambda since=begun: "beat" in str(heard(tmp_path)[since:]))


@pytest.mark.parametrize("own", ["--weights=mine.pt", "--settings-from=film.mp4"])
def test_weights_of_ones_own_are_not_put_into_another_network(
    show: ShowProcess, tmp_path: Path, own: str
) -> None:
    """It begins with the weights, and goes over to the network that was chosen since."""
    wanted = Setup(words=(*setup(tmp_path).words, own), opening=())
    show.start(wanted)
    until(lambda: is_in(show, "running", 1))
    say(show, apply={"network": "googlenet"})
    until(lambda: "googlenet" in str(heard(tmp_path)))
    before = len(heard(tmp_path))
    show.start(wanted)
    until(lambda: is_in(show, "running", 2))
    told = until(lambda: applied(heard(tmp_path)[before:]))
    assert told["network"] == "googlenet"
    words = heard(tmp_path)[before]["words"]
    assert own in words and "--network=googlenet" not in words


def test_other_weights_undo_which_network_was_to_dream() -> None:
    kept = heard_from_a_show()
    chosen = {"network": "googlenet", "objective": "inception4c", "prompt": ""}
    kept.hear({"values": {name: [value, 0.0] for name, value in chosen.items()}})
    for words, wanted in (
        (("--weights=mine.pt",), dict.fromkeys(chosen, "")),
        (("--weights=mine.pt",), chosen),  # the same: chosen since
        (("--weights=other.pt",), dict.fromkeys(chosen, "")),
        ((), chosen),
    ):
        kept.begin(words)
        assert {"apply": wanted} in kept.messages()
        kept.hear({"values": {name: [value, 0.0] for name, value in chosen.items()}})


def test_what_was_set_is_still_there_the_next_day(tmp_path: Path) -> None:
    kept = tmp_path / "home" / "look.json"
    secret = "guide(faces, rtsp://me:secret@camera/1)"

    def shown(setup_: Setup, *, goes_on: bool = False) -> list[dict[str, Any]]:
        """What a studio of that day tells the show that it begins."""
        before = len(heard(tmp_path))
        with closing(ShowProcess(command=COMMAND, stop_s=0.5, kept=kept)) as show:
            show.open()
            show.start(setup_)
            until(lambda: show.state.state == "running")
            say(show, apply={"strength": 33.0, "blackout": True, "objective": secret})
            until(lambda: any("objective" in m.get("apply", {}) for m in heard(tmp_path)[before:]))
            until(lambda: not goes_on or applied(heard(tmp_path)[before:]))
            until(lambda: kept.exists() and "33.0" in kept.read_text(encoding="utf-8"))
        return heard(tmp_path)[before:]

    first = setup(tmp_path, "run", "--preset=ink")
    assert "--preset=ink" in shown(first)[0]["words"]
    text = kept.read_text(encoding="utf-8")
    assert "33.0" in text and "secret" not in text
    words, preset, *rest = (
        m for m in shown(first, goes_on=True) if "objective" not in m.get("apply", {})
    )
    assert "--preset=ink" not in words["words"]
    assert preset == {"preset": "made", "seconds": 0, "now": True}
    assert applied(rest) == {"strength": 33.0, "network": ""}
    words, *_ = shown(setup(tmp_path, "run", "--preset=neon"))
    assert "--preset=neon" in words["words"]
    for nonsense in ("{", "[]", '{"beginning": 3}', '{"beginning": [], "values": 4}', "[" * 9_999):
        kept.write_text(nonsense, encoding="utf-8")
        assert Kept.read(kept).messages() == []
    assert "--preset=ink" in shown(first)[0]["words"]


def test_what_the_next_show_refuses_takes_nothing_with_it() -> None:
    kept = heard_from_a_show()
    values = {"where": "mask(gone.png)", "objective": "eyes", "strength": 33.0, "network": "made"}
    kept.hear({"values": {name: [value, 0.5] for name, value in values.items()}})
    assert [message["apply"] for message in kept.messages() if "apply" in message] == [
        {"network": "made", "objective": "eyes"}, {"where": "mask(gone.png)"}, {"strength": 33.0}
    ]  # fmt: skip


def test_a_tempo_goes_on_where_it_was_set_by_hand_and_nobody_leads() -> None:
    def tempo(kept: Kept) -> float | None:
        return next((message["bpm"] for message in kept.messages() if "bpm" in message), None)

    assert tempo(heard_from_a_show()) is None
    assert tempo(heard_from_a_show(bpm=98.0)) is None  # somebody led it there
    kept = heard_from_a_show(bpm=98.0, bpm_set=1)
    assert tempo(kept) == 98.0
    kept.begin(())
    kept.hear({"hello": {}, "state": STATE, **status("")})
    assert tempo(kept) == 98.0
    kept.hear({"state": {**STATE, "bpm": 98.0, "bpm_set": 1}})  # it was set again
    kept.hear({"state": {**STATE, "bpm": 101.0, "bpm_set": 1}})
    assert tempo(kept) == 98.0
    kept.hear(status("MIDI clock"))
    assert tempo(kept) is None
    kept = heard_from_a_show(bpm=98.0, bpm_set=1)
    kept.begin(("--link",))
    assert tempo(kept) is None


def test_what_was_painted_is_left_for_the_next_show_unless_it_begins_afresh(
    tmp_path: Path,
) -> None:
    painted = tmp_path / "studio-painted.png"
    painted.touch()  # of a show of which nothing else is known
    with closing(ShowProcess(command=COMMAND, stop_s=0.5, kept=tmp_path / "look.json")) as show:
        show.open()
        for number, preset, stays in ((1, "ink", False), (2, "ink", True), (3, "neon", False)):
            show.start(setup(tmp_path, f"run:{number}", f"--preset={preset}"))
            until(lambda number=number: is_in(show, "running", number))
            until(lambda: show.left_with == "made")  # so that another can go on from it
            assert painted.exists() == stays
            painted.touch()  # as the show does
    words = [message["words"] for message in heard(tmp_path) if "words" in message]
    assert [f"--painting={painted}" in said for said in words] == [True, True, True]


def test_an_attract_program_is_not_taken_for_what_was_set() -> None:
    def goes_on(kept: Kept) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for message in kept.messages():
            values |= message.get("apply", message)
        return values

    kept = heard_from_a_show(preset="ink")
    kept.hear({"values": {"strength": [33.0, 0.5]}})
    before = goes_on(kept)
    assert (before["preset"], before["strength"]) == ("ink", 33.0)
    plays = {**STATE, "preset": "neon", "program": "aviary", "attracting": True}
    kept.hear({"state": plays})
    kept.hear({"values": {"strength": [50.0, 0.6], "hue": [20.0, 0.5]}, "state": plays})
    kept.hear({"values": {"mirror": [True, 1.0]}})  # by hand
    assert goes_on(kept) == before
    kept.hear({"values": {"strength": [33.0, 0.5], "hue": [0.0, 0.5]}})
    kept.hear({"state": {**STATE, "preset": "ink"}})
    assert goes_on(kept) == {**before, "hue": 0.0, "mirror": True}


def test_a_program_of_a_file_plays_again(show: ShowProcess, tmp_path: Path) -> None:
    file = tmp_path / "night.toml"
    opening = f"--program={file}"
    assert heard_from_a_show((opening,), program="night").messages()[-1] == {
        "program": "night", "now": True
    }  # fmt: skip
    file.touch()
    assert "program" not in str(heard_from_a_show((opening,), program="night").messages())
    assert heard_from_a_show((opening,)).program_file() == []  # it was ended
    show.start(setup(tmp_path, "run", opening))
    until(lambda: is_in(show, "running", 1))
    say(show, state={**STATE, "program": "night"})
    until(lambda: "night" in str(heard(tmp_path)[1:]))
    say(show, end=True)
    until(lambda: is_in(show, "running", 2))
    begun = [message["words"] for message in heard(tmp_path) if "words" in message]
    assert [opening in words for words in begun] == [True, True]


def test_a_show_that_dies_begins_again_as_it_was(show: ShowProcess, tmp_path: Path) -> None:
    show.start(setup(tmp_path))
    until(lambda: is_in(show, "running", 1))
    say(show, set="strength", value=33.0)
    say(show, end=True)
    until(lambda: is_in(show, "running", 2))
    assert until(lambda: applied(heard(tmp_path)))["strength"] == 33
    show.stop()
    until(lambda: show.state.state == "stopped")
    assert show.state.error == ""


def test_one_that_dies_at_once_takes_nothing_with_it(show: ShowProcess, tmp_path: Path) -> None:
    show.start(setup(tmp_path))
    until(lambda: is_in(show, "running", 1))
    say(show, set="strength", value=33.0)
    show.start(setup(tmp_path, "deaf"))  # which never says what was applied
    until(lambda: is_in(show, "running", 2))
    before = len(heard(tmp_path))
    show.start(setup(tmp_path, "run:again"))
    until(lambda: is_in(show, "running", 3))
    assert until(lambda: applied(heard(tmp_path)[before:]))["strength"] == 33.0


def test_one_that_fails_waits_and_stop_ends_that(show: ShowProcess, tmp_path: Path) -> None:
    show.start(setup(tmp_path, "exit:1"))
    until(lambda: show.state.number > 1 and show.state.state == "waiting")
    assert show.state.error == "the camera said no"
    show.stop()
    until(lambda: show.state.state == "stopped")


@pytest.mark.parametrize(("code", "error"), [(0, ""), (2, "the camera said no")])
def test_what_cannot_be_and_what_was_closed_is_not_tried_again(
    show: ShowProcess, tmp_path: Path, code: int, error: str
) -> None:
    show.start(setup(tmp_path, f"exit:{code}"))
    until(lambda: is_in(show, "stopped", 1))
    assert (show.state.error, show.state.refused) == (error, code == 2)


def test_one_that_ran_waits_for_what_it_began_with(show: ShowProcess, tmp_path: Path) -> None:
    """A camera that a crashed show has left is not there again at once."""
    show.start(setup(tmp_path))
    until(lambda: is_in(show, "running", 1))
    say(show, set="strength", value=33.0)
    (tmp_path / "refuse").touch()
    say(show, end=True)
    until(lambda: show.state.state == "waiting" and show.state.error == "the camera said no")
    (tmp_path / "refuse").unlink()
    until(lambda: show.state.state == "running")
    assert show.state.number > 2
    show.stop()
    until(lambda: show.state.state == "stopped")
    assert not show.state.refused


def test_what_was_set_is_said_once(show: ShowProcess, tmp_path: Path) -> None:
    show.start(setup(tmp_path))
    until(lambda: is_in(show, "running", 1))
    say(show, set="strength", value=33.0)
    say(show, end=True)
    until(lambda: is_in(show, "running", 2))
    until(lambda: applied(heard(tmp_path)))
    said = len(heard(tmp_path))
    say(show, away={"strength": 12.0})  # set while the link is broken, as by a computer's sleep
    until(lambda: show.left_with == "away")
    assert heard(tmp_path)[said:] == []
    say(show, end=True)
    until(lambda: is_in(show, "running", 3))
    assert until(lambda: applied(heard(tmp_path)[said:]))["strength"] == 12


def test_it_is_black_from_one_show_to_the_next(
    show: ShowProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(Curtain, "lower", lambda _, words: done.append(f"lower {words[0]}"))
    monkeypatch.setattr(Curtain, "lift", lambda _: done.append("lift"))
    whole = replace(
        setup(tmp_path, "window"), words=(*setup(tmp_path, "window").words, "--fullscreen")
    )
    show.start(whole)
    until(lambda: done)
    until(lambda: show.state.state == "running")
    assert done == ["lift"]  # there was none
    show.start(whole)
    until(lambda: len(done) == 3)
    assert done[1:] == ["lower --source=window", "lift"]
    until(lambda: show.state.state == "running")
    show.stop()
    until(lambda: show.state.state == "stopped")
    assert done[3:] == ["lift"]


def test_stop_ends_one_that_hangs(show: ShowProcess, tmp_path: Path) -> None:
    show.start(setup(tmp_path, "hang"))
    until(lambda: show.port)
    show.stop()
    until(lambda: show.state.state == "stopped")
    assert show.port is None


def test_three_shows_leave_no_thread_and_no_file(show: ShowProcess, tmp_path: Path) -> None:
    files = Path("/proc/self/fd")

    def play() -> int:
        """How many files are open after one more."""
        show.start(setup(tmp_path))
        until(lambda: show.state.state == "running")
        show.stop()
        until(lambda: show.state.state == "stopped")
        gc.collect()  # of other tests, too
        return len([*files.iterdir()]) if files.exists() else 0

    first = play()
    with no_thread_left():
        play()
        assert play() <= first
