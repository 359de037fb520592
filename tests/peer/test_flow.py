"""Our search and our comparison by torch, against OpenCV's DIS and the comparison by OpenCV."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scenes import Scene, moved_camera, moving_square, rounded, textured
from torch import Tensor

from livedream.core.frame import FlowField, Picture
from livedream.flow.classic import DisFlow
from livedream.flow.device_estimator import DeviceEstimator
from livedream.flow.inverse_search import InverseSearch
from livedream.flow.motion import compare
from livedream.flow.on_device import halved

CPU = torch.device("cpu")
SEARCH = DeviceEstimator(InverseSearch(CPU))
SIZE = (480, 270)


@cache
def scenes_of(kind: str) -> list[Scene]:
    if kind == "squares":
        motions = [((14, 0), (0, 0)), ((-9, 6), (3, 2)), ((4, -2), (-4, 1))]
        return [
            moving_square(step, camera, side=110, size=SIZE, seed=seed)
            for seed, (step, camera) in enumerate(motions)
        ]
    if kind == "cameras":
        affines = (
            [[0, 0, 5.3], [0, 0, -2.6]],
            [[0.02, 0.01, -4], [-0.01, 0.02, -2]],
            [[0, -0.03, 6], [0.03, 0, -9]],
        )
        return [moved_camera(np.array(a), size=SIZE, seed=seed) for seed, a in enumerate(affines)]
    # So far that DIS sometimes loses the body (docs/decisions/flow.md).
    steps = [(16, 8), (-20, 6), (4, 22), (-13, -15), (23, 0)]
    return [
        moving_square(step, side=80, size=(240, 160), seed=100 + seed)
        for seed, step in enumerate(steps)
    ]


def mean_error(flows: list[FlowField], scenes: list[Scene]) -> float:
    """End-point error, px, of what both pictures show."""
    return float(
        np.mean(
            [
                np.hypot(*(flow - scene.flow))[~scene.hidden].mean()
                for flow, scene in zip(flows, scenes, strict=True)
            ]
        )
    )


@pytest.mark.parametrize("noise", [0.0, 4.0])
@pytest.mark.parametrize("kind", ["squares", "cameras", "far"])
def test_the_search_is_as_good_as_opencv_s(kind: str, noise: float) -> None:
    scenes = [scene.noisy(noise) if noise else scene for scene in scenes_of(kind)]
    found, wanted = (
        mean_error([flow.estimate(scene.current, scene.previous) for scene in scenes], scenes)
        for flow in (SEARCH, DisFlow())
    )
    assert found <= 1.25 * wanted


class Told:
    """The same flows for both: for OpenCV whole, for torch at half the size."""

    device = CPU

    def __init__(self, scene: Scene) -> None:
        dis = DisFlow()
        self.current = scene.current
        there, back = ((scene.current, scene.previous), (scene.previous, scene.current))
        self.flows = [smooth(dis.estimate(*pictures)) for pictures in (there, back)]

    def estimate(self, current: Picture, previous: Picture) -> FlowField:
        return self.flows[0 if np.array_equal(current, self.current) else 1]

    def both(self, pictures: Tensor) -> Tensor:
        return halved(torch.from_numpy(np.stack(self.flows)))


def smooth(flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Enlarged from half the size, as both estimators find it."""
    half = halved(torch.from_numpy(flow)[None])
    size = flow.shape[1:]
    whole = torch.nn.functional.interpolate(half, size, mode="bilinear", align_corners=False)
    return np.asarray(whole[0].numpy(), np.float32)


def changed(scene: Scene, how: str) -> Scene:
    if how == "noise":
        return scene.noisy(3.0)
    if how == "flash":
        return replace(scene, current=rounded(scene.current * 1.4 + 10.0))
    if how == "odd size":
        current, previous = (p[:-3, :-5].copy() for p in (scene.current, scene.previous))
        return replace(scene, current=current, previous=previous)
    return scene


@pytest.mark.parametrize("how", ["as it is", "noise", "flash", "odd size"])
@pytest.mark.parametrize(
    ("kind", "number"), [(kind, n) for kind in ("squares", "cameras", "far") for n in range(3)]
)
def test_the_same_motion_from_the_same_flow(kind: str, number: int, how: str) -> None:
    scene = changed(scenes_of(kind)[number], how)
    told = Told(scene)
    wanted = compare(told, scene.current, scene.previous)
    found = DeviceEstimator(told).motion(scene.current, scene.previous)
    assert not wanted.cut and not found.cut
    assert np.abs(found.visibility - wanted.visibility).mean() < 0.005
    assert 2 * np.hypot(*(found.flow - wanted.flow)).mean() < 0.02


@pytest.mark.parametrize(
    "values", [(90, 150), (150, 90), (90, 100), (0, 255), ("texture", 90), (90, "texture")]
)
def test_the_same_cuts(values: tuple[int | str, int | str]) -> None:
    pictures = [
        textured(180, 320) if value == "texture" else np.full((180, 320, 3), value, np.uint8)
        for value in values
    ]
    scene = Scene(pictures[0], pictures[1], np.zeros((2, 180, 320), np.float32), *2 * [
        np.zeros((180, 320), bool)])  # fmt: skip
    told = Told(scene)
    wanted = compare(told, scene.current, scene.previous)
    assert DeviceEstimator(told).motion(scene.current, scene.previous).cut == wanted.cut
