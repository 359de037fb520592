"""Pictures that teachers paint of their classes, for want of photographs.

A teacher's plain dream of a class is noise that only the teacher understands. With the gradient's
spectrum divided by the frequency, and the picture shown at another size and place at every step, it
has to paint something that holds at all of them: on these pictures the student can learn what tells
the classes apart (as Yin et al., "Dreaming to Distill", 2020, with a smooth gradient in place of
their priors). Teachers of the same classes paint together: what one alone sees hardly grows.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from livedream.learn.album import clouds

from .dreaming import Rows, smoothed
from .pictures import PictureSet, crop
from .sheets import to_bytes
from .teachers import LOGITS, Teacher

SIZE_PX = 160
STEPS = 50
STEP_SIZE = 4 / 255
KEPT = 0.98
"""Of what has been painted, at every step: the rest fades, so that noise does not add up."""
SIDES_PX = (112, 144, 176)
"""At which the teacher is shown the picture, in turn: few, as each new one costs cuDNN seconds."""
SHIFT_PX = 16
BATCH, BATCH_ON_CUDA = 32, 512


def paint(teachers: Sequence[Teacher], classes: Rows, generator: np.random.Generator) -> Tensor:
    """A picture of each of these classes, (N, 3, SIZE_PX, SIZE_PX) in [0, 1], out of clouds.

    On the teachers' device. Sizes, shifts, steps and smoothness: heuristic, chosen by eye."""
    device, rng = teachers[0].head_weight.device, generator
    ground = clouds(len(classes), SIZE_PX, SIZE_PX, rng).to(device)
    wanted = functional.one_hot(torch.from_numpy(classes), teachers[0].num_classes).to(device)
    painted = ground
    for _ in range(STEPS):
        side = int(rng.choice(SIDES_PX))
        dy, dx = (int(v) for v in rng.integers(-SHIFT_PX, SHIFT_PX + 1, 2))
        x = painted.detach().requires_grad_(True)
        seen = functional.interpolate(
            torch.roll(x, (dy, dx), (2, 3)),
            (side, side),
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )
        seen = seen.flip(3) if rng.random() < 0.5 else seen
        looked = seen.detach().requires_grad_(True)
        upwards = torch.zeros_like(looked)
        for teacher in teachers:
            likely = teacher(looked)[LOGITS].float().mean(dim=(2, 3)).log_softmax(dim=1)
            (own,) = torch.autograd.grad(likely, looked, wanted.to(likely.dtype))
            upwards += _levelled(own.float())
        (gradient,) = torch.autograd.grad(seen, x, upwards)
        painted = painted + STEP_SIZE * _levelled(smoothed(gradient)) - ground
        painted = (ground + painted * KEPT).clamp(0, 1)
    return painted.detach()


def _levelled(gradient: Tensor) -> Tensor:
    """Each picture's divided by its mean size."""
    return gradient / (gradient.abs().mean(dim=(1, 2, 3), keepdim=True) + 1e-12)


def paint_classes(
    teachers: Sequence[Teacher], per_class: int, generator: np.random.Generator, to: Path
) -> None:
    """Paints every class ``per_class`` times, some once more, into a zip file of JPEGs, named by
    the class."""
    num_classes = teachers[0].num_classes
    count = num_classes * per_class
    most = BATCH_ON_CUDA if teachers[0].head_weight.is_cuda else BATCH
    batches = math.ceil(count / most)
    size = math.ceil(count / batches)  # of every batch: see SIDES_PX
    every = np.resize(np.arange(num_classes), batches * size)
    partial = to.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w") as archive:
        for first in range(0, len(every), size):
            classes = every[first : first + size]
            for row, picture in enumerate(paint(teachers, classes, generator).cpu()):
                data = io.BytesIO()
                Image.fromarray(to_bytes(picture[None])).save(data, "JPEG", quality=92)
                archive.writestr(f"{classes[row]:05d}/{first + row:06d}.jpg", data.getvalue())
            print(f"painted {first + len(classes)} of {len(every)} pictures", flush=True)
    partial.replace(to)


class Painted:
    """Painted pictures, by the class that each one shows."""

    def __init__(self, pictures: PictureSet) -> None:
        self.pictures = pictures
        self._of: dict[int, list[int]] = {}
        for index, name in enumerate(pictures.names):
            self._of.setdefault(int(Path(name).parent.name), []).append(index)

    def draw(self, classes: Rows, size_px: int, generator: np.random.Generator) -> Tensor:
        """One picture of each class, (N, 3, S, S), cut and turned at random."""
        indices = [int(generator.choice(self._of[int(number)])) for number in classes]
        return torch.cat([crop(self.pictures.picture(i), size_px, generator) for i in indices])
