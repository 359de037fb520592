"""A walk that stays on the device: a frame goes up once for each of its dreams, what is shown comes
down once.

Between the two nothing waits for the device, and nothing is decided by a number on the host: what
changes from frame to frame goes up as one vector, what is found (level, gain, flicker, age) comes
down as one, with the picture. So the whole frame, from the shrinking of the picture to the
composite, is one recording (a CUDA graph) for each configuration, made of the same functions that
dream on a CPU; where those have a way by OpenCV and one by torch, it is torch's.

What is carried stays in memory that the recordings share, and that is the state's own: who changes
the state in between, as a reset does, is followed.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livedream.core.cuda_graph import Step, stopwatch
from livedream.core.device import exact, resident
from livedream.core.frame import DeviceMotion, Motion, Picture
from livedream.core.settings import DreamSettings
from livedream.core.shrink_tensor import shrunk_tensor
from livedream.dream.ascent import Ascent
from livedream.dream.compose import compose_tensor
from livedream.dream.engines.cuda import CapturedStep, CudaEngine, StepKind
from livedream.dream.level import Figure, LevelledDream, Shaping
from livedream.dream.octaves import octaves_of
from livedream.dream.state import DreamState
from livedream.dream.tiles import Margins
from livedream.dream.transfer import Transfers
from livedream.region.planes import Planes
from livedream.warp.residual import carry_tensor

_KEPT: Final = 8  # recordings: turns of the octaves, after a cut and not, of two or three sizes
_WORTH: Final = 2  # a kind of frame that is seen only once is not worth a recording
_KNOWN: Final = -1.0  # an age that is what it is on the device

# What glides or counts beside the recording: in the vector, in tensors that change in place, as an
# objective's weights do, or nowhere within a frame.
_LOOSE: Final = {
    "strength": 1.0, "rise": 0.0, "half_life": 1.0, "step_size": 1.0, "seed": 0, "variety": 0.0,
    "focus": 0.0, "wander": 0.0, "motif": 1.0, "objective": "", "prompt": "", "where": "",
    "feather": 0.0, "threshold": 0.0, "hold": 0.0, "region_half_life": 0.0, "flow": "dis",
    "flow_size": "360p", "headroom": 0.0,
}  # fmt: skip
# Likewise, but for the value with which nothing is done at all.
_OFF: Final = {"momentum": 0.0, "clean": 0.0, "tint": 1.0, "spread": 0.0}
_USUAL: Final = DreamSettings()


@dataclass(frozen=True, slots=True)
class FrameFigures:
    """What a frame is dreamed by, apart from its picture and its motion: the vector's numbers.

    keep: what remains of the residual.  seconds: since the dream before.  cut_seconds: the age
    after a cut.  strength: the level's target, 8-bit steps.  rise: s.  step: of the ascent, in
    units of the picture.  remains, weight: see `livedream.dream.momentum`.  mix: how much of the
    dream is laid onto the picture.  shaping: of what is added.
    """

    keep: float
    seconds: float
    cut_seconds: float
    strength: float
    rise: float
    step: float
    remains: float
    weight: float
    mix: float
    shaping: Shaping

    def numbers(
        self, age_s: float | None, margins: Sequence[Sequence[Margins]]
    ) -> NDArray[np.float64]:
        """The figures, then above and to the left of each step.

        age_s: before the frame; None: as the device knows.  margins: of each octave's steps.
        """
        age = _KNOWN if age_s is None else age_s
        own = [
            self.keep, self.seconds, self.cut_seconds, age, self.strength, max(self.rise, 1e-9),
            self.step, self.remains, self.weight, 255.0 * self.mix, self.shaping.clean,
            self.shaping.tint, self.shaping.spread,
        ]  # fmt: skip
        before = [place for steps in margins for left, _, top, _ in steps for place in (top, left)]
        return np.array([*own, *before], np.float64)


_FIGURES: Final = 13


class Grow(Protocol):
    """`Dreamer.grown`: ascent, momentum, spread and level."""

    def __call__(
        self, settings: DreamSettings, picture: Tensor, carried: Tensor,
        momentum: Tensor | None, gain: Tensor | None, *, clouds: Tensor | None,
        climb: Callable[[Tensor], Tensor], target: Figure, remains: Figure, weight: Figure,
        shaping: Shaping, plane: Tensor | None = None,
    ) -> tuple[LevelledDream, Tensor | None]: ...  # fmt: skip


@dataclass(frozen=True, slots=True)
class FrameKind:
    """What a frame is recorded for; whatever is not in here may change without another recording.

    rgb: (height, width) of the frame, size: (width, height) of the dream, motion: (height, width)
    of the flow; px.  octaves: which are climbed, from and up to.  moving: whether there is a
    momentum already.  mirrored: see `Motion`.  held: whether a region holds the dream.
    """

    rgb: tuple[int, int]
    size: tuple[int, int]
    motion: tuple[int, int]
    octaves: tuple[int | None, int | None]
    moving: bool
    settings: DreamSettings
    mirrored: bool = False
    held: bool = False


class FrameMemory:
    """What stays in place, for all kinds of frames of one size."""

    def __init__(self, kind: FrameKind, device: torch.device) -> None:
        width, height = kind.size
        self.rgb = torch.zeros(*kind.rgb, 3, dtype=torch.uint8, device=device)
        self.motion = torch.zeros(3, *kind.motion, device=device)  # flow, visibility
        self.cut = torch.zeros((), dtype=torch.bool, device=device)
        self.residual, self.momentum = (
            torch.zeros(1, 3, height, width, device=device) for _ in range(2)
        )
        self.gain, self.age = (torch.zeros((), dtype=exact(device), device=device) for _ in "ga")
        # Where the dream grows, and where it may be seen: `Planes`.
        self.planes = torch.ones(2, height, width, device=device)
        self.clouds = torch.zeros_like(self.residual)
        self.sky: Tensor | None = None  # what these were copied from
        self.shown = torch.zeros_like(self.rgb)
        self.found = torch.zeros(4, dtype=exact(device), device=device)

    @property
    def state(self) -> tuple[Tensor, ...]:
        return self.residual, self.momentum, self.gain, self.age


class RecordedFrame:
    """One kind of frame on that memory.  replay: the recording of `run`, None: there is none."""

    def __init__(
        self, kind: FrameKind, memory: FrameMemory, ascent: Ascent, grow: Grow, *,
        steps: list[CapturedStep], count: int,
    ) -> None:  # fmt: skip
        """steps: of each octave climbed.  count: of iterations in each."""
        self._kind, self._memory, self._ascent, self._grow = kind, memory, ascent, grow
        self._steps, self._count = steps, count
        device = memory.rgb.device
        length = _FIGURES + 2 * len(steps) * count
        self.numbers = torch.zeros(length, dtype=exact(device), device=device)
        self.replay: Step | None = None
        self.seen = 0

    def run(self) -> None:
        with resident(), torch.no_grad():
            self._run()

    def _run(self) -> None:
        kind, own = self._kind, self._memory
        (
            keep, seconds, cut_seconds, age, strength, rise, step, remains, weight, scale,
            clean, tint, spread,
        ) = self.numbers[:_FIGURES].unbind()  # fmt: skip
        figures = {"clean": clean, "tint": tint, "spread": spread}
        off = {name: _OFF[name] for name in figures if getattr(kind.settings, name) == _OFF[name]}
        shaping = Shaping(**figures | off)
        picture = shrunk_tensor(own.rgb, *kind.size).div_(255.0)
        motion = DeviceMotion(own.motion[:2], own.motion[2], own.cut, kind.mirrored)
        momentum = own.momentum if kind.moving else None
        carried, momentum = carry_tensor(own.residual, momentum, motion, picture, keep.float())
        if kind.held:
            carried.mul_(own.planes[1])
        grown = torch.where(age >= 0.0, age, own.age) + seconds
        own.age.copy_(torch.where(own.cut, cut_seconds, grown))
        target = strength * (own.age / rise).clamp_max(1.0)
        levelled, momentum = self._grow(
            kind.settings, picture, carried, momentum, own.gain, clouds=own.clouds,
            climb=lambda start: self._climb(start, step.float()),
            target=target, remains=remains, weight=weight, shaping=shaping,
            plane=own.planes[:1, None] if kind.held else None,
        )  # fmt: skip
        own.residual.copy_(levelled.residual)
        own.gain.copy_(levelled.gain)
        if momentum is not None:
            own.momentum.copy_(momentum)
        own.shown.copy_(compose_tensor(own.rgb, levelled.residual, scale))
        own.found.copy_(torch.cat([levelled.figures(carried), own.age[None]]))

    def _climb(self, start: Tensor, step: Tensor) -> Tensor:
        before = self.numbers[_FIGURES:].long().view(len(self._steps), self._count, 2)
        octaves = iter(zip(self._steps, before, strict=True))

        def ascend(x: Tensor) -> None:
            captured, places = next(octaves)
            for place in places:
                captured.step(x, place, step)

        return self._ascent.climb(start, slice(*self._kind.octaves), ascend)


@dataclass(frozen=True, slots=True)
class ResidentFrame:
    """A frame that was launched: what waits for it.

    shown: gives the (H, W, 3) uint8 picture.  found: gives level, gain, flicker and age in s.
    took_s: gives how long the device took for it, once it has arrived; None where the next frame of
    its kind will take less.
    """

    shown: Callable[[], Picture]
    found: Callable[[], NDArray[np.float64]]
    took_s: Callable[[], float | None]


class ResidentWalk:
    """Dreams frames on a device, one recording for each kind of them.

    ascent: with CUDA's engine.  grow: see `Grow`; both are asked for what does not change.
    """

    def __init__(self, ascent: Ascent, grow: Grow) -> None:
        assert isinstance(ascent.engine, CudaEngine)
        self._ascent, self._grow, self._engine = ascent, grow, ascent.engine
        self._device = ascent.spec.device
        self._frames: OrderedDict[FrameKind, RecordedFrame] = OrderedDict()
        self._memory: dict[tuple[tuple[int, int], ...], FrameMemory] = {}
        # Of one shape each, from frame to frame: their page-locked buffers stay.
        self._pictures, self._motions, self._planes, self._found = (
            Transfers(self._device) for _ in range(4)
        )
        # By their length: coarse and fine octaves take turns, and have different numbers of steps.
        self._numbers: defaultdict[int, Transfers] = defaultdict(partial(Transfers, self._device))

    @property
    def recorded(self) -> list[FrameKind]:
        """What is replayed, the longest unused first."""
        return [kind for kind, frame in self._frames.items() if frame.replay is not None]

    def launch(
        self, kind: FrameKind, rgb: Picture, motion: Motion | DeviceMotion | None, *,
        carried: DreamState, figures: FrameFigures, margins: list[list[Margins]],
        planes: Planes | None = None, clouds: Tensor | None = None,
    ) -> Callable[[], ResidentFrame]:  # fmt: skip
        """Launch one frame; `carried` is then what it leaves, in memory that the next one uses.

        kind: see `kind_of`.  motion: None: nothing moved.  margins: of each octave's steps.
        planes: of its regions.  clouds: see `Clouds`.
        What is returned begins to bring it down, if it is called before the next launch; of a frame
        that is dreamed several times, only the last is wanted.
        """
        frame = self._frame(kind, margins)
        own = self._own(kind)
        age_s = None if carried.residual is own.residual else carried.age_s - figures.seconds
        self._load(own, carried)
        if frame.seen >= _WORTH and frame.replay is None:
            self._record(frame, own)
        self._pictures.put(rgb, own.rgb)
        self._move(own, motion)
        if planes is not None and planes.grow is not None and planes.keep is not None:
            self._planes.put(np.stack([planes.grow, planes.keep]), own.planes)
        if clouds is not None and clouds is not own.sky:
            own.sky = clouds
            own.clouds.copy_(clouds)
        self._numbers[len(frame.numbers)].put(figures.numbers(age_s, margins), frame.numbers)
        measured = stopwatch(self._device)
        (frame.replay or frame.run)()
        took_s = measured()
        carried.residual, carried.gain = own.residual, own.gain
        carried.momentum = own.momentum if kind.settings.momentum > 0.0 else None
        settled = frame.replay is not None or not self._engine.records

        def begin() -> ResidentFrame:
            # From slots of their own: the next frame may be launched before these have come down.
            shown = self._pictures.to_host_later(own.shown)
            found = self._found.to_host_later(own.found)
            return ResidentFrame(shown, found, took_s if settled else lambda: None)

        return begin

    def _frame(self, kind: FrameKind, margins: list[list[Margins]]) -> RecordedFrame:
        frame = self._frames.pop(kind, None)
        if frame is None:
            while len(self._frames) >= _KEPT:
                self._frames.popitem(last=False)
            sizes = self._ascent.octave_sizes(*kind.size)[slice(*kind.octaves)]
            steps = [
                self._engine.step_of(StepKind.of_size(size, own[0], kind.settings))
                for size, own in zip(sizes, margins, strict=True)
            ]
            frame = RecordedFrame(
                kind,
                self._own(kind),
                self._ascent,
                self._grow,
                steps=steps,
                count=len(margins[0]),
            )
        self._frames[kind] = frame
        frame.seen += 1
        return frame

    def _own(self, kind: FrameKind) -> FrameMemory:
        sizes = kind.rgb, kind.size, kind.motion
        if sizes not in self._memory:
            used = {(known.rgb, known.size, known.motion) for known in self._frames}
            self._memory = {known: own for known, own in self._memory.items() if known in used}
            self._memory[sizes] = FrameMemory(kind, self._device)
        return self._memory[sizes]

    def _load(self, own: FrameMemory, carried: DreamState) -> None:
        pairs = (
            (own.residual, carried.residual), (own.momentum, carried.momentum),
            (own.gain, carried.gain),
        )  # fmt: skip
        for place, given in pairs:
            if given is None:
                place.zero_()
            elif given is not place:
                place.copy_(given)

    def _record(self, frame: RecordedFrame, own: FrameMemory) -> None:
        """Recording runs the frame, so what is carried is put back."""
        kept = [part.clone() for part in own.state]
        try:
            frame.replay = self._engine.record(frame.run)
        finally:
            for place, part in zip(own.state, kept, strict=True):
                place.copy_(part)
        frame.seen = 0

    def _move(self, own: FrameMemory, motion: Motion | DeviceMotion | None) -> None:
        if isinstance(motion, DeviceMotion):
            own.motion[:2].copy_(motion.flow)
            own.motion[2].copy_(motion.visibility)
            own.cut.copy_(motion.cut)
            return
        own.cut.fill_(motion is not None and motion.cut)
        if motion is None:
            own.motion[:2].zero_()
            own.motion[2].fill_(1.0)
        else:
            planes = np.concatenate([motion.flow, motion.visibility[None]])
            self._motions.put(planes, own.motion)


def kind_of(
    rgb: Picture, size: tuple[int, int], motion: Motion | DeviceMotion | None, *,
    octaves: slice, settings: DreamSettings, moving: bool, held: bool = False,
) -> FrameKind:  # fmt: skip
    """The kind of a frame. size: of the dream.  octaves: see `Ascent.climb`."""
    moved = (1, 1) if motion is None else tuple(motion.visibility.shape)
    count, scale = octaves_of(settings, size)
    gliding = {
        name: off if getattr(settings, name) == off else getattr(_USUAL, name)
        for name, off in _OFF.items()
    }
    settings = settings.replace(**_LOOSE, **gliding, octaves=count, octave_scale=scale)
    return FrameKind(
        (rgb.shape[0], rgb.shape[1]), size, (moved[0], moved[1]), (octaves.start, octaves.stop),
        moving, settings, motion is not None and motion.mirrored, held,
    )  # fmt: skip
