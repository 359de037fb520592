"""Open an engine by its name, or the quickest that is there.

`auto` looks at the machine and at the network, never at a clock: the same command gives the same
dream, bit for bit, whatever else the machine was doing.
"""

from collections.abc import Callable
from typing import Final

from livedream.core.errors import SettingsError
from livedream.dream.engines import Aim, Engine

__all__ = ["open_engine"]


def open_engine(name: str, aim: Aim) -> Engine:
    """The engine that `--engine NAME` means; `auto`: the first of its device's that can.

    Raises SettingsError for one that cannot be had here.
    """
    if name == "auto":
        return _quickest(aim)
    if name not in _OPENERS:
        raise SettingsError(f"engine: {name!r} found, one of auto, {', '.join(_OPENERS)} wanted")
    return _OPENERS[name](aim)


def _quickest(aim: Aim) -> Engine:
    for name in _QUICKEST.get(aim.device.type, ()):
        try:
            return _OPENERS[name](aim)
        except SettingsError:  # it says that it cannot do this network here
            continue
    return _eager(aim)


def _eager(aim: Aim) -> Engine:
    from livedream.dream.engines.eager import EagerEngine

    return EagerEngine(aim)


def _direct(aim: Aim) -> Engine:
    from livedream.dream.engines.direct import DirectEngine

    return DirectEngine(aim)


def _openvino(aim: Aim) -> Engine:
    from livedream.dream.engines.openvino.engine import OpenVinoEngine

    return OpenVinoEngine(aim)


def _cuda(aim: Aim) -> Engine:
    from livedream.dream.engines.cuda.engine import CudaEngine

    return CudaEngine(aim)


def _onnx(aim: Aim) -> Engine:
    from livedream.dream.engines.onnx import OnnxEngine

    return OnnxEngine(aim)


# Each raises SettingsError for an aim that it cannot be made for.
_OPENERS: Final[dict[str, Callable[[Aim], Engine]]] = {
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
