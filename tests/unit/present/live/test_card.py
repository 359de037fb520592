"""The test card: one grid over the whole wall, marks of each display's own."""

import numpy as np

from livedream.present.live.card import draw_card


def test_two_displays_draw_the_same_lines_where_they_overlap() -> None:
    size = (800, 450)
    crops = (0.0, 0.2, 0.5, 0.5), (0.4, 0.2, 0.5, 0.5)
    left, right = (draw_card(size, crop, 16 / 9, n, ()) for n, crop in enumerate(crops))
    rows = slice(60, 220)  # between the corners' marks and a display's own middle
    # But for two px, which OpenCV draws otherwise where a line is cut off.
    a, b = left[rows, 642:798].astype(int), right[rows, 2:158].astype(int)
    assert np.abs(a - b).max() <= 2
    assert (a.max(axis=(0, 2)) > 100).any()
    assert (a.max(axis=(1, 2)) > 100).any()


def test_bars_ramp_and_corners() -> None:
    card = draw_card((640, 360), (0, 0, 1, 1), 16 / 9, 0, ("display 0", "640x360"))
    bars = card[270, 180:480:40]
    assert bars[0].tolist() == [255, 255, 255]
    assert len({tuple(bar) for bar in bars.tolist()}) == 8
    ramp = card[298, 160:480, 0].astype(int)
    assert (ramp[0], ramp[-1]) == (0, 255)
    assert (np.diff(ramp) >= 0).all()
    for y, x in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        assert card[y, x].tolist() == [255, 255, 255]
    without = draw_card((640, 360), (0, 0, 1, 1), 16 / 9, 0, ())
    assert (card[60:90, 200:440] != without[60:90, 200:440]).any()


def test_a_line_that_is_too_long_for_an_upright_display_is_made_smaller() -> None:
    """It was cut off at both sides."""
    size, line = (360, 640), "360x640 shows 160x284 of 320x284"
    card = draw_card(size, (0, 0, 1, 1), 16 / 9, 0, ("display 0", line))
    without = draw_card(size, (0, 0, 1, 1), 16 / 9, 0, ("display 0",))
    across = np.flatnonzero((card != without).any(axis=(0, 2)))
    assert 300 < across[-1] - across[0] < 360
    assert (card[180:230, [4, -5]] == without[180:230, [4, -5]]).all()
