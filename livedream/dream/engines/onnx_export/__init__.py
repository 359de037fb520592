"""The gradient step as one ONNX graph, so that a host without PyTorch can dream.

`build_step` gives the model as ONNX's own message; `livedream export` writes it to a file. Inputs
and output stand in `step.INPUTS` and `step.OUTPUT`; the file's metadata say what it dreams
(docs/export.md).
"""

import json
from typing import TYPE_CHECKING

from livedream.dream.engines.base import EngineSpec
from livedream.dream.engines.onnx_export.step import INPUTS, OUTPUT, StepShape, trace_step
from livedream.dream.engines.onnx_export.translate import translate

if TYPE_CHECKING:
    import onnx

__all__ = ["StepShape", "build_step"]


def build_step(spec: EngineSpec, shape: StepShape) -> "onnx.ModelProto":
    """The step of one octave size. The network computes in the spec's dtype, the rest in float32.

    Raises SettingsError where the package onnx is missing or the type is bf16, NetworkError for a
    layer with an operator that is not translated.
    """
    objective = spec.objective.objective
    notes = {
        "livedream.network": spec.network.name,
        "livedream.objective": str(objective),
        "livedream.terms": json.dumps([str(term.target) for term in objective.terms]),
        "livedream.weights": json.dumps([term.weight for term in objective.terms]),
        "livedream.variety": json.dumps(round(float(spec.objective.variety), 6)),
        "livedream.margins": json.dumps(list(shape.margins)),
        "livedream.licence": spec.network.licence,
    }
    return translate(trace_step(spec, shape), INPUTS, OUTPUT, notes)
