"""The path of a frame: frame in, flow, warp, dream, frame out.

What is carried is the residual (dream minus frame, as its highlights are after
`livedream.dream.headroom`) at the dream's own size. For each frame it is
warped along the flow and faded by its half-life. What gradient ascent adds on top of it is averaged
along the flow as well (`livedream.dream.momentum`) and scaled so that the level stays at
`strength`. The residual is then scaled up onto the full-size frame, whose own detail stays sharp.

Files, stills, zooms, replays and live shows all dream through `Dreamer`. Its state is written
here, but for what a film and a still begin with, and for a zoom's time. Two networks that dream in
turns are two dreamers of one state, of which the second is seen by the first alone. One file, long
as it is: there is one walk, and its parts share that state.
"""

import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livedream.core.device import choose_device, choose_dtype
from livedream.core.errors import SettingsError
from livedream.core.frame import DeviceMotion, Frame, Motion, Picture
from livedream.core.prefetch import StageTimer, prefetch
from livedream.core.settings import DreamSettings, dream_size
from livedream.core.shrink import shrunk
from livedream.core.supervisor import FaultLog
from livedream.dream.ascent import Ascent, Plan
from livedream.dream.clean import cleaned, flatness
from livedream.dream.clouds import Clouds
from livedream.dream.compose import compose
from livedream.dream.engines.cuda import CudaEngine
from livedream.dream.headroom import with_headroom
from livedream.dream.level import Figure, LevelledDream, Shaping, crossfade, scale_to_level
from livedream.dream.momentum import ALL_OCTAVES, ahead, blend, remaining, turn
from livedream.dream.networks.network import Network, load_network
from livedream.dream.networks.registry import in_turns
from livedream.dream.objectives.binding import BoundObjective, bind
from livedream.dream.objectives.moving_guides import MovingGuides
from livedream.dream.objectives.prompt import as_written, dreamed, dreaming_network
from livedream.dream.objectives.text import parse_objective
from livedream.dream.objectives.value import Term
from livedream.dream.octaves import weight_of
from livedream.dream.resident import FrameFigures, ResidentFrame, ResidentWalk, kind_of
from livedream.dream.spread import over_pixels, shared_out
from livedream.dream.state import FIRST_STEP_S, DreamState
from livedream.dream.tint import tinted
from livedream.dream.transfer import Transfers
from livedream.dream.turns import Turns
from livedream.flow import open_flow
from livedream.flow.motion import MotionEstimator
from livedream.region.planes import PlaneReader, Planes
from livedream.region.wanted import Wanted, wanted_of
from livedream.warp.accumulated_flow import AccumulatedFlow, warp_steps
from livedream.warp.residual import carry
from livedream.warp.travel import Travel, move

_log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from livedream.capture.live.beside import LivePictures


@dataclass(frozen=True, slots=True)
class Dream:
    """A dreamed frame.

    source: the frame as it was.  frame: the picture to show, with the same time.
    level: RMS of the residual in 8-bit steps, at the dream's size.
    gain: what the addition was multiplied with.
    flicker: mean size of what was new in the residual, against that of the whole; on a device that
    had all of a film's frame, in the last of its dreams.
    planes: of its regions, None: there are none.
    state: to go on from behind this frame, until the next one is asked for. None where the next one
    is under way already and no copy was kept (see `Dreamer.begin`).
    took_s: how long a device took that had all of it; None where that is not known, or where the
    next one of its kind will take less.
    """

    source: Frame
    frame: Frame
    level: float
    gain: float
    flicker: float
    state: DreamState | None
    took_s: float | None = None
    planes: Planes | None = None


class Dreamer:
    """Dreams frames one after the other.

    settings: see `DreamSettings`.  network, objective: loaded ones to use instead of those the
    settings name, or their prompt chooses; such a network dreams every prompt, until `adopt` gets
    another or settings that name another.  wait_for_compile: a dream waits for what is compiled
    for a new size or objective, as every dream has to that shall come out the same again; a live
    show's does not.
    pictures: the live sources of a show's masks and guides; None: there are none.
    `start_s`: the film's time, or the show's, where that of the frames begins: masks and guides
    that move go by it.  `warm_up_s`: for films, whose frames can wait: the first frame of every
    scene is dreamed as though the camera had held it still for so long before, unless a region
    depends on motion; a frame that stands for more than 0.06 s is dreamed several times. None:
    every frame is dreamed once.
    Raises NetworkError, ObjectiveError or SettingsError for what cannot be had.
    """

    device: torch.device
    dtype: torch.dtype
    network: Network
    objective: BoundObjective
    ascent: Ascent
    transfers: Transfers
    _walk: ResidentWalk | None
    _sky: Clouds
    _guides: MovingGuides
    _settings: DreamSettings
    _own: DreamSettings  # those of its own network, where two dream in turns
    network_given: bool = False  # to `Dreamer` or `adopt`, loaded
    _turns: Turns | None = None  # where two networks dream in turns
    _beside: "Dreamer | None" = None  # of the second

    def __init__(
        self,
        settings: DreamSettings | None = None,
        network: Network | None = None,
        objective: BoundObjective | None = None,
        *,
        wait_for_compile: bool = True,
        pictures: "LivePictures | None" = None,
    ) -> None:
        self._wait_for_compile, self._pictures = wait_for_compile, pictures
        self._size: tuple[int, int] | None = None
        self._wanted: Wanted | None = None
        self._past_fallbacks = 0  # of engines that gave way to another
        self.state = DreamState()
        self.start_s = 0.0
        self.warm_up_s: float | None = None
        self._later: Sequence[float] = ()  # before each of the frame's dreams but the first, s
        self._faults = FaultLog(_log, "the dream")
        self.timer = StageTimer()
        self.planes = PlaneReader(pictures)
        settings = settings or DreamSettings()
        given = network is not None
        self._load(settings if given else _resolved(settings), network, objective, given=given)

    def frames(self, source: Iterable[Frame]) -> Iterator[Frame]:
        """The dreamed frames of `source`, in order."""
        return (dream.frame for dream in self.dreams(source))

    def dreams(
        self,
        source: Iterable[Frame],
        before: Frame | None = None,
        step: Callable[[Frame, Motion | None], Dream] | None = None,
        keep: Callable[[], bool] = lambda: False,
    ) -> Iterator[Dream]:
        """Like `frames`, with each dream's figures. Reading and flow run ahead in threads.

        before: the frame that came before the first of `source`, when going on from a state.
        step: what dreams a frame, if not `Dreamer.step`. Without it, and where frames stay on the
        device, the next frame is launched before one is given: the dreamer's own state is then one
        frame further than the dream's, which has its own only where it was kept.
        keep: asked with each frame whether its state will be wanted.
        """
        settings = self.settings
        flow = MotionEstimator(open_flow(settings.flow, device=settings.device), settings.flow_size)
        if before is not None:
            flow.remember(before.rgb)

        def moved(frames: Iterable[Frame]) -> Iterator[tuple[Frame, Motion | None]]:
            for frame in frames:
                with self.timer.stage("flow"):
                    motion = flow.step(frame.rgb)
                yield frame, motion

        with (
            prefetch(self.timer.timed("capture", source)) as captured,
            prefetch(moved(captured)) as pairs,
        ):
            if step is not None:
                for frame, motion in pairs:
                    yield step(frame, motion)
                return
            begun: deque[Callable[[], Dream]] = deque()
            for frame, motion in pairs:
                begun.append(self.begin(frame, motion, keep=keep()))
                # What is done already has the state as it is now.
                while len(begun) > (1 if self.on_device(frame.rgb) else 0):
                    yield begun.popleft()()
            for arrived in begun:
                yield arrived()

    def step(self, frame: Frame, motion: Motion | DeviceMotion | None = None) -> Dream:
        """Dream one frame. motion: since the frame before; None: nothing moved."""
        return self.begin(frame, motion)()

    def begin(
        self, frame: Frame, motion: Motion | DeviceMotion | None = None, *, keep: bool = False
    ) -> Callable[[], Dream]:
        """Begin with a frame; what is returned waits for it. Arguments as for `step`.

        Where it is `on_device` the frame goes its way meanwhile; elsewhere it is done already.
        keep: the dream has its state even if the next frame is begun before; takes a copy on CUDA.
        """
        if self.on_device(frame.rgb):
            with self.timer.stage("dream"):
                cut = isinstance(motion, Motion) and motion.cut
                seconds = self.state.seconds_to(frame.time_s, cut=cut)
                return self.launch(frame, motion, seconds, keep=keep)
        assert not isinstance(motion, DeviceMotion), "only a walk on the device gets one"
        dream = self.step_by_stage(frame, motion)
        return lambda: dream

    def on_device(self, rgb: Picture) -> bool:
        """Whether such a frame goes its whole way on the device.

        That is so on CUDA (`livedream.dream.resident`), but for what is cut into tiles.
        """
        there = all(dreamer._walk is not None for dreamer in self._everyone)
        return there and not self.ascent.is_tiled(*self._size_for(rgb))

    def launch(
        self, frame: Frame, motion: Motion | DeviceMotion | None, seconds: float, *,
        mix: float = 1.0, keep: bool = False, planes: Planes | None = None,
    ) -> Callable[[], Dream]:  # fmt: skip
        """`begin`, for what is `on_device`.

        seconds: since the frame dreamed on before.  mix: how much of the dream is laid on.
        planes: of its regions, None: to be found, if there are any.
        """
        state, size = self.state, self._size_for(frame.rgb)
        cut_seconds = min(seconds, FIRST_STEP_S)
        cut = isinstance(motion, Motion) and motion.cut
        if cut:
            self.reset()
            seconds = cut_seconds
        if state.residual is not None and state.residual.shape[2:] != size[::-1]:
            state.residual = state.momentum = None
        keep_share = self.advance(seconds)
        planes = planes or self.regions(frame.rgb, motion, seconds, self.remains(seconds))
        ground = self.ground(frame.rgb, planes, mix)

        def dream(motion: Motion | DeviceMotion | None, keep: float) -> Callable[[], ResidentFrame]:
            dreamer = self._whose_turn()
            walk, settings = dreamer._walk, dreamer.settings
            assert walk is not None, "on the device"
            dreamer._look_beside(planes)
            octaves, weight, remains = dreamer._turn(*size)
            draw = np.random.default_rng([settings.seed, state.frames])
            launched = walk.launch(
                kind_of(
                    ground, size, motion, octaves=octaves, settings=settings,
                    moving=state.momentum is not None,
                    held=planes is not None and planes.keep is not None,
                ),
                ground, motion, carried=state, planes=planes,
                clouds=dreamer.clouds(*size, torch.device("cpu")),
                margins=dreamer.ascent.margins(*size, draw, octaves),
                figures=FrameFigures(
                    keep=keep, seconds=state.step_s,
                    cut_seconds=state.step_s if cut else cut_seconds,
                    strength=settings.strength, rise=settings.rise, step=settings.step_size / 255.0,
                    remains=remains, weight=weight, mix=mix, shaping=Shaping.of(settings),
                ),
            )  # fmt: skip
            state.frames += 1
            return launched

        begun = dream(motion, keep_share)
        for span_s in self._later:
            begun = dream(None, self._pass(span_s))
        launched = begun()
        frames, kept = state.frames, state.copy() if keep else None

        def arrived() -> Dream:
            with self.timer.stage("compose"):
                rgb = launched.shown()
                level, gain, flicker, age_s = launched.found().tolist()
            left = state if state.frames == frames else None
            for own in (left, kept):
                if own is not None:
                    own.age_s = age_s
            if not math.isfinite(level):
                self._lose()
                if kept is not None:
                    kept.reset()
                rgb, level, gain, flicker = ground, 0.0, 0.0, 0.0
            shown = replace(frame, rgb=rgb)
            took_s = launched.took_s()
            return Dream(frame, shown, level, gain, flicker, kept or left, took_s, planes)

        return arrived

    def step_by_stage(self, frame: Frame, motion: Motion | None) -> Dream:
        """`step`, the stages one by one even where a frame goes its way on the device."""
        with self.timer.stage("warp"):
            cut = motion is not None and motion.cut
            if cut:
                self.reset()
            seconds = self.state.seconds_to(frame.time_s, cut=cut)
            keep = self.advance(seconds)
            planes = self.regions(frame.rgb, motion, seconds, self.remains(seconds))
            ground = self.ground(frame.rgb, planes)
            picture = self.picture(ground)
            carried = self.carry(picture, motion, keep, planes)
        with self.timer.stage("dream"):
            levelled = self.grow(picture, carried, planes)
            figures = levelled.figures(carried)
        with self.timer.stage("compose"):
            steps = self.transfers.to_host((levelled.residual[0] * 255.0).permute(1, 2, 0))
            shown = replace(frame, rgb=compose(ground, steps))
        level, gain, flicker = figures.tolist()
        return Dream(frame, shown, level, gain, flicker, self.state, planes=planes)

    def ground(self, rgb: Picture, planes: Planes | None = None, mix: float = 1.0) -> Picture:
        """What is dreamed on, and what the dream is laid on: the frame with `headroom`.

        planes: of its regions.  mix: how much of the dream is laid on.
        """
        plane = None if planes is None else planes.grow
        return with_headroom(rgb, self.settings, plane, mix)

    def picture(self, rgb: Picture) -> Tensor:
        """The frame at the dream's size: (1, 3, h, w) float32 in [0, 1] on the device."""
        picture = self.transfers.to_device(shrunk(rgb, *self._size_for(rgb)))
        return picture.permute(2, 0, 1)[None].float().div_(255.0)

    def regions(
        self, rgb: Picture, motion: Motion | DeviceMotion | None, seconds: float, keep: float,
        fading: Self | None = None,
    ) -> Planes | None:  # fmt: skip
        """The planes of the frame's regions, None where none is named; once for each frame.

        seconds: since the frame before.  keep: what remains of the dream after them.
        fading: whose dream gives way to this one, see `grow_both`.
        """
        wanted = self._wanted
        if fading is not None:
            terms = *self._terms, *fading._terms
            wanted = self._wanted_of(self.settings, terms)
        if wanted is None:
            self.state.regions.clear()  # the dream goes everywhere meanwhile
            return None
        return self.planes.step(
            wanted, self.state.regions, rgb, motion,
            size=self._size_for(rgb), seconds=seconds, fade=keep, time_s=self._film_s,
        )  # fmt: skip

    @property
    def _film_s(self) -> float:
        """The last frame's time in the film or show, whatever part of it is dreamed."""
        return self.start_s + (self.state.time_s or 0.0)

    def _look_beside(self, planes: Planes | None) -> None:
        """Let the objective's terms have what the next dream goes by beside its picture: classes,
        guides that move, and the planes of their regions."""
        self.ascent.wander(self.state.wandered)
        self._guides.follow(self._film_s, self.planes.rate)
        own = self.ascent.spec.objective
        if planes is not None and own.regions and planes.terms.keys() >= set(own.regions):
            found = np.stack([planes.terms[region] for region in own.regions])
            self.transfers.put(found, own.planes)

    def plane(self, plane: NDArray[np.float32] | None) -> Tensor | None:
        """(1, 3, h, w) on the device, as pictures lie in memory: torch is slower to spread it."""
        if plane is None:
            return None
        found = torch.from_numpy(cv2.merge([plane] * 3)).to(self.device)
        return found.permute(2, 0, 1)[None]

    def held(self, carried: Tensor, planes: Planes | None) -> Tensor:
        """What is carried, (1, 3, h, w), as far as the planes let it be seen, in place."""
        if planes is None or planes.keep is None:
            return carried
        plane = self.plane(planes.keep)
        assert plane is not None
        return carried.mul_(plane)

    def _size_for(self, rgb: Picture) -> tuple[int, int]:
        """(width, height) px that a frame is dreamed at."""
        height, width = rgb.shape[:2]
        return self._size or dream_size(self.settings.size, width, height)

    def reset(self) -> None:
        """Start afresh, as after a cut."""
        self.state.reset()

    def advance(self, seconds: float) -> float:
        """Let a frame's time pass; what remains of the dream by the half-life, 0 to 1.

        Where a film's frame is dreamed several times this is what remains at the first one; `grow`
        lets the rest pass.
        """
        moves = self._wanted is not None and self._wanted.moves
        first, *self._later = self.state.spans(seconds, self.warm_up_s, moves=moves)
        return self._pass(first)

    def _pass(self, seconds: float) -> float:
        self.state.advance(seconds, self.settings.wander)
        return self.remains(seconds)

    def remains(self, seconds: float) -> float:
        """What remains of a dream after so long, 0 to 1."""
        half_life = self.settings.half_life
        return 0.5 ** (seconds / half_life) if half_life > 0 else 0.0

    def travel(self, travel: Travel, seconds: float) -> Tensor | None:
        """The residual after `seconds` of a journey; None where there is none."""
        state = self.state
        if state.momentum is not None:
            state.momentum = move(state.momentum, travel, seconds)
        if state.residual is not None:
            state.residual = move(state.residual, travel, seconds)
        return state.residual

    def resize(self, rgb: Picture) -> None:
        """Bring what is carried to the size that a frame is dreamed at; else it starts afresh."""
        state, size = self.state, self._size_for(rgb)[::-1]

        def resized(carried: Tensor | None) -> Tensor | None:
            if carried is None or carried.shape[2:] == size:
                return carried
            return torch.nn.functional.interpolate(
                carried, size, mode="bicubic", align_corners=False
            )

        state.residual, state.momentum = resized(state.residual), resized(state.momentum)

    def carry(
        self, picture: Tensor, motion: Motion | None, keep: float, planes: Planes | None = None
    ) -> Tensor:
        """What of the residual goes on into `picture`: warped by the motion, faded to `keep`.

        The momentum goes with it.  planes: of the frame's regions.
        """
        state = self.state
        residual = state.residual
        if residual is None or residual.shape != picture.shape:
            state.momentum = None
            return torch.zeros_like(picture)
        carried, state.momentum = carry(residual, state.momentum, motion, picture, keep)
        return self.held(carried, planes)

    def follow(self, flow: AccumulatedFlow, size: tuple[int, int]) -> None:
        """Bring the momentum to a later frame, dreamed at `size`; for who carries the residual."""
        momentum = self.state.momentum
        if momentum is not None:
            planes = momentum[0].permute(1, 2, 0).contiguous().cpu().numpy()
            moved = torch.from_numpy(warp_steps(planes, flow, size, sharp=False))
            self.state.momentum = moved.to(self.device).permute(2, 0, 1)[None]

    def fade(self, picture: Tensor, seconds: float) -> Tensor:
        """What of the residual goes on where `picture` stands still; overwrites the residual."""
        residual, keep = self.state.residual, self.advance(seconds)
        if residual is None or residual.shape != picture.shape:
            return torch.zeros_like(picture)
        return residual.mul_(keep)

    def grow(self, picture: Tensor, carried: Tensor, planes: Planes | None = None) -> LevelledDream:
        """A frame's dream on top of what is carried, at the level of `strength`.

        picture, carried: (1, 3, h, w) float32 on the device, their sum in [0, 1]. The result is
        what the state goes on from.  planes: of the frame's regions.
        """
        levelled = self._grow(picture, carried, planes)
        for seconds in self._later:
            carried = self.held(levelled.residual.mul_(self._pass(seconds)), planes)
            levelled = self._grow(picture, carried, planes)
        return levelled

    def _grow(self, picture: Tensor, carried: Tensor, planes: Planes | None) -> LevelledDream:
        dreamer = self._whose_turn()
        if dreamer is not self:
            return dreamer._grow(picture, carried, planes)
        settings, state = self.settings, self.state
        draw = np.random.default_rng([settings.seed, state.frames])
        self._look_beside(planes)
        octaves, weight, remains = self._turn(picture.shape[3], picture.shape[2])
        rising = min(1.0, state.age_s / settings.rise) if settings.rise > 0 else 1.0
        levelled, state.momentum = self.grown(
            settings, picture, carried, state.momentum, state.gain,
            clouds=self.clouds(picture.shape[3], picture.shape[2]),
            climb=lambda start: self.ascent.addition(start, draw, octaves),
            target=settings.strength * rising, remains=remains, weight=weight,
            shaping=Shaping.of(settings),
            plane=None if planes is None else self.plane(planes.grow),
        )  # fmt: skip
        if not math.isfinite(float(levelled.level)):
            self._lose()
            nothing = torch.zeros_like(levelled.level)
            levelled = LevelledDream(torch.zeros_like(picture), nothing, nothing)
        state.residual, state.gain = levelled.residual, levelled.gain
        state.frames += 1
        return levelled

    def _whose_turn(self) -> "Dreamer":
        """Who dreams the next one. Of three dreams one climbs the coarse octaves
        (`livedream.dream.momentum`): in turns of two, each network has its share of them."""
        if self._beside is None or self.state.frames % 2 == 0:
            return self
        self._beside.share_state(self)
        return self._beside

    def _lose(self) -> None:
        """Start afresh: what is no number would stay in the residual for good, seen as black."""
        error = FloatingPointError(f"by {self.ascent.engine.name} it was NaN")
        self._faults.failed(error, "starts afresh", traceback=False)
        self.reset()
        self.state.fresh = False  # no warm-up: the next one may be lost, too

    @staticmethod
    def grown(
        settings: DreamSettings, picture: Tensor, carried: Tensor,
        momentum: Tensor | None, gain: Tensor | None, *, clouds: Tensor | None,
        climb: Callable[[Tensor], Tensor], target: Figure, remains: Figure, weight: Figure,
        shaping: Shaping, plane: Tensor | None = None,
    ) -> tuple[LevelledDream, Tensor | None]:  # fmt: skip
        """One dream and the momentum after it; what `grow` does, without the state.

        settings: of them whether there is a momentum, and keep_colours.  momentum, gain: before it.
        clouds: (1, 3, h, w), see `Clouds`; None: none.
        climb: what ascent adds to a picture, (1, 3, h, w) in [0, 1].  target: of the level, 8-bit
        steps.  remains, weight: see `livedream.dream.momentum`.  shaping: of what is added.
        plane: (1, 1 or 3, h, w) in [0, 1], where something is added and the level is measured.
        """
        start = picture + carried
        if momentum is not None and gain is not None:
            ahead(start, momentum, gain)
        flat = flatness(picture)
        if clouds is not None:
            start.addcmul_(clouds, over_pixels(flat, start))
        added = climb(start.clamp_(0.0, 1.0))
        if settings.momentum > 0.0:
            fresh = momentum is None
            momentum = blend(momentum, added, remains, weight)
            added = momentum.clone() if fresh else added.copy_(momentum)
        added = tinted(cleaned(added, flat, shaping.clean), shaping.tint)
        keep_colours = settings.keep_colours
        added = shared_out(added, carried, shaping.spread, plane, keep_colours=keep_colours)
        levelled = scale_to_level(
            picture, carried, added, target, plane, keep_colours=keep_colours
        )  # fmt: skip
        return levelled, momentum

    def clouds(self, width: int, height: int, device: torch.device | None = None) -> Tensor | None:
        """What the ascent sees in flat places, see `Clouds.over`."""
        seed, wandered = self.settings.seed, self.state.wandered
        return self._sky.over(width, height, seed, wandered, device or self.device)

    def _turn(self, width: int, height: int) -> tuple[slice, float, float]:
        """Which octaves a dream of this size is to climb, what its addition weighs, and what
        remains of the momentum; one that does not suit it is dropped."""
        state, half_life = self.state, self.settings.momentum
        before = state.momentum
        if before is not None and (half_life <= 0.0 or before.shape[2:] != (height, width)):
            before = state.momentum = None
        if before is None or state.gain is None:  # the first dream after the start or a cut
            return ALL_OCTAVES, 1.0, 0.0
        weights = [weight_of(size) for size in self.ascent.octave_sizes(width, height)]
        octaves, weight = turn(state.frames, weights)
        return octaves, weight, remaining(half_life, state.step_s)

    def grow_both(
        self, picture: Tensor, carried: Tensor, fading: Self, share: float, *,
        clip: bool = True, planes: Planes | None = None,
    ) -> LevelledDream:  # fmt: skip
        """Like `grow`, with the dream of a network that gives way to this one.

        fading: its dreamer, of the same state.  share: of this one's dream.  clip: see `crossfade`.
        """
        state, plane = self.state, None if planes is None else self.plane(planes.grow)

        def both(carried: Tensor) -> LevelledDream:
            before, gain = None if state.momentum is None else state.momentum.clone(), state.gain
            old = fading._grow(picture, carried, planes)
            state.frames -= 1  # the two are one dream
            faded, state.momentum, state.gain = state.momentum, before, gain
            new = self._grow(picture, carried, planes)
            if faded is not None and state.momentum is not None:
                state.momentum = torch.lerp(faded, state.momentum, share)
            levelled = crossfade(old, new, share, picture if clip else None, plane)
            state.residual = levelled.residual
            return levelled

        levelled = both(carried)
        for seconds in self._later:
            levelled = both(self.held(levelled.residual.mul_(self._pass(seconds)), planes))
        return levelled

    @property
    def settings(self) -> DreamSettings:
        """What is dreamed with now; `adopt` changes it."""
        return self._settings

    @property
    def fallbacks(self) -> int:
        """How often the ascent took a slower way, because it did not wait for a compiler."""
        beside = self._beside.fallbacks if self._beside else 0
        return self._past_fallbacks + self.ascent.engine.fallbacks + beside

    @property
    def network_name(self) -> str:
        """Of the network that dreams, or ``A+B`` of two in turns."""
        return "+".join(dreamer.network.name for dreamer in self._everyone)

    @property
    def own_objective(self) -> str:
        """What is dreamed where nothing is named, of two networks by each in its turn."""
        return " / ".join(dreamer.network.default_objective for dreamer in self._everyone)

    @property
    def ascents(self) -> tuple[Ascent, ...]:
        """Of the network that dreams, or of two in turns."""
        return tuple(dreamer.ascent for dreamer in self._everyone)

    @property
    def _everyone(self) -> "tuple[Dreamer, ...]":
        return (self,) if self._beside is None else (self, self._beside)

    @property
    def _terms(self) -> tuple[Term, ...]:
        return tuple(
            term for dreamer in self._everyone for term in dreamer.objective.objective.terms
        )

    def prepare(self, plan: Plan) -> bool:
        """Whether a frame can be dreamed by `plan` without a slower way.

        What that takes is begun beside; the plan is not adopted yet.
        """
        ready = [ascent.prepare(plan) for ascent in self.ascents]  # both begin to compile
        return all(ready)

    def adopt(
        self,
        settings: DreamSettings,
        network: Network | None = None,
        objective: BoundObjective | None = None,
        *,
        plan: Plan | None = None,
    ) -> None:
        """Go on with other settings; the dream so far is carried on.

        Quick enough for every frame as long as network, targets of the objective, device, precision
        and engine stay what they are: strength, steps, octaves, sizes and the objective's weights
        may change gradually. What else has changed is loaded anew, unless it is given.
        network, objective: loaded ones, as for a new Dreamer.  plan: its size, octaves and steps
        are dreamed by instead of the settings'.  flow and flow_size count from the next call of
        `dreams` on.  Raises what a new Dreamer raises, and is then as it was.
        """
        if plan is not None:
            settings = plan.applied(settings)
        loaded = network is not None or objective is not None
        if self.network_given and _named(settings) == _named(self._settings):
            network = network or self.network
        given = network is not None
        if not given:
            settings = _resolved(settings)
        if loaded or _loaded_for(settings) != _loaded_for(self._settings):
            self._load(settings, network, objective, given=given)
        else:
            own, *others = self._turns.settings(settings) if self._turns else (settings,)
            default, wanted = self.network.default_objective, None
            if (text := _dreamed(own, default)) != _dreamed(self._own, default):
                wanted = parse_objective(text)
            terms = (wanted or self.objective.objective).terms
            regions = self._wanted_of(settings, (*terms, *self._terms_of(others)))
            if self.ascent.adopt(own, wanted):
                if self._beside is not None:
                    self._beside.adopt(others[0])
                self._settings, self._own, self._wanted = settings, own, regions
            else:
                self._load(settings, self.network, None, given=given)
        for dreamer in self._everyone:
            dreamer._size = None if plan is None else plan.size

    def _wanted_of(self, settings: DreamSettings, terms: Sequence[Term]) -> Wanted | None:
        regions = [term.region for term in terms]
        live = self._pictures is not None
        return wanted_of(settings, regions, live=live, before=self._wanted)

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from a state that `DreamState.arrays` gave."""
        self.state = DreamState.from_arrays(arrays, self.device)

    def share_state(self, other: Self) -> None:
        """Go on from the other's state, timer and start, together with it."""
        self.state, self.timer, self.start_s = other.state, other.timer, other.start_s
        self.warm_up_s = other.warm_up_s
        self.planes.rate = other.planes.rate

    def _load(
        self, settings: DreamSettings, network: Network | None, objective: BoundObjective | None,
        *, given: bool,
    ) -> None:  # fmt: skip
        """Make everything that the settings name; nothing is changed when that fails.

        given: whether the network is a caller's, and not the one that the settings name.
        """
        device = choose_device(settings.device)
        turns = None if given else self._turns_of(settings)
        own, *others = turns.settings(settings) if turns else (settings,)
        if turns is not None:
            network = turns.networks[0]
        network = network or network_of(settings)
        wide = network.preprocessing.scale > 1
        dtype = choose_dtype(settings.precision, device, wide=wide)
        wanted = _dreamed(own, network.default_objective)
        with as_written(settings.prompt):
            objective = objective or bind(wanted, network)
        ascent = Ascent(
            network, objective, own, device, dtype, wait_for_compile=self._wait_for_compile
        )
        guides = MovingGuides(network, ascent.spec.objective, self._pictures)
        beside = None if turns is None else self._brought(turns, *others)
        terms = *objective.objective.terms, *(beside.objective.objective.terms if beside else ())
        self._wanted = self._wanted_of(settings, terms)
        self._guides = guides
        if hasattr(self, "ascent"):
            self._past_fallbacks = self.fallbacks - (beside.fallbacks if beside else 0)
        self._turns, self._beside = turns, beside
        self._settings, self._own, self.network_given = settings, own, given
        self.device, self.dtype = device, dtype
        self.transfers = Transfers(device)
        self._sky = Clouds()
        self.network, self.objective, self.ascent = network, objective, ascent
        resident = isinstance(ascent.engine, CudaEngine)
        self._walk = ResidentWalk(ascent, self.grown) if resident else None
        for name in ("residual", "momentum"):
            if (carried := getattr(self.state, name)) is not None:
                setattr(self.state, name, carried.to(device))

    def _turns_of(self, settings: DreamSettings) -> Turns | None:
        """Those that the settings' networks take, None: there is one."""
        names = in_turns(settings.network)
        if len(names) < 2:
            return None
        if settings.weights:
            raise SettingsError("network: two in turns have their own weights; leave out weights")
        if self._turns is not None and _loaded_for(settings) == _loaded_for(self._settings):
            return self._turns
        return Turns([network_of(settings.replace(network=name)) for name in names])

    def _brought(self, turns: Turns, settings: DreamSettings) -> "Dreamer":
        """The dreamer of the second network, by these settings of its own."""
        if self._beside is not None and turns is self._turns:
            self._beside.adopt(settings)
            return self._beside
        return Dreamer(
            settings, turns.networks[1],
            wait_for_compile=self._wait_for_compile, pictures=self._pictures,
        )  # fmt: skip

    def _terms_of(self, others: Sequence[DreamSettings]) -> tuple[Term, ...]:
        """What the second network is to dream, if there is one."""
        if self._beside is None:
            return ()
        (settings,) = others
        own = self._beside.network.default_objective
        return parse_objective(_dreamed(settings, own)).terms


def _dreamed(settings: DreamSettings, own: str) -> str:
    return dreamed(settings.prompt, settings.objective, own)


def _dreaming(settings: DreamSettings) -> str:
    return dreaming_network(settings.network, settings.prompt, settings.weights)


def _resolved(settings: DreamSettings) -> DreamSettings:
    """With the network named that their prompt chooses."""
    network = _dreaming(settings)
    return settings if network == settings.network else settings.replace(network=network)


def _named(settings: DreamSettings) -> tuple[str, ...]:
    return settings.network, settings.weights, settings.preprocess, settings.labels


def _loaded_for(settings: DreamSettings) -> tuple[str, ...]:
    """What a change of needs another network, or the network elsewhere."""
    return *_named(settings), settings.device, settings.precision


def network_of(settings: DreamSettings) -> Network:
    """The network that the settings name, with its weights, or the first that their prompt chooses.

    Raises NetworkError for two named ones."""
    return load_network(
        settings.network or in_turns(_dreaming(settings))[0] or None,
        weights=Path(settings.weights) if settings.weights else None,
        preprocess=settings.preprocess or None,
        labels=Path(settings.labels) if settings.labels else None,
    )
