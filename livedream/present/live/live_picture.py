"""Which picture of a frame an output sends: the dream, or what a compositor makes it of.

`of=` of an output says which: "dream" is what a window shows, "layer" the dream alone with alpha
(`livedream.present.layer`), "camera" the picture before it was dreamed on, "matte" the region.
"""

from typing import Final

import cv2
import numpy as np

from livedream.core.frame import Picture
from livedream.present.layer import dream_layer, matte
from livedream.present.live import LiveFrame

OPAQUE: Final = ("dream", "camera", "matte")
PICTURES: Final = ("dream", "layer", "camera", "matte")  # for outputs that carry alpha


def picture_of(frame: LiveFrame, of: str, *, soft: bool = False) -> Picture:
    """(H, W, 3) uint8, of a layer (H, W, 4) with straight alpha; of: one of PICTURES.

    Laid over the camera's picture, mirrored where the frame is, the layer gives `frame.rgb`,
    whatever has made the one of the other: the colours of the panel and the flash limiter as well
    as the dream.  A frame without a camera's picture has nothing on it.  soft: what a layer that is
    to be compressed should be.
    """
    if of == "dream":
        return frame.rgb
    if of == "matte":
        height, width = frame.rgb.shape[:2]
        return matte(frame.region, width, height)
    camera = frame.rgb if frame.camera is None else frame.camera
    if frame.camera is not None and frame.mirrored:
        camera = np.asarray(cv2.flip(camera, 1), np.uint8)
    return camera if of == "camera" else dream_layer(camera, frame.rgb, soft=soft)
