"""What outputs to other programs' pictures have in common: their size, and RGBA."""

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import Picture
from livedream.present.live.address import Address

Pixels = NDArray[np.uint8]  # (H, W, 4)

PROGRAM = "livedream"  # the name under which others see the picture, where none is given


def sender_name(address: Address) -> str:
    """What stands behind the colon, or the program's own name; no option is known."""
    address.finish()
    return address.rest or PROGRAM


def fitted(rgb: Picture, width: int, height: int) -> Picture:
    """The picture at the size that was announced."""
    if rgb.shape[:2] == (height, width):
        return np.ascontiguousarray(rgb)
    return cast(Picture, cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA))


def with_alpha(rgb: Picture) -> Pixels:
    """(H, W, 3) to (H, W, 4), opaque."""
    return cast(Pixels, cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA))
