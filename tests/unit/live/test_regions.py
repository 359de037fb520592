"""A live show's planes: with the live parameters of each frame, whatever becomes of their files."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from livedream.core.grade import GradeSettings
from livedream.core.settings import DreamSettings
from livedream.core.snapshot import Snapshot
from livedream.live.regions import LiveRegions

SETTINGS = DreamSettings(size="45p", feather=0.0)
GRAY = np.full((90, 160, 3), 128, np.uint8)


def moment(**more: str) -> Snapshot:
    return Snapshot(0.0, SETTINGS.replace(**more), GradeSettings())


def test_planes_follow_the_parameters() -> None:
    regions = LiveRegions()
    assert regions.step(moment(objective="eyes"), GRAY, None, 0.04) is None
    left = regions.step(moment(where="left"), GRAY, None, 0.04)
    assert left is not None and left.grow is not None and left.grow.shape == (45, 80)
    assert left.grow[:, 50:].max() == 0 and left.grow[:, :30].min() == 1
    assert regions.step(moment(), GRAY, None, 0.04) is None


def test_a_prompt_s_words_have_planes() -> None:
    planes = LiveRegions().step(moment(prompt="owl@left in snow@top"), GRAY, None, 0.04)
    assert planes is not None and len(planes.terms) == 2
    assert planes.grow is not None and planes.grow[40, 75] == 0 and planes.grow[5, 75] == 1


def test_planes_of_both_objectives_while_one_gives_way() -> None:
    now = moment(objective="eyes@left")
    fading = replace(now, previous=SETTINGS.replace(objective="fur@top"), crossfade=0.5)
    for snapshot, count in ((now, 1), (fading, 2)):
        planes = LiveRegions().step(snapshot, GRAY, None, 0.04)
        assert planes is not None and len(planes.terms) == count
        assert planes.grow is not None and planes.grow[40, 75] == 0
    assert planes.grow[5, 75] == 1


def test_a_mask_that_goes_away_leaves_the_planes_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), np.full((9, 16), 255, np.uint8))
    regions, snapshot = LiveRegions(), moment(where=f"mask({path})")
    before = regions.step(snapshot, GRAY, None, 0.04)
    path.unlink()
    after = regions.step(snapshot, GRAY, None, 0.04)
    assert after is before and after is not None
    assert "mask.png" in regions.note
