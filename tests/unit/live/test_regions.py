"""A live show's planes: with the live parameters of each frame, whatever becomes of their files."""

from pathlib import Path

import cv2
import numpy as np

from livedream.core.settings import DreamSettings
from livedream.live.regions import LiveRegions

GRAY = np.full((90, 160, 3), 128, np.uint8)


def test_planes_follow_the_parameters() -> None:
    regions, settings = LiveRegions(), DreamSettings(size="45p", feather=0.0)
    assert regions.step(settings, GRAY, None, 0.04) is None
    left = regions.step(settings.replace(where="left"), GRAY, None, 0.04)
    assert left is not None and left.grow is not None and left.grow.shape == (45, 80)
    assert left.grow[:, 50:].max() == 0 and left.grow[:, :30].min() == 1
    assert regions.step(settings, GRAY, None, 0.04) is None


def test_a_mask_that_goes_away_leaves_the_planes_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), np.full((9, 16), 255, np.uint8))
    regions, settings = LiveRegions(), DreamSettings(size="45p", where=f"mask({path})")
    before = regions.step(settings, GRAY, None, 0.04)
    path.unlink()
    after = regions.step(settings, GRAY, None, 0.04)
    assert after is before and after is not None
    assert "mask.png" in regions.note
