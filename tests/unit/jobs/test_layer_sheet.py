"""Sheets of layers: the loud channels are found, each tile is its own dream."""

from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from livedream.core.errors import NetworkError, SettingsError
from livedream.dream.networks.network import Network
from livedream.jobs import layer_sheet
from livedream.jobs.image import soft_noise
from livedream.jobs.layer_sheet import (
    MOST_LAYERS,
    LayerRow,
    SheetPlan,
    draw_rows,
    strongest_channels,
    whole_sheet,
)

SMALL: dict[str, Any] = {"width": 96, "height": 64, "rounds": 2}


def test_a_row_is_the_layer_and_its_channels(dreamnet: Network) -> None:
    plan = SheetPlan(layers=("strokes", "EYES"), channels=2, **SMALL)
    rows = list(draw_rows(dreamnet, plan))
    assert [row.layer for row in rows] == ["strokes", "eyes"]
    for row in rows:
        assert len(row.channels) == 2 and len(row.tiles) == 3
        assert row.tiles[0].shape == (64, 96, 3)
    tiles = [tile for row in rows for tile in row.tiles]
    below = [tile[24:].astype(int) for tile in tiles]  # where no label stands
    for index, one in enumerate(below):
        for other in below[index + 1 :]:
            assert np.abs(one - other).mean() > 1


def test_the_channels_are_the_loudest_that_answer(dreamnet: Network) -> None:
    noise, dream = soft_noise(96, 64, 0), soft_noise(96, 64, 1)
    found = strongest_channels(dreamnet, "faces", noise, dream, 9)

    def loudness(picture: np.ndarray) -> torch.Tensor:
        rgb = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
        (value,) = dreamnet.truncated(["faces"])(dreamnet.preprocessing.normalise(rgb))
        return value.detach().square().mean(dim=(0, 2, 3))

    before, after = loudness(noise), loudness(dream)
    assert len(set(found)) == 9
    levels = [float(after[i]) for i in found]
    assert levels == sorted(levels, reverse=True)
    assert all(before[i] > 0 for i in found)
    others = [i for i in range(len(after)) if i not in found and before[i] >= before.mean()]
    assert max(float(after[i]) for i in others) <= levels[-1]


def test_the_same_seed_draws_the_same(dreamnet: Network) -> None:
    def drawn(seed: int) -> np.ndarray:
        plan = SheetPlan(layers=("eyes",), channels=0, seed=seed, **SMALL)
        return next(iter(draw_rows(dreamnet, plan))).tiles[0]

    assert np.array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))


def test_it_is_dreamed_on_the_device_that_is_named(
    dreamnet: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    dreamer = Mock(side_effect=KeyboardInterrupt)
    monkeypatch.setattr(layer_sheet, "Dreamer", dreamer)
    with pytest.raises(KeyboardInterrupt):
        next(draw_rows(dreamnet, SheetPlan(layers=("eyes",), device="cpu", **SMALL)))
    assert dreamer.call_args.args[0].device == "cpu"


def test_short_rows_end_in_grey() -> None:
    tile = np.full((8, 10, 3), 200, np.uint8)
    sheet = whole_sheet([LayerRow("a", (1,), (tile, tile)), LayerRow("b", (), (tile,))])
    assert sheet.shape == (8 + 4 + 8, 10 + 4 + 10, 3)
    assert sheet[0, 14, 0] == 200 and sheet[12, 14, 0] == 16


def test_bad_plans_are_refused(dreamnet: Network) -> None:
    with pytest.raises(SettingsError, match="name some with --layer"):
        SheetPlan(layers=("x",) * (MOST_LAYERS + 1))
    with pytest.raises(SettingsError, match="0 to 64"):
        SheetPlan(layers=("x",), channels=65)
    with pytest.raises(NetworkError, match="did you mean eyes"):
        list(draw_rows(dreamnet, SheetPlan(layers=("eyez",), **SMALL)))
