"""The planes of a frame: where the dream grows, where it may be seen, and what its parts are for.

What depends on the picture is looked at in half the dream's size and smoothed in time along the
flow, so that it neither shimmers nor lags behind what moves. Where nothing dreams any more, what
was dreamed there fades with the dream: it may be seen until less than a 256th of it is left, and
from there on the picture is as it was, to the bit.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any, Final, Self

import cv2
import numpy as np

from livedream.core.frame import DeviceMotion, Motion, Picture
from livedream.core.shrink import shrunk
from livedream.core.snapshot import Mask
from livedream.flow import gray, halved
from livedream.region import fixed, scores
from livedream.region.films import Film, is_live, masked
from livedream.region.segmentation import network_score
from livedream.region.value import (
    CLASSES,
    OPPOSITES,
    Both,
    Either,
    Leaf,
    Not,
    Region,
    cover_all,
    either,
    leaves,
)  # fmt: skip
from livedream.region.visitors import STAY_S, Memory, visitors
from livedream.region.wanted import Wanted
from livedream.warp.remap import Plane, positions, remap
from livedream.warp.residual import fit_flow

if TYPE_CHECKING:
    from livedream.capture.live.beside import LivePictures

GRID: Final = 64  # side of the planes that terms are weighed by: finer than any layer's motifs
_SOFT: Final = 0.3  # of a score, from nothing to all
_TINY: Final = 1e-6
_HIGHEST: Final = 0.99  # threshold, so that what scores 1 is above it
_FADING: Final = 8.0  # below an eighth the plane itself fades what is left
_HYSTERESIS: Final = 0.1  # of a score, to both sides of the threshold
_HOLD_FADE_S: Final = 0.3
_DREAMED: Final = "fading"  # in the memory: where there may be a dream still
_KEPT: Final = 256 << 20  # bytes of planes of fixed regions
_MOST_READ_S: Final = 0.5  # of a mask's film, for a frame of a live show


@dataclass(frozen=True, slots=True)
class Planes:
    """grow: (h, w) in [0, 1], where something is added.  keep: (h, w) in [0, 1], what the dream is
    multiplied by; 0 where the picture stays as it is.  Both None: everywhere.
    terms: (GRID, GRID) in [0, 1] by a term's region.
    """

    grow: Plane | None
    keep: Plane | None
    terms: Mapping[Region, Plane]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is added anywhere."""
        return self.grow is not None and not self.grow.any()

    def fitted(self, size: tuple[int, int]) -> Self:
        """The same for a dream of another `size`, (width, height) px."""
        if self.grow is None or self.keep is None or self.grow.shape == size[::-1]:
            return self
        grow, keep = (
            np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.float32)
            for plane in (self.grow, self.keep)
        )
        return replace(self, grow=grow, keep=keep)


class PlaneReader:
    """Finds the planes of one frame after the other.

    What it carries from frame to frame is in a memory that the caller keeps, arrays by name, each
    replaced and never changed: empty at the start.
    live: the live sources of masks; None: there are none.
    painted: the mask of `painted`, None: the one that was kept.
    rate: of the film that is dreamed, frames/s, and so of masks that are numbered pictures; None: a
    show, where they have 25.
    """

    def __init__(self, live: "LivePictures | None" = None) -> None:
        self.painted: Mask | None = None
        self.rate: Fraction | None = None
        self._fixed: dict[tuple[Any, ...], Plane] = {}
        self._films: dict[tuple[str, Fraction | None], Film] = {}
        self._live = live

    def step(
        self, wanted: Wanted, memory: Memory, rgb: Picture,
        motion: Motion | DeviceMotion | None, *, size: tuple[int, int], seconds: float, fade: float,
        time_s: float = 0.0,
    ) -> Planes:  # fmt: skip
        """The planes of a frame, (h, w) of the dream's `size` (width, height) px.

        seconds: since the frame before.  fade: what remains of a dream after them.
        time_s: of the film or show, since its beginning, for masks that move.
        """
        view = _View(self, wanted, memory, rgb, motion, size, seconds, time_s)
        terms = {region: view.coarse(region) for region in wanted.terms if region is not None}
        grids = {region: _gridded(plane) for region, plane in terms.items()}
        parts = [] if wanted.where is None else [wanted.where]
        if all(wanted.terms) and terms and not cover_all(terms):  # elsewhere nothing is asked for
            own = tuple(dict.fromkeys(region for region in wanted.terms if region is not None))
            parts.append(either(own))
        before = memory.pop(_DREAMED, None)  # else what is not kept up to date stays
        if not parts:
            return Planes(None, None, grids)
        whole = parts[0] if len(parts) == 1 else Both(tuple(parts))
        grow = view.plane(whole)
        if fixed.is_fixed(whole):
            everywhere = grow.min() == 1.0
            return Planes(None, None, grids) if everywhere else Planes(grow, _visible(grow), grids)
        return Planes(grow, view.kept(grow, whole, before, fade), grids)

    def mask(self, path: str, time_s: float) -> Plane:
        """(H, W) in [0, 1] of a mask that moves; nowhere until a live one's first picture."""
        if self._live is not None and is_live(path):
            captured = self._live.newest(path)
            rgb = np.zeros((1, 1, 3), np.uint8) if captured is None else captured.rgb
        else:
            film = path, self.rate
            if film not in self._films:
                self._films[film] = Film(path, self.rate)
            rgb = self._films[film].at(time_s, math.inf if self._live is None else _MOST_READ_S)
        return masked(gray(rgb))

    def look(self, leaf: Leaf, rgb: Picture) -> Plane | None:
        """As `network_score`; None: nothing new, what was found before is carried on."""
        return network_score(leaf, rgb)

    def cut(self) -> None:
        """Another scene begins: nothing that was seen before is to be found any more."""

    def fixed_plane(
        self, region: Region, size: tuple[int, int], feather: float, *, shared: bool = False
    ) -> Plane:
        """Of a region that no picture changes.  feather: px of this size.  shared: as there."""
        key = region, size, feather, shared, fixed.stamp(region, self.painted)
        if key not in self._fixed:
            while sum(plane.nbytes for plane in self._fixed.values()) > _KEPT:
                del self._fixed[next(iter(self._fixed))]
            self._fixed[key] = fixed.fixed_plane(
                region, *size, feather, self.painted, shared=shared
            )
        return self._fixed[key]


class _View:
    """One frame, as the reader looks at it."""

    def __init__(  # noqa: PLR0917
        self, reader: PlaneReader, wanted: Wanted, memory: Memory, rgb: Picture,
        motion: Motion | DeviceMotion | None, size: tuple[int, int], seconds: float,
        time_s: float,
    ) -> None:  # fmt: skip
        self._time_s = time_s
        self._reader, self._wanted, self._memory = reader, wanted, memory
        self._rgb, self._size, self._seconds = rgb, size, seconds
        self._half = max(1, size[0] // 2), max(1, size[1] // 2)
        self._motion = _on_host(motion)
        self._leaves: dict[str, Plane] = {}
        self._small_picture: Picture | None = None
        self._way: tuple[Plane, Plane, Plane] | None = None
        if self._motion is not None and self._motion.cut:
            memory.clear()
            reader.cut()
            self._motion = None

    def plane(self, region: Region, *, inverted: bool = False, shared: bool = False) -> Plane:
        """(h, w) in [0, 1].  shared: see `fixed.fixed_plane`."""
        if fixed.is_fixed(region):
            region = Not(region) if inverted else region
            feather = self._feather(self._size[0])
            return self._reader.fixed_plane(region, self._size, feather, shared=shared)
        if _is_seen(region):
            seen = self._seen_plane(region, inverted=inverted)
            return np.asarray(cv2.resize(seen, self._size), np.float32)
        if isinstance(region, Leaf):
            return self._moving_mask(region.path, inverted=inverted, shared=shared)
        if isinstance(region, Not):
            return self.plane(region.of, inverted=not inverted, shared=shared)
        parts = [self.plane(part, inverted=inverted, shared=shared) for part in region.parts]
        return _joined(region, parts, inverted=inverted)

    def coarse(self, region: Region) -> Plane:
        """(h, w) in [0, 1] at half the dream's size, or at all of it where something is drawn.

        For a term: what must not be dreamed at all `Planes.grow` leaves out.
        """
        return self._seen_plane(region) if _is_seen(region) else self.plane(region, shared=True)

    def _feather(self, width: int) -> float:
        """In px of a plane so wide."""
        return self._wanted.feather * width / int(self._rgb.shape[1])

    def _seen_plane(self, region: Region, *, inverted: bool = False) -> Plane:
        """Of a region in which nothing is drawn, at half the dream's size."""
        if isinstance(region, Leaf):
            if region.name in OPPOSITES:
                region, inverted = Leaf(OPPOSITES[region.name]), not inverted
            plane = self._leaf(region)
            return np.float32(1.0) - plane if inverted else plane
        if isinstance(region, Not):
            return self._seen_plane(region.of, inverted=not inverted)
        parts = [self._seen_plane(part, inverted=inverted) for part in region.parts]
        return _joined(region, parts, inverted=inverted)

    def _moving_mask(self, path: str, *, inverted: bool, shared: bool) -> Plane:
        """Drawn by somebody who knows where its edge is: no smoothing, and edged as a still one."""
        mask = self._reader.mask(path, self._time_s)
        mask = np.float32(1.0) - mask if inverted else mask
        drawn = fixed.shrunk_mask(mask, *self._size, shared=shared)
        feather = self._feather(self._size[0])
        return fixed.feathered(drawn, feather) if shared else fixed.edged(drawn, feather)

    def kept(self, grow: Plane, region: Region, before: Plane | None, fade: float) -> Plane:
        """`Planes.keep`: what grows now, and what grew before and has not faded yet.

        before: where the dream was, in the last frame; None: it may have been everywhere.
        """
        if _is_seen(region):
            small = self._seen_plane(region)
        else:
            small = np.asarray(
                cv2.resize(grow, self._half, interpolation=cv2.INTER_AREA), np.float32
            )
        before = self._moved_along(before)
        left = np.float32(1.0) if before is None else before
        small = np.maximum(small, left * np.float32(fade))
        _, found = cv2.threshold(small, fixed.UNSEEN, 0.0, cv2.THRESH_TOZERO)
        self._memory[_DREAMED] = small = np.asarray(found, np.float32)
        kept = cv2.resize(_visible(small), self._size)
        most = self._most(region)
        if most is not None:
            kept = np.minimum(kept, _visible(most))
        return np.asarray(kept, np.float32)

    def _most(self, region: Region, *, inverted: bool = False) -> Plane | None:
        """What no picture can make larger: the fixed parts; None: anything can be."""
        if fixed.is_fixed(region):
            return self.plane(region, inverted=inverted)
        if isinstance(region, Leaf):
            return None
        if isinstance(region, Not):
            return self._most(region.of, inverted=not inverted)
        parts = [self._most(part, inverted=inverted) for part in region.parts]
        known = [part for part in parts if part is not None]
        least = isinstance(region, Both) != inverted
        enough = bool(known) if least else len(known) == len(parts)
        return _joined(region, known, inverted=inverted) if enough else None

    def _leaf(self, leaf: Leaf) -> Plane:
        name = str(leaf)
        if name not in self._leaves:
            score = self._smoothed(name, self._score(leaf))
            plane = self._held(name, score) if leaf.name == "moving" else self._taken(score)
            self._leaves[name] = fixed.feathered(plane, self._feather(self._half[0]))
        return self._leaves[name]

    def _taken(self, score: Plane) -> Plane:
        threshold = min(self._wanted.threshold, _HIGHEST)
        # As wide as has room: what scores 0 belongs to no region, what scores 1 to every one.
        soft = min(_SOFT, 2.0 * threshold, 2.0 * (1.0 - threshold))
        plane = (score - np.float32(threshold - soft / 2)) * np.float32(1 / max(soft, _TINY))
        return np.asarray(np.clip(plane, 0.0, 1.0), np.float32)

    def _score(self, leaf: Leaf) -> Plane | None:
        if leaf.name == "moving":
            motion = self._motion
            if motion is None or motion.flow[0].size <= 1:
                return np.zeros(self._half[::-1], np.float32)
            found = scores.moving(motion.flow, self._seconds)
            return np.asarray(cv2.resize(found, self._half), np.float32)
        if leaf.name == "visitors":
            stay_s = float(leaf.values[0]) if leaf.values else STAY_S
            return visitors(self._memory, str(leaf), self._picture(), self._seconds, stay_s)
        if leaf.name == "network" or leaf.name in CLASSES:
            seen = self._reader.look(leaf, self._rgb)
            return None if seen is None else np.asarray(cv2.resize(seen, self._half), np.float32)
        if leaf.name == "key":
            return scores.key(self._picture(), str(leaf.values[0]))
        of_name = {"dark": scores.dark, "bright": scores.bright, "edges": scores.edges}
        return of_name[leaf.name](self._picture())

    def _picture(self) -> Picture:
        if self._small_picture is None:
            self._small_picture = shrunk(self._rgb, *self._half)
        return self._small_picture

    def _smoothed(self, name: str, score: Plane | None) -> Plane:
        """The mean of a score over the last frames along the flow.  score: None: as it was."""
        before, half_life = self._carried(name), self._wanted.half_life
        since = f"{name} since"  # the last score, s: a slow network has none for most frames
        seconds = self._seconds + float(self._memory.pop(since, np.float32(0.0)))
        if score is None and before is None:  # nothing known yet: the first score counts whole
            return np.zeros(self._half[::-1], np.float32)
        if score is None:
            assert before is not None
            self._memory[since], score = np.array(seconds, np.float32), before
        elif before is not None and half_life > 0.0:
            share = np.float32(0.5 ** (seconds / half_life))
            score = score + (before - score) * (share * self._seen())
        self._memory[name] = score
        return score

    def _held(self, name: str, score: Plane) -> Plane:
        """`moving` from its score: at once, but not still before it has been so for a while."""
        hold, threshold = self._wanted.hold, self._wanted.threshold
        if hold <= 0.0:
            return self._taken(score)
        name = f"{name} held"
        before = self._carried(name)
        left = np.zeros_like(score) if before is None else before * self._seen()
        around = min(_HYSTERESIS, threshold / 2, (1.0 - threshold) / 2)  # a score can pass both
        passing = score <= np.float32(threshold - around)
        left = np.where(passing, left - np.float32(self._seconds / hold), left)
        left = np.where(score > np.float32(threshold + around), np.float32(1.0), left)
        self._memory[name] = left = np.asarray(np.maximum(left, np.float32(0.0)), np.float32)
        soft = left * np.float32(max(1.0, hold / _HOLD_FADE_S))
        return np.asarray(np.minimum(soft, np.float32(1.0)), np.float32)

    def _carried(self, name: str) -> Plane | None:
        """What is remembered, where it has moved to."""
        return self._moved_along(self._memory.get(name))

    def _moved_along(self, before: Plane | None) -> Plane | None:
        if before is None or before.shape != self._half[::-1]:
            return None
        if self._motion is None or self._motion.flow[0].size <= 1:
            return before
        x, y, _ = self._moved()
        return np.asarray(remap(before, x, y), np.float32)

    def _seen(self) -> Plane | np.float32:
        """How surely the frame before showed each place."""
        if self._motion is None or self._motion.flow[0].size <= 1:
            return np.float32(1.0)
        return self._moved()[2]

    def _moved(self) -> tuple[Plane, Plane, Plane]:
        if self._way is None:
            assert self._motion is not None
            x, y = positions(fit_flow(self._motion.flow, *self._half))
            seen = np.asarray(cv2.resize(self._motion.visibility, self._half), np.float32)
            self._way = x, y, seen
        return self._way


@lru_cache(maxsize=64)
def _is_seen(region: Region) -> bool:
    """Whether all of it depends on the picture, and nothing in it is drawn."""
    return not any(leaf.name == "mask" or fixed.is_fixed(leaf) for leaf in leaves(region))


def _joined(region: Both | Either, parts: list[Plane], *, inverted: bool) -> Plane:
    least = isinstance(region, Both) != inverted
    return np.asarray(reduce(np.minimum if least else np.maximum, parts), np.float32)


def _visible(plane: Plane) -> Plane:
    """Where what grows by a plane, or grew by it, may be seen: in full but at its very edge.

    What is carried is multiplied by it in every frame: the plane itself would leave next to nothing
    of what is half as strong there.
    """
    return np.asarray(np.minimum(plane * np.float32(_FADING), np.float32(1.0)), np.float32)


def _gridded(plane: Plane) -> Plane:
    if min(plane.shape) > 4 * GRID:  # halved first: a quarter of the time
        plane = halved(plane)
    # By a whole number OpenCV's area averaging is three times as quick.
    plane = np.asarray(cv2.resize(plane, (2 * GRID, 2 * GRID)), np.float32)
    return halved(plane)


def _on_host(motion: Motion | DeviceMotion | None) -> Motion | None:
    if isinstance(motion, DeviceMotion):  # waits for the device
        return Motion(motion.flow.cpu().numpy(), motion.visibility.cpu().numpy(), bool(motion.cut))
    return motion
