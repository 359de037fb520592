"""The CUDA step with few kernels: convolutions as they are, between them those of `kernels`.

Where Triton is missing, or what it needs to compile, `open_kernels` says so once and everything
runs on PyTorch's own operations: the same dream, more slowly.
"""

import functools
from itertools import accumulate, pairwise
from operator import add, getitem
from types import ModuleType
from typing import Any, Final

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from livedream.core.kernels import opened
from livedream.dream.engines.base import EngineSpec
from livedream.dream.engines.steps import TINY
from livedream.dream.objectives.placing import Window, window_before
from livedream.dream.objectives.terms import LayerPart

_SILU: Final = (F.silu,)
_RELU: Final = (F.relu, torch.relu)
_ADD: Final = (add, torch.add)
_RESULTS: Final = 3  # of one kernel


@functools.cache
def open_kernels(device: torch.device) -> ModuleType | None:
    """`kernels`, if they run on this device and give what PyTorch gives; two are tried."""

    def tried() -> ModuleType:
        from livedream.dream.engines import kernels

        _try(kernels, device)
        return kernels

    return opened("engine cuda", tried)


def _try(kernels: ModuleType, device: torch.device) -> None:
    """Raises whatever goes wrong, RuntimeError for another result than PyTorch's."""
    x = torch.linspace(-2, 2, 256, device=device).view(1, 4, 8, 8).sin()
    (found,) = kernels.activate(x, torch.ones(4, device=device), x, silu=True)
    found = kernels.max_pool(found, 3, 1, 1, rounded_up=False)
    if not torch.allclose(found, F.max_pool2d(F.silu(x + x + 1), 3, 1, 1), atol=1e-5):
        raise RuntimeError("another result than PyTorch's")


class FusedConvolution(nn.Module):
    """A convolution, a residual or none, SiLU or ReLU: two kernels, and two backwards.

    spans: see `kernels.activate`; one result for each.
    """

    def __init__(self, convolution: nn.Conv2d, kernels: ModuleType, *, silu: bool) -> None:
        super().__init__()
        self.convolution = convolution
        self.silu = silu
        self.spans: tuple[tuple[int, int], ...] = ((0, convolution.out_channels),)
        self._activate = kernels.activate

    def forward(self, x: Tensor, residual: Tensor | None = None) -> tuple[Tensor, ...]:
        own = self.convolution
        x = own._conv_forward(x, own.weight, None)
        found: tuple[Tensor, ...] = self._activate(
            x, own.bias, residual, silu=self.silu, spans=self.spans
        )
        return found


class FusedPool(nn.Module):
    """Max pooling of square windows."""

    def __init__(self, pool: nn.MaxPool2d, kernels: ModuleType) -> None:
        super().__init__()
        self._pool = functools.partial(
            kernels.max_pool, side=pool.kernel_size, stride=pool.stride, padding=pool.padding,
            rounded_up=pool.ceil_mode,
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self._pool(x)
        return found


def fused(body: fx.GraphModule, kernels: ModuleType) -> fx.GraphModule:
    """The body, changed in place: what stands between its convolutions, by kernels.

    Left as it is what something else looks at as well, such as a convolution that is dreamed.
    """
    for number, node in enumerate(list(body.graph.nodes)):
        module = _module(body, node)
        if isinstance(module, nn.MaxPool2d) and _is_plain(module):
            body.add_submodule(f"pool{number}", FusedPool(module, kernels))
            with body.graph.inserting_before(node):
                pool = body.graph.call_module(f"pool{number}", node.args[:1])
            node.replace_all_uses_with(pool)
        elif (silu := _is_silu(module, node)) is not None:
            found = _inputs(body, node.args[0])
            if found is not None:
                convolution, inputs = found
                unit = FusedConvolution(convolution, kernels, silu=silu)
                body.add_submodule(f"unit{number}", unit)
                with body.graph.inserting_before(node):
                    call = body.graph.call_module(f"unit{number}", inputs)
                    node.replace_all_uses_with(body.graph.call_function(getitem, (call, 0)))
    body.graph.eliminate_dead_code()
    _join(body)
    _fork(body)
    body.delete_all_unused_submodules()
    body.recompile()
    return body


def _join(body: fx.GraphModule) -> None:
    """1x1 convolutions of the same thing, as at an inception's beginning, become one."""
    beside: dict[tuple[fx.Node, bool], list[tuple[fx.Node, FusedConvolution]]] = {}
    for node in body.graph.nodes:
        unit = _module(body, node)
        if isinstance(unit, FusedConvolution) and len(node.args) == 1 and _is_1x1(unit.convolution):
            beside.setdefault((node.args[0], unit.silu), []).append((node, unit))
    for found in beside.values():
        if not 2 <= len(found) <= _RESULTS:
            continue
        (first, unit), *others = found
        each = [other.convolution for _, other in found]
        ends = list(accumulate(one.out_channels for one in each))
        joined = nn.Conv2d(each[0].in_channels, ends[-1], 1, device="meta")
        joined.weight = nn.Parameter(torch.cat([one.weight for one in each]), requires_grad=False)
        biases = [one.bias for one in each if one.bias is not None]
        joined.bias = nn.Parameter(torch.cat(biases), requires_grad=False)
        unit.convolution, unit.spans = joined, tuple(pairwise([0, *ends]))
        for place, (other, _) in enumerate(others, 1):
            for item in list(other.users):
                item.args = first, place
            body.graph.erase_node(other)


def _fork(body: fx.GraphModule) -> None:
    """What two look at, as at a block's beginning, is given to each of them: their gradients are
    added up by the kernel that takes them."""
    for node in list(body.graph.nodes):
        unit = _module(body, node)
        if not isinstance(unit, FusedConvolution) or len(unit.spans) > 1:
            continue
        (item,) = node.users
        own = list(item.users)
        if 2 <= len(own) <= _RESULTS:
            unit.spans *= len(own)
            with body.graph.inserting_after(item):
                for place, user in enumerate(own[1:], 1):
                    user.replace_input_with(item, body.graph.call_function(getitem, (node, place)))


def _inputs(body: fx.GraphModule, node: Any) -> tuple[nn.Conv2d, tuple[fx.Node, ...]] | None:
    """The convolution that a node is, or is with something added, and what goes in."""
    convolution = _convolution(body, node)
    if convolution is not None:
        return convolution, node.args
    if isinstance(node, fx.Node) and node.target in _ADD and len(node.users) == 1:
        for ours, other in (node.args, node.args[::-1]):
            convolution = _convolution(body, ours)
            if convolution is not None and isinstance(other, fx.Node) and not node.kwargs:
                assert isinstance(ours, fx.Node)
                return convolution, (ours.args[0], other)  # type: ignore[return-value]
    return None


def _convolution(body: fx.GraphModule, node: Any) -> nn.Conv2d | None:
    """The convolution with a bias that a node is, if nothing but one other node looks at it."""
    module = _module(body, node) if isinstance(node, fx.Node) else None
    if isinstance(module, nn.Conv2d) and module.bias is not None and len(node.users) == 1:
        return module
    return None


def _is_1x1(own: nn.Conv2d) -> bool:
    sizes = own.kernel_size, own.stride, own.padding, own.groups
    return sizes == ((1, 1), (1, 1), (0, 0), 1)


def _module(body: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return body.get_submodule(str(node.target)) if node.op == "call_module" else None


def _is_silu(module: nn.Module | None, node: fx.Node) -> bool | None:
    """Whether a node is SiLU; False: ReLU; None: something else."""
    if isinstance(module, nn.SiLU) or node.target in _SILU:
        return True
    return False if isinstance(module, nn.ReLU) or node.target in _RELU else None


def _is_plain(pool: nn.MaxPool2d) -> bool:
    sizes = pool.kernel_size, pool.stride, pool.padding
    return all(isinstance(size, int) for size in sizes) and pool.dilation == 1


class FusedAscent:
    """Steps with few kernels around the network: `see` before it, behind it the seeds' and `climb`.

    With smoothing or bands, PyTorch's operations end the step instead of `climb`.
    body: `fused`, on the device, as activations are.
    """

    def __init__(self, spec: EngineSpec, body: nn.Module, kernels: ModuleType) -> None:
        self._objective = spec.objective
        self._preprocessing = spec.network.preprocessing
        self._dtype = spec.dtype
        self._body = body
        self._kernels = kernels

    def step(self, picture: Tensor, before: Tensor, size: tuple[int, int], scale: Tensor) -> None:
        """One step of the picture, (1, 3, h, w) float32, in place; without smoothing and bands.

        before, size: see `kernels.see`.  scale: of the step, 0-d on the device, in units of the
        picture.
        """
        x = picture.contiguous()
        gradient = self._gradient(x, before, size)
        gain, flipped = self._gain(x.device), self._flipped
        self._kernels.climb(x, gradient, before, gain, scale, TINY, flipped=flipped)
        if x is not picture:
            picture.copy_(x)

    def gradient(self, picture: Tensor, before: Tensor, size: tuple[int, int]) -> Tensor:
        """The gradient of all that the network sees, (1, 3, *size) float32.

        picture, before, size: as of `step`.
        """
        found = self._gradient(picture.contiguous(), before, size).float()
        found = found * self._gain(picture.device)
        return found.flip(1) if self._flipped else found

    def _gradient(self, x: Tensor, before: Tensor, size: tuple[int, int]) -> Tensor:
        """In the network's type, order of channels and units."""
        constants = self._preprocessing.constants(x.device, torch.float32)
        seen = self._kernels.see(x, before, size, constants, self._dtype, flipped=self._flipped)
        with torch.enable_grad():
            activations = self._body(seen.requires_grad_())
        seeds = self._seeds(
            tuple(activation.detach() for activation in activations),
            window_before(before, size, x.shape[2:]) if self._objective.regions else None,
        )
        found: tuple[Tensor] = torch.autograd.grad(activations, seen, grad_outputs=seeds)
        return found[0]

    @property
    def _flipped(self) -> bool:
        return self._preprocessing.channel_order == "BGR"

    def _gain(self, device: torch.device) -> Tensor:
        return self._preprocessing.constants(device, torch.float32)[1]

    def _seeds(self, activations: tuple[Tensor, ...], window: Window | None) -> tuple[Tensor, ...]:
        own = self._objective
        parts = [part for parts in own.parts for part in parts]
        if len(parts) == 1 and isinstance(parts[0], LayerPart) and window is None:
            (activation,) = activations
            dials = own.weights, parts[0].terms, own.variety, own.focus
            return (self._kernels.layer_seed(activation, *dials),)
        return own.grad_outputs(activations, window=window)
