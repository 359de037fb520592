"""From a traced step to an ONNX model.

What depends on no input, such as the flipped weights of the backward convolutions, is computed here
once and becomes a constant. Written by hand rather than by `torch.onnx.export`: see
docs/decisions/onnx-step.md.
"""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import fx

from livedream.core.errors import NetworkError, SettingsError
from livedream.dream.engines.onnx_export.operators import OPERATORS, Made
from livedream.dream.engines.onnx_export.writer import OPSET, GraphWriter, Name, Value, onnx_type

if TYPE_CHECKING:
    import onnx


_aten: Final = torch.ops.aten
# One number everywhere: constants whatever their argument is, of whose shape alone they are. None:
# the number is the second argument.
_UNIFORM: Final[dict[Any, float | None]] = {
    _aten.full.default: None,
    _aten.full_like.default: None,
    _aten.fill.Scalar: None,
    _aten.zeros_like.default: 0.0,
    _aten.ones_like.default: 1.0,
    _aten.empty_like.default: 0.0,  # is filled before it is read
    _aten.empty_permuted.default: 0.0,
}
_IR_VERSION: Final = 10  # what ONNX Runtime reads since 1.18


@dataclass(frozen=True, slots=True)
class StepTensor:
    """An input or the output, as a host sees it: its name and what it is."""

    name: str
    help: str


def translate(
    traced: fx.GraphModule,
    inputs: Sequence[StepTensor],
    output: StepTensor,
    notes: Mapping[str, str],
) -> "onnx.ModelProto":
    """The model of a graph whose nodes know their shapes (traced with fake tensors).

    inputs: one for each of the graph's own, in order.  notes: the file's metadata.
    Raises NetworkError for an operator that is not translated here, SettingsError without onnx.
    """
    try:
        import onnx
    except ImportError as error:
        raise SettingsError(
            "the ONNX graph needs the package onnx; pip install 'livedream[export]'"
        ) from error
    to = GraphWriter()
    found: dict[fx.Node, Any] = {}
    ports = iter(inputs)
    infos, ends = [], []
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            port, fake = next(ports), node.meta["val"]
            found[node] = Name(port.name, fake.dtype, tuple(fake.shape))
            infos.append(_info(found[node], port))
        elif node.op == "get_attr":
            found[node] = operator.attrgetter(str(node.target))(traced).detach()
        elif node.op == "call_function":
            found[node] = _call(to, node, found)
        else:
            (value,) = node.args[0] if isinstance(node.args[0], tuple | list) else node.args
            value = found[value]
            last = to.add("Identity", [value], value.dtype, tuple(value.shape))
            to.nodes[-1].output[0] = output.name
            ends.append(_info(Name(output.name, last.dtype, last.shape), output))
    graph = onnx.helper.make_graph(
        _needed(to.nodes, output.name), "step", infos, ends, to.initializers
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION,
        producer_name="livedream",
    )  # fmt: skip
    onnx.helper.set_model_props(model, dict(notes))
    onnx.checker.check_model(model)
    return model


def _call(to: GraphWriter, node: fx.Node, found: Mapping[fx.Node, Any]) -> Any:
    target: Any = node.target
    if target is operator.getitem:
        source, place = node.args
        assert isinstance(source, fx.Node) and isinstance(place, int)
        several = found[source]
        if isinstance(several, tuple | list):
            return several[place]
        assert place == 0, "only the first of several results is written"
        return several
    made = _made(node)
    args: Any = fx.node.map_arg(node.args, lambda used: found[used])
    kwargs: Any = fx.node.map_arg(node.kwargs, lambda used: found[used])
    if target in _UNIFORM:
        number = args[1] if _UNIFORM[target] is None else _UNIFORM[target]
        return torch.tensor(number, dtype=made.dtype).expand(made.shape)
    if not any(isinstance(found[used], Name) for used in node.all_input_nodes):
        return target(*args, **kwargs | ({"device": "cpu"} if "device" in kwargs else {}))
    if target in (_aten.split.Tensor, _aten.split_with_sizes.default):
        return _split(to, *args)
    if target not in OPERATORS:
        raise NetworkError(f"the ONNX graph: no operator for {target}; try another layer")
    kwargs = {k: v for k, v in kwargs.items() if k in ("alpha", "keepdim")}
    return OPERATORS[target](to, made, *args, **kwargs)


def _split(to: GraphWriter, x: Name, sizes: int | list[int], axis: int = 0) -> list[Value]:
    """Into pieces of one size, the last may be smaller, or of given ones."""
    length, pieces, start = x.shape[axis], [], 0
    for size in [sizes] * length if isinstance(sizes, int) else sizes:
        end = min(start + size, length)
        if start < end:
            shape = (*x.shape[:axis], end - start, *x.shape[axis + 1 :])
            made = Made(x.dtype, shape)
            pieces.append(OPERATORS[_aten.slice.Tensor](to, made, x, axis, start, end))
        start = end
    return pieces


def _made(node: fx.Node) -> Made:
    fake = node.meta["val"]
    first = fake[0] if isinstance(fake, tuple | list) else fake
    return Made(first.dtype, tuple(int(size) for size in first.shape))


def _needed(nodes: "Sequence[onnx.NodeProto]", end: str) -> "list[onnx.NodeProto]":
    """Those that the output depends on, in order."""
    wanted, kept = {end}, []
    for node in reversed(nodes):
        if node.output[0] in wanted:
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


def _info(value: Name, port: StepTensor) -> "onnx.ValueInfoProto":
    import onnx

    return onnx.helper.make_tensor_value_info(
        value.text, onnx_type(value.dtype), list(value.shape), port.help
    )
