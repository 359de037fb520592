"""What workers on Ray say of themselves; Ray itself is seen in tests/integration."""

import sys
from typing import Any

import pytest

from livedream.core.errors import SettingsError
from livedream.jobs.film.on_ray import Board, RayWorkers
from livedream.jobs.film.piece import Word


def word(first: int) -> Word:
    return Word("here:1", "film.mkv", first, 3, 50, 25.0, "cpu")


def test_what_is_done_is_forgotten() -> None:
    board = Board()
    for number in range(4):
        board.say(number, word(number))
    board.say(2, word(20))
    assert board.words([2, 3, 9]) == [word(20), word(3)]
    assert board.words(range(9)) == [word(20), word(3)]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"cpus": float("nan")}, "--cpus-per-worker: must be 0, or 0.0001 to 4096 .got nan"),
        ({"cpus": -1.0}, "got -1"),
        ({"cpus": 1e-5}, "got 1e-05"),
        ({"gpus": float("inf")}, "--gpus-per-worker: .*got inf"),
        ({"gpus": 1.5}, "must be a whole number above 1"),
        ({"count": 0}, "--workers: must be 1 or more"),
    ],
)
def test_what_no_worker_can_have_is_refused_before_ray_is_started(
    more: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # which then cannot be imported
    with pytest.raises(SettingsError, match=said):
        RayWorkers(**more)
