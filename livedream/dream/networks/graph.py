"""A network as a graph of layers that can be cut behind any of them.

The network is traced once, when it is loaded; cutting afterwards only copies nodes, so it is
cheap and safe beside a thread that is dreaming.  In the graph batch norm is folded into the
convolutions, dropout is gone and nothing works in place: what a layer gave stays what it gave.
Tracing: torch.fx (Reed et al., "torch.fx: Practical Program Capture and Transformation for Deep
Learning in Python", 2022).
"""

import copy
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from livedream.dream.networks.clip import AttentionPool

LOGITS = "logits"
"""The name under which a network's class scores can be asked for beside its layers."""

_DROPPED_PATHS = "StochasticDepth"  # torchvision.ops; named, so as not to import torchvision here
_IN_PLACE = {operator.iadd: operator.add, operator.imul: operator.mul, operator.isub: operator.sub}


class _LayerTracer(fx.Tracer):
    """Follows every module and notes which node is its output, containers included."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: dict[str, fx.Node] = {}
        self.members: set[nn.Module] = set()

    def trace(
        self, root: nn.Module | Callable[..., Any], concrete_args: dict[str, Any] | None = None
    ) -> fx.Graph:
        assert isinstance(root, nn.Module)
        self.members = set(root.modules())
        return super().trace(root, concrete_args)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, AttentionPool) or super().is_leaf_module(m, module_qualified_name)

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        # While it traces, fx catches the calls of *all* modules, those of other threads too.
        if m not in self.members:
            return forward(*args, **kwargs)
        result = super().call_module(m, forward, args, kwargs)
        if isinstance(result, fx.Proxy):
            self.outputs[self.path_of_module(m)] = result.node
        return result


class LayerGraph:
    """A traced network: its layers' output nodes, and networks cut behind them.

    outputs: layer name to node, in order of execution; a module that runs several times counts
    with its last run.  `LOGITS` is the network's own output.  canonical: layer name to the name
    that its activation goes by, where several share it: the block rather than its last part, the
    convolution rather than the norm folded into it.
    """

    def __init__(self, network: nn.Module) -> None:
        """Takes the network over: its modules are changed in place (frozen, folded)."""
        network.eval().requires_grad_(False)
        tracer = _LayerTracer()
        self.graph = tracer.trace(network)
        self.root = network
        end = next(node for node in self.graph.nodes if node.op == "output")
        assert isinstance(end.args[0], fx.Node), "a network gives one tensor"
        self.outputs = {**tracer.outputs, LOGITS: end.args[0]}
        self._leave_places()
        self._fold_batch_norm()
        self._drop_identities()
        order = {node: index for index, node in enumerate(self.graph.nodes)}
        self.outputs = dict(sorted(self.outputs.items(), key=lambda item: order[item[1]]))
        self.canonical = self._canonical_names()

    def cut(self, layers: Sequence[str]) -> fx.GraphModule:
        """The network up to the deepest of the layers, giving a tuple of their activations.

        It has its own copy of the weights it needs: move it, cast it, keep it.
        """
        return copy.deepcopy(self._assemble(tuple(self.outputs[layer] for layer in layers)))

    def whole(self) -> fx.GraphModule:
        """The whole network, giving its logits; weights shared with this graph."""
        return self._assemble(self.outputs[LOGITS])

    def needed(self, ends: Sequence[fx.Node]) -> list[fx.Node]:
        """Every node that the ends depend on, themselves included, in order of execution."""
        found: set[fx.Node] = set()
        waiting = list(ends)
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting.extend(node.all_input_nodes)
        return [node for node in self.graph.nodes if node in found]

    def _assemble(self, result: fx.Node | tuple[fx.Node, ...]) -> fx.GraphModule:
        ends: list[fx.Node] = []
        fx.node.map_arg(result, ends.append)
        graph = fx.Graph()
        copies: dict[fx.Node, fx.Node] = {}
        for node in self.needed(ends):
            copies[node] = graph.node_copy(node, lambda old: copies[old])
        graph.output(fx.node.map_arg(result, lambda old: copies[old]))
        return fx.GraphModule(self.root, graph).eval()

    def module_of(self, node: fx.Node) -> nn.Module | None:
        """What the node calls; None for a function."""
        if node.op != "call_module":
            return None
        return self.root.get_submodule(str(node.target))

    def _canonical_names(self) -> dict[str, str]:
        chosen: dict[fx.Node, str] = {}
        for name in sorted(self.outputs, key=self._rank):
            chosen.setdefault(self.outputs[name], name)
        return {name: chosen[node] for name, node in self.outputs.items()}

    def _rank(self, name: str) -> tuple[bool, int]:
        """Outer modules first; for want of better, chains (all of a network's features) and what
        does nothing."""
        if name == LOGITS:
            return False, -1
        module = self.root.get_submodule(name)
        convolutions = sum(isinstance(part, nn.Conv2d) for part in module.modules())
        chain = type(module) is nn.Sequential and convolutions > 1
        return chain or _does_nothing(module), name.count(".")

    def _leave_places(self) -> None:
        """No module and no function overwrites its input."""
        for module in self.root.modules():
            if getattr(module, "inplace", False):
                vars(module)["inplace"] = False
        for node in self.graph.nodes:
            if node.kwargs.get("inplace"):
                node.kwargs = {**node.kwargs, "inplace": False}
            if node.op == "call_function" and node.target in _IN_PLACE:
                node.target = _IN_PLACE[node.target]

    def _fold_batch_norm(self) -> None:
        runs: dict[str, int] = {}
        for node in self.graph.nodes:
            if node.op == "call_module":
                runs[str(node.target)] = runs.get(str(node.target), 0) + 1
        for node in list(self.graph.nodes):
            norm = self.module_of(node)
            before = node.args[0] if node.args else None
            if not isinstance(norm, nn.BatchNorm2d) or not isinstance(before, fx.Node):
                continue
            convolution = self.module_of(before)
            alone = len(before.users) == 1 and runs[str(node.target)] == 1
            if isinstance(convolution, nn.Conv2d) and alone and runs[str(before.target)] == 1:
                _fold(convolution, norm)
                self._replace(node, before)

    def _drop_identities(self) -> None:
        for node in list(self.graph.nodes):
            module = self.module_of(node)
            name = getattr(node.target, "__name__", "") if node.op == "call_function" else ""
            if (module is not None and _does_nothing(module)) or name == "stochastic_depth":
                self._replace(node, node.args[0])

    def _replace(self, node: fx.Node, by: fx.Node) -> None:
        node.replace_all_uses_with(by)
        self.outputs = {n: by if end is node else end for n, end in self.outputs.items()}
        self.graph.erase_node(node)


def _does_nothing(module: nn.Module) -> bool:
    """Whether it is there for training only."""
    return isinstance(module, nn.Dropout | nn.Identity) or type(module).__name__ == _DROPPED_PATHS


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Put the norm's scale and shift into the convolution, both computed in double precision."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None
    gain = 1 / torch.sqrt(variance.double() + norm.eps)
    shift = -mean.double()
    if convolution.bias is not None:
        shift = shift + convolution.bias.double()
    shift = shift * gain
    if norm.affine:
        gain = gain * norm.weight.double()
        shift = shift * norm.weight.double() + norm.bias.double()
    convolution.weight = _frozen(convolution.weight * gain.float()[:, None, None, None])
    convolution.bias = _frozen(shift.float())


def _frozen(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values, requires_grad=False)
