"""What a scene's dream opens with: soft noise where the picture is flat.

In a sky or on a wall a network has nothing to begin with and draws rings and arches, which then
stay. In noise it sees animals, as people see them in clouds. So what a film or a still dreams
before its first frame is shown begins with that; by then most of it has faded. Figures:
docs/decisions/opening.md.
"""

from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from livedream.capture.sky import tileable_noise
from livedream.dream.clean import flatness

# By eye, as are the proportions of noise that stills are made from.
_SLOPE: Final = 1.4  # amplitude falls as frequency to this power
_COLOUR: Final = 0.6
_LINES: Final = 180  # it is soft: more would look the same


def opening(
    picture: Tensor, level: float, generator: np.random.Generator, *, keep_colours: bool = False
) -> Tensor:
    """(1, 3, h, w) to be added to the picture, within its range.

    picture: (1, 3, h, w) float32 in [0, 1].  level: RMS where the picture is entirely flat, in its
    units.  keep_colours: the same in all three channels.
    """
    height, width = picture.shape[2:]
    rows = min(height, _LINES)
    columns = max(2, round(rows * width / height))
    channels = np.stack([tileable_noise(generator, rows, columns, _SLOPE) for _ in range(3)])
    gray = channels.sum(0, keepdims=True) / np.float32(3**0.5)
    tint = 0.0 if keep_colours else _COLOUR
    noise = torch.from_numpy(tint * channels + (1 - tint) * gray).to(picture)[None]
    noise.mul_(level / float(noise.square().mean().sqrt()))
    size = (height, width)
    noise = F.interpolate(noise, size, mode="bicubic", align_corners=False)
    flat = F.interpolate(flatness(picture), size, mode="bilinear", align_corners=False)
    return noise.mul_(flat).add_(picture).clamp_(0.0, 1.0).sub_(picture)
