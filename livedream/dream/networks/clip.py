"""CLIP as a dreaming network: its image encoder, and what it makes of a sentence.

open_clip builds both encoders; the image encoder is changed in one place so that pictures of any
size go in. Pictures and sentences end as vectors in one space, and what fits together lies in one
direction.  Source: Radford et al., "Learning Transferable Visual Models From Natural Language
Supervision", ICML 2021.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livedream.core.errors import NetworkError, WeightsError, first_line
from livedream.dream.networks.weights import WeightsFile

CLIP = "clip"

Encoder = Callable[[str], Tensor]
"""A sentence to its vector, (D,) fp32, of length 1."""


class AttentionPool(nn.Module):
    """open_clip's `AttentionPool2d` for features of any size: (N, C, h, w) to (N, D).

    Its positions, learned for one size, are scaled to that of the features. Only the query that is
    read is computed, that of the mean.
    """

    def __init__(self, of: Any) -> None:
        """Takes over the library's weights."""
        super().__init__()
        self.mean_position = nn.Parameter(of.positional_embedding[:1].detach())
        side = round((len(of.positional_embedding) - 1) ** 0.5)
        grid = of.positional_embedding[1:].detach().T.reshape(1, -1, side, side)
        self.positions = nn.Parameter(grid)
        self.q_proj, self.k_proj, self.v_proj, self.c_proj = (
            of.q_proj,
            of.k_proj,
            of.v_proj,
            of.c_proj,
        )
        self.heads: int = of.num_heads

    def forward(self, x: Tensor) -> Tensor:
        positions = F.interpolate(self.positions, x.shape[2:], mode="bicubic")
        places = (x + positions.to(x.dtype)).flatten(2).transpose(1, 2)
        mean = x.mean((2, 3))[:, None] + self.mean_position.to(x.dtype)
        seen = torch.cat([mean, places], 1)
        query, keys, values = (
            linear(what).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for linear, what in ((self.q_proj, mean), (self.k_proj, seen), (self.v_proj, seen))
        )
        found = F.scaled_dot_product_attention(query, keys, values)
        pooled: Tensor = self.c_proj(found.transpose(1, 2).flatten(1))
        return pooled


class ClipImages(nn.Module):
    """The image encoder, normalised pictures to vectors, and the sentences' beside it."""

    def __init__(self, encoder: Any, encode_text: Encoder) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            encoder.conv1, encoder.bn1, encoder.act1,
            encoder.conv2, encoder.bn2, encoder.act2,
            encoder.conv3, encoder.bn3, encoder.act3, encoder.avgpool,
        )  # fmt: skip
        self.layer1, self.layer2 = encoder.layer1, encoder.layer2
        self.layer3, self.layer4 = encoder.layer3, encoder.layer4
        self.attnpool = AttentionPool(encoder.attnpool)
        self.encode_text = encode_text

    def forward(self, x: Tensor) -> Tensor:
        for part in (self.stem, self.layer1, self.layer2, self.layer3, self.layer4):
            x = part(x)
        vectors: Tensor = self.attnpool(x)
        return vectors


def load_clip(file: WeightsFile) -> ClipImages:
    """From a state dict as OpenAI published them: RN50 and its larger kin.

    Raises NetworkError without open_clip, WeightsError when the weights are another network's.
    """
    library = _open_clip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library's, of its own ways
            model = library.model.build_model_from_openai_state_dict(dict(file.tensors)).float()
    except (KeyError, RuntimeError, AssertionError) as error:
        raise WeightsError(
            f"weights {file.path}: not those of CLIP ({first_line(error)})"
        ) from error
    return _images(model, library, f"weights {file.path}")


def untrained_clip(name: str) -> ClipImages:
    """As the library makes it, under its name for it."""
    library = _open_clip()
    return _images(library.CLIP(**library.get_model_config(name)), library, CLIP)


def _images(model: Any, library: Any, whose: str) -> ClipImages:
    if not hasattr(model.visual, "attnpool"):
        raise WeightsError(f"{whose}: the image encoder must be a ResNet such as RN50")
    model.eval().requires_grad_(False)

    def encode_text(sentence: str) -> Tensor:
        with torch.inference_mode():
            vector: Tensor = model.encode_text(library.tokenize([sentence]), normalize=True)[0]
        return vector.float().clone()

    return ClipImages(model.visual, encode_text)


def _open_clip() -> Any:
    try:
        import open_clip
    except ImportError as error:
        raise NetworkError(
            'clip needs open_clip, which is not installed; pip install "livedream[clip]"'
        ) from error
    return open_clip
