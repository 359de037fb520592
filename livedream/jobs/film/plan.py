"""The plan of a film: pieces that can be dreamed alone.

A cut resets the dream, so what follows it needs nothing of what was before but the clock: how many
dreams there were, which with the seed fixes all randomness, the time of the frame before, how far
classes have wandered, and the credit for warm-ups. A first pass finds the cuts, by the detector
that the dream resets by.

A long shot is cut where nothing forces it, unless it is to be exact. Its pieces begin some
half-lives early, by when a dream is as rich as one that has gone on all the time, though another
one: two dreams of the same frames keep a correlation of 0.2. A second of the film is left to a
seam, in which both are dreamed and one gives way to the other.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from livedream.core.errors import SourceError
from livedream.core.frame import SourceInfo
from livedream.core.settings import DreamSettings
from livedream.dream.state import DreamState
from livedream.flow import open_flow
from livedream.flow.motion import MotionEstimator
from livedream.jobs.checkpoint import leaves_of
from livedream.jobs.render import RenderJob
from livedream.jobs.scaling import scaled
from livedream.media.containers import Opener
from livedream.region.fixed import is_fixed
from livedream.region.value import MOTION

_LEAST_S: Final = 2.0  # heuristic: a piece costs a worker some tenths of a second beside dreaming
_STRETCH_S: Final = 20.0  # heuristic: the first pass is not cut into less
_LONG_S: Final = 15.0  # heuristic: a shot is not cut into less
_SHARES: Final = 2  # heuristic: so many pieces for each worker, at most, are made of long shots
_SEAM_S: Final = 1.0  # in half of it frames change more than any others (docs/cluster.md)
_RUN_UP: Final = 4  # half-lives; after two, dreams are no more alike than later


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a film that one worker looks for cuts in, by pts: from `begin` up to `end`.

    begin, end: None for those of the film.
    """

    begin: int | None = None
    end: int | None = None

    @property
    def reads(self) -> tuple[tuple[int, int | None], int | None]:
        """As of `Piece`."""
        return (0, self.begin), self.end


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen in a stretch.

    pts: (n,) int64, of its frames.  cuts: which of them begin a shot, counted from the stretch's
    first; n is the first frame behind it.  behind: the pts of that one, None at the film's end.
    """

    pts: NDArray[np.int64]
    cuts: tuple[int, ...]
    behind: int | None
    orderly: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some shots of a film in a row, or a part of one.

    start: the frame that dreaming begins with.  first, end: those that are its own, the last one
    not included.  kept: frames before which the state is kept, for seams.  seam: it is one.
    begins, ends: the pts of the start and of the last frame.  before: of the one before the start,
    to be read from; None: from the beginning of the film.  time_s: of the frame before the start.
    wandered, credit_s, dreams: of `DreamState` there, the last its `frames`.
    """

    start: int
    first: int
    end: int
    kept: tuple[int, ...]
    seam: bool
    begins: int
    ends: int
    before: int | None
    time_s: float | None
    wandered: float
    credit_s: float
    dreams: int

    @property
    def reads(self) -> tuple[tuple[int, int | None], int | None]:
        """What is read: `skip` and `at` of `open_source`, and the last pts."""
        return (max(0, self.start - 1), self.before), self.ends

    @property
    def state(self) -> DreamState:
        """What the frame before it leaves, but for what a cut takes away."""
        return DreamState(
            time_s=self.time_s, frames=self.dreams, wandered=self.wandered, fresh=self.start == 0,
            credit_s=self.credit_s,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """frames: of the whole film.  notes: of its source, read whole."""

    frames: int
    pieces: tuple[Piece, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        pieces = [astuple(piece) for piece in self.pieces]
        return {"frames": self.frames, "pieces": pieces, "notes": list(self.notes)}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Self:
        pieces = [Piece(*fields) for fields in found["pieces"]]
        pieces = [replace(piece, kept=tuple(piece.kept)) for piece in pieces]
        return cls(int(found["frames"]), tuple(pieces), tuple(found["notes"]))


def stretches_of(info: SourceInfo, most: int) -> list[Stretch]:
    """At most so many that are about equally long; one where the source is read from its beginning
    only."""
    if info.path is None or not info.orderly or not info.frames:
        return [Stretch()]
    length_s = float(info.frames / info.rate)
    count = max(1, min(most, int(length_s / _STRETCH_S)))
    ticks = [round(length_s * n / count / info.time_base) for n in range(1, count)]
    return [Stretch(*ends) for ends in pairwise([None, *ticks, None])]


def look(
    job: RenderJob, info: SourceInfo, stretch: Stretch, file: Opener | None = None
) -> Sighting:
    """Look for cuts. info: of the film, at the size of the output.  file: as for `open_source`."""
    settings = job.settings
    flow = MotionEstimator(open_flow(settings.flow, device=settings.device), settings.flow_size)
    pts: list[int] = []
    cuts: list[int] = []
    behind = None
    with job.open(at=stretch.begin, file=file) as source:
        for frame in scaled(source, info):
            if flow.cut(frame.rgb):
                cuts.append(len(pts))
            if stretch.end is not None and frame.pts >= stretch.end:
                behind = frame.pts
                break
            pts.append(frame.pts)
        found = source.info
    return Sighting(np.array(pts, np.int64), tuple(cuts), behind, found.orderly, found.notes)


def fit_together(seen: Sequence[Sighting]) -> bool:
    """Whether no frame was lost or seen twice where stretches meet."""
    ends_well = all(
        one.behind is not None and next_one.pts.size and one.behind == next_one.pts[0]
        for one, next_one in pairwise(seen)
    )
    return len(seen) == 1 or (ends_well and all(one.orderly for one in seen))


def plan_of(
    seen: Sequence[Sighting],
    info: SourceInfo,
    settings: DreamSettings,
    *,
    workers: int = 1,
    exact: bool = True,
    at: Callable[[float], DreamSettings] | None = None,
    warm_up_s: float | None = None,
) -> Plan:
    """The plan of a film that was seen in stretches, in order.

    workers: how many there are: shots that would keep one of them longer than all others are cut,
    unless `exact` or with a region `visitors`, which goes by all that a shot has shown.
    at: the settings at a frame's time, None where nothing moves them.  warm_up_s: see `Dreamer`.
    Raises SourceError when there is no frame.
    """
    pts = np.concatenate([one.pts for one in seen])
    if not pts.size:
        raise SourceError(f"{info.name} has no frame: try another file")
    starts, cuts = 0, {0}
    for one in seen:
        cuts.update(starts + cut for cut in one.cuts)
        starts += one.pts.size
    least = max(1, round(_LEAST_S * info.rate))
    begins = _grouped(sorted(cut for cut in cuts if cut < pts.size), least)
    readable = all(one.orderly for one in seen)
    long_memory = any(leaf.name == "visitors" for leaf in leaves_of(settings))
    share = math.inf if exact or long_memory else pts.size / (_SHARES * workers)
    parts = [
        part
        for shot in pairwise([*begins, int(pts.size)])
        for part in _parts(*shot, share, settings, float(info.rate))
    ]
    starts_at = {part[0] for part in parts}
    at = at or (lambda time_s: settings)
    clocks = enumerate(_clocks(pts.tolist(), info.time_base, cuts, at, warm_up_s))
    marks = {number: clock for number, clock in clocks if number in starts_at}
    pieces = []
    for part in parts:
        start, _, end, _, _ = part
        before = int(pts[start - 1]) if start and readable else None
        pieces.append(Piece(*part, int(pts[start]), int(pts[end - 1]), before, *marks[start]))
    notes = tuple(dict.fromkeys(note for one in seen for note in one.notes))
    return Plan(int(pts.size), tuple(pieces), notes)


def _parts(
    begin: int, end: int, share: float, settings: DreamSettings, rate: float
) -> list[tuple[int, int, int, tuple[int, ...], bool]]:
    """Pieces and seams of a shot: (start, first, end, kept, seam) as of `Piece`, in order.

    share: frames that one worker may well dream.
    """
    run_up = max(1, math.ceil(_run_up_s(settings) * rate))  # a seam's state is that behind a frame
    seam = max(1, round(_SEAM_S * rate))
    count = int((end - begin) / max(share, _LONG_S * rate, 2 * run_up, 4 * seam))
    joints = [begin + (end - begin) * n // count for n in range(1, count)]
    parts: list[tuple[int, int, int, tuple[int, ...], bool]] = []
    for at, until in pairwise([begin, *joints, end]):
        kept = (until,) if until != end else ()
        if at == begin:
            parts.append((begin, begin, until, kept, False))
        else:
            parts.append((at, at, at + seam, (), True))
            parts.append((max(begin, at - run_up), at + seam, until, (at, *kept), False))
    return parts


def _run_up_s(settings: DreamSettings) -> float:
    """How long it takes until a dream is as rich as one that has gone on all the time, where its
    regions are those of one that has."""
    found = [one for one in leaves_of(settings) if one.name != "mask" and not is_fixed(one)]
    region_s = _RUN_UP * settings.region_half_life if found else 0.0
    if any(leaf.name in MOTION for leaf in found):
        region_s += settings.hold
    return region_s + _RUN_UP * settings.half_life + settings.rise


def _grouped(cuts: list[int], least: int) -> list[int]:
    """Those of the cuts that leave at least so many frames between them."""
    kept = cuts[:1]
    for cut in cuts[1:]:
        if cut - kept[-1] >= least:
            kept.append(cut)
    return kept


def _clocks(
    pts: Iterable[int], time_base: Fraction, cuts: set[int], at: Callable[[float], DreamSettings],
    warm_up_s: float | None,
) -> Iterable[tuple[float | None, float, float, int]]:  # fmt: skip
    """What a `Piece` that begins there has of the state, at each frame."""
    state = DreamState()
    moves: dict[tuple[str, ...], bool] = {}
    for number, tick in enumerate(pts):
        yield state.time_s, state.wandered, state.credit_s, state.frames
        cut = number > 0 and number in cuts
        time_s = float(tick * time_base)
        settings = at(time_s)
        named = settings.where, settings.objective, settings.prompt, settings.network
        if named not in moves:
            moves[named] = any(leaf.name in MOTION for leaf in leaves_of(settings))
        if cut:
            state.reset()
        seconds = state.seconds_to(time_s, cut=cut)
        for span_s in state.spans(seconds, warm_up_s, moves=moves[named]):
            state.advance(span_s, settings.wander)
            state.frames += 1
