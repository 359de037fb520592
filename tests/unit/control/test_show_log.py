"""A show log on a disk that is full for a while."""

import json
import threading
import time
from pathlib import Path

import pytest
from waiting import PATIENCE_S, until

from livedream.control import show_log
from livedream.control.live_parameters import LiveParameters
from livedream.control.show_log import ShowLog
from livedream.core.settings import DreamSettings

resource = pytest.importorskip("resource", reason="only POSIX limits the size of a file")


def test_a_full_disk_is_reported_while_it_is_full_and_costs_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show_log, "PAUSE_S", 0.01)
    path = tmp_path / "show.jsonl"
    log = ShowLog(path, LiveParameters(DreamSettings()))
    log.start()
    log.recording(Path("0" * 1_000_000), 0.0)  # longer than any other file of the tests' process
    until(lambda: log.health().frames == 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = path.stat().st_size + 10  # the next line breaks off
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        for number in (1, 2, 3):
            log.recording(Path(f"{number}" * 10_000), 0.0)
        until(lambda: log.health().state == "lost")
        for _ in range(60):  # as long as about thirty attempts take
            assert log.health().state == "lost"
            time.sleep(0.005)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    until(lambda: log.health().state == "ok")
    log.recording(Path("4"), 0.0)
    log.close()
    names = [json.loads(line).get("recording") for line in path.read_text().splitlines()[2:]]
    assert names == [*(f"{number}" * 10_000 for number in (1, 2, 3)), "4"]
    health = log.health()
    assert (health.state, health.frames, health.dropped) == ("ok", 6, 0)


def test_passwords_in_masks_and_guides_are_not_logged(tmp_path: Path) -> None:
    camera = "rtsp://admin:s3cret@10.0.0.5/s"
    begun = {"where": f"left & mask({camera})", "objective": f"eyes + guide(eyes, {camera})"}
    parameters = LiveParameters(DreamSettings(**begun))
    log = ShowLog(tmp_path / "show.jsonl", parameters)
    log.start()
    parameters.apply({name: text.replace("eyes", "fur") for name, text in begun.items()})
    log.close()
    text = log.path.read_text()
    assert "s3cret" not in text
    header, change = map(json.loads, text.splitlines())
    shown = "guide(fur, rtsp://***@10.0.0.5/s)"
    assert header["dream"]["where"] == "left & mask(rtsp://***@10.0.0.5/s)"
    assert change["set"]["objective"] == f"fur + {shown}"


def test_what_a_full_disk_did_not_take_by_the_end_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show_log, "PAUSE_S", 600.0)
    log = ShowLog(tmp_path / "show.jsonl", LiveParameters(DreamSettings()))
    log.start()
    log.recording(Path("0" * 1_000_000), 0.0)
    until(lambda: log.health().frames == 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = log.path.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        for number in (1, 2, 3):
            log.recording(Path(f"{number}"), 0.0)
        until(lambda: log.health().state == "lost")
        closing = threading.Thread(target=log.close, daemon=True)
        closing.start()
        closing.join(PATIENCE_S)
        assert not closing.is_alive()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert log.health().dropped == 3
