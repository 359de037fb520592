"""Guides: what a network sees in a picture that a dream is drawn towards."""

from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from livedream.core.errors import NetworkError, SourceError
from livedream.core.frame import Picture
from livedream.dream.networks.network import Network
from livedream.dream.objectives.terms import TINY
from livedream.dream.objectives.value import GuidePicture
from livedream.region.films import check_film, is_film

# A guide's longer side, and how many of its features are compared at most.  Heuristic: a picture
# at the size the networks were trained on, and a search that is cheap beside the network.
_GUIDE_PX: Final = 320
_GUIDE_FEATURES: Final = 1024


def moves(picture: str | GuidePicture) -> bool:
    """Whether a guide is no single picture: a film, a folder of pictures, a live source."""
    return isinstance(picture, str) and is_film(picture)


@torch.no_grad()
def guide_features(network: Network, layer: str, picture: str | GuidePicture) -> Tensor:
    """What a layer sees in a picture: (C, Q) fp32 of mean square 1, at most 1024 positions.

    The picture is scaled to 320 px on its longer side, more where the network needs it. Of one that
    moves: zeros, which draw towards nothing, as many as of its largest picture.
    Raises NetworkError when it cannot be read.
    """
    body = network.truncated((layer,))
    if isinstance(picture, str) and moves(picture):
        try:
            check_film(picture, live=True)  # whether that may be, `MovingGuides` knows
        except SourceError as error:
            raise NetworkError(f"guide: {error}") from error
        square = np.zeros((_GUIDE_PX, _GUIDE_PX, 3), np.uint8)
        (found,) = seen_in(network, body, square)
        return torch.zeros_like(_thinned(found, _GUIDE_FEATURES))
    rgb = _read_picture(picture) if isinstance(picture, str) else picture.array()
    (found,) = seen_in(network, body, rgb)
    return _scaled(_thinned(found, _GUIDE_FEATURES))


def as_many(seen: Tensor, count: int) -> Tensor:
    """(C, count): the features of a layer's activation, (1, C, h, w), some of them again where it
    has fewer places: the nearest stays the nearest."""
    features = _scaled(_thinned(seen, count))
    return features[:, torch.arange(count) % features.shape[1]].contiguous()


@torch.no_grad()
def seen_in(network: Network, body: nn.Module, rgb: Picture) -> tuple[Tensor, ...]:
    """The activations of a truncated network, of a picture (H, W, 3) uint8 at a guide's size."""
    height, width = rgb.shape[:2]
    scale = max(_GUIDE_PX / max(height, width), network.minimum_size / min(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(np.ascontiguousarray(rgb), size, interpolation=method)
    x = torch.from_numpy(scaled).permute(2, 0, 1)[None].float() / 255
    found: tuple[Tensor, ...] = body(network.preprocessing.normalise(x))
    return found


def _thinned(activation: Tensor, most: int) -> Tensor:
    """(C, Q): those of every place, or of every second and so on, `most` at most."""
    step = 1
    while -(-activation.shape[2] // step) * -(-activation.shape[3] // step) > most:
        step += 1
    features: Tensor = activation[0, :, ::step, ::step].flatten(1)
    return features


def _scaled(features: Tensor) -> Tensor:
    return features / features.square().mean().sqrt().clamp_min(TINY)


def _read_picture(path: str) -> NDArray[np.uint8]:
    from livedream.capture.pictures import read_picture

    try:
        return read_picture(path)
    except SourceError as error:
        raise NetworkError(f"guide picture {error}") from error
