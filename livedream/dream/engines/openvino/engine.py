"""OpenVINO: the gradient as one graph, compiled for the CPU's own vectors and half precision.

Two threads share one of its operations at a fraction of what that costs PyTorch's, and nothing of
Python stands between two operations: docs/decisions/speed-cpu.md. One graph for each size, the last
few are kept.
"""

import logging
import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any, Final

import cv2
import numpy as np
import torch
from torch import Tensor

from livedream.core.errors import SettingsError
from livedream.core.settings import DreamSettings
from livedream.dream.engines.base import EngineSpec
from livedream.dream.engines.eager import EagerEngine
from livedream.dream.engines.openvino.grad_outputs import placed_layers
from livedream.dream.engines.openvino.graph import GradientGraph
from livedream.dream.engines.steps import step_along
from livedream.dream.objectives.binding import BoundObjective, Measured
from livedream.dream.objectives.placing import placed, window_of
from livedream.dream.objectives.terms import WHOLE, Place
from livedream.dream.tiles import Margins, mirrored

_LOG: Final = logging.getLogger(__name__)

# Graphs take 280 bytes a pixel with dreamnet (0.6 GB in all), and 0.2 s to make: as many are kept
# as the octaves of one picture have sizes, and those that a live show goes to and fro between.
LEAST_KEPT: Final = 8
KEPT_PX: Final = 2_000_000

Size = tuple[int, int]  # width, height, margins included
_PRECISIONS: Final = {torch.float32: "f32", torch.bfloat16: "bf16"}


class OpenVinoEngine:
    """Pictures lie in memory as OpenCV has them, (h, w, 3), whatever their tensors' axes.

    graphs: by size, the least recently used first.  compiling: sizes whose graphs another thread
    compiles.  core: OpenVINO's own.
    Raises SettingsError where the package is missing, for a device other than the CPU, for fp16,
    and for networks and objectives that no graph can be written for.
    """

    name: Final = "openvino"

    def __init__(self, spec: EngineSpec) -> None:
        if spec.device.type != "cpu":
            raise SettingsError(f"engine: openvino runs on a CPU (got device {spec.device.type})")
        if spec.dtype not in _PRECISIONS:
            raise SettingsError(f"engine: openvino computes in fp32 or bf16 (got {spec.dtype})")
        self._spec = spec
        self._writer = GradientGraph(
            spec.network.truncated(spec.objective.layers),
            spec.objective,
            spec.network.preprocessing,
        )
        self.core = openvino_core()
        self.graphs: OrderedDict[Size, _Compiled] = OrderedDict()
        self.compiling: set[Size] = set()
        self._failed: set[Size] = set()
        self._wanted: frozenset[Size] = frozenset()  # asked for last...
        self._in_use: frozenset[Size] = frozenset()  # ...and what was there when asked for
        self._lock = threading.RLock()
        self.fallbacks = 0

    @torch.no_grad()
    def ascend(self, x: Tensor, shifts: Sequence[Margins], settings: DreamSettings) -> None:
        if not shifts:
            return
        left, right, top, bottom = shifts[0]
        height, width = x.shape[2:]
        graph = self._graph((width + left + right, height + top + bottom))
        if graph is None:
            self.fallbacks += 1
            self._eager.ascend(x, shifts, settings)
            return
        picture = x.contiguous(memory_format=torch.channels_last)
        for margins in shifts:
            left, _, top, _ = margins
            gradient = graph.run(picture, margins)
            seen = gradient[:, :, top : top + height, left : left + width]
            step_along(picture, seen, settings)
        if picture is not x:
            x.copy_(picture)

    @torch.no_grad()
    def gradient(
        self, seen: Tensor, measured: Measured | None = None, place: Place = WHOLE
    ) -> Tensor:
        # A tile is left to another: nearly every one has another size, and a graph is for one.
        graph = self._graph((seen.shape[3], seen.shape[2])) if measured is None else None
        if graph is None:
            return self._eager.gradient(seen, measured, place)
        return graph.run(seen.contiguous(memory_format=torch.channels_last), (0, 0, 0, 0)).clone()

    def prepare(self, sizes: Sequence[Size]) -> bool:
        if self._spec.wait_for_compile:
            return True
        with self._lock:
            self._wanted = frozenset(sizes)
            self._start_compiling(sizes)
            there = self.compiling.isdisjoint(sizes)
            if there:
                self._in_use = self._wanted
            return there

    @cached_property
    def _eager(self) -> EagerEngine:
        return EagerEngine(self._spec)

    def _graph(self, size: Size) -> "_Compiled | None":
        """The graph for pictures of this size; None while another thread makes it, or failed to."""
        with self._lock:
            found = self.graphs.get(size)
            if found is not None:
                self.graphs.move_to_end(size)
                return found
            if self._spec.wait_for_compile:
                return self._compile(size)
            self._start_compiling([size])
        return None

    def _start_compiling(self, sizes: Sequence[Size]) -> None:
        """Have a thread make what is missing, one after the other: the dream needs the cores."""
        begun = self.graphs.keys() | self.compiling | self._failed
        missing = [size for size in dict.fromkeys(sizes) if size not in begun]
        if missing:
            self.compiling.update(missing)
            # No daemon, as the thread that asks may be: to end amid compiling is to abort.
            thread = threading.Thread(
                target=self._compile_in_thread,
                args=(missing,),
                name="livedream-graph",
                daemon=False,
            )
            try:
                thread.start()
            except RuntimeError:  # no thread is to be had: then nothing is being made
                self.compiling.difference_update(missing)
                raise

    def _compile_in_thread(self, sizes: Sequence[Size]) -> None:
        for size in sizes:
            if not threading.main_thread().is_alive():
                return  # the program ends
            try:
                self._compile(size)
            except Exception as error:  # whatever it is, the slower way goes on
                _LOG.warning("engine openvino: no graph for %dx%d", *size, exc_info=error)
                with self._lock:
                    self._failed.add(size)
                    self.compiling.discard(size)

    def _compile(self, size: Size) -> "_Compiled":
        """Compile, and drop the least recently used graphs."""
        options = {
            "INFERENCE_PRECISION_HINT": _PRECISIONS[self._spec.dtype],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
            # Threads nailed to cores would meet those of another dream on the same ones.
            "ENABLE_CPU_PINNING": False,
        }
        compiled = self.core.compile_model(self._writer.model(*size), "CPU", options)
        found = _Compiled(compiled, self._spec.objective, size)
        with self._lock:
            # Two plans together may be more than is kept: one is dreamed, the other has to arrive.
            needed = self._wanted | self._in_use
            idle = [other for other in self.graphs if other not in needed]
            self.graphs[size] = found
            self.compiling.discard(size)
            kept = self.graphs.keys()
            while idle and len(kept) > LEAST_KEPT and sum(w * h for w, h in kept) > KEPT_PX:
                del self.graphs[idle.pop(0)]
        return found


class _Compiled:
    """A graph with its picture and its gradient at fixed addresses."""

    def __init__(self, compiled: Any, objective: BoundObjective, size: Size) -> None:
        from openvino import Tensor as Shared

        width, height = size
        self._request = compiled.create_infer_request()
        self._seen = np.empty((1, height, width, 3), np.float32)
        self._gradient = np.empty((1, height, width, 3), np.float32)
        inputs = self._seen, *(dial.numpy() for dial in objective.dials)
        self._objective = objective
        self._planes = [
            (region, np.ones(tuple(compiled.input(number).shape), np.float32))
            for number, (_, region) in enumerate(placed_layers(objective), len(inputs))
        ]
        inputs = *inputs, *(plane for _, plane in self._planes)
        for number, values in enumerate(inputs):
            self._request.set_input_tensor(number, Shared(values, shared_memory=True))
        self._request.set_output_tensor(Shared(self._gradient, shared_memory=True))

    def run(self, picture: Tensor, margins: Margins) -> Tensor:
        """(1, 3, h, w) in channels_last to its gradient, valid until the next run."""
        left, right, top, bottom = margins
        height, width = picture.shape[2:]
        if max(left, right) < width and max(top, bottom) < height:
            cv2.copyMakeBorder(
                picture[0].permute(1, 2, 0).numpy(), top, bottom, left, right,
                cv2.BORDER_REFLECT_101, dst=self._seen[0],
            )  # fmt: skip
        else:
            self._seen[:] = mirrored(picture, margins).permute(0, 2, 3, 1).numpy()
        window = window_of(margins, width, height)
        for region, plane in self._planes:
            rows, columns = plane.shape[2:]
            plane[0, 0] = placed(self._objective.planes[region], rows, columns, window).numpy()
        self._request.infer(share_outputs=True)  # else it hands out a copy of the gradient
        return torch.from_numpy(self._gradient).permute(0, 3, 1, 2)


@lru_cache(maxsize=1)
def openvino_core() -> Any:
    """OpenVINO's own core; raises SettingsError where the package is missing."""
    # `import openvino` tells its makers so over the network, unless this package is missing.
    name = "openvino_telemetry"
    masked = name not in sys.modules
    if masked:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        from openvino import Core
    except ImportError as error:
        raise SettingsError(
            f"engine: openvino needs the package {error.name}; pip install openvino"
        ) from error
    finally:
        if masked:
            del sys.modules[name]
    return Core()
