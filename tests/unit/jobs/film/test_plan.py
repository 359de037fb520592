"""Where films are cut, and what the dream knows there."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from livedream.core.frame import Frame, Motion, SourceInfo
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import Network
from livedream.jobs.film.plan import Plan, Sighting, Stretch, fit_together, plan_of, stretches_of

STILL = DreamSettings(wander=0.0)
INFO = SourceInfo("film", 64, 48, Fraction(12), Fraction(1, 12), 1200, Path("film.mkv"))


def seen(
    begin: int, end: int, *cuts: int, behind: int | None = None, orderly: bool = True
) -> Sighting:
    pts = np.arange(begin, end, dtype=np.int64)
    return Sighting(pts, tuple(cut - begin for cut in cuts), behind, orderly, ("a note",))


def test_pieces_are_shots_that_are_worth_it() -> None:
    sights = [seen(0, 50, 30, 50, behind=50), seen(50, 120, 60, 90, 95)]
    plan = plan_of(sights, INFO, STILL)
    assert [(p.first, p.end) for p in plan.pieces] == [(0, 30), (30, 60), (60, 90), (90, 120)]
    assert [(p.before, p.begins, p.ends) for p in plan.pieces[:2]] == [(None, 0, 29), (29, 30, 59)]
    assert (plan.frames, plan.notes) == (120, ("a note",))
    assert Plan.from_dict(plan.as_dict()) == plan


def test_what_cannot_be_read_in_parts_is_read_from_its_beginning() -> None:
    plan = plan_of([seen(0, 100, 50, orderly=False)], INFO, STILL)
    assert [piece.before for piece in plan.pieces] == [None, None]
    assert stretches_of(INFO, 4) == [Stretch()]


def test_stretches_cover_the_film() -> None:
    parts = stretches_of(replace(INFO, orderly=True), 4)
    assert parts == [Stretch(None, 300), Stretch(300, 600), Stretch(600, 900), Stretch(900, None)]
    assert len(stretches_of(replace(INFO, orderly=True, frames=300), 4)) == 1, "too short"


def test_stretches_that_do_not_meet_are_found_out() -> None:
    assert fit_together([seen(0, 50, behind=50), seen(50, 99)])
    assert not fit_together([seen(0, 50, behind=50), seen(51, 99)]), "a frame is lost"
    assert not fit_together([seen(0, 50), seen(50, 99)]), "the first found an end"
    assert not fit_together([seen(0, 50, behind=50), seen(50, 99, orderly=False)])


@pytest.mark.parametrize("warm_up_s", [None, 0.0, 0.6])
def test_the_clock_at_a_cut_is_that_of_a_dream_of_everything(
    dreamnet: Network, warm_up_s: float | None
) -> None:
    """At 12 frames a second, where a cut shortens the time that passes, and after a short scene."""
    settings = DreamSettings(size="source", flow="none", wander=3.0)
    plan = plan_of([seen(0, 60, 26, 28, 52)], INFO, settings, warm_up_s=warm_up_s)
    dreamer = Dreamer(settings, dreamnet)
    dreamer.warm_up_s = warm_up_s
    still = np.full((48, 64, 3), 99, np.uint8)
    motion = Motion(np.zeros((2, 1, 1), np.float32), np.ones((1, 1), np.float32))
    pieces = {piece.first: piece for piece in plan.pieces}
    for number in range(53):
        if number in pieces:
            there, state = pieces.pop(number).state, dreamer.state
            for name in ("time_s", "frames", "wandered", "credit_s"):
                assert getattr(there, name) == getattr(state, name), (number, name)
        frame = Frame(still, number, INFO.time_base, number)
        dreamer.step(frame, replace(motion, cut=number in (26, 28, 52)))
    assert not pieces


@pytest.mark.parametrize("warm_up_s", [None, 0.2])
def test_a_cut_leaves_nothing_but_the_clock(dreamnet: Network, warm_up_s: float | None) -> None:
    """A dream that begins there with the clock alone is the same to the bit."""
    settings = DreamSettings(size="source", flow="none")
    draw = np.random.default_rng(3)
    frames = [
        Frame(draw.integers(0, 256, (48, 64, 3), np.uint8), n, INFO.time_base, n) for n in range(30)
    ]
    motion = Motion(np.zeros((2, 1, 1), np.float32), np.ones((1, 1), np.float32))
    moves = [replace(motion, cut=n == 26) for n in range(30)]
    whole, alone = Dreamer(settings, dreamnet), Dreamer(settings, dreamnet)
    whole.warm_up_s = alone.warm_up_s = warm_up_s
    dreams = [whole.step(*one).frame.rgb for one in zip(frames, moves, strict=True)]
    plan = plan_of([seen(0, 30, 26)], INFO, settings, warm_up_s=warm_up_s)
    alone.state = plan.pieces[1].state
    for n in range(26, 30):
        assert (alone.step(frames[n], moves[n]).frame.rgb == dreams[n]).all()


def test_a_shot_that_would_keep_all_waiting_is_cut() -> None:
    settings = DreamSettings(half_life=0.5, rise=0.5, wander=0.0)  # a run-up of 2.5 s: 30 frames
    film = [seen(0, 1200, 1000)]
    assert len(plan_of(film, INFO, settings, workers=2, exact=True).pieces) == 2
    pieces = plan_of(film, INFO, settings, workers=2, exact=False).pieces
    assert [(p.start, p.first, p.end, p.kept, p.seam) for p in pieces] == [
        (0, 0, 333, (333,), False),
        (333, 333, 345, (), True),
        (303, 345, 666, (333, 666), False),
        (666, 666, 678, (), True),
        (636, 678, 1000, (666,), False),
        (1000, 1000, 1200, (), False),
    ]
    plan = plan_of(film, INFO, settings, workers=2, exact=False)
    assert Plan.from_dict(json.loads(json.dumps(plan.as_dict()))) == plan
    # Regions need a run-up of their own, those that know the whole shot leave it whole.
    regions = {"hold": 2.0, "region_half_life": 0.25}
    for named, more in (
        ({"where": "left"}, 0), ({"where": "dark"}, 12), ({"where": "left & !still"}, 36),
        ({"objective": "eyes@moving + fur"}, 36), ({"prompt": "owl@moving"}, 36),
    ):  # fmt: skip
        placed = settings.replace(**named, **regions)
        pieces = plan_of(film, INFO, placed, workers=2, exact=False).pieces
        assert [p.start for p in pieces] == [0, 333, 303 - more, 666, 636 - more, 1000]
    for named in ({"where": "left & !visitors"}, {"objective": "eyes@visitors(30) + fur"}):
        placed = settings.replace(**named)
        assert len(plan_of(film, INFO, placed, workers=2, exact=False).pieces) == 2
    lasting = settings.replace(half_life=60.0)  # nothing is saved by cutting it
    assert len(plan_of(film, INFO, lasting, workers=2, exact=False).pieces) == 2


@pytest.mark.parametrize("half_life", [0.0, 0.01, 0.5])
def test_every_state_that_a_seam_needs_is_kept(half_life: float) -> None:
    """Behind a frame that the piece dreams, however short the dream's memory is."""
    settings = DreamSettings(half_life=half_life, rise=0.0, wander=0.0)
    pieces = plan_of([seen(0, 1200)], INFO, settings, workers=2, exact=False).pieces
    kept = [(piece, number) for piece in pieces for number in piece.kept]
    assert all(piece.start < number <= piece.end for piece, number in kept)
    seams = [seam for seam in pieces if seam.seam]
    assert len(seams) > 1
    for seam in seams:
        assert [piece.end for piece, number in kept if number == seam.start] == [
            seam.start,
            next(piece.end for piece in pieces if piece.first == seam.end),
        ]
