"""What the window takes of what was set for its displays."""

import pytest

from livedream.core.errors import SettingsError
from livedream.present.live.placement import Placement
from livedream.present.live.wall_control import DisplayState, WallControl


def display(number: int) -> DisplayState:
    return DisplayState(number, f"display {number}", Placement())


@pytest.mark.parametrize("left", [[0, 1], [0], [1], []])
def test_what_was_set_for_a_display_that_has_gone_is_dropped(left: list[int]) -> None:
    wall = WallControl()
    wall.publish((display(0), display(1)))
    wall.set("wall/0/gamma", 2.0)
    wall.set("wall/1/gamma", 2.0)
    wall.publish(tuple(map(display, left)))
    assert [number for number, _, _ in wall.take()] == left


def test_while_a_display_is_missing_the_others_keep_their_numbers() -> None:
    wall = WallControl()
    wall.publish((display(0), display(2)), chosen=2)
    assert {name.split("/")[1] for name in wall.values()} == {"0", "2"}
    wall.set("wall/2/gamma", 2.0)
    wall.act("wall/undo")  # of the display that was clicked last
    assert list(wall.take()) == [(2, "gamma", 2.0), (2, "undo", None)]
    with pytest.raises(SettingsError, match=r"wall: display: must be one of 0, 2 \(got '1'\)"):
        wall.set("wall/1/gamma", 2.0)
    wall.publish((display(0),), chosen=2)  # now that one has gone as well
    wall.act("wall/undo")
    assert list(wall.take()) == [(0, "undo", None)]
