"""An ONNX graph while it is being written: nodes, constants, and the types of what is computed.

Convention
    A value is a `torch.Tensor` as long as it depends on no input of the graph, and a `Name` from
    then on. Constants become initializers only where a node asks for them, each once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from livedream.core.errors import NetworkError

if TYPE_CHECKING:
    import onnx


OPSET: Final = 18
"""The oldest in which every reduction takes its axes the same way; TensorRT 8.6 reads it."""

_TYPES: Final = {
    torch.float32: "FLOAT",
    torch.float16: "FLOAT16",
    torch.float64: "DOUBLE",
    torch.int64: "INT64",
    torch.int32: "INT32",
    torch.bool: "BOOL",
}


@dataclass(frozen=True, slots=True)
class Name:
    """What a node gave: its name in the graph, type and shape."""

    text: str
    dtype: torch.dtype
    shape: tuple[int, ...]


Value = Tensor | Name


class GraphWriter:
    """Collects nodes. Nothing in it knows what the graph computes."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._named: dict[tuple[Any, ...], str] = {}
        self._kept: list[Tensor] = []  # so that no other tensor gets the address of one named here

    def add(
        self,
        operator: str,
        inputs: Sequence[Value | None],
        dtype: torch.dtype,
        shape: Sequence[int],
        **attributes: Any,
    ) -> Name:
        """A node with one output. dtype, shape: of that. None: an input left out."""
        import onnx

        found = Name(f"{operator}_{len(self.nodes)}", dtype, tuple(shape))
        names = ["" if value is None else self.name(value) for value in inputs]
        self.nodes.append(
            onnx.helper.make_node(operator, names, [found.text], found.text, **attributes)
        )
        return found

    def cast(self, value: Value, dtype: torch.dtype) -> Value:
        if value.dtype == dtype:
            return value
        if isinstance(value, Tensor):
            return value.to(dtype)
        return self.add("Cast", [value], dtype, value.shape, to=onnx_type(dtype))

    def integers(self, values: Sequence[int]) -> Tensor:
        """What shapes, axes and paddings are written as."""
        return torch.tensor(list(values), dtype=torch.int64)

    def name(self, value: Value) -> str:
        """The name to use in a node's inputs; a constant is written down the first time."""
        if isinstance(value, Name):
            return value.text
        small = value.numel() <= 16
        content = tuple(value.flatten().tolist()) if small else (value.data_ptr(), value.stride())
        key = (small, value.dtype, tuple(value.shape), content)
        if key not in self._named:
            import onnx

            name = self._named[key] = f"constant_{len(self._named)}"
            self._kept.append(value)
            raw = value.detach().cpu().contiguous().numpy().tobytes()
            number, shape = onnx_type(value.dtype), list(value.shape)
            self.initializers.append(onnx.helper.make_tensor(name, number, shape, raw, raw=True))
        return self._named[key]


def onnx_type(dtype: torch.dtype) -> int:
    """ONNX's number of a torch type. Raises NetworkError for one that has none here."""
    import onnx

    if dtype not in _TYPES:
        raise NetworkError(f"the ONNX graph: a step must be fp32 or fp16 (got {dtype})")
    return int(getattr(onnx.TensorProto, _TYPES[dtype]))
