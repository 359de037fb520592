"""DreamNet: a small convolutional network made for being dreamed with.

Convention
    A picture is ``(N, 3, H, W)`` float RGB, normalised with the mean and deviation that the weights
    file records, any height and width from 64 px up, no multiple required. Stages run at strides
    2, 4, 8 and 16; cell ``i`` of a map at stride ``s`` is centred on pixel ``s * i + (s - 1) / 2``.

Why it looks like this
    Every convolution that halves the picture is 4x4 with stride 2: its kernel is a multiple of its
    stride, so each input pixel takes part in the same number of products and the input gradient has
    no checkerboard of its own (Odena, Dumoulin, Olah: "Deconvolution and Checkerboard Artifacts",
    Distill 2016). SiLU is smooth, so the gradient is as well. The layers that are dreamed are
    rectified 1x1 projections of the trunk: what the trunk knows, in as many directions as the
    teacher network has, each of them a motif.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from livedream.dream.networks.registry import METADATA_KEY

ARCHITECTURE = "dreamnet"
CLASS_MAP = "class_map"


@dataclass(frozen=True)
class LayerConfig:
    """One dreamable layer: ``channels`` rectified projections after ``block`` blocks of ``stage``.

    ``stage`` counts from 0 (stride 2) to 3 (stride 16); ``block`` 0 is the stage's downsampling.
    """

    name: str
    stage: int
    block: int
    channels: int


@dataclass(frozen=True)
class DreamNetConfig:
    """Shape of a DreamNet.

    widths: channels of each stage, strides 2, 4, 8, ...; blocks: residual blocks per stage;
    bottlenecks: inner channels of those blocks; layers: the dreamable ones, shallow to deep;
    num_classes: channels of the class map; norm: batch norm after every convolution of the trunk
    (training), or plain biases (folded).
    """

    layers: tuple[LayerConfig, ...]
    num_classes: int
    widths: tuple[int, ...] = (24, 40, 96, 160)
    blocks: tuple[int, ...] = (0, 0, 2, 6)
    bottlenecks: tuple[int, ...] = (12, 20, 40, 64)
    norm: bool = True

    def __post_init__(self) -> None:
        if not len(self.widths) == len(self.blocks) == len(self.bottlenecks):
            raise ValueError(
                f"widths, blocks and bottlenecks must have one entry per stage: "
                f"found {len(self.widths)}, {len(self.blocks)} and {len(self.bottlenecks)}"
            )
        for layer in self.layers:
            if not 0 <= layer.stage < len(self.widths):
                raise ValueError(f"layer {layer.name!r}: there is no stage {layer.stage}")
            if not 0 <= layer.block <= self.blocks[layer.stage]:
                raise ValueError(
                    f"layer {layer.name!r}: stage {layer.stage} has {self.blocks[layer.stage]} "
                    f"blocks, asked for block {layer.block}"
                )

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> DreamNetConfig:
        """The inverse of ``dataclasses.asdict`` after a trip through JSON."""
        return cls(
            layers=tuple(LayerConfig(**layer) for layer in values["layers"]),
            num_classes=values["num_classes"],
            widths=tuple(values["widths"]),
            blocks=tuple(values["blocks"]),
            bottlenecks=tuple(values["bottlenecks"]),
            norm=values["norm"],
        )


class ConvUnit(nn.Module):
    """Convolution, then batch norm (or the convolution's own bias), then SiLU unless ``linear``."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, *, norm: bool, linear: bool
    ) -> None:
        super().__init__()
        padding = (kernel - 1) // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=not norm)
        self.norm: nn.Module = nn.BatchNorm2d(outputs) if norm else nn.Identity()
        self.act: nn.Module = nn.Identity() if linear else nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.act(self.norm(self.conv(x)))
        return result

    def folded_weights(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the one convolution that equals this unit's convolution and norm."""
        weight = self.conv.weight.detach()
        norm = self.norm
        if not isinstance(norm, nn.BatchNorm2d):
            bias = self.conv.bias
            assert bias is not None
            return weight, bias.detach()
        assert norm.running_mean is not None and norm.running_var is not None
        gain = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
        return weight * gain[:, None, None, None], norm.bias.detach() - norm.running_mean * gain


class Block(nn.Module):
    """Residual bottleneck: 1x1 down, 3x3, 1x1 up, added to the input."""

    def __init__(self, width: int, bottleneck: int, *, norm: bool) -> None:
        super().__init__()
        self.reduce = ConvUnit(width, bottleneck, 1, 1, norm=norm, linear=False)
        self.mix = ConvUnit(bottleneck, bottleneck, 3, 1, norm=norm, linear=False)
        self.expand = ConvUnit(bottleneck, width, 1, 1, norm=norm, linear=True)
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.act(x + self.expand(self.mix(self.reduce(x))))
        return result


class DreamNet(nn.Module):
    """The network. Its dreamable layers are top-level submodules named by ``config.layers``.

    ``forward`` gives class logits ``(N, num_classes)``, the average of the class map
    ``(N, num_classes, h, w)`` at the last stride. ``torch.fx`` can trace it, so
    ``torchvision.models.feature_extraction.create_feature_extractor(net, ["eyes"])`` gives a graph
    that computes nothing beyond that layer.
    """

    def __init__(self, config: DreamNetConfig) -> None:
        super().__init__()
        self.config = config
        stages: list[nn.ModuleList] = []
        inputs = 3
        for width, blocks, bottleneck in zip(
            config.widths, config.blocks, config.bottlenecks, strict=True
        ):
            units: list[nn.Module] = [ConvUnit(inputs, width, 4, 2, norm=config.norm, linear=False)]
            units += [Block(width, bottleneck, norm=config.norm) for _ in range(blocks)]
            stages.append(nn.ModuleList(units))
            inputs = width
        self.stages = nn.ModuleList(stages)
        for layer in config.layers:
            if hasattr(self, layer.name):
                raise ValueError(f"layer name {layer.name!r} is taken")
            projection = nn.Conv2d(config.widths[layer.stage], layer.channels, 1)
            self.add_module(layer.name, nn.Sequential(projection, nn.ReLU()))
        self.class_map = nn.Conv2d(inputs, config.num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Class logits ``(N, num_classes)`` of normalised pictures ``(N, 3, H, W)``."""
        class_map: Tensor = self.maps(x)[CLASS_MAP]
        return class_map.mean(dim=(2, 3))

    def maps(self, x: Tensor, only: Collection[str] | None = None) -> dict[str, Tensor]:
        """Every dreamable layer, or only some, and the class map, by name."""
        found: dict[str, Tensor] = {}
        for stage, units in enumerate(self.stages):
            assert isinstance(units, nn.ModuleList)
            for block, unit in enumerate(units):
                x = unit(x)
                for layer in self.config.layers:
                    wanted = only is None or layer.name in only
                    if wanted and (layer.stage, layer.block) == (stage, block):
                        found[layer.name] = self.get_submodule(layer.name)(x)
        found[CLASS_MAP] = self.class_map(x)
        return found

    def folded(self) -> DreamNet:
        """An equal network without batch norm, in evaluation mode, on the same device."""
        plain = DreamNet(replace(self.config, norm=False))
        state = {k: v for k, v in self.state_dict().items() if k in plain.state_dict()}
        for name, unit in self.named_modules():
            if isinstance(unit, ConvUnit):
                weight, bias = unit.folded_weights()
                state[f"{name}.conv.weight"], state[f"{name}.conv.bias"] = weight, bias
        plain.load_state_dict(state)
        return plain.to(self.class_map.weight.device).eval()


def read_metadata(path: Path) -> dict[str, Any]:
    """The JSON that a DreamNet weights file carries: config, mean, std, layers, classes, licence.

    Raises ValueError when the file is no DreamNet, FileNotFoundError when there is none.
    """
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
    if METADATA_KEY not in metadata:
        raise ValueError(f"{path}: no {METADATA_KEY!r} entry in its metadata; is it a DreamNet?")
    values: dict[str, Any] = json.loads(metadata[METADATA_KEY])
    if values.get("architecture") != ARCHITECTURE:
        raise ValueError(
            f"{path}: architecture must be {ARCHITECTURE!r} (got {values.get('architecture')!r})"
        )
    return values


def save_dreamnet(net: DreamNet, path: Path, said: Mapping[str, Any]) -> None:
    """A network, folded, as fp16 safetensors, with what it says about itself.

    said: mean, std, layers (name to what it shows), default_objective, classes, licence, ...
    Raises OSError when it cannot be written.
    """
    from safetensors.torch import save  # a measuring machine's stand-in only reads

    plain = net.folded().cpu()
    values = {"architecture": ARCHITECTURE, "config": asdict(plain.config), **said}
    state = {key: value.half().contiguous() for key, value in plain.state_dict().items()}
    path.write_bytes(save(state, {METADATA_KEY: json.dumps(values, ensure_ascii=False)}))


def load_dreamnet(path: Path) -> DreamNet:
    """A folded DreamNet in fp32 and evaluation mode from a ``.safetensors`` file, weights frozen.

    Raises ValueError when the file is no DreamNet or does not match its own configuration.
    """
    with torch.device("meta"):  # no memory for what a damaged file only claims to hold
        net = DreamNet(DreamNetConfig.from_json(read_metadata(path)["config"]))
    with safe_open(path, framework="pt") as file:
        state = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    try:
        net.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise ValueError(f"{path}: weights do not match the configuration: {error}") from error
    return net.eval().requires_grad_(False)
