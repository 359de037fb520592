"""Open a step with the fastest of ONNX Runtime's providers that works here.

ONNX Runtime lists what it was built for, not what the machine can do: each is tried, and one line
of log tells why one was passed over.
"""

import logging
from ctypes.util import find_library
from importlib.util import find_spec
from typing import Any, Final

import torch

from livedream.core.errors import SettingsError

__all__ = ["open_step", "provider_of"]

_LOG: Final = logging.getLogger(__name__)
_TENSORRT: Final = "TensorrtExecutionProvider"
_CUDA: Final = "CUDAExecutionProvider"
_CPU: Final = "CPUExecutionProvider"
_FATAL_ONLY: Final = 4  # its log level; what fails is told in our own words


def open_step(model: bytes, device: torch.device, *, half: bool = False) -> Any:
    """An `onnxruntime.InferenceSession` of a serialised step.

    device: cuda: TensorRT where its library is, CUDA, in this order; else the CPU.
    half: the network is in fp16, which TensorRT has to be allowed.
    Raises SettingsError when none opens.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.intra_op_num_threads = torch.get_num_threads()
    # Threads that spin starve whatever runs beside them (docs/decisions/openmp-wait.md).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    wanted = candidates(device, onnxruntime)
    for place, provider in enumerate(wanted):
        chain = [(name, _options(name, device, half=half)) for name in wanted[place:]]
        try:
            session = onnxruntime.InferenceSession(model, options, providers=chain)
        except Exception as error:  # ONNX Runtime's own errors share no other root
            _LOG.warning("engine onnx: %s does not open (%s)", provider, _first_line(error))
            continue
        if provider_of(session) == provider:
            return session
        _LOG.warning("engine onnx: %s does not open here", provider)
    raise SettingsError(f"engine: onnx opens none of {', '.join(wanted)}; try --engine torch")


def candidates(device: torch.device, onnxruntime: Any) -> list[str]:
    """The providers worth asking, the fastest first."""
    if device.type != "cuda":
        return [_CPU]
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # finds the CUDA libraries that came with torch
    there = onnxruntime.get_available_providers()
    tensorrt = find_spec("tensorrt") is not None or find_library("nvinfer") is not None
    return [name for name in (_TENSORRT, _CUDA) if name in there and (name == _CUDA or tensorrt)]


def provider_of(session: Any) -> str:
    """What a session runs on."""
    return str(session.get_providers()[0])


def _options(provider: str, device: torch.device, *, half: bool) -> dict[str, str]:
    number = {"device_id": str(device.index or 0)} if provider != _CPU else {}
    return number | ({"trt_fp16_enable": str(half)} if provider == _TENSORRT else {})


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]
