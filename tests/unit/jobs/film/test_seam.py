"""One dream gives way to another: at their level, and no frame changes more than the rest."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from livedream.core.frame import Frame, Motion, Picture
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import Network
from livedream.jobs.film.seam import Seam

SETTINGS = DreamSettings(
    size="source", flow="none", rise=0.0, half_life=0.8, strength=12.0, engine="torch"
)
STILL = Motion(np.zeros((2, 1, 1), np.float32), np.ones((1, 1), np.float32))
FRAMES = 6


def residual(frame: Frame, picture: Picture) -> np.ndarray:
    return frame.rgb.astype(float) - picture


def test_a_seam_leads_from_one_dream_to_the_other(dreamnet: Network, texture: Picture) -> None:
    picture = np.ascontiguousarray(texture[:90, :120])
    frames = [Frame(picture, n, Fraction(1, 25), n) for n in range(24)]
    one, other = (Dreamer(SETTINGS, dreamnet) for _ in range(2))
    for frame in frames[:12]:
        one.step(frame, STILL)
    for frame in frames[4:12]:
        other.step(frame, STILL)
    states = one.state.arrays(), other.state.arrays()
    seam = Seam(Dreamer(SETTINGS, dreamnet), states, FRAMES)
    dreams = [seam.step(frame, STILL) for frame in frames[12 : 12 + FRAMES]]
    ground = one.ground(picture)
    shown = [residual(dream.frame, ground) for dream in dreams]
    ways = [
        [residual(d.step(frame, STILL).frame, ground) for frame in frames[12 : 12 + FRAMES]]
        for d in (one, other)
    ]
    near = [
        [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(shown, way, strict=True)]
        for way in ways
    ]
    assert near[0] == sorted(near[0], reverse=True) and near[1] == sorted(near[1])
    assert near[0][0] > 0.95 and near[1][-1] > 0.95
    levels = [np.sqrt(np.mean(np.square(one))) for one in shown]
    assert levels == pytest.approx([12.0] * FRAMES, rel=0.02)


def test_a_mask_that_moves_is_at_the_film_s_time_in_both(
    dreamnet: Network, texture: Picture, tmp_path: Path
) -> None:
    for number in range(10):  # black, and white after 0.2 s
        mask = np.full((9, 16), 255 * (number >= 5), np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), mask)
    settings = SETTINGS.replace(where=f"mask({tmp_path}/%d.png)")
    picture = np.ascontiguousarray(texture[:90, :120])
    first = Dreamer(settings, dreamnet)
    first.start_s = 0.26
    first.step(Frame(picture, 0, Fraction(1, 25), 0), STILL)
    states = 2 * (first.state.arrays(),)
    shown = Seam(first, states, 1).step(Frame(picture, 1, Fraction(1, 25), 1), STILL)
    assert np.sqrt(np.mean(np.square(residual(shown.frame, picture)))) > 10


def test_across_a_cut_both_begin_afresh(dreamnet: Network, texture: Picture) -> None:
    picture = np.ascontiguousarray(texture[:90, :120])
    frames = [Frame(picture, n, Fraction(1, 25), n) for n in range(8)]
    one, whole = (Dreamer(SETTINGS, dreamnet) for _ in range(2))
    for frame in frames[:6]:
        whole.step(frame, STILL)
        if frame.index < 3:
            one.step(frame, STILL)
    one.state.frames, one.state.time_s, one.state.wandered = 6, frames[5].time_s, 0.0
    one.state.wandered = whole.state.wandered
    cut = Motion(STILL.flow, STILL.visibility, cut=True)
    seam = Seam(Dreamer(SETTINGS, dreamnet), (one.state.arrays(), whole.state.arrays()), 2)
    found, wanted = seam.step(frames[6], cut), whole.step(frames[6], cut)
    assert np.abs(residual(found.frame, picture) - residual(wanted.frame, picture)).max() <= 1
