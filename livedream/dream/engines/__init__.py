"""Engines: what computes the ascent's steps, and how fast.

PyTorch's autograd runs everywhere and is what the others are compared with: OpenVINO on x86 CPUs,
CUDA graphs on NVIDIA cards. Each dreams the same dream (`tests/peer/test_engines.py`). Why these:
docs/decisions/engines.md.

What may change from frame to frame without a new engine: everything in `DreamSettings` that
`ascend` reads (step_size, smoothing, laplacian), the size of the picture, how many steps are taken
and how far they are shifted, and the objective's weights, which are changed in place. An engine
that has compiled something for one size does so again for another, and keeps the last few.
"""

from livedream.core.errors import SettingsError
from livedream.dream.engines.base import Engine, EngineSpec

__all__ = ["Engine", "EngineSpec", "open_engine"]


def open_engine(name: str, spec: EngineSpec) -> Engine:
    """The engine that ``--engine NAME`` means; ``auto``: the fastest on its device that can.

    ``auto`` looks at the device and the network, never at a clock: the same command gives the same
    dream, whatever else the machine was doing.  Raises SettingsError for one that cannot run here.
    """
    if name == "auto":
        try:
            return open_engine({"cpu": "openvino"}.get(spec.device.type, spec.device.type), spec)
        except SettingsError:  # it says that it cannot do this network here
            name = "torch"
    if name == "openvino":
        from livedream.dream.engines.openvino.engine import OpenVinoEngine

        return OpenVinoEngine(spec)
    if name == "cuda":
        from livedream.dream.engines.cuda import CudaEngine

        return CudaEngine(spec)
    if name == "torch":
        from livedream.dream.engines.eager import EagerEngine

        return EagerEngine(spec)
    raise SettingsError(f"engine: must be auto, torch, openvino or cuda (got {name!r})")
