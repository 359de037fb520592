"""ONNX Runtime: each octave's whole step as one graph, on TensorRT, CUDA or the CPU.

For machines whose PyTorch is slow or missing its GPU, and to see that what `livedream export`
writes is the same dream. One session for each size, the last few are kept; pictures go in and out
by their address, nothing is copied on the way.
"""

from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

import torch
from torch import Tensor

from livedream.core.errors import SettingsError
from livedream.core.settings import DreamSettings
from livedream.dream.engines import EngineSpec
from livedream.dream.engines.eager import EagerEngine
from livedream.dream.engines.onnx_export import StepShape, build_step
from livedream.dream.engines.onnx_export.step import OUTPUT
from livedream.dream.engines.onnx_session import open_step, provider_of
from livedream.dream.objectives.binding import BoundObjective, Measured
from livedream.dream.tiles import Margins

__all__ = ["OnnxEngine"]

# Heuristic: four octaves of two sizes of picture; each holds the network's weights twice.
_KEPT: Final = 8
_ELEMENTS: Final = {torch.float32: 1, torch.int64: 7}  # as onnx.TensorProto.DataType counts


class OnnxEngine:
    """The steps in ONNX Runtime; what has no graph (tiles, Laplacian bands) by autograd.

    Raises SettingsError where the package onnx or onnxruntime is missing, for bf16, which no
    provider has, for another device than CUDA and the CPU, and for a network without a graph.
    """

    name: Final = "onnx"
    fallbacks: Final = 0

    def __init__(self, spec: EngineSpec) -> None:
        if spec.device.type not in ("cuda", "cpu"):
            raise SettingsError(f"engine: onnx runs on cuda or cpu, {spec.device.type} found")
        if spec.dtype == torch.bfloat16:
            raise SettingsError("engine: onnx has no bf16; add --precision fp32, or fp16 on CUDA")
        _require_packages()
        self._spec = spec
        self._steps: OrderedDict[StepShape, _BoundStep] = OrderedDict()

    @property
    def provider(self) -> str:
        """ONNX Runtime's name of what the last step ran on; empty before the first."""
        last = next(reversed(self._steps.values()), None)
        return provider_of(last.session) if last else ""

    def ascend(self, x: Tensor, shifts: Sequence[Margins], settings: DreamSettings) -> None:
        if settings.laplacian > 0 or not shifts:
            self._eager.ascend(x, shifts, settings)
            return
        left, right, top, bottom = shifts[0]
        height, width = x.shape[2:]
        shape = StepShape(width, height, (left + right, top + bottom), settings.smoothing)
        self._step(shape).ascend(x, shifts, settings.step_size, self._spec.objective)

    def gradient(self, seen: Tensor, measured: Measured | None = None) -> Tensor:
        return self._eager.gradient(seen, measured)

    def prepare(self, sizes: Sequence[tuple[int, int]]) -> bool:
        return True

    @cached_property
    def _eager(self) -> EagerEngine:
        return EagerEngine(self._spec)

    def _step(self, shape: StepShape) -> "_BoundStep":
        """The step of this shape; the one not used for longest makes room."""
        found = self._steps.pop(shape, None)
        if found is None:
            model = build_step(self._spec, shape).SerializeToString()
            session = open_step(model, self._spec.device, half=self._spec.dtype == torch.float16)
            found = _BoundStep(session, shape, self._spec.device)
            if len(self._steps) >= _KEPT:
                self._steps.popitem(last=False)
        self._steps[shape] = found
        return found


class _BoundStep:
    """A session with its inputs and outputs at fixed addresses: two pictures, in turns."""

    def __init__(self, session: Any, shape: StepShape, device: torch.device) -> None:
        self.session = session
        size = (1, 3, shape.height, shape.width)
        self._pictures = [torch.empty(size, device=device) for _ in range(2)]
        self._step_size = torch.empty(1, device=device)
        self._shift = torch.empty(2, dtype=torch.int64, device=device)

    @torch.no_grad()
    def ascend(
        self, x: Tensor, shifts: Sequence[Margins], step_size: float, objective: BoundObjective
    ) -> None:
        """`Engine.ascend`, in place."""
        source, target = self._pictures
        source.copy_(x)
        self._step_size.fill_(step_size)
        for left, _, top, _ in shifts:
            self._shift.copy_(torch.tensor([left, top]))
            self._run(source, target, objective)
            source, target = target, source
        x.copy_(source)

    def _run(self, source: Tensor, target: Tensor, objective: BoundObjective) -> None:
        inputs = {
            "picture": source, "step_size": self._step_size, "shift": self._shift,
            "weights": objective.weights, "variety": objective.variety,
        }  # fmt: skip
        binding = self.session.io_binding()
        for name, tensor in inputs.items():
            binding.bind_input(name, *_address(tensor))
        binding.bind_output(OUTPUT.name, *_address(target))
        if source.device.type == "cuda":
            # ONNX Runtime has a stream of its own (onnxruntime #26609): it begins when torch is
            # done; `run_with_iobinding` returns when it is done itself.
            torch.cuda.current_stream(source.device).synchronize()
        self.session.run_with_iobinding(binding)


def _address(tensor: Tensor) -> tuple[str, int, int, list[int], int]:
    """Device, its number, type, shape and place in memory, as an IOBinding wants them."""
    device = tensor.device
    number = _ELEMENTS[tensor.dtype]
    return device.type, device.index or 0, number, list(tensor.shape), tensor.data_ptr()


def _require_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            f"engine: onnx needs the package {error.name}; pip install 'livedream[export]'"
        ) from error
