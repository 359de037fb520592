"""A live show's planes: with the live parameters of each frame, whatever becomes of their files."""

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from waiting import PATIENCE_S, until

from livedream.capture.live import LiveInput
from livedream.capture.live.beside import LivePictures
from livedream.core.errors import SettingsError
from livedream.core.frame import Motion, Picture
from livedream.core.grade import GradeSettings
from livedream.core.settings import DreamSettings
from livedream.core.snapshot import Snapshot
from livedream.live.regions import LiveRegions
from livedream.region.planes import Planes
from livedream.region.value import Leaf
from livedream.warp.remap import Plane

SETTINGS = DreamSettings(size="45p", feather=0.0)
GRAY = np.full((90, 160, 3), 128, np.uint8)


def moment(**more: Any) -> Snapshot:
    return Snapshot(0.0, SETTINGS.replace(**more), GradeSettings())


def test_planes_follow_the_parameters() -> None:
    regions = LiveRegions()
    assert regions.step(moment(objective="eyes"), GRAY, None, 0.04) is None
    left = regions.step(moment(where="left"), GRAY, None, 0.04)
    assert left is not None and left.grow is not None and left.grow.shape == (45, 80)
    assert left.grow[:, 50:].max() == 0 and left.grow[:, :30].min() == 1
    assert regions.step(moment(), GRAY, None, 0.04) is None


@pytest.mark.parametrize("before", [[""], ["left", ""], ["dark", "left", ""], ["dark", ""]])
def test_the_old_dream_fades_outside_of_a_region_set_while_it_runs(before: list[str]) -> None:
    regions, frame = LiveRegions(), GRAY.copy()
    frame[:, :80] = 20
    more = {"half_life": 0.2, "region_half_life": 0.0}
    for where in before:
        for _ in range(60):
            regions.step(moment(where=where, **more), frame, None, 0.04)
    found = []
    for _ in range(60):
        planes = regions.step(moment(where="dark", **more), frame, None, 0.04)
        assert planes is not None and planes.keep is not None
        found.append(float(planes.keep[20, 70]))
    assert found[0] == 1.0 and 0.0 < found[25] < 1.0 and found[-1] == 0.0


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


def test_an_address_that_becomes_unreadable_leaves_the_planes_as_they_are() -> None:
    def opener(text: str) -> LiveInput:
        raise SettingsError(f"{text}: that environment variable is not set")

    with LivePictures(opener) as pictures:
        regions = LiveRegions(pictures)
        before = regions.step(moment(where="left"), GRAY, None, 0.04)
        after = regions.step(moment(where="mask(rtsp://10.0.0.5/s)"), GRAY, None, 0.04)
    assert after is before and after is not None
    assert "is not set" in regions.note


class Network:
    """Finds the left of the picture, then the right; `took_s` by a clock of its own."""

    def __init__(self, took_s: float) -> None:
        self.took_s, self.now_s = took_s, 0.0
        self.looks: list[str] = []  # by thread
        self.right = False
        self.go = threading.Event()

    def score(self, leaf: Leaf, rgb: Picture) -> Plane:
        me = threading.current_thread().name
        self.looks.append(me)
        if "regions" in me:
            assert self.go.wait(PATIENCE_S)
        self.now_s += self.took_s
        found = np.zeros((9, 16), np.float32)
        found[:, 8 * self.right : 8 + 8 * self.right] = 1.0
        return found


def in_the_middle(planes: Planes | None) -> tuple[float, float]:
    """Of its left and of its right half."""
    assert planes is not None and planes.grow is not None
    return round(float(planes.grow[20, 20]), 3), round(float(planes.grow[20, 60]), 3)


def test_a_network_that_takes_long_looks_beside_the_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(took_s=0.06)
    monkeypatch.setattr("livedream.live.regions.network_score", network.score)
    monkeypatch.setattr(
        "livedream.live.regions.time", SimpleNamespace(perf_counter=lambda: network.now_s)
    )
    monkeypatch.setattr("livedream.region.wanted.check_region", lambda region, **_: None)
    regions, snapshot = LiveRegions(), moment(where="person", region_half_life=0.0)
    for _ in range(3):
        assert in_the_middle(regions.step(snapshot, GRAY, None, 0.04)) == (1.0, 0.0)
    assert not any("regions" in name for name in network.looks)
    network.right = True
    for _ in range(5):  # it looks and does not answer: the frames go on
        assert in_the_middle(regions.step(snapshot, GRAY, None, 0.04)) == (1.0, 0.0)
    network.go.set()
    until(lambda: in_the_middle(regions.step(snapshot, GRAY, None, 0.04)) == (0.0, 1.0))
    assert all("regions" in name for name in network.looks[3:])


@pytest.mark.parametrize("between", ["cut", "nothing wanted"])
def test_what_a_network_saw_before_is_not_found_after(
    between: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network(took_s=0.06)

    def score(leaf: Leaf, rgb: Picture) -> Plane:
        found = network.score(leaf, rgb)  # waits; after it the picture is white
        return np.ascontiguousarray(found[:, ::-1]) if rgb.min() == 255 else found

    monkeypatch.setattr("livedream.live.regions.network_score", score)
    monkeypatch.setattr(
        "livedream.live.regions.time", SimpleNamespace(perf_counter=lambda: network.now_s)
    )
    monkeypatch.setattr("livedream.region.wanted.check_region", lambda region, **_: None)
    regions, snapshot = LiveRegions(), moment(where="person")
    for _ in range(4):
        regions.step(snapshot, GRAY, None, 0.04)
    cut = Motion(np.zeros((2, 9, 16), np.float32), np.zeros((9, 16), np.float32), cut=True)
    white = np.full_like(GRAY, 255)
    if between != "cut":
        assert regions.step(moment(), white, None, 0.04) is None
    motion = cut if between == "cut" else None
    found = [in_the_middle(regions.step(snapshot, white, motion, 0.04))]
    network.go.set()

    def is_found() -> bool:
        found.append(in_the_middle(regions.step(snapshot, white, None, 0.04)))
        return found[-1] == (0.0, 1.0)

    until(is_found)
    assert set(found) == {(0.0, 0.0), (0.0, 1.0)}


def test_a_quick_network_looks_at_every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(took_s=0.002)
    monkeypatch.setattr("livedream.live.regions.network_score", network.score)
    monkeypatch.setattr(
        "livedream.live.regions.time", SimpleNamespace(perf_counter=lambda: network.now_s)
    )
    monkeypatch.setattr("livedream.region.wanted.check_region", lambda region, **_: None)
    regions, snapshot = LiveRegions(), moment(where="person", region_half_life=0.0)
    for number in range(8):
        network.right = number % 2 == 1
        wanted = (0.0, 1.0) if network.right else (1.0, 0.0)
        assert in_the_middle(regions.step(snapshot, GRAY, None, 0.04)) == wanted
    assert len(network.looks) == 8
