"""Measure a dream against its source: does it hold together, does it live, does it drift?

With r the residual (output minus input), w() the fetch along the motion of the *input* (DIS
medium, whatever flow the render used) and the mean over pixels visible in both frames:

    flicker     mean |r_t - w(r_t-1)| / mean |r_t|, averaged over frames
    renewal     1 - correlation of r_t with the r of two seconds before, carried along the motion
    warp error  root mean square of x_t - w(x_t-1), 8-bit steps, for input and output (the square
                root of the warping error of Lai et al., "Learning Blind Video Temporal
                Consistency", 2018)
    strength    root mean square of r, 8-bit steps
    drift       largest change of the mean of r (one channel), first to last second, 8-bit steps
    response    what a network's layer says to input and output, averaged over frames
    flat fine, flat spots
                how clean it is where the source is flat, see `livedream.jobs.flat_places`
    moving      strength where the source moves, over that where it stands still
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import FlowField, Frame, Picture
from livedream.core.shrink import fitted
from livedream.flow.classic import DisFlow
from livedream.jobs.flat_places import FlatPlaces
from livedream.warp.remap import Plane, positions

_LARGEST_PX: Final = 1280 * 720  # larger pictures are measured at this many pixels
_OCCLUSION: Final = (0.01, 0.5)  # Ruder et al. (2016), equation 5
_RENEWAL_S: Final = 2.0
_PROBE_S: Final = 0.5  # a new comparison for the renewal starts this often
_RENEWAL_HEIGHT: Final = 180  # px: carried over two seconds, only the shapes can be compared
_MOVING: Final = 1 / 2000  # of the picture's width in a frame, from which on a place moves
_SOME: Final = 1 / 1000  # of all pixels looked at: with fewer there is nothing to compare
_EDGE_S: Final = 1.0  # drift compares the first and the last second


@dataclass
class Measurement:
    """The figures, as in the module's table. Ratios are None where there is no residual at all."""

    frames: int = 0
    width: int = 0
    height: int = 0
    flicker: float | None = None
    renewal: float | None = None
    warp_error_input: float | None = None
    warp_error_output: float | None = None
    strength: float = 0.0
    drift: float = 0.0
    response_input: float | None = None
    response_output: float | None = None
    flat_fine: float | None = None
    flat_spots: float | None = None
    moving: float | None = None
    notes: list[str] = field(default_factory=list)


@dataclass
class _Probe:
    """A residual of some time ago and the way its pixels went since."""

    time_s: float
    residual: Plane
    flow: FlowField
    visible: Plane


Response = Callable[[Picture], float]


class VideoComparator:
    """Takes pairs of frames in order; `result` has the figures so far.

    response: an objective's value on a picture; None: not asked for.
    """

    def __init__(self, response: Response | None = None) -> None:
        self._response = response
        self._flow = DisFlow("dis")
        self._last: tuple[Picture, Picture, Plane] | None = None
        # By the figure's name, for the mean; of strength and warp errors the squares.
        self._found: defaultdict[str, list[float]] = defaultdict(list)
        self._casts: list[tuple[float, Plane]] = []
        self._probes: list[_Probe] = []
        self._flat = FlatPlaces()
        self._energy, self._area = np.zeros(2), np.zeros(2)  # of r: still and moving places

    def add(self, source: Picture, dream: Picture, time_s: float) -> None:
        """source, dream: (H, W, 3) uint8; the dream is brought to the source's size."""
        height, width = source.shape[:2]
        ratio = min(1.0, (_LARGEST_PX / (width * height)) ** 0.5)
        size = max(1, round(width * ratio)), max(1, round(height * ratio))
        source, dream = fitted(source, *size), fitted(dream, *size)
        residual = dream.astype(np.float32) - source.astype(np.float32)
        self._found["strength"].append(float(np.square(residual).mean()))
        self._casts.append((time_s, residual.mean((0, 1))))
        self._flat.add(source, dream)
        if self._response is not None:
            self._found["response_input"].append(self._response(source))
            self._found["response_output"].append(self._response(dream))
        if self._last is not None and self._last[0].shape == source.shape:
            flow = self._flow.estimate(source, self._last[0])
            seen = visible(flow, self._flow.estimate(self._last[0], source))
            self._compare(source, dream, residual, flow, seen)
            self._renew(residual, flow, seen, time_s)
        self._last = source, dream, residual

    def result(self) -> Measurement:
        means: dict[str, Any] = {name: sum(x) / len(x) for name, x in self._found.items()}
        for name in ("strength", "warp_error_input", "warp_error_output"):
            if name in means:
                means[name] **= 0.5
        found = Measurement(
            len(self._casts), flat_fine=self._flat.fine, flat_spots=self._flat.spots,
            moving=self._moving(), **means,
        )  # fmt: skip
        if self._last is not None:
            found.height, found.width = self._last[0].shape[:2]
            early_s, late_s = self._casts[0][0] + _EDGE_S, self._casts[-1][0] - _EDGE_S
            early = np.mean([cast for time_s, cast in self._casts if time_s < early_s], 0)
            late = np.mean([cast for time_s, cast in self._casts if time_s > late_s], 0)
            found.drift = float(np.abs(late - early).max())
        return found

    def _moving(self) -> float | None:
        if self._area.min() <= _SOME * self._area.sum() or self._energy[0] <= 0:
            return None
        still, moving = (self._energy / self._area) ** 0.5
        return float(moving / still)

    def _compare(
        self, source: Picture, dream: Picture, residual: Plane, flow: FlowField, seen: Plane
    ) -> None:
        assert self._last is not None
        moves = np.hypot(*flow) >= _MOVING * flow.shape[2]
        for place, where in enumerate((~moves, moves)):
            self._energy[place] += float(np.square(residual[where]).mean(1).sum())
            self._area[place] += float(where.sum())
        area = float(seen.sum())
        if area < 1:
            return
        level = float((np.abs(residual).mean(2) * seen).sum()) / area
        if level > 0:
            change = np.abs(residual - fetch(self._last[2], flow)).mean(2)
            self._found["flicker"].append(float((change * seen).sum()) / area / level)
        for name, now, before in (
            ("warp_error_input", source, self._last[0]),
            ("warp_error_output", dream, self._last[1]),
        ):
            gap = now.astype(np.float32) - fetch(before.astype(np.float32), flow)
            self._found[name].append(float((np.square(gap).mean(2) * seen).sum()) / area)

    def _renew(self, residual: Plane, flow: FlowField, seen: Plane, time_s: float) -> None:
        height, width = residual.shape[:2]
        ratio = min(1.0, _RENEWAL_HEIGHT / height)
        size = max(1, round(width * ratio)), max(1, round(height * ratio))
        small = np.asarray(cv2.resize(residual, size, interpolation=cv2.INTER_AREA), np.float32)
        scale = np.array([size[0] / width, size[1] / height], np.float32)[:, None, None]
        step = np.stack([cv2.resize(part, size) for part in flow]).astype(np.float32) * scale
        mask = np.asarray(cv2.resize(seen, size), np.float32)
        for probe in self._probes:
            onward = fetch(np.ascontiguousarray(probe.flow.transpose(1, 2, 0)), step)
            probe.flow = step + onward.transpose(2, 0, 1)
            probe.visible = mask * fetch(probe.visible, step, outside=0.0)
        while self._probes and time_s - self._probes[0].time_s >= _RENEWAL_S - 1e-6:
            probe = self._probes.pop(0)
            likeness = _correlation(small, fetch(probe.residual, probe.flow), probe.visible > 0.5)
            if likeness is not None:
                self._found["renewal"].append(1.0 - likeness)
        if not self._probes or time_s - self._probes[-1].time_s >= _PROBE_S - 1e-6:
            ones = np.ones(size[::-1], np.float32)
            self._probes.append(_Probe(time_s, small, np.zeros_like(step), ones))


def measure(
    source: Iterable[Frame], dream: Iterable[Frame], response: Response | None = None
) -> Measurement:
    """Compare two videos. Frames are paired by their time since each video's first frame.

    response: see `VideoComparator`.
    """
    comparator = VideoComparator(response)
    unpaired = 0
    for pair in paired(source, dream):
        if pair is None:
            unpaired += 1
        else:
            comparator.add(pair[0].rgb, pair[1].rgb, pair[0].time_s)
    found = comparator.result()
    if unpaired:
        found.notes.append(f"{unpaired} frames of the source have no frame in the output")
    return found


def paired(source: Iterable[Frame], dream: Iterable[Frame]) -> Iterator[tuple[Frame, Frame] | None]:
    """Each source frame with the output frame nearest in time; None once the output has ended.

    Output frames are consumed as time goes on: of two at the same distance the earlier one.
    """
    others = iter(dream)
    now = next(others, None)
    ahead = next(others, None)
    begin_s: float | None = None
    other_begin_s = now.time_s if now is not None else 0.0
    for frame in source:
        begin_s = frame.time_s if begin_s is None else begin_s
        if now is None:
            yield None
            continue
        wanted_s = frame.time_s - begin_s + other_begin_s
        while ahead is not None and abs(ahead.time_s - wanted_s) < abs(now.time_s - wanted_s):
            now, ahead = ahead, next(others, None)
        late = ahead is None and wanted_s - now.time_s > _late_s(frame)
        yield None if late else (frame, now)


def _late_s(frame: Frame) -> float:
    """How long after the output's last frame a source frame still belongs to it."""
    shown_s = float(frame.duration * frame.time_base)
    return 1.5 * shown_s if shown_s > 0 else 0.1


def visible(flow: FlowField, backward: FlowField) -> Plane:
    """(h, w), 1 where the previous picture shows the place too: the plain check, yes or no.

    The render's own mask is softer and cleverer; a judge does not borrow it.
    """
    height, width = flow.shape[1:]
    back = fetch(np.ascontiguousarray(backward.transpose(1, 2, 0)), flow).transpose(2, 0, 1)
    bound = _OCCLUSION[0] * ((flow**2).sum(0) + (back**2).sum(0)) + _OCCLUSION[1]
    x, y = positions(flow)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return np.asarray(inside & (((flow + back) ** 2).sum(0) <= bound), np.float32)


def fetch(picture: Plane, flow: FlowField, outside: float | None = None) -> Plane:
    """`picture`, (h, w) or (h, w, C), fetched along `flow`, bicubic; the border is continued."""
    border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    x, y = positions(flow)
    found = cv2.remap(picture, x, y, cv2.INTER_CUBIC, borderMode=border, borderValue=outside or 0.0)
    return np.asarray(found, np.float32)


def _correlation(a: Plane, b: Plane, where: NDArray[np.bool_]) -> float | None:
    if where.sum() < 16:
        return None
    x, y = a[where].astype(np.float64), b[where].astype(np.float64)
    x, y = x - x.mean(0), y - y.mean(0)
    size = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / size if size > 0 else None
