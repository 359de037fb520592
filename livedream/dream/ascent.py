"""Gradient ascent over octaves: what some steps would add to a picture.

Mordvintsev, Olah and Tyka, "Inceptionism" (2015): the picture is moved along the gradient of a
layer's response, from a small octave to the full size, each step divided by the gradient's mean
size and taken on a randomly shifted picture. The network runs in half precision where that is
fast; the picture, the normalisation and every sum stay in float32. What carries
the steps out is an engine (`livedream.dream.engines`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Self

import numpy as np
import torch
from torch import Tensor

from livedream.core.settings import DreamSettings, dream_size
from livedream.dream.engines import Engine, EngineSpec, open_engine
from livedream.dream.engines.eager import EagerEngine
from livedream.dream.engines.steps import step_along
from livedream.dream.momentum import ALL_OCTAVES, COARSE_SHARE
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import BoundObjective, Measured, added_up
from livedream.dream.objectives.value import Objective
from livedream.dream.octaves import octaves_of, weight_of
from livedream.dream.resize import resize
from livedream.dream.tiles import Margins, lay_tiles
from livedream.dream.transfer import Transfers

_TILES: Final = 2  # a picture with more pixels than so many tiles is cut up
# Cells of so small a stride, px, see little but the zeros around what the network sees when they
# lie at its border, and dreamnet's draw a frame of dots there; so much further out, px, nobody sees
# it. Deeper ones see enough else, and would pay for more pixels.
_SHALLOW: Final = 4
_EDGE_PX: Final = 8
_MOMENTS: Final = 64  # in each of which a region's class stays what it is, on its way to the next


@dataclass(frozen=True, slots=True)
class Plan:
    """What a dream is to cost. size: (width, height) px.  iterations: per octave, on average.

    All sizes that the network sees follow from it, with octave_scale and jitter (px).
    in_turn: whether coarse and fine octaves take turns (see `livedream.dream.momentum`).
    """

    size: tuple[int, int]
    octaves: int
    iterations: float
    octave_scale: float
    jitter: int
    in_turn: bool = False

    @classmethod
    def of(cls, settings: DreamSettings, width: int, height: int) -> Self:
        """What the settings ask for, of a picture of `width` x `height` px."""
        return cls.at(dream_size(settings.size, width, height), settings)

    @classmethod
    def at(cls, size: tuple[int, int], settings: DreamSettings) -> Self:
        """What the settings ask for at this size of the dream, whatever they say of it."""
        octaves, scale = octaves_of(settings, size)
        iterations, in_turn = float(settings.iterations), settings.momentum > 0
        return cls(size, octaves, iterations, scale, settings.jitter, in_turn)

    def applied(self, settings: DreamSettings) -> DreamSettings:
        """The settings with everything of the plan but its size."""
        return settings.replace(
            octaves=self.octaves, iterations=max(1, int(self.iterations)),
            octave_scale=self.octave_scale, jitter=self.jitter,
        )  # fmt: skip

    @property
    def cost(self) -> float:
        """Pixels that the network sees in all steps of a dream, on average."""
        width, height = self.size
        scales = [self.octave_scale**-octave for octave in range(self.octaves)]
        seen = [(width * s + self.jitter) * (height * s + self.jitter) for s in scales]
        return self.iterations * sum(n * s for n, s in zip(seen, self.shares, strict=True))

    @property
    def fewest_octaves(self) -> int:
        """Fewer save nothing: of two that take turns, the coarse one is the cheaper."""
        return min(2, self.octaves) if self.in_turn else 1

    @property
    def shares(self) -> list[float]:
        """How much of all dreams climb each octave, the finest first."""
        if not self.in_turn or self.octaves == 1:
            return [1.0] * self.octaves
        return [1 - COARSE_SHARE] + [COARSE_SHARE] * (self.octaves - 1)

    def eased(self, cost: float) -> Self:
        """The same sizes for this cost, as far as fewer iterations and then octaves bring it."""
        if self.cost <= cost:
            return self
        plan = replace(self, iterations=max(1.0, self.iterations * cost / self.cost))
        while plan.octaves > self.fewest_octaves and plan.cost > 1.01 * cost:
            plan = replace(plan, octaves=plan.octaves - 1)
        return plan


class Ascent:
    """Some steps of ascent for one network and one objective.

    network: a copy of its weights is moved to `device` and `dtype`.  dtype: of the network only.
    settings: may be replaced between two additions; see `adopt`.
    wait_for_compile: see `EngineSpec`.  spec, edge_px: what its engine computes; the margin beyond
    the jitter's, px.
    """

    def __init__(
        self,
        network: Network,
        objective: BoundObjective,
        settings: DreamSettings,
        device: torch.device,
        dtype: torch.dtype,
        *,
        wait_for_compile: bool = True,
    ) -> None:
        bound = objective.to(device)
        bound.variety.fill_(settings.variety)
        bound.focus.fill_(settings.focus)
        self._copies = Transfers(device)  # of weights
        self._drawn: tuple[float, int] | None = None  # of the regions' classes
        self.spec = EngineSpec(network, bound, device, dtype, wait_for_compile)
        self._settings = settings
        strides = [network.layers[n].stride for n in bound.layers if n in network.layers]
        self.edge_px = _EDGE_PX if min(strides, default=_EDGE_PX) <= _SHALLOW else 0
        self._objective: Objective = objective.objective
        self.engine: Engine = open_engine(settings.engine, self.spec)

    def adopt(self, settings: DreamSettings, objective: Objective | None = None) -> bool:
        """Go on with other settings and, if given, other weights of the same objective.

        Costs next to nothing. False, and nothing is changed, where an engine would have to be made
        anew: another engine, or an objective with other targets. What the settings say of
        network, device and precision is not looked at.
        """
        wanted = objective or self._objective
        new, old = (
            [(term.target, term.region) for term in objective.terms]
            for objective in (wanted, self._objective)
        )
        if new != old or settings.engine != self._settings.engine:
            return False
        if wanted is not self._objective:
            weights = np.array([term.weight for term in wanted.terms], np.float32)
            self._copies.put(weights, self.spec.objective.weights)
            self._objective = wanted
        self.spec.objective.variety.fill_(settings.variety)
        self.spec.objective.focus.fill_(settings.focus)
        self._settings = settings
        return True

    def wander(self, position: float) -> None:
        """Draw the classes that the picture's regions go to, see `BoundObjective.wander`.

        position: how often each region has changed its class since the beginning. Costs something
        only now and then, for classes change slowly.
        """
        drawn = round(position * _MOMENTS) / _MOMENTS, self._settings.seed
        if drawn != self._drawn:
            self.spec.objective.wander(*drawn)
            self._drawn = drawn

    def addition(
        self, picture: Tensor, draw: np.random.Generator, octaves: slice = ALL_OCTAVES
    ) -> Tensor:
        """What ascending adds to `picture`, see `climb`.

        draw: the source of jitter.
        """
        return self.climb(picture, octaves, lambda x: self.ascend(x, draw))

    def climb(self, picture: Tensor, octaves: slice, ascend: Callable[[Tensor], None]) -> Tensor:
        """What climbing some octaves of `picture` adds to it.

        picture: (1, 3, H, W) float32 in [0, 1].  octaves: which are climbed, the smallest is the
        first.  ascend: takes the steps of one, in place.
        Returns (1, 3, H, W) float32, in units of the picture; `picture` is left as it is.
        """
        height, width = picture.shape[2:]
        added: Tensor | None = None
        before = 1.0
        for size in self.octave_sizes(width, height)[octaves]:
            base, weight = resize(picture, size), weight_of(size)
            if added is None:
                added = base.clone()
            else:
                added = resize(added, size)
                if weight != before:  # what the coarser ones have added counts for so much more
                    added.mul_(before / weight)
                added.add_(base)
            before = weight
            ascend(added)
            added.sub_(base)
        assert added is not None
        return resize(added, (width, height))

    def margins(
        self, width: int, height: int, draw: np.random.Generator, octaves: slice = ALL_OCTAVES
    ) -> list[list[Margins]]:
        """Those of each octave's steps, as `addition` draws them where it cuts no tiles."""
        steps = range(self._settings.iterations)
        sizes = self.octave_sizes(width, height)[octaves]
        return [[self._margins(*size, draw) for _ in steps] for size in sizes]

    def is_tiled(self, width: int, height: int) -> bool:
        """Whether a picture of this size is cut up."""
        return _is_tiled(width, height, self._settings)

    def octave_sizes(self, width: int, height: int) -> list[tuple[int, int]]:
        """(width, height) of each octave, smallest first, none below what the network takes."""
        return self._octave_sizes(Plan.at((width, height), self._settings))

    def prepare(self, plan: Plan) -> bool:
        """Whether a picture can be dreamed by `plan` at once, see `Engine`.

        Asked before it is adopted, so that others may be dreamed by until then.
        """
        reach, least = plan.jitter + 2 * self.edge_px, self.spec.network.minimum_size
        return self.engine.prepare([
            (max(least, w + reach), max(least, h + reach))
            for w, h in self._octave_sizes(plan)
            if not _is_tiled(w, h, self._settings)
        ])  # fmt: skip

    def _octave_sizes(self, plan: Plan) -> list[tuple[int, int]]:
        sizes = []
        for octave in reversed(range(plan.octaves)):
            ratio = plan.octave_scale**-octave
            size = round(plan.size[0] * ratio), round(plan.size[1] * ratio)
            if octave == 0 or min(size) >= self.spec.network.minimum_size:
                sizes.append(size)
        return sizes

    @torch.no_grad()
    def response(self, picture: Tensor) -> float:
        """The objective's value on `picture`, (1, 3, H, W) float32 in [0, 1]."""
        return float(self.spec.objective.response(self._eager.activations(picture)))

    @cached_property
    def _eager(self) -> EagerEngine:
        """Who gives activations; the engine itself where it is that one."""
        return self.engine if isinstance(self.engine, EagerEngine) else EagerEngine(self.spec)

    def ascend(self, x: Tensor, draw: np.random.Generator) -> None:
        """Some steps up from `x`, an octave of a picture, in place."""
        height, width = x.shape[2:]
        cuts = draw.spawn(1)[0]  # of its own: jitter is the same with tiles and without
        steps = range(self._settings.iterations)
        if not _is_tiled(width, height, self._settings):
            shifts = [self._margins(width, height, draw) for _ in steps]
            self.engine.ascend(x, shifts, self._settings)
            return
        for step in steps:
            # Which channels are strong changes as the dream grows, and variety weighs by it; but
            # measuring takes the whole picture, hence every other step.
            if step % 2 == 0:
                measured = self._measure(x, cuts)
            margins = self._margins(width, height, draw)
            step_along(x, self._tiled_gradient(x, margins, measured, cuts), self._settings)

    def _margins(self, width: int, height: int, draw: np.random.Generator) -> Margins:
        """Drawn anew for each step, so that the network's grid lies elsewhere each time.

        Mirrored margins, not a roll: a roll joins sky to road, and the network draws the seam as a
        frame around the picture. What is too small for the network gets margins that make it fit.
        """
        jitter, least = self._settings.jitter, self.spec.network.minimum_size
        left, top = (self.edge_px + int(draw.integers(0, jitter + 1)) for _ in range(2))
        reach = jitter + 2 * self.edge_px
        missing = max(0, least - width - reach), max(0, least - height - reach)
        left, right = left + missing[0] // 2, reach - left + missing[0] - missing[0] // 2
        top, bottom = top + missing[1] // 2, reach - top + missing[1] - missing[1] // 2
        return left, right, top, bottom

    def _tiled_gradient(
        self, x: Tensor, margins: Margins, measured: Measured, cuts: np.random.Generator
    ) -> Tensor:
        whole = torch.empty_like(x)
        height, width = x.shape[2:]
        for tile in lay_tiles(width, height, self._settings.tile, margins, cuts):
            place = tile.place(width, height)
            tile.put(self.engine.gradient(tile.seen(x), measured, place), whole)
        return whole

    @torch.no_grad()
    def _measure(self, x: Tensor, cuts: np.random.Generator) -> Measured:
        """What makes the gradients of tiles fit together, of the whole picture."""
        height, width = x.shape[2:]
        margins = self._margins(width, height, cuts)
        found: Measured | None = None
        for tile in lay_tiles(width, height, self._settings.tile, margins, cuts):
            seen = self._eager.activations(tile.seen(x))
            own = tuple(tile.cells(activation, width, height) for activation in seen)
            piece = self.spec.objective.measure(own, tile.share(width, height))
            found = piece if found is None else added_up(found, piece)
        assert found is not None
        return found


def _is_tiled(width: int, height: int, settings: DreamSettings) -> bool:
    return width * height > _TILES * settings.tile**2
