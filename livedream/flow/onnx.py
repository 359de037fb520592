"""A flow network from an ONNX file, run by ONNX Runtime on what is there.

TensorRT, CUDA or the CPU; what the file expects and returns stands in `onnx_adapter`.
"""

import importlib
import logging
from ctypes.util import find_library
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from livedream.core.errors import FlowError, ShapeError, first_line
from livedream.core.frame import FlowField, Picture
from livedream.core.shrink import fitted
from livedream.flow.onnx_adapter import FlowAdapter, read_adapter

_LOG: Final = logging.getLogger(__name__)
_TENSORRT, _CUDA, _CPU = _PROVIDERS = [
    "TensorrtExecutionProvider",
    "CUDAExecutionProvider",
    "CPUExecutionProvider",
]
_FATAL_ONLY: Final = 4  # ONNX Runtime's log_severity_level; what fails is logged in our own words
_UNREADABLE: Final = ("InvalidProtobuf", "InvalidGraph", "NoSuchFile", "NoModel", "InvalidArgument")
_DTYPES: Final[dict[str, type[np.floating]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}


class OnnxFlow:
    """A network of one's own as a flow estimator.

    path: the .onnx file.  device: auto takes the first provider that works; cpu only that one.
    Its convention is read from the file (see `read_adapter`).
    Raises FlowError for a missing file, one that is not ONNX, and one that fits no convention.
    """

    def __init__(self, path: Path | str, device: str = "auto") -> None:
        self._path = Path(path)
        if not self._path.is_file():
            raise FlowError(f"flow {path}: no such file; give an .onnx file, or try --flow dis")
        self._session = open_session(self._path, device)
        nodes = self._session.get_inputs()
        names = [str(node.name) for node in nodes]
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.adapter, self._names = read_adapter(self._path, metadata, names), names
        # (height, width) in px where the graph fixes them, else 0.
        self._fixed = _sides(self._path, nodes, self.adapter)
        self._dtype = _DTYPES[nodes[0].type]
        self._output = _output(self._path, self._session, self.adapter)

    @property
    def provider(self) -> str:
        """ONNX Runtime's name of what it runs on."""
        return str(self._session.get_providers()[0])

    def estimate(self, current: Picture, previous: Picture) -> FlowField:
        if current.shape != previous.shape:
            raise ShapeError(
                f"flow {self._path}: pictures must be of one size "
                f"(got {current.shape} and {previous.shape})"
            )
        height, width = current.shape[:2]
        inner = self._fixed[0] or height, self._fixed[1] or width
        fed = [self._fit(picture, inner) for picture in (current, previous)]
        found = self._pixels(self._run(fed[0], fed[1]), fed[0].shape[:2])
        found = np.nan_to_num(found[: inner[0], : inner[1]], posinf=0.0, neginf=0.0)
        if inner != (height, width):
            found = _resize(found, width, height)
            found = found * np.array([width / inner[1], height / inner[0]], np.float32)
        return np.ascontiguousarray(found.transpose(2, 0, 1), np.float32)

    def _fit(self, picture: Picture, inner: tuple[int, int]) -> Picture:
        """Resized to the sides that the graph fixes, the others padded with their border."""
        if picture.shape[:2] != inner:
            shrinks = inner[0] * inner[1] < picture.shape[0] * picture.shape[1]
            kind = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            picture = fitted(picture, inner[1], inner[0], kind)
        bottom, right = (
            0 if fixed else self.adapter.padded(side) - side
            for side, fixed in zip(inner, self._fixed, strict=True)
        )
        padded = cv2.copyMakeBorder(picture, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        return np.asarray(padded, np.uint8)

    def _run(self, current: Picture, previous: Picture) -> NDArray[np.float32]:
        """The network's answer, (h, w, 2) in its own units."""
        feed = self.adapter.feed(current, previous, self._names, self._dtype)
        try:
            (found,) = self._session.run([self._output], feed)
        except Exception as error:  # ONNX Runtime's own errors share no other root
            raise FlowError(
                f"flow {self._path}: fails at {current.shape[1]}x{current.shape[0]} px "
                f"({_first_line(error)}); a multiple_px or least_px may be missing (docs/flow.md)"
            ) from error
        if found.ndim != 4 or found.shape[:2] != (1, 2):
            raise FlowError(
                f"flow {self._path}: output {self._output} must be (1, 2, H, W) "
                f"(got {_words(found.shape)}); name another one: output = NAME"
            )
        return np.ascontiguousarray(found[0].transpose(1, 2, 0), np.float32)

    def _pixels(self, found: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.float32]:
        """(H, W, 2) px of the network's input.  size: (H, W) of that."""
        unit_px = self.adapter.unit_px
        if found.shape[:2] != size:
            if not unit_px:
                raise FlowError(
                    f"flow {self._path}: output {found.shape[1]}x{found.shape[0]} of input "
                    f"{size[1]}x{size[0]}: say what its values are: unit_px = 1 for pixels "
                    f"of the input, {size[1] / found.shape[1]:g} for those of the output"
                )
            found = _resize(found, size[1], size[0])
        return found * np.float32(unit_px or 1.0)


def _sides(path: Path, nodes: Any, adapter: FlowAdapter) -> tuple[int, int]:
    """(height, width) px of the inputs, 0 for a side that the graph leaves open.

    Raises FlowError where the inputs do not fit the adapter.
    """
    count, channels = (2, 3) if adapter.inputs == "two" else (1, 6)
    types = {node.type for node in nodes}
    sides = {tuple(s if isinstance(s, int) else 0 for s in node.shape[2:]) for node in nodes}
    fits = len(nodes) == count and len(sides) == len(types) == 1 and types <= _DTYPES.keys()
    for shape in (node.shape for node in nodes):
        given = zip(shape[:2], (1, channels), strict=False)
        fits &= len(shape) == 4 and all(s == want for s, want in given if isinstance(s, int))
    if not fits:
        found = ", ".join(f"{node.name} {_words(node.shape)} {node.type}" for node in nodes)
        raise FlowError(
            f"flow {path}: inputs must be {adapter.inputs} of (1, {channels}, H, W) float "
            f'(got {found}); inputs = "one" means a single one of six channels (docs/flow.md)'
        )
    height, width = sides.pop()
    return height, width


def _resize(flow: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """(height, width, 2) of (h, w, 2), the values as they are."""
    wide = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(wide, np.float32)


def _output(path: Path, session: Any, adapter: FlowAdapter) -> str:
    names = [str(node.name) for node in session.get_outputs()]
    wanted = adapter.output
    if isinstance(wanted, int) and -len(names) <= wanted < len(names):
        return names[wanted]
    if wanted in names:
        return str(wanted)
    raise FlowError(f"flow {path}: output must be one of {', '.join(names)} (got {wanted!r})")


def _words(shape: Any) -> str:
    return "(" + ", ".join("?" if side is None else str(side) for side in shape) + ")"


def open_session(path: Path, device: str = "auto") -> Any:
    """An `onnxruntime.InferenceSession` of this file on the fastest provider that works here.

    ONNX Runtime lists what it was built for, not what the machine can do, and falls back to the CPU
    with a page of red text. Asked here is only what has a chance, and one line of log says the
    rest; nodes that a provider cannot run go to the next one.
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
                str(path), options, providers=_PROVIDERS[_PROVIDERS.index(provider) :]
            )
        except Exception as error:  # ONNX Runtime's own errors share no other root
            if provider == _CPU or type(error).__name__ in _UNREADABLE:
                raise FlowError(
                    f"flow {path}: not an ONNX file that can be run here ({_first_line(error)}); "
                    "export it again, or try --flow dis"
                ) from error
            _LOG.warning("flow %s: %s does not open (%s)", path.name, provider, _first_line(error))
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


def _first_line(error: Exception) -> str:
    """The first line of what ONNX Runtime says, without its code and at a bearable length."""
    text = first_line(error)
    _, _, reason = text.rpartition(" : ")
    return (reason or text)[:160]
