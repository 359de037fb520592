"""A guide picture's features: what a dream is drawn towards."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livedream.core.errors import NetworkError
from livedream.dream.networks.network import Network
from livedream.dream.objectives.value import GuidePicture

__all__ = ["guide_features"]

# A guide's longer side, and how many of its features are compared at most.  Heuristic: a picture
# at the size the networks were trained on, and a search that is cheap beside the network.
GUIDE_PX = 320
GUIDE_FEATURES = 1024
# A guide that leaves a layer silent has no direction; its features stay zero.
TINY = 1e-20


@torch.no_grad()
def guide_features(network: Network, layer: str, picture: str | GuidePicture) -> Tensor:
    """What a layer sees in a picture: (C, Q) fp32 of mean square 1, at most 1024 positions.

    The picture is scaled to 320 px on its longer side, more where the network needs it.
    Raises NetworkError when it cannot be read.
    """
    rgb = _read(picture) if isinstance(picture, str) else picture.array()
    height, width = rgb.shape[:2]
    scale = max(GUIDE_PX / max(height, width), network.minimum_size / min(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(np.ascontiguousarray(rgb), size, interpolation=method)
    x = torch.from_numpy(scaled).permute(2, 0, 1)[None].float() / 255
    (found,) = network.truncated((layer,))(network.preprocessing.normalise(x))
    step = 1
    while -(-found.shape[2] // step) * -(-found.shape[3] // step) > GUIDE_FEATURES:
        step += 1
    features: Tensor = found[0, :, ::step, ::step].flatten(1)
    return features / features.square().mean().sqrt().clamp_min(TINY)


def _read(path: str) -> NDArray[np.uint8]:
    try:
        # Not imread: it cannot open every path on Windows.
        coded = np.frombuffer(Path(path).read_bytes(), np.uint8)
        bgr = cv2.imdecode(coded, cv2.IMREAD_COLOR) if coded.size else None
    except (OSError, cv2.error) as error:
        raise NetworkError(f"guide picture {path}: {error}") from error
    if bgr is None:
        raise NetworkError(f"guide picture {path}: no picture that OpenCV can read")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
