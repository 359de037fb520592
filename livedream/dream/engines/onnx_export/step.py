"""One ascent step as a function of its parameters, traced and written by PyTorch's ONNX exporter.

The whole step of `livedream.dream.engines.steps` on the gradient of `EagerEngine`: margins,
network, objective, input gradient, smoothing, normalisation, update. Everything that a host changes
while it dreams is an input; sizes, network and targets are fixed, as inference engines want them.
ONNX has no operator for a gradient, so the backward pass is written in forward operators
(`onnx_export.decompositions`) before the exporter sees it.
"""

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.proxy_tensor import make_fx

from livedream.core.device import resident
from livedream.core.errors import NetworkError, SettingsError
from livedream.core.settings import DreamSettings
from livedream.dream.engines.base import EngineSpec
from livedream.dream.engines.onnx_export.decompositions import decompositions
from livedream.dream.engines.steps import normalised
from livedream.dream.objectives.binding import check_still
from livedream.dream.tiles import mirrored_index

if TYPE_CHECKING:
    import onnx

OPSET: Final = 18
"""The oldest in which every reduction takes its axes the same way."""


@dataclass(frozen=True, slots=True)
class StepTensor:
    """An input or the output, as a host sees it: its name and what it is."""

    name: str
    help: str


INPUTS: Final = (
    StepTensor("picture", "float32 (1, 3, height, width): RGB from 0 to 1"),
    StepTensor(
        "step_size", "float32 (1): the step in 8-bit steps, along a gradient of mean size 1"
    ),
    StepTensor("shift", "int64 (2): px to the right and down, drawn anew for each step"),
    StepTensor("weights", "float32 (terms): the weight of each term of the objective"),
    StepTensor("variety", "float32 (1): how far loud channels are attenuated, 0 to 1"),
    StepTensor(
        "focus", "float32 (1): how much more a place counts where a layer sees more, 0 to 2"
    ),
)
OUTPUT: Final = StepTensor("dreamed", "float32 (1, 3, height, width): the picture one step further")


@dataclass(frozen=True, slots=True)
class StepShape:
    """What a step is made for.

    width, height: of the picture, px.  margins: the largest shift to the right and down, px.
    smoothing, laplacian: as in `DreamSettings`.  edge_px: a margin on every side beyond the
    shift's, px, see `Ascent.edge_px`.
    """

    width: int
    height: int
    margins: tuple[int, int]
    smoothing: float = 0.0
    laplacian: int = 0
    edge_px: int = 0

    @property
    def seen(self) -> tuple[int, int]:
        """(width, height) of what the network sees."""
        width, height = self.width + self.margins[0], self.height + self.margins[1]
        return width + 2 * self.edge_px, height + 2 * self.edge_px


def build_step(spec: EngineSpec, shape: StepShape) -> "onnx.ModelProto":
    """The step of one octave size. The network computes in the spec's dtype, the rest in float32.

    Raises SettingsError where the export extra is missing or the type is bf16, NetworkError for a
    layer with an operator that the exporter does not know.
    """
    if spec.dtype == torch.bfloat16:
        raise SettingsError("precision: an exported step must be fp32 or fp16 (got bf16)")
    try:
        import onnxscript  # noqa: F401 - what the exporter needs, said in our words
    except ImportError as error:
        raise SettingsError(
            'the ONNX graph needs the package onnxscript; pip install "livedream[export]"'
        ) from error
    objective = spec.objective.objective
    check_still(objective, "an exported step")
    notes = {
        "livedream.network": spec.network.name,
        "livedream.objective": str(objective),
        "livedream.terms": json.dumps([str(term.target) for term in objective.terms]),
        "livedream.weights": json.dumps([term.weight for term in objective.terms]),
        "livedream.variety": json.dumps(round(float(spec.objective.variety), 6)),
        "livedream.focus": json.dumps(round(float(spec.objective.focus), 6)),
        "livedream.margins": json.dumps(list(shape.margins)),
        "livedream.licence": spec.network.licence,
    }
    traced, example = trace_step(spec, shape)
    try:
        with torch.no_grad():
            program = torch.onnx.export(
                torch.export.export(traced, example), dynamo=True, opset_version=OPSET,
                input_names=[tensor.name for tensor in INPUTS], output_names=[OUTPUT.name],
                verbose=False,
            )  # fmt: skip
    except torch.onnx.OnnxExporterError as error:
        root: BaseException = error
        while root.__cause__ is not None:  # the innermost names the operator
            root = root.__cause__
        reason = str(root).partition(". Failure")[0]
        raise NetworkError(f"the ONNX graph: {reason}; try another layer") from error
    assert program is not None
    model = program.model
    model.producer_name, model.producer_version = "livedream", None
    model.metadata_props.update(notes)
    for node in model.graph.all_nodes():
        node.metadata_props.clear()  # the exporter's stack traces, with this machine's paths
    for value, tensor in zip(
        (*model.graph.inputs, *model.graph.outputs), (*INPUTS, OUTPUT), strict=True
    ):
        value.doc_string = tensor.help
    return program.model_proto


def trace_step(spec: EngineSpec, shape: StepShape) -> tuple[fx.GraphModule, tuple[Tensor, ...]]:
    """The step on the CPU, weights in the spec's dtype, and an example of its inputs.

    They are `INPUTS`, in this order.
    """
    objective = spec.objective.to("cpu")
    body: nn.Module = spec.network.truncated(objective.layers).to(spec.dtype)
    preprocessing = spec.network.preprocessing
    preprocessing.constants(torch.device("cpu"), torch.float32)  # before fake tensors come
    settings = DreamSettings(smoothing=shape.smoothing, laplacian=shape.laplacian)

    def step(picture: Tensor, step_size: Tensor, shift: Tensor, *dials: Tensor) -> Tensor:
        left, top = shift[0] + shape.edge_px, shift[1] + shape.edge_px
        columns, rows = (
            mirrored_index(torch.arange(seen) - before, length)
            for seen, before, length in zip(
                shape.seen, (left, top), (shape.width, shape.height), strict=True
            )
        )
        seen = picture.index_select(2, rows).index_select(3, columns).requires_grad_()
        found = body(preprocessing.normalise(seen).to(spec.dtype))
        weights, variety, focus = dials
        controlled = replace(objective, weights=weights, variety=variety, focus=focus)
        grad_outputs = controlled.grad_outputs(tuple(a.detach() for a in found))
        (gradient,) = torch.autograd.grad(found, seen, grad_outputs)
        own_rows = torch.arange(shape.height) + top
        own_columns = torch.arange(shape.width) + left
        gradient = gradient.float().index_select(2, own_rows).index_select(3, own_columns)
        moved = picture + normalised(gradient, settings) * (step_size / 255.0)
        return moved.clamp(0.0, 1.0)

    example = (
        torch.rand(1, 3, shape.height, shape.width),
        torch.tensor([1.5]),
        torch.zeros(2, dtype=torch.int64),
        objective.weights,
        objective.variety,
        objective.focus,
    )
    trace = make_fx(
        step,
        decomposition_table=decompositions(),
        tracing_mode="fake",
        _allow_non_fake_inputs=True,
    )
    with resident():  # fake tensors hold nothing that OpenCV could look at
        return trace(*example), example
