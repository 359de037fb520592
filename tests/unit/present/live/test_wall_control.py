"""What the window takes of what was set for its displays."""

import pytest

from livedream.present.live.placement import Placement
from livedream.present.live.wall_control import DisplayState, WallControl


@pytest.mark.parametrize(("left", "taken"), [(2, [0, 1]), (1, [0]), (0, [])])
def test_what_was_set_for_a_display_that_has_gone_is_dropped(left: int, taken: list[int]) -> None:
    wall, state = WallControl(), DisplayState("display", Placement())
    wall.publish((state, state))
    wall.set("wall/0/gamma", 2.0)
    wall.set("wall/1/gamma", 2.0)
    wall.publish((state,) * left)
    assert [number for number, _, _ in wall.take()] == taken
