"""Scenes of which the motion is known: textures that move by whole pixels or by an affine."""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livedream.core.frame import FlowField, Picture

Mask = NDArray[np.bool_]
MARGIN = 48  # px of texture around a picture, that a camera may move over


@dataclass(frozen=True)
class Scene:
    """Two frames and the truth about them.

    flow: (2, H, W) px, current to previous.  hidden: (H, W), the previous frame does not show
    the place.  body: (H, W), the moving body in the current frame.
    """

    current: Picture
    previous: Picture
    flow: FlowField
    hidden: Mask
    body: Mask

    def noisy(self, steps: float, seed: int = 0) -> "Scene":
        """With Gaussian noise, its own in either frame."""
        draw = np.random.default_rng(seed)
        current, previous = (noisy(p, steps, draw) for p in (self.current, self.previous))
        return replace(self, current=current, previous=previous)


def pair_of(current: Picture, previous: Picture) -> Tensor:
    """(2, 3, H, W) in [0, 1], as the search by torch takes them: the current frame first."""
    return torch.from_numpy(np.stack([current, previous])).permute(0, 3, 1, 2) / 255.0


def noisy(picture: Picture, steps: float, draw: np.random.Generator) -> Picture:
    return rounded(picture + draw.normal(0.0, steps, picture.shape))


def rounded(values: NDArray[Any]) -> Picture:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def textured(height: int, width: int, seed: int = 0, contrast: float = 45.0) -> Picture:
    """(height, width, 3) smooth coloured noise of several grains around the middle gray."""
    draw = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for grain in (1.5, 4.0, 12.0):
        noise = draw.normal(size=total.shape).astype(np.float32)
        total += cv2.GaussianBlur(noise, (0, 0), grain).reshape(total.shape) * grain
    return rounded(128 + contrast * total / max(1e-6, float(total.std())))


def moving_square(
    step: tuple[int, int] = (9, 0),
    camera: tuple[int, int] = (0, 0),
    *,
    side: int = 80,
    size: tuple[int, int] = (320, 180),
    flat: bool = False,
    seed: int = 0,
) -> Scene:
    """A textured square before a textured background, moved by `step` and `camera`, px.

    Both are how the picture's content moves from the previous frame to the current one.
    flat: the square is of one colour within a textured edge of 8 px.
    """
    width, height = size
    behind = textured(height + 2 * MARGIN, width + 2 * MARGIN, seed)
    square = textured(side, side, seed + 1000)
    if flat:
        square[8:-8, 8:-8] = (190, 120, 70)
    corner = (width - side) // 2 - step[0] // 2, (height - side) // 2 - step[1] // 2
    pictures, bodies = [], []
    for time in (0, 1):
        x, y = MARGIN - time * camera[0], MARGIN - time * camera[1]
        picture = behind[y : y + height, x : x + width].copy()
        left, top = corner[0] + time * step[0], corner[1] + time * step[1]
        body = np.zeros((height, width), bool)
        body[top : top + side, left : left + side] = True
        picture[body] = square.reshape(-1, 3)
        pictures.append(picture)
        bodies.append(body)
    flow = np.empty((2, height, width), np.float32)
    for axis in (0, 1):
        flow[axis] = np.where(bodies[1], -step[axis], -camera[axis])
    row, column = np.mgrid[0:height, 0:width]
    x, y = column - camera[0], row - camera[1]
    outside = (x < 0) | (x >= width) | (y < 0) | (y >= height)
    covered = bodies[0][np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    hidden = ~bodies[1] & (outside | covered)
    return Scene(pictures[1], pictures[0], flow, hidden, bodies[1])


def moved_camera(
    affine: NDArray[np.float64], *, size: tuple[int, int] = (320, 180), seed: int = 0
) -> Scene:
    """One textured wall, the flow being affine @ (x, y, 1) px at every pixel."""
    width, height = size
    wall = textured(height + 2 * MARGIN, width + 2 * MARGIN, seed)
    row, column = np.mgrid[0:height, 0:width].astype(np.float32)
    flow = np.stack([a * column + b * row + c for a, b, c in affine]).astype(np.float32)
    x, y = column + flow[0], row + flow[1]
    current = cv2.remap(wall, x + MARGIN, y + MARGIN, cv2.INTER_CUBIC)
    previous = wall[MARGIN : MARGIN + height, MARGIN : MARGIN + width].copy()
    outside = (x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)
    return Scene(rounded(current), previous, flow, outside, np.zeros((height, width), bool))


def shrunk(mask: Mask, by_px: int) -> Mask:
    """The mask without its edge: what is so far inside that no estimator should miss it."""
    side = 2 * by_px + 1
    border = {"borderType": cv2.BORDER_CONSTANT, "borderValue": 1}
    return cv2.erode(mask.astype(np.uint8), np.ones((side, side), np.uint8), **border) > 0


def half(mask: Mask) -> Mask:
    """At half the size: true where all four pixels are."""
    height, width = (side // 2 * 2 for side in mask.shape)
    return mask[:height, :width].reshape(height // 2, 2, width // 2, 2).all((1, 3))
