"""What `livedream jobs` tells of films."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from waiting import until

from livedream.cli import main
from livedream.core.errors import SinkError
from livedream.jobs.film import ledger as ledger_module
from livedream.jobs.film.ledger import Ledger, entries


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))


def test_what_became_of_films(capsys: pytest.CaptureFixture[str]) -> None:
    done, other, apart = Path("done.mkv"), Path("other.mkv"), Path("apart.mkv")
    with pytest.raises(SinkError), Ledger([done, other, apart]) as ledger:
        assert {entry.state for entry in entries()} == {"running"}
        ledger.note({done: (30, 30, 1), other: (3, 30, 2), apart: (30, 30, 0)})
        ledger.done(done)
        assert sorted(entry.state for entry in entries()) == ["done", "running", "running"]
        raise SinkError("the disk is full")
    found = {entry.output: entry for entry in entries()}
    assert (found["done.mkv"].state, found["done.mkv"].why) == ("done", "")
    assert (found["other.mkv"].state, found["other.mkv"].why) == ("failed", "the disk is full")
    assert found["apart.mkv"].state == "failed", "all its pieces are there, and not joined"
    assert (found["other.mkv"].done, found["other.mkv"].workers) == (3, 0)
    assert main(["jobs"]) == 0
    assert "other.mkv\tfailed\t3/30" in capsys.readouterr().out


def test_a_head_at_work_that_says_nothing_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr(ledger_module, "_EVERY_S", 0.01)
    monkeypatch.setattr(ledger_module, "time", SimpleNamespace(time=lambda: now_s))
    with Ledger([Path("film.mkv")]):
        now_s += 600.0  # cuts are sought
        until(lambda: [(one.state, one.changed_s) for one in entries()] == [("running", 1600.0)])


def test_a_head_that_says_nothing_has_died(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "start_thread", lambda *given, **more: None)
    Ledger([Path("film.mkv")]).__enter__()
    now_s = entries()[0].changed_s
    assert [entry.state for entry in entries(now_s + 20)] == ["running"]
    assert [entry.state for entry in entries(now_s + 40)] == ["died"]


def test_ctrl_c_and_the_newest_twenty() -> None:
    for number in range(22):
        with pytest.raises(KeyboardInterrupt), Ledger([Path(f"{number}.mkv")]):
            raise KeyboardInterrupt
    assert {entry.state for entry in entries()} == {"stopped"}
    assert len(entries()) == 20 and entries()[0].output == "21.mkv"


def test_a_name_that_is_not_utf_8() -> None:
    with Ledger([Path("\udcff.mkv")]):
        assert [entry.output for entry in entries()] == ["\udcff.mkv"]
