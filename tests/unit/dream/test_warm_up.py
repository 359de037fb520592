"""A film's frames wait for their dream: the first of each scene, and all where they are few."""

from collections.abc import Container
from fractions import Fraction

import numpy as np
import pytest

from livedream.core.frame import Frame, Motion, Picture
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import Network
from livedream.dream.state import DreamState

SMALL = DreamSettings(size="144p", flow="none", precision="fp32", octaves=2)


def film(pictures: list[Picture], rate: int) -> list[Frame]:
    return [Frame(rgb, n, Fraction(1, rate), n, 1) for n, rgb in enumerate(pictures)]


def motion(*, cut: bool = False) -> Motion:
    return Motion(np.zeros((2, 1, 1), np.float32), np.ones((1, 1), np.float32), cut)


def spans(seconds: float, warm_up_s: float | None, *, fresh: bool = False) -> list[float]:
    return DreamState(fresh=fresh).spans(seconds, warm_up_s)


@pytest.mark.parametrize("rate", [17, 23.976, 24, 25, 29.97, 60, 240])
def test_a_usual_film_has_a_dream_a_frame(rate: float) -> None:
    assert spans(1 / rate, 1.0) == [1 / rate]


@pytest.mark.parametrize(
    ("seconds", "dreams"), [(1 / 15, 2), (0.1, 2), (0.3 - 0.2, 2), (0.2, 5), (1.0, 25)]
)
@pytest.mark.parametrize("warm_up_s", [0.0, 1.0])
def test_of_few_frames_a_second_each_has_several(
    seconds: float, dreams: int, warm_up_s: float
) -> None:
    found = spans(seconds, warm_up_s)
    assert len(found) == dreams
    assert sum(found) == pytest.approx(seconds)
    assert max(found) == pytest.approx(min(found))


def test_a_slide_is_dreamed_for_its_last_second() -> None:
    first, *later = spans(30.0, 1.0)
    assert later == [1 / 25] * 24
    assert first == pytest.approx(30.0 - 24 / 25)


def test_a_scene_s_first_frame_stands_for_the_warm_up() -> None:
    assert spans(1 / 30, 0.2, fresh=True) == [0.04] * 5
    assert spans(1 / 30, 0.0, fresh=True) == [1 / 30]
    assert spans(1 / 30, 0.01, fresh=True) == [0.01]
    state = DreamState()
    assert len(state.spans(1 / 30, 0.2)) == 5 and not state.fresh
    assert len(state.spans(1 / 30, 0.2)) == 1
    state.reset()
    assert len(state.spans(1 / 30, 0.2)) == 5


def warmed(rate: float, cuts: Container[int], frames: int, *, moves: int = 0) -> list[int]:
    """How often each frame of a film is dreamed, with a warm-up of a second. moves: so many of the
    first frames have a region that depends on motion."""
    state, found = DreamState(), []
    for n in range(frames):
        if n in cuts:
            state.reset()
        seconds = state.seconds_to(n / rate, cut=n in cuts)
        found.append(len(state.spans(seconds, 1.0, moves=n < moves)))
    return found


def test_a_flash_between_two_scenes_does_not_starve_the_second() -> None:
    """Found as two cuts, one frame apart."""
    found = warmed(25, (50, 51), 100)
    assert [n for n, dreams in enumerate(found) if dreams == 25] == [0, 50, 51]
    assert found.count(1) == 97


@pytest.mark.parametrize("rate", [0.2, 1, 3])
def test_every_slide_is_a_scene(rate: float) -> None:
    assert warmed(rate, range(40), 40) == [25] * 40


def test_where_motion_decided_until_now_there_is_credit() -> None:
    found = warmed(25, (50, 60), 61, moves=60)
    assert found == [1] * 60 + [25]


def test_strobe_lights_take_four_times_as_long_at_most(dreamnet: Network, texture: Picture) -> None:
    """Each flash is a cut; the scene that follows them opens with its whole dream again."""
    lit = [texture if n // 2 % 2 else 255 - texture for n in range(50)]
    frames = film(lit + [texture] * 30, 25)
    cuts = [*range(2, 50, 2), 75]
    dreamer = Dreamer(SMALL.replace(size="48p", octaves=1), dreamnet)
    dreamer.warm_up_s = 0.4
    dreams: list[int] = []
    for n, frame in enumerate(frames):
        before = dreamer.state.frames
        dreamer.step(frame, motion(cut=n in cuts) if n else None)
        dreams.append(dreamer.state.frames - before)
    assert dreams[:6] == [10, 1, 10, 1, 10, 1], "a few at once"
    assert dreams[16:50] == [6, 1] * 17
    assert dreams[50:] == [1] * 25 + [10] + [1] * 4


def test_what_warm_ups_may_still_take_is_part_of_a_checkpoint(
    dreamnet: Network, texture: Picture
) -> None:
    dreamer = Dreamer(SMALL, dreamnet)
    dreamer.warm_up_s = 0.4
    for n, frame in enumerate(film([texture] * 7, 25)):
        dreamer.step(frame, motion(cut=n == 6))
    other = Dreamer(SMALL, dreamnet)
    other.restore(dreamer.state.arrays())
    assert other.state.credit_s == dreamer.state.credit_s == pytest.approx(0.8)
    assert not other.state.fresh, "what goes on does not begin"


@pytest.mark.parametrize(("where", "dreams"), [("still", 1), ("!moving | left", 1), ("left", 10)])
def test_nobody_knows_what_moves_in_a_scene_s_first_frame(
    dreamnet: Network, texture: Picture, where: str, dreams: int
) -> None:
    dreamer = Dreamer(SMALL.replace(flow="dis", where=where), dreamnet)
    dreamer.warm_up_s = 0.4
    dreamer.step(film([texture], 25)[0])
    assert dreamer.state.frames == dreams


def test_where_it_is_held_it_is_held_in_each_dream(dreamnet: Network, texture: Picture) -> None:
    """As though the camera had held the frame still."""
    settings = SMALL.replace(where="rect(0.2,0.2,0.5,0.5)", feather=40.0)
    warm, held = Dreamer(settings, dreamnet), Dreamer(settings, dreamnet)
    warm.warm_up_s = 0.2
    found = warm.step(film([texture], 25)[0])
    *_, wanted = (held.step(frame) for frame in film([texture] * 5, 25))
    assert np.abs(found.frame.rgb.astype(int) - wanted.frame.rgb).mean() < 0.1


def test_a_lost_dream_is_not_warmed_up_again(dreamnet: Network, texture: Picture) -> None:
    dreamer = Dreamer(SMALL, dreamnet)
    dreamer.warm_up_s = 0.4
    frames = film([texture] * 3, 25)
    dreamer.step(frames[0])
    assert dreamer.state.residual is not None
    dreamer.state.residual.fill_(np.nan)
    for frame in frames[1:]:
        before = dreamer.state.frames
        dreamer.step(frame, motion())
        assert dreamer.state.frames == before + 1


@pytest.mark.parametrize("fresh", [False, True])
def test_without_one_a_frame_is_dreamed_once(*, fresh: bool) -> None:
    assert spans(7.0, None, fresh=fresh) == [7.0]


def test_the_first_frame_is_dreamed_as_though_it_were_held(
    dreamnet: Network, texture: Picture
) -> None:
    warm, held = Dreamer(SMALL, dreamnet), Dreamer(SMALL, dreamnet)
    warm.warm_up_s = 0.2
    found = warm.step(film([texture], 25)[0])
    *_, wanted = (held.step(frame) for frame in film([texture] * 5, 25))
    assert np.abs(found.frame.rgb.astype(int) - wanted.frame.rgb).max() <= 1
    assert found.level == pytest.approx(wanted.level, rel=1e-3)
    assert warm.state.frames == held.state.frames == 5
    assert warm.state.age_s == pytest.approx(held.state.age_s)
    assert found.flicker == pytest.approx(1.0), "all of it is new"


def test_every_scene_opens_with_its_whole_dream(dreamnet: Network, texture: Picture) -> None:
    frames = film([texture] * 4 + [255 - texture] * 2, 25)
    moves = [None, *[motion()] * 3, motion(cut=True), motion()]

    def levels(warm_up_s: float | None) -> list[float]:
        dreamer = Dreamer(SMALL.replace(rise=0.4), dreamnet)
        dreamer.warm_up_s = warm_up_s
        return [dreamer.step(*pair).level for pair in zip(frames, moves, strict=True)]

    assert levels(0.4) == pytest.approx([14.0] * 6, rel=0.02)
    assert levels(0.2)[4:] == pytest.approx([7.0, 8.4], rel=0.02), "a longer rise goes on"
    rising = [1.4, 2.8, 4.2, 5.6, 1.4, 2.8]
    assert levels(None) == levels(0.0) == pytest.approx(rising, rel=0.02)


def test_a_slow_film_is_dreamed_like_one_whose_frames_are_held(
    dreamnet: Network, texture: Picture
) -> None:
    """What moves does so once, then stands still for the rest of the frame's time."""
    second, third = np.roll(texture, 8, 1), np.roll(texture, 16, 1)
    moved = Motion(np.full((2, 1, 1), [[[-8.0]], [[0.0]]], np.float32), np.ones((1, 1), np.float32))
    slow, quick = Dreamer(SMALL, dreamnet), Dreamer(SMALL, dreamnet)
    slow.warm_up_s = 0.0
    moves = [None, moved, moved]
    slowly = film([texture, second, third], 5)
    found = [slow.step(*pair) for pair in zip(slowly, moves, strict=True)]
    wanted = [quick.step(film([texture], 25)[0])]
    for n, rgb in enumerate((second, third)):
        for k in range(5):
            index = 1 + 5 * n + k
            frame = Frame(rgb, index, Fraction(1, 25), index, 1)
            dream = quick.step(frame, moved if k == 0 else motion())
        wanted.append(dream)
    for one, other in zip(found, wanted, strict=True):
        apart = np.abs(one.frame.rgb.astype(int) - other.frame.rgb)
        assert apart.mean() < 0.1
        assert one.level == pytest.approx(other.level, rel=1e-3)
    assert slow.state.frames == quick.state.frames == 11


def test_a_crossfade_is_dreamed_as_often(dreamnet: Network, texture: Picture) -> None:
    dreamer = Dreamer(SMALL.replace(rise=0.0), dreamnet)
    fading = Dreamer(SMALL.replace(rise=0.0, objective="eyes"), dreamnet)
    dreamer.warm_up_s = 0.0
    dreamer.step(film([texture], 5)[0])
    fading.share_state(dreamer)
    assert fading.warm_up_s == 0.0
    picture = dreamer.picture(texture)
    carried = dreamer.carry(picture, motion(), dreamer.advance(0.2))
    levelled = dreamer.grow_both(picture, carried, fading, 0.5)
    assert dreamer.state.frames == 1 + 5, "two networks dream one dream"
    assert dreamer.state.age_s == pytest.approx(1 / 25 + 0.2)
    assert float(levelled.level) == pytest.approx(14.0, rel=0.02)
