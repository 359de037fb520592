"""What workers on Ray say of themselves; Ray itself is seen in tests/integration."""

from livedream.jobs.film.on_ray import Board
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
