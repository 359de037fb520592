"""Open a flow estimator by its name."""

from livedream.core.errors import FlowError
from livedream.flow import FlowEstimator, ZeroFlow


def open_flow(name: str, *, device: str = "auto") -> FlowEstimator:
    """The estimator that `--flow NAME` means: a name of the settings' FLOWS, or an .onnx file.

    device: where a network runs.  Raises FlowError for an estimator that cannot be had.
    """
    if name == "none":
        return ZeroFlow()
    if name.startswith("dis"):
        from livedream.flow.classic import DisFlow

        return DisFlow(name)
    if name == "farneback":
        from livedream.flow.classic import FarnebackFlow

        return FarnebackFlow()
    if name.startswith("raft-"):
        from livedream.flow.raft import RaftFlow

        return RaftFlow(name, device)
    if name.endswith(".onnx"):
        from livedream.flow.onnx import OnnxFlow

        return OnnxFlow(name, device)
    raise FlowError(f"flow {name!r} is not known")
