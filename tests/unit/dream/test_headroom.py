from fractions import Fraction

import numpy as np
import pytest

from livedream.core.frame import Frame, Picture
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.dream.headroom import dimmed
from livedream.dream.networks.network import Network

RAMP = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, 256, 3)


@pytest.mark.parametrize("by", [1.0, 14.0, 21.0, 36.0, 42.0])
def test_white_is_dimmed_by_so_much_and_what_is_darker_stays(by: float) -> None:
    found = dimmed(RAMP, by)[0, :, 0].astype(int)
    assert found[255] == 255 - round(by)
    knee = max(127, int(255 - 4 * by))
    assert np.array_equal(found[: knee + 1], np.arange(knee + 1))
    steps = np.diff(found)
    assert (steps >= 0).all(), "tones keep their order"
    assert np.convolve(steps, np.ones(4), "valid").min() >= 1, "and few become one"


def test_there_is_a_limit() -> None:
    assert np.array_equal(dimmed(RAMP, 100.0), dimmed(RAMP, 42.0))


def test_so_much_of_it_is_done() -> None:
    whole, half = (255 - dimmed(RAMP, 40.0, mix=mix)[0, 255, 0] for mix in (1.0, 0.5))
    assert (whole, half) == (40, 20)
    gray = RAMP[:, 150:200]
    lost = [gray.astype(int) - dimmed(gray, 40.0, mix=mix) for mix in (1.0, 0.5)]
    assert np.abs(lost[0] - 2 * lost[1]).max() <= 1


def test_nothing_to_be_done_gives_the_picture_itself() -> None:
    assert dimmed(RAMP, 0.0) is RAMP


def test_a_plane_says_where() -> None:
    white = np.full((20, 40, 3), 255, np.uint8)
    plane = np.zeros((10, 20), np.float32)
    plane[:, 10:] = 1.0
    found = dimmed(white, 20.0, plane)
    assert (found[:, :18] == 255).all()
    assert (found[:, 22:] == 235).all()
    assert np.array_equal(dimmed(RAMP, 20.0, np.ones((3, 3), np.float32)), dimmed(RAMP, 20.0))


def test_colours_are_kept_where_they_shall_be() -> None:
    """One channel alone would lose its colour."""
    red = np.full((2, 2, 3), (255, 200, 40), np.uint8)
    assert dimmed(red, 20.0)[0, 0].tolist() == [235, 198, 40]
    assert dimmed(red, 20.0, keep_colours=True)[0, 0].tolist() == [235, 180, 20]
    pure = np.full((2, 2, 3), (255, 0, 10), np.uint8)  # all stop together
    assert dimmed(pure, 20.0, keep_colours=True)[0, 0].tolist() == [255, 0, 10]


def test_on_white_a_dream_rises_as_it_falls(dreamnet: Network, texture: Picture) -> None:
    """Without headroom all that is brighter than white is lost."""
    bright = np.asarray(250 + texture // 52, np.uint8)

    def risen(headroom: float) -> float:
        settings = DreamSettings(headroom=headroom, device="cpu", engine="torch", size="source")
        dreamer = Dreamer(settings, dreamnet)
        dreamer.warm_up_s = 0.6
        shown = dreamer.step(Frame(bright, 0, Fraction(1, 25), 0)).frame.rgb.astype(int)
        return float((shown - dimmed(bright, headroom * settings.strength) > 4).mean())

    assert risen(1.0) > 0.2
    assert risen(0.0) < 0.05
