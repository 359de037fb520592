"""Host pictures, compared on a device: once per size captured, replayed on what is new."""

import logging
import weakref

import numpy as np
import pytest
import torch
from scenes import moved_camera, moving_square

from livedream.core.cuda_graph import Step
from livedream.flow import MotionFinder
from livedream.flow.device_estimator import DeviceEstimator
from livedream.flow.inverse_search import InverseSearch
from livedream.flow.motion import MotionEstimator, compare

CPU = torch.device("cpu")


class Counting:
    """A capture that replays the step itself, and notes how often."""

    def __init__(self) -> None:
        self.captured = self.replayed = 0

    def __call__(self, step: Step) -> Step:
        self.captured += 1
        step()

        def replay() -> None:
            self.replayed += 1
            step()

        return replay


def test_a_size_is_captured_once_and_replayed_on_what_is_new() -> None:
    capture = Counting()
    captured = DeviceEstimator(InverseSearch(CPU), capture)
    plain = DeviceEstimator(InverseSearch(CPU))
    for seed, size in enumerate([(160, 90), (160, 90), (80, 46), (160, 90)]):
        scene = moving_square((4, 2), side=30, size=size, seed=seed)
        found, wanted = (e.motion(scene.current, scene.previous) for e in (captured, plain))
        assert np.array_equal(found.flow, wanted.flow)
        assert np.array_equal(found.visibility, wanted.visibility) and not found.cut
    assert (capture.captured, capture.replayed) == (2, 4)


def test_where_nothing_can_be_captured_it_runs_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tried = []

    def refuse(step: Step) -> Step:
        tried.append(step)
        raise RuntimeError("operation not permitted when stream is capturing")

    estimator = DeviceEstimator(InverseSearch(CPU), refuse)
    with caplog.at_level(logging.WARNING):
        for size in ((160, 90), (80, 46)):
            scene = moving_square((4, 2), side=30, size=size)
            assert not estimator.motion(scene.current, scene.previous).cut
    assert len(tried) == 1 and len(caplog.records) == 1
    assert "without a CUDA graph" in caplog.text and "not permitted" in caplog.text


def test_what_is_given_up_is_gone_at_once() -> None:
    """And its memory with it: a search for cycles comes when it comes."""
    flow = InverseSearch(CPU)
    gone, estimator = weakref.ref(flow), DeviceEstimator(flow)
    scene = moving_square((4, 2), side=30, size=(80, 46))
    estimator.motion(scene.current, scene.previous)
    del flow, estimator
    assert gone() is None


def test_it_is_an_estimator_and_compare_leaves_all_to_it() -> None:
    estimator = DeviceEstimator(InverseSearch(CPU))
    assert isinstance(estimator, MotionFinder)
    scene = moved_camera(np.array([[0, 0, 6.0], [0, 0, -2.0]]))
    found = compare(estimator, scene.current, scene.previous)
    wanted = estimator.motion(scene.current, scene.previous)
    assert np.array_equal(found.flow, wanted.flow)
    motion = MotionEstimator(estimator, "source")
    assert motion.step(scene.previous) is None
    stepped = motion.step(scene.current)
    assert stepped is not None and np.array_equal(stepped.flow, wanted.flow)
    whole = estimator.estimate(scene.current, scene.previous)
    assert whole.shape == scene.flow.shape and whole.dtype == np.float32
    assert np.median(np.hypot(*(whole - scene.flow))[16:-16, 16:-16]) < 0.1
