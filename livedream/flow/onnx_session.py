"""Open an ONNX file with the fastest provider that really works here.

ONNX Runtime lists what it was built for, not what the machine can do, and falls back to the CPU
with a page of red text. Asked here is only what has a chance, and one line of log tells the rest.
"""

import importlib
import logging
from ctypes.util import find_library
from pathlib import Path
from typing import Any, Final

import torch

from livedream.core.errors import FlowError

__all__ = ["one_line", "open_session"]

_LOG: Final = logging.getLogger(__name__)
_TENSORRT, _CUDA, _CPU = (
    "TensorrtExecutionProvider",
    "CUDAExecutionProvider",
    "CPUExecutionProvider",
)
_FATAL_ONLY: Final = 4  # ONNX Runtime's log_severity_level; what fails is logged in our own words
_UNREADABLE: Final = ("InvalidProtobuf", "InvalidGraph", "NoSuchFile", "NoModel", "InvalidArgument")


def open_session(path: Path, device: str = "auto") -> Any:
    """An `onnxruntime.InferenceSession` of this file.

    device: auto or cuda: TensorRT, CUDA, CPU in this order; anything else: the CPU.
    Raises FlowError when not even the CPU can read it.
    """
    import onnxruntime

    tried = providers(device, onnxruntime)
    for provider in tried:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL_ONLY
        try:
            session = onnxruntime.InferenceSession(
                str(path), options, providers=_with_fallbacks(provider)
            )
        except Exception as error:  # ONNX Runtime's own errors share no other root
            if provider == _CPU or type(error).__name__ in _UNREADABLE:
                raise FlowError(
                    f"flow {path}: not an ONNX file that can be run here ({one_line(error)}); "
                    "export it again, or try --flow dis"
                ) from error
            _LOG.warning("flow %s: %s does not open (%s)", path.name, provider, one_line(error))
            continue
        if session.get_providers()[0] == provider:
            return session
        _LOG.warning("flow %s: %s does not open here", path.name, provider)
    raise FlowError(f"flow {path}: none of {', '.join(tried)} opens; try --flow dis")


def providers(device: str, onnxruntime: Any) -> list[str]:
    """The providers worth asking, the fastest first."""
    built_for = onnxruntime.get_available_providers()
    cuda = device.partition(":")[0] in ("auto", "cuda") and torch.cuda.is_available()
    if not cuda or _CUDA not in built_for:
        return [_CPU]
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # finds the CUDA libraries that came with torch
    if _TENSORRT in built_for and _has_tensorrt():
        return [_TENSORRT, _CUDA, _CPU]
    return [_CUDA, _CPU]


def _has_tensorrt() -> bool:
    """Whether its library is there; importing its Python package loads it."""
    try:
        importlib.import_module("tensorrt")
    except ImportError:
        return find_library("nvinfer") is not None
    return True


def _with_fallbacks(provider: str) -> list[str]:
    """Nodes that a provider cannot run go to the next one."""
    order = [_TENSORRT, _CUDA, _CPU]
    return order[order.index(provider) :]


def one_line(error: Exception) -> str:
    """The first line of what ONNX Runtime says, without its code and at a bearable length."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    _, _, reason = text.rpartition(" : ")
    return (reason or text)[:160]
