"""Open an engine by its name, or the quickest that is there.

`auto` looks at the machine and at the network, never at a clock: the same command gives the same
dream, bit for bit, whatever else the machine was doing.
"""

from collections.abc import Callable
from typing import Final

from livedream.core.errors import SettingsError
from livedream.dream.engines import Engine, EngineSpec

__all__ = ["open_engine"]


def open_engine(name: str, spec: EngineSpec) -> Engine:
    """The engine that `--engine NAME` means; `auto`: the first of its device's that can.

    Raises SettingsError for one that cannot be had here.
    """
    if name == "auto":
        return _quickest(spec)
    if name not in _OPENERS:
        raise SettingsError(f"engine: {name!r} found, one of auto, {', '.join(_OPENERS)} wanted")
    return _OPENERS[name](spec)


def _quickest(spec: EngineSpec) -> Engine:
    for name in _QUICKEST.get(spec.device.type, ()):
        try:
            return _OPENERS[name](spec)
        except SettingsError:  # it says that it cannot do this network here
            continue
    return _eager(spec)


def _eager(spec: EngineSpec) -> Engine:
    from livedream.dream.engines.eager import EagerEngine

    return EagerEngine(spec)


def _direct(spec: EngineSpec) -> Engine:
    from livedream.dream.engines.direct import DirectEngine

    return DirectEngine(spec)


def _openvino(spec: EngineSpec) -> Engine:
    from livedream.dream.engines.openvino.engine import OpenVinoEngine

    return OpenVinoEngine(spec)


def _cuda(spec: EngineSpec) -> Engine:
    from livedream.dream.engines.cuda.engine import CudaEngine

    return CudaEngine(spec)


def _onnx(spec: EngineSpec) -> Engine:
    from livedream.dream.engines.onnx import OnnxEngine

    return OnnxEngine(spec)


# Each raises SettingsError for an aim that it cannot be made for.
_OPENERS: Final[dict[str, Callable[[EngineSpec], Engine]]] = {
    "torch": _eager,
    "openvino": _openvino,
    "direct": _direct,
    "cuda": _cuda,
    "onnx": _onnx,
}
# By device, the quickest first; PyTorch's autograd stands behind all of them.
_QUICKEST: Final[dict[str, tuple[str, ...]]] = {
    "cpu": ("openvino", "direct"), "cuda": ("cuda",),
}  # fmt: skip
