"""The closed loop over whole dreams: the level is held, whatever is dreamed on."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livedream.capture.sky import Sky
from livedream.core.frame import Frame, Picture
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import Network

WIDTH, HEIGHT = 112, 80
BASE = DreamSettings(size="source", objective="weave", rise=0.2)
FEW = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


def picture(kind: str) -> Picture:
    clouds = Sky(WIDTH, HEIGHT, 10.0, 1).paint(0.1)
    if kind == "clouds":
        return clouds
    if kind == "half white":
        clouds[:, : WIDTH // 2] = 255
        return clouds
    if kind == "noise":
        return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    value = {"black": 0, "grey": 128, "white": 255}[kind]
    return np.full((HEIGHT, WIDTH, 3), value, np.uint8)


KINDS = ("clouds", "half white", "noise", "black", "grey", "white")


def held(dreamer: Dreamer, rgb: Picture, seconds: float, fps: int = 25) -> list[float]:
    first = dreamer.state.frames
    return [
        dreamer.step(Frame(rgb, first + n, Fraction(1, fps), first + n)).level
        for n in range(round(seconds * fps))
    ]


@FEW
@given(
    kind=st.sampled_from(KINDS),
    strength=st.floats(2, 60),
    fps=st.sampled_from([10, 25, 50]),
    seed=st.integers(0, 1000),
)
@pytest.mark.slow
def test_the_level_stands_after_its_rise(
    dreamnet: Network, kind: str, strength: float, fps: int, seed: int
) -> None:
    dreamer = Dreamer(BASE.replace(strength=strength, seed=seed), dreamnet)
    levels = held(dreamer, picture(kind), 0.4, fps)
    after = levels[fps // 5 :]
    assert after == pytest.approx([strength] * len(after), rel=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_strength(dreamnet: Network, kind: str) -> None:
    """Up at once; down as fast as the half-life takes it, then it stands."""
    # With headroom, which follows the strength at once, what falls is clipped on white.
    settings = BASE.replace(strength=10.0, half_life=0.4, headroom=0.0)
    dreamer = Dreamer(settings, dreamnet)
    rgb = picture(kind)
    held(dreamer, rgb, 0.4)
    dreamer.adopt(dreamer.settings.replace(strength=30.0))
    assert held(dreamer, rgb, 0.2)[-1] == pytest.approx(30, rel=0.03)
    dreamer.adopt(dreamer.settings.replace(strength=10.0))
    levels = held(dreamer, rgb, 1.0)
    assert levels[4] == pytest.approx(30 * 0.5**0.5, rel=0.03)  # 0.2 s on
    assert min(levels) > 9.7
    assert levels[-1] == pytest.approx(10, rel=0.03)


def test_a_mask_does_not_change_the_level_inside(dreamnet: Network, tmp_path: object) -> None:
    import cv2

    path = f"{tmp_path}/mask.png"
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[20:60, 20:90] = 255
    cv2.imwrite(path, mask)
    dreamer = Dreamer(BASE.replace(where=f'mask("{path}")', feather=0.0, strength=20.0), dreamnet)
    rgb = picture("clouds")
    held(dreamer, rgb, 0.4)
    residual = dreamer.state.residual
    assert residual is not None
    inside = residual[0, :, 23:57, 23:87]  # the kernel that scales a dream up reaches 3 px
    assert float(inside.square().mean().sqrt()) * 255 == pytest.approx(20, rel=0.03)
    assert residual[0, :, :20].abs().max() == 0
