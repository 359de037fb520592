"""How a picture becomes a network's input, as a value and as a line of text.

Convention
    Pictures come as (N, 3, H, W) RGB in [0, 1].  The network gets
    ``(x * scale - mean) / std``, its channels in ``channel_order``; ``mean`` and ``std`` are in
    the network's own order and scale, as its authors wrote them down.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from livedream.core.errors import SettingsError

Triple = tuple[float, float, float]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_VALUE = rf"(?:{_NUMBER}|\(\s*{_NUMBER}(?:\s*,\s*{_NUMBER}){{2}}\s*\))"
_PARTS = (
    ("order", re.compile(r"(RGB|BGR)", re.IGNORECASE)),
    ("scale", re.compile(r"0\s*\.\.\s*(1|255)")),
    ("both", re.compile(rf"\(\s*x\s*-\s*({_VALUE})\s*\)\s*/\s*({_VALUE})")),
    ("mean", re.compile(rf"(?:minus|mean)\s*({_VALUE})", re.IGNORECASE)),
    ("std", re.compile(rf"(?:divided by|std)\s*({_VALUE})", re.IGNORECASE)),
)
_WANTED = "'RGB, (x-0.5)/0.5' or 'BGR, 0..255, minus (104,117,123)'"


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """From a picture in [0, 1] to a network's input; see the module's convention.

    Raises SettingsError when a deviation is not positive.
    """

    mean: Triple
    std: Triple = (1.0, 1.0, 1.0)
    channel_order: Literal["RGB", "BGR"] = "RGB"
    scale: float = 1.0
    # One pair of constants per device and type: made anew for each frame they would cost a copy
    # from the host, which a CUDA graph does not allow.
    _constants: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = field(
        default_factory=dict, init=False, repr=False, compare=False, hash=False
    )

    def __post_init__(self) -> None:
        if min(self.std) <= 0 or self.scale <= 0:
            raise SettingsError(f"std and scale must be positive (got {self.std} and {self.scale})")

    def normalise(self, picture: Tensor) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] to the network's input, same shape, type and device.

        Differentiable: one multiply-add, and a flip of the channels for BGR.
        """
        offset, gain = self.constants(picture.device, picture.dtype)
        ordered = picture.flip(1) if self.channel_order == "BGR" else picture
        return torch.addcmul(offset, ordered, gain)

    def constants(self, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Offset and gain, (1, 3, 1, 1) each, in the network's channel order."""
        found = self._constants.get((device, dtype))
        if found is not None:
            return found
        gains = [self.scale / std for std in self.std]
        offsets = [-mean / std for mean, std in zip(self.mean, self.std, strict=True)]
        with torch.inference_mode(False):
            pair = (
                torch.tensor(offsets, device=device, dtype=dtype).view(1, 3, 1, 1),
                torch.tensor(gains, device=device, dtype=dtype).view(1, 3, 1, 1),
            )
        # What a tracer or a fake mode hands out must not outlive it.
        if type(pair[0]) is Tensor:
            self._constants[device, dtype] = pair
        return pair

    def __str__(self) -> str:
        """The text that `parse` turns back into this value."""
        scale = ", 0..255" if self.scale == 255 else ""
        return f"{self.channel_order}{scale}, mean {_text(self.mean)}, std {_text(self.std)}"

    @classmethod
    def parse(cls, text: str) -> "Preprocessing":
        """From a line such as ``BGR, 0..255, minus (104,117,123)``, its parts in any order.

        Parts: ``RGB`` or ``BGR``; ``0..1`` or ``0..255``; ``(x-M)/S``, or ``minus M`` (``mean M``)
        and ``divided by S`` (``std S``), M and S a number or three in parentheses; ``imagenet``
        alone for torchvision's.  Raises SettingsError naming the part that was not understood.
        """
        if text.strip().lower() == "imagenet":
            return IMAGENET
        order: Literal["RGB", "BGR"] = "RGB"
        scale, mean, std = 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        for part in re.split(r",\s*(?![^()]*\))", text.strip()):
            kind, values = _match(part.strip(), text)
            if kind == "order":
                order = "BGR" if values[0].upper() == "BGR" else "RGB"
            elif kind == "scale":
                scale = float(values[0])
            elif kind == "std":
                std = _triple(values[0])
            else:
                mean = _triple(values[0])
                std = _triple(values[1]) if kind == "both" else std
        return cls(mean=mean, std=std, channel_order=order, scale=scale)


def _match(part: str, text: str) -> tuple[str, tuple[str, ...]]:
    for kind, pattern in _PARTS:
        match = pattern.fullmatch(part)
        if match:
            return kind, match.groups()
    raise SettingsError(f"preprocessing {text!r}: cannot read {part!r}; must be such as {_WANTED}")


def _triple(text: str) -> Triple:
    numbers = [float(number) for number in re.findall(_NUMBER, text)]
    if len(numbers) == 1:
        numbers *= 3
    return (numbers[0], numbers[1], numbers[2])


def _text(values: Triple) -> str:
    return "({:.17g},{:.17g},{:.17g})".format(*values)


IMAGENET = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
"""Means and deviations of ImageNet's training pictures, as torchvision's weights expect them."""
