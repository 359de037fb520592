"""CUDA: the whole step of each octave as one CUDA graph.

Forward, input gradient, normalisation, shift and update are launched together: at a small octave
launching them one by one takes longer than computing them. The network runs in fp16 and
channels_last (`device.choose_dtype`), picture and normalisation in float32.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from livedream.core.errors import SettingsError
from livedream.core.settings import DreamSettings
from livedream.dream.engines.base import EngineSpec
from livedream.dream.engines.cuda.capture import (
    CapturedStep,
    CudaGraphCapture,
    GraphCapture,
    StepKind,
)
from livedream.dream.engines.eager import EagerEngine
from livedream.dream.objectives.binding import Measured
from livedream.dream.tiles import Margins

_LOG: Final = logging.getLogger(__name__)
# Heuristic: four octaves of three sizes of picture.
KEPT: Final = 12
# A size that is seen only once, in a glide, is not worth a capture, which takes some steps' time.
_WORTH: Final = 2


@dataclass(frozen=True, slots=True)
class _Captured:
    step: CapturedStep
    replay: Callable[[], None]


class CudaEngine:
    """Captures the steps of a size when it comes back, and takes them one by one until then.

    graph_capture: None for CUDA graphs; tests give one that runs anywhere.
    Raises SettingsError for another device than CUDA where it is None.
    """

    name: Final = "cuda"
    fallbacks: Final = 0

    def __init__(self, spec: EngineSpec, graph_capture: GraphCapture | None = None) -> None:
        if graph_capture is None:
            if spec.device.type != "cuda":
                raise SettingsError(
                    f"engine: cuda runs on a CUDA device (got device {spec.device.type})"
                )
            graph_capture = CudaGraphCapture(spec.device)
        self._spec = spec
        self._graph_capture: GraphCapture | None = graph_capture
        self._eager = EagerEngine(spec)
        self._graphs: OrderedDict[StepKind, _Captured] = OrderedDict()
        self._seen: OrderedDict[StepKind, int] = OrderedDict()

    @property
    def captured(self) -> list[StepKind]:
        """What is replayed and not taken step by step, the longest unused first."""
        return list(self._graphs)

    def ascend(self, x: Tensor, shifts: Sequence[Margins], settings: DreamSettings) -> None:
        captured = self._graph(StepKind.of(x, shifts[0], settings)) if shifts else None
        if captured is None:
            self._eager.ascend(x, shifts, settings)
            return
        captured.step.picture.copy_(x)
        for margins in shifts:
            captured.step.set(margins, settings.step_size)
            captured.replay()
        x.copy_(captured.step.picture)

    def gradient(self, seen: Tensor, measured: Measured | None = None) -> Tensor:
        return self._eager.gradient(seen, measured)

    def prepare(self, sizes: Sequence[tuple[int, int]]) -> bool:
        return True

    def _graph(self, kind: StepKind) -> _Captured | None:
        """None: step by step, for this size is new or nothing can be captured here."""
        found = self._graphs.pop(kind, None)
        if found is None and self._is_worth(kind):
            found = self._capture(kind)
        if found is not None:
            self._graphs[kind] = found
        return found

    def _is_worth(self, kind: StepKind) -> bool:
        if self._graph_capture is None:
            return False
        times = self._seen.pop(kind, 0) + 1
        self._seen[kind] = times
        if len(self._seen) > 2 * KEPT:
            self._seen.popitem(last=False)
        return times >= _WORTH

    def _capture(self, kind: StepKind) -> _Captured | None:
        assert self._graph_capture is not None
        while len(self._graphs) >= KEPT:
            self._graphs.popitem(last=False)
        step = CapturedStep(kind, self._spec.device, self._eager.gradient)
        try:
            return _Captured(step, self._graph_capture.capture(step.run))
        except RuntimeError as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            _LOG.warning("engine cuda: steps run one by one, without a graph (%s)", reason)
            self._graph_capture = None
            self._graphs.clear()
            return None
