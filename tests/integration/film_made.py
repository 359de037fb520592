"""A film of some shots for the tests, small, with sound."""

from pathlib import Path

import cv2
import numpy as np
from files_made import make_video

from livedream.core.frame import Picture

SIZE = 96, 64
STEP = 600  # of files_made's ticks: 25.6 a second


def shot(seed: int, frames: int) -> list[Picture]:
    """A camera that moves over a texture."""
    noise = np.random.default_rng(seed).normal(size=(160, 200, 3)).astype(np.float32)
    wall = sum(cv2.GaussianBlur(noise, (0, 0), s) * s for s in (1.5, 4.0))
    wall = np.clip(128 + 55 * wall / wall.std(), 0, 255).astype(np.uint8)
    width, height = SIZE
    return [
        np.ascontiguousarray(wall[n // 2 : n // 2 + height, n : n + width]) for n in range(frames)
    ]


def film(path: Path, *lengths: int, step: int = STEP, **more: object) -> Path:
    """Shots of so many frames each, in H.264 with frames that are not in the order of decoding.

    step: from frame to frame, in ticks."""
    pictures = [picture for seed, length in enumerate(lengths) for picture in shot(seed, length)]
    times = [step * number for number in range(len(pictures))]
    settings = {"g": "40", "bf": "2", "crf": "10", "x264-params": "scenecut=0"}
    return make_video(
        path, size=SIZE, times=times, pictures=pictures, tones=1, options=settings,
        **more,  # type: ignore[arg-type]
    )  # fmt: skip
