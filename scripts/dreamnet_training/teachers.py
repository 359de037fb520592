"""Teachers: frozen networks whose layers and class map a DreamNet learns to predict.

Convention
    A teacher takes float RGB in [0, 1], ``(N, 3, H, W)``, and gives its named layers on the
    student's grid: cell ``i`` at stride ``s`` is centred near pixel ``s * i + (s - 1) / 2`` (the
    picture is padded by PAD_PX, reflected, and the first cells of a symmetric-padded network
    are dropped, which leaves at most 2.5 px of misalignment).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

PAD_PX = 6
"""Reflected border of the teacher's input. 6 px line the grids up to within 2.5 px (heuristic)."""

LOGITS = "logits"


@dataclass(frozen=True)
class TeacherSpec:
    """How one architecture is recognised, built and read.

    known_by: a weight that only this layout has; mean, std, bgr: the input it was trained on, in
    units of [0, 1]; drop_first: whether the first row and column of its maps lie in the border;
    deepest, head: the layer before the pooling and the linear classifier after it, which together
    give the class map.
    """

    known_by: str
    build: Callable[[int], nn.Module]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    bgr: bool
    drop_first: bool
    deepest: str
    head: str


SPECS = {
    "squeezenet1_0": TeacherSpec(
        known_by="features.3.squeeze.weight",
        build=lambda classes: models.squeezenet1_0(num_classes=classes),
        mean=(104 / 255, 117 / 255, 123 / 255),  # after swapping: blue, green, red
        std=(1 / 255, 1 / 255, 1 / 255),
        bgr=True,
        drop_first=False,
        deepest="features.12",
        head="classifier.1",
    ),
    "mobilenet_v2": TeacherSpec(
        known_by="features.13.conv.0.0.weight",
        build=lambda classes: models.mobilenet_v2(num_classes=classes),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        bgr=False,
        drop_first=True,
        deepest="features.18",
        head="classifier.1",
    ),
    "googlenet": TeacherSpec(
        known_by="inception3a.branch1.conv.weight",
        build=lambda classes: models.googlenet(
            num_classes=classes, aux_logits=False, init_weights=False
        ),
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        bgr=False,
        drop_first=True,
        deepest="inception5b",
        head="fc",
    ),
}
"""Caffe's SqueezeNet, TensorFlow's MobileNetV2, torchvision's GoogLeNet (ImageNet or Places)."""


class Teacher(nn.Module):
    """A frozen teacher with the layers that are distilled.

    ``forward`` gives ``{layer: (N, C, h, w)}``; the entry LOGITS is the class map
    ``(N, classes, h', w')`` without a background class, at the teacher's own last stride.
    """

    mean: Tensor
    std: Tensor
    head_weight: Tensor
    head_bias: Tensor

    def __init__(
        self, name: str, net: nn.Module, layers: Sequence[str], *, background: int | None
    ) -> None:
        super().__init__()
        self.name = name
        self.spec = SPECS[name]
        self.layers = tuple(layers)
        self.background = background
        head = net.get_submodule(self.spec.head)
        weight = head.get_parameter("weight").detach()
        self.register_buffer("head_weight", weight.reshape(*weight.shape[:2], 1, 1))
        self.register_buffer("head_bias", head.get_parameter("bias").detach())
        nodes = {name: name for name in (*layers, self.spec.deepest)}
        self.body = create_feature_extractor(net, nodes)
        self.register_buffer("mean", torch.tensor(self.spec.mean)[None, :, None, None])
        self.register_buffer("std", torch.tensor(self.spec.std)[None, :, None, None])
        self.eval().requires_grad_(False)

    @property
    def num_classes(self) -> int:
        """Classes of the class map, without the background."""
        return int(self.head_bias.shape[0]) - int(self.background is not None)

    def whole_maps(self, rgb: Tensor) -> dict[str, Tensor]:
        """The layers as the network gives them, with the cells that lie in the border."""
        x = rgb.flip(1) if self.spec.bgr else rgb
        x = functional.pad((x - self.mean) / self.std, (PAD_PX,) * 4, mode="reflect")
        x = x.to(self.head_weight.dtype).contiguous(memory_format=torch.channels_last)
        maps: dict[str, Tensor] = self.body(x)
        found = {name: maps[name] for name in self.layers}
        logits = functional.conv2d(maps[self.spec.deepest], self.head_weight, self.head_bias)
        found[LOGITS] = self._without_background(logits)
        return found

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        found = self.whole_maps(rgb)
        if self.spec.drop_first:
            found.update({name: found[name][:, :, 1:, 1:] for name in self.layers})
        return found

    def grad_outputs(self, maps: dict[str, Tensor], layers: Sequence[str]) -> list[Tensor]:
        """Slopes of these layers' mean squares (times 5,000), for ``whole_maps``: those of the
        border's cells are zero. Why not of ``forward``'s: a gradient through a cut costs a third
        more time (measured on a CPU)."""
        found = []
        for name in layers:
            grad_output = maps[name].detach().clone()
            height, width = grad_output.shape[2:]
            if self.spec.drop_first:
                grad_output[:, :, 0] = 0
                grad_output[:, :, :, 0] = 0
                height, width = height - 1, width - 1
            found.append(grad_output.mul_(1e4 / (grad_output.shape[1] * height * width)))
        return found

    def _without_background(self, logits: Tensor) -> Tensor:
        if self.background is None:
            return logits
        return torch.cat([logits[:, : self.background], logits[:, self.background + 1 :]], dim=1)


class _Thinned(nn.Module):
    """A depthwise convolution of stride 2 as one of stride 1 of which every other value is kept.

    Why: oneDNN's input gradient of the strided one took a third of the whole teacher's (CPU)."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        conv.stride = (1, 1)
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv(x)[:, :, ::2, ::2]
        return result


def quickened(net: nn.Module) -> nn.Module:
    """The same network in evaluation mode, changed in place so that its gradients cost less: batch
    norm folded into the convolution before it, depthwise strides taken after. No ReLU works in
    place any more, which would change the layers that are read."""
    for module in net.modules():
        if isinstance(module, nn.ReLU | nn.ReLU6):
            module.inplace = False
    for parent in list(net.modules()):
        before: tuple[str, nn.Module] | None = None
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d) and before and isinstance(before[1], nn.Conv2d):
                setattr(parent, before[0], fuse_conv_bn_eval(before[1], child))
                setattr(parent, name, nn.Identity())
            before = (name, child)
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d) and child.groups > 1 and child.stride == (2, 2):
                setattr(parent, name, _Thinned(child))
    return net


def load_teacher(path: Path, layers: Sequence[str], background: int | None = None) -> Teacher:
    """A teacher from a ``.safetensors`` file in one of torchvision's layouts named in SPECS.

    background: index of a class that means "nothing", which is left out (a MobileNet of 1,001
    classes has it at 0). Raises ValueError for any other layout.
    """
    with safe_open(path, framework="pt") as file:
        state = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    names = [name for name, spec in SPECS.items() if spec.known_by in state]
    if not names:
        raise ValueError(
            f"{path}: none of the layouts {', '.join(SPECS)}; first keys: {sorted(state)[:3]}"
        )
    spec = SPECS[names[0]]
    classes = state[f"{spec.head}.bias"].shape[0]
    if background is None and classes == 1001:
        background = 0
    net = spec.build(classes)
    loaded = net.load_state_dict(state, strict=False)
    absent = [k for k in loaded.missing_keys if not k.endswith("num_batches_tracked")]
    unknown = [k for k in loaded.unexpected_keys if not k.startswith("aux")]
    if absent or unknown:
        raise ValueError(f"{path}: missing {absent[:3]}, unexpected {unknown[:3]}")
    return Teacher(names[0], quickened(net.eval()), layers, background=background)
