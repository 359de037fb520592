"""Tone mapping: the curves of the standards, and what must hold for any of them."""

import numpy as np
import pytest

from livedream.media.hdr import (
    HLG,
    PQ,
    ToneMap,
    hlg_to_light,
    light_to_pq,
    pq_to_light,
    rolled_off,
)


def test_pq_hits_the_levels_of_st_2084() -> None:
    # BT.2408, table: PQ signal for 100, 203 and 1,000 cd/m2.
    light = pq_to_light(np.array([0.0, 0.508, 0.581, 0.752, 1.0]))
    assert light == pytest.approx([0, 100, 203, 1000, 10_000], rel=0.01, abs=1e-6)


def test_pq_goes_both_ways() -> None:
    signal = np.linspace(0, 1, 50)
    assert light_to_pq(pq_to_light(signal)) == pytest.approx(signal, abs=1e-5)


def test_hlg_reference_white_is_203() -> None:
    # BT.2408: HLG at 75 % signal shows 203 cd/m2 on a display of 1,000.
    assert hlg_to_light(np.array([0.75]))[0] == pytest.approx(203, rel=0.01)


def test_the_roll_off_leaves_dark_tones_and_ends_at_white() -> None:
    light = np.array([0.0, 1.0, 10.0, 203.0, 1000.0, 10_000.0])
    mapped = rolled_off(light)
    assert mapped[:3] == pytest.approx(light[:3], rel=1e-3, abs=1e-4)
    assert 100 < mapped[3] < 203
    assert mapped[4:] == pytest.approx([203, 203], rel=1e-3)


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("wide", [False, True])
def test_grey_stays_grey_and_rises(transfer: int, wide: bool) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)
    rgb = ToneMap(transfer, wide=wide)(np.repeat(ramp[None, :, None], 3, axis=2))
    assert rgb.dtype == np.uint8
    assert rgb.shape == (1, 256, 3)
    grey = rgb[0].astype(int)
    assert np.ptp(grey, axis=1).max() <= 1
    assert (np.diff(grey[:, 1]) >= 0).all()
    assert grey[0].max() == 0
    assert grey[-1].min() >= 254


def test_wide_primaries_gain_saturation() -> None:
    # A colour inside BT.709 is less saturated when written in BT.2020.
    pale_red = np.array([[[30_000, 20_000, 20_000]]], dtype=np.uint16)
    wide = ToneMap(PQ, wide=True)(pale_red)[0, 0].astype(int)
    narrow = ToneMap(PQ, wide=False)(pale_red)[0, 0].astype(int)
    assert wide[0] - wide[1] > narrow[0] - narrow[1]
