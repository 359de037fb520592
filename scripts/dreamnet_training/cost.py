"""What a layer costs: multiply-adds per input pixel, and milliseconds of one ascent step."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

from livedream.dream.networks.dreamnet import CLASS_MAP, DreamNet

SIDE_PX = 256


def multiply_adds(net: nn.Module, side_px: int = SIDE_PX) -> float:
    """Multiply-adds of the convolutions per input pixel of a square picture."""
    total = 0

    def count(module: nn.Conv2d, _inputs: object, output: Tensor) -> None:
        nonlocal total
        kernel = module.kernel_size[0] * module.kernel_size[1]
        total += output.numel() * kernel * module.in_channels // module.groups

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        net(torch.zeros(1, 3, side_px, side_px))
    for hook in hooks:
        hook.remove()
    return total / side_px**2


def cost_by_layer(net: DreamNet) -> dict[str, int]:
    """Multiply-adds per input pixel up to and with each layer, and the class map."""
    names = [layer.name for layer in net.config.layers] + [CLASS_MAP]
    return {n: round(multiply_adds(create_feature_extractor(net, {n: n}))) for n in names}


def step_milliseconds(net: nn.Module, dtype: torch.dtype) -> float:
    """One forward pass and its input gradient at 480x270, of a network that is in this type."""
    picture = torch.rand(1, 3, 270, 480).to(dtype).contiguous(memory_format=torch.channels_last)
    x = picture.requires_grad_(True)
    started = time.perf_counter()
    value = next(iter(net(x).values()))
    torch.autograd.grad(value, x, value.detach())
    return (time.perf_counter() - started) * 1000


def _reference(name: str) -> nn.Module:
    """A well-known network cut at the layer it is dreamed from, with random weights."""
    if name == "squeezenet1_1 to fire8":
        net: nn.Module = models.squeezenet1_1()
        layer = "features.11"
    else:
        net = models.googlenet(aux_logits=False, init_weights=False)
        layer = "inception4c"
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    body: nn.Module = create_feature_extractor(net.eval().requires_grad_(False), {layer: "out"})
    return body


def compare_times(
    net: DreamNet, layer: str, threads: int, repeats: int = 12
) -> dict[str, dict[str, float]]:
    """Milliseconds per ascent step, fp32 and bf16, of the network and two well-known ones.

    The least of ``repeats`` rounds; in a round each takes its turn, so that what else the machine
    does hits all alike. The first round only warms up.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    own = f"dreamnet to {layer}"
    bodies: dict[str, nn.Module] = {
        own: create_feature_extractor(net, {layer: layer}),
        **{
            name: _reference(name)
            for name in ("squeezenet1_1 to fire8", "googlenet to inception4c")
        },
    }
    # Copied: casting one must not cast the other.
    casts = {
        (name, dtype): copy.deepcopy(body).to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        for name, body in bodies.items()
        for dtype in (torch.float32, torch.bfloat16)
    }
    found: dict[str, dict[str, float]] = {name: {} for name in bodies}
    for turn in range(repeats + 1):
        for (name, dtype), body in casts.items():
            taken, kind = step_milliseconds(body, dtype), str(dtype).removeprefix("torch.")
            if turn:
                found[name][kind] = min(found[name].get(kind, float("inf")), round(taken, 1))
    torch.set_num_threads(before)
    return found


def parity(net: DreamNet, layers: Sequence[str], pictures: Tensor) -> dict[str, float]:
    """Correlation of the fp32 with the bf16 input gradient, per layer."""
    result = {}
    for layer in layers:
        gradients = []
        for dtype in (torch.float32, torch.bfloat16):
            body = create_feature_extractor(net.to(dtype), {layer: "out"})
            x = pictures.clone().requires_grad_(True)
            value = body(x.to(dtype))["out"]
            (gradient,) = torch.autograd.grad(value, x, value.detach())
            gradients.append(gradient.float().flatten())
        result[layer] = round(float(torch.corrcoef(torch.stack(gradients))[0, 1]), 4)
    net.float()
    return result
