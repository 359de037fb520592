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
from livedream.dream.engines import EngineSpec
from livedream.dream.engines.cuda.captured_step import CapturedStep, StepKind
from livedream.dream.engines.cuda.graph_capture import CudaGraphCapture, GraphCapture
from livedream.dream.engines.eager import EagerEngine
from livedream.dream.objectives.binding import Measured
from livedream.dream.tiles import Margins

__all__ = ["CudaEngine"]

_LOG: Final = logging.getLogger(__name__)
# Heuristic: four octaves of three sizes of picture.
_KEPT: Final = 12
# A size that is seen only once, in a glide, is not worth a recording, which takes some steps' time.
_WORTH: Final = 2


@dataclass(frozen=True, slots=True)
class _Recording:
    step: CapturedStep
    play: Callable[[], None]


class CudaEngine:
    """Records the steps of a size when it comes back, and takes them one by one until then.

    recorder: CUDA graphs unless told otherwise; tests hand over one that runs anywhere.
    Raises SettingsError for another device than CUDA, unless a recorder is handed over.
    """

    name: Final = "cuda"
    fallbacks: Final = 0

    def __init__(self, spec: EngineSpec, recorder: GraphCapture | None = None) -> None:
        if recorder is None:
            if spec.device.type != "cuda":
                raise SettingsError(f"engine: cuda runs on CUDA, device {spec.device.type} found")
            recorder = CudaGraphCapture(spec.device)
        self._spec = spec
        self._recorder: GraphCapture | None = recorder
        self._eager = EagerEngine(spec)
        self._recordings: OrderedDict[StepKind, _Recording] = OrderedDict()
        self._seen: OrderedDict[StepKind, int] = OrderedDict()

    @property
    def recorded(self) -> list[StepKind]:
        """What is played back and not taken step by step, the longest unused first."""
        return list(self._recordings)

    def ascend(self, x: Tensor, shifts: Sequence[Margins], settings: DreamSettings) -> None:
        recording = self._recording(StepKind.of(x, shifts[0], settings)) if shifts else None
        if recording is None:
            self._eager.ascend(x, shifts, settings)
            return
        recording.step.picture.copy_(x)
        for margins in shifts:
            recording.step.spec(margins, settings.step_size)
            recording.play()
        x.copy_(recording.step.picture)

    def gradient(self, seen: Tensor, measured: Measured | None = None) -> Tensor:
        return self._eager.gradient(seen, measured)

    def prepare(self, sizes: Sequence[tuple[int, int]]) -> bool:
        return True

    def _recording(self, kind: StepKind) -> _Recording | None:
        """None: step by step, for this size is new or nothing can be recorded here."""
        found = self._recordings.pop(kind, None)
        if found is None and self._is_worth(kind):
            found = self._record(kind)
        if found is not None:
            self._recordings[kind] = found
        return found

    def _is_worth(self, kind: StepKind) -> bool:
        if self._recorder is None:
            return False
        times = self._seen.pop(kind, 0) + 1
        self._seen[kind] = times
        if len(self._seen) > 2 * _KEPT:
            self._seen.popitem(last=False)
        return times >= _WORTH

    def _record(self, kind: StepKind) -> _Recording | None:
        assert self._recorder is not None
        while len(self._recordings) >= _KEPT:
            self._recordings.popitem(last=False)
        step = CapturedStep(kind, self._spec.device, self._eager.gradient)
        try:
            return _Recording(step, self._recorder.record(step.take))
        except RuntimeError as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            _LOG.warning("engine cuda: steps are taken one by one, not recorded (%s)", reason)
            self._recorder = None
            self._recordings.clear()
            return None
