"""CUDA: the whole step of each octave as one CUDA graph.

Forward, input gradient, normalisation, shift and update are launched together: at a small octave
launching them one by one takes longer than computing them. The network runs in fp16 and
channels_last (`device.choose_dtype`), picture and normalisation in float32. Between convolutions
kernels of Triton run where there is Triton (`fused`), PyTorch's own elsewhere.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from livedream.core.cuda_graph import Capture, CudaGraphCapture, Step
from livedream.core.errors import SettingsError, first_line
from livedream.core.settings import DreamSettings
from livedream.dream.engines.base import EngineSpec
from livedream.dream.engines.eager import EagerEngine
from livedream.dream.engines.fused import FusedAscent, fused, open_kernels
from livedream.dream.engines.steps import normalised
from livedream.dream.objectives.binding import Measured
from livedream.dream.objectives.placing import window_before
from livedream.dream.objectives.terms import WHOLE, Place
from livedream.dream.tiles import Margins, mirrored_index

_LOG: Final = logging.getLogger(__name__)
# Heuristic: four octaves of three sizes of picture.
KEPT: Final = 12
# A size that is seen only once, in a glide, is not worth a capture, which takes some steps' time.
_WORTH: Final = 2


@dataclass(frozen=True, slots=True)
class StepKind:
    """What a step is captured for; whatever is not in here may change without another capture.

    height, width: of the picture, px.  margins: of both sides together, px: (across, down).
    smoothing, laplacian: as in `DreamSettings`.
    """

    height: int
    width: int
    margins: tuple[int, int]
    smoothing: float
    laplacian: int

    @classmethod
    def of(cls, x: Tensor, margins: Margins, settings: DreamSettings) -> "StepKind":
        return cls.of_size((x.shape[3], x.shape[2]), margins, settings)

    @classmethod
    def of_size(
        cls, size: tuple[int, int], margins: Margins, settings: DreamSettings
    ) -> "StepKind":
        """size: (width, height) of the picture, px."""
        left, right, top, bottom = margins
        both = left + right, top + bottom
        return cls(size[1], size[0], both, settings.smoothing, settings.laplacian)


class CapturedStep:
    """One step on memory that stays in place (see `cuda_graph`).

    picture: (1, 3, height, width) float32, changed in place by `run`.  gradient: as
    `Engine.gradient`.  fused: takes it with few kernels; None: PyTorch's own operations do.
    replay: the capture of `run`, None: there is none. Not `run` itself: what holds itself stays on
    the device until Python looks for cycles.
    """

    def __init__(
        self, kind: StepKind, device: torch.device, gradient: Callable[..., Tensor],
        fused: FusedAscent | None = None, *, placed: bool = False,
    ) -> None:  # fmt: skip
        """placed: whether the gradient depends on where the margins are."""
        self._gradient, self._placed = gradient, placed
        self._fused = fused
        self._settings = DreamSettings(smoothing=kind.smoothing, laplacian=kind.laplacian)
        self._length = kind.height, kind.width
        self.replay: Step | None = None
        self.picture = torch.zeros(1, 3, kind.height, kind.width, device=device)
        self._scale = torch.zeros((), device=device)
        self._before = torch.zeros(2, dtype=torch.int64, device=device)  # above, to the left
        across, down = kind.margins
        self._seen = [
            torch.arange(length + margin, device=device)
            for length, margin in zip(self._length, (down, across), strict=True)
        ]
        self._own = [torch.arange(length, device=device) for length in self._length]

    def set(self, margins: Margins, step_size: float) -> None:
        """Set what the next `run` reads."""
        left, _, top, _ = margins
        self._scale.fill_(step_size / 255.0)
        self._before[0].fill_(top)
        self._before[1].fill_(left)

    def run(self) -> None:
        """One step of `picture`: what is captured."""
        self.step(self.picture, self._before, self._scale)

    def step(self, picture: Tensor, before: Tensor, scale: Tensor) -> None:
        """One step of a picture of this kind, in place.

        before: (2,) int64, the margins above and to the left.  scale: of the step, 0-d float32, in
        units of the picture.  Both on the device.
        """
        size = len(self._seen[0]), len(self._seen[1])
        if self._fused is None:
            gradient = self._plain(picture, before)
        elif self._settings.smoothing > 0 or self._settings.laplacian > 0:
            gradient = self._fused.gradient(picture, before, size)
        else:
            self._fused.step(picture, before, size, scale)
            return
        for axis, own, first in zip((2, 3), self._own, before, strict=True):
            gradient = gradient.index_select(axis, own + first)
        picture.add_(normalised(gradient, self._settings) * scale).clamp_(0.0, 1.0)

    def _plain(self, picture: Tensor, before: Tensor) -> Tensor:
        """The gradient of all that the network sees."""
        rows, columns = (
            mirrored_index(seen - first, length)
            for seen, first, length in zip(self._seen, before, self._length, strict=True)
        )
        seen = picture.index_select(2, rows).index_select(3, columns)
        if not self._placed:
            return self._gradient(seen)
        return self._gradient(seen, window=window_before(before, seen.shape[2:], self._length))


class CudaEngine:
    """Captures the steps of a size when it comes back, and takes them one by one until then.

    capture: None for CUDA graphs; tests give one that runs anywhere.
    kernels: whether Triton's are used; None: on CUDA, if they run there.
    Raises SettingsError for another device than CUDA where it is None.
    """

    name: Final = "cuda"
    fallbacks: Final = 0

    def __init__(
        self, spec: EngineSpec, capture: Capture | None = None, *,
        kernels: bool | None = None,
    ) -> None:  # fmt: skip
        if capture is None:
            if spec.device.type != "cuda":
                raise SettingsError(
                    f"engine: cuda runs on a CUDA device (got device {spec.device.type})"
                )
            capture = CudaGraphCapture(spec.device)
        self._spec = spec
        self._capture: Capture | None = capture
        wanted = spec.device.type == "cuda" if kernels is None else kernels
        found = open_kernels(spec.device) if wanted else None
        self._fused: FusedAscent | None = None
        if found is None:
            self._eager = EagerEngine(spec)
        else:
            body = fused(spec.network.truncated(spec.objective.layers), found)
            self._eager = EagerEngine(spec, body)
            self._fused = FusedAscent(spec, self._eager.body, found)
        self._graphs: OrderedDict[StepKind, CapturedStep] = OrderedDict()
        self._seen: OrderedDict[StepKind, int] = OrderedDict()

    def step_of(self, kind: StepKind) -> CapturedStep:
        """A step of that kind, for who records more than it."""
        return CapturedStep(
            kind, self._spec.device, self._eager.gradient, self._fused,
            placed=bool(self._spec.objective.regions),
        )  # fmt: skip

    @property
    def captured(self) -> list[StepKind]:
        """What is replayed and not taken step by step, the longest unused first."""
        return list(self._graphs)

    def ascend(self, x: Tensor, shifts: Sequence[Margins], settings: DreamSettings) -> None:
        captured = self._graph(StepKind.of(x, shifts[0], settings)) if shifts else None
        if captured is None:
            self._eager.ascend(x, shifts, settings)
            return
        take = captured.replay or captured.run
        captured.picture.copy_(x)
        for margins in shifts:
            captured.set(margins, settings.step_size)
            take()
        x.copy_(captured.picture)

    def gradient(
        self, seen: Tensor, measured: Measured | None = None, place: Place = WHOLE
    ) -> Tensor:
        return self._eager.gradient(seen, measured, place)

    def prepare(self, sizes: Sequence[tuple[int, int]]) -> bool:
        return True

    def _graph(self, kind: StepKind) -> CapturedStep | None:
        """None: step by step, for this size is new or nothing can be captured here."""
        found = self._graphs.pop(kind, None)
        if found is None and self._is_worth(kind):
            found = self._captured(kind)
        if found is not None:
            self._graphs[kind] = found
        return found

    def _is_worth(self, kind: StepKind) -> bool:
        times = self._seen.pop(kind, 0) + 1
        self._seen[kind] = times
        if len(self._seen) > 2 * KEPT:
            self._seen.popitem(last=False)
        return times >= _WORTH

    def _captured(self, kind: StepKind) -> CapturedStep | None:
        while len(self._graphs) >= KEPT:
            self._graphs.popitem(last=False)
        step = self.step_of(kind)
        replay = self.record(step.run)
        if replay is None:
            return None
        step.replay = replay
        return step

    @property
    def records(self) -> bool:
        """False once recording has failed."""
        return self._capture is not None

    def record(self, run: Step) -> Step | None:
        """What repeats `run` on its memory; None where nothing can be recorded here.

        It is run a few times for that.
        """
        if self._capture is None:
            return None
        try:
            return self._capture(run)
        except RuntimeError as error:
            _LOG.warning(
                "engine cuda: steps run one by one, without a graph (%s)", first_line(error)
            )
            self._capture = None
            self._graphs.clear()
            return None
