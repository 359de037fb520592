"""Green and magenta are damped; brightness, blue and amber stay."""

import pytest
import torch

from livedream.dream.tint import tinted

NEUTRAL = [(1.0, 1.0, 1.0), (0.5, 0.0, -0.5), (-0.3, -0.3, -0.3)]  # gray, amber against blue


def _of(colour: tuple[float, float, float], tint: float) -> list[float]:
    added = torch.tensor(colour).view(1, 3, 1, 1).repeat(1, 1, 4, 6)
    shown = tinted(added, tint)
    assert shown is added, "in place"
    assert shown.std(dim=(2, 3)).max() == 0
    return shown[0, :, 0, 0].tolist()


@pytest.mark.parametrize("colour", NEUTRAL)
def test_gray_blue_and_amber_stay(colour: tuple[float, float, float]) -> None:
    assert _of(colour, 0.0) == pytest.approx(colour)


@pytest.mark.parametrize("tint", [0.0, 0.4, 1.0, 2.0])
def test_green_and_magenta_are_kept_in_part(tint: float) -> None:
    for green in (0.6, -0.6):
        colour = (-green / 2, green, -green / 2)
        assert _of(colour, tint) == pytest.approx([tint * value for value in colour])


def test_one_leaves_an_addition_as_it_is() -> None:
    added = torch.randn(1, 3, 9, 7, generator=torch.Generator().manual_seed(1))
    assert torch.equal(tinted(added.clone(), 1.0), added)
