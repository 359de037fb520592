"""The walk of a frame: what is carried, what is faded, what starts afresh."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from gradients import cosine
from installed import with_openvino
from waiting import until

from livedream.core.errors import LivedreamError
from livedream.core.frame import Frame, Motion, Picture
from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Plan
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import Network
from livedream.dream.state import DreamState
from livedream.flow import ZeroFlow

FramesOf = Callable[..., list[Frame]]
SMALL = DreamSettings(size="120p", flow_size="180p")
SOON = SMALL.replace(objective="strokes")  # where any dream will do


def _still(picture: Picture, cut: bool = False) -> Motion:
    height, width = picture.shape[:2]
    zero = np.zeros((2, height, width), np.float32)
    return Motion(zero, np.ones((height, width), np.float32), cut)


def _held(dreamer: Dreamer, picture: Picture, count: int, fps: int = 25) -> list[float]:
    start = dreamer.state.frames
    frames = [Frame(picture, start + i, Fraction(1, fps), start + i) for i in range(count)]
    return [dreamer.step(frame, _still(picture)).level for frame in frames]


def test_the_level_rises_within_its_time_and_stands(dreamnet: Network, texture: Picture) -> None:
    levels = _held(Dreamer(SOON.replace(rise=0.4), dreamnet), texture, 30)
    assert levels[0] < 3
    assert levels[9:] == pytest.approx([14.0] * 21, rel=0.03)


def test_the_rate_does_not_change_the_level(dreamnet: Network, texture: Picture) -> None:
    for fps in (10, 50):
        levels = _held(Dreamer(SOON, dreamnet), texture, fps, fps)
        assert levels[-1] == pytest.approx(14.0, rel=0.03)


def test_a_carried_dream_fades_by_its_half_life(dreamnet: Network, texture: Picture) -> None:
    dreamer = Dreamer(SOON.replace(half_life=1.0, strength=10.0), dreamnet)
    _held(dreamer, texture, 25)
    dreamer.adopt(dreamer.settings.replace(strength=0.0))
    levels = _held(dreamer, texture, 25)
    assert levels[-1] == pytest.approx(5.0, rel=0.05)


def test_what_is_no_number_does_not_stay(
    dreamnet: Network, texture: Picture, caplog: pytest.LogCaptureFixture
) -> None:
    dreamer = Dreamer(SOON, dreamnet)
    _held(dreamer, texture, 5)
    assert dreamer.state.residual is not None
    dreamer.state.residual[0, 0, 5, 5] = torch.nan
    levels = _held(dreamer, texture, 20)
    assert levels[0] == 0 and levels[-1] == pytest.approx(14.0, rel=0.03)
    assert caplog.text.count("was NaN") == 1


def test_a_cut_starts_afresh(dreamnet: Network, texture: Picture) -> None:
    dreamer = Dreamer(SOON, dreamnet)
    _held(dreamer, texture, 20)
    other = np.ascontiguousarray(texture[::-1])
    shown = dreamer.step(Frame(other, 20, Fraction(1, 25), 20), _still(other, cut=True))
    assert shown.level < 3


def test_what_was_hidden_starts_from_the_frame_itself(dreamnet: Network, texture: Picture) -> None:
    # With variety the emptied half, whose motifs are quiet, grows by as much in one step as it had.
    dreamer = Dreamer(SMALL.replace(variety=0.0), dreamnet)
    _held(dreamer, texture, 20)
    motion = _still(texture)
    motion.visibility[:, :160] = 0.0
    before = dreamer.state.residual
    assert before is not None
    dreamer.step(Frame(texture, 20, Fraction(1, 25), 20), motion)
    after = dreamer.state.residual
    assert after is not None
    half = after.shape[3] // 2
    left, right = after[..., : half - 8], after[..., half + 8 :]
    assert left.square().mean() < 0.25 * before[..., : half - 8].square().mean()
    assert cosine(right, before[..., half + 8 :]) > 0.85


def test_the_dream_rides_on_the_motion(
    dreamnet: Network, texture: Picture, frames_of: FramesOf
) -> None:
    wide = np.concatenate([texture, texture[:, ::-1]], 1)
    source = frames_of(*[wide[:, 2 * i : 2 * i + 240] for i in range(40)])
    coherent = [d.flicker for d in Dreamer(SMALL, dreamnet).dreams(source)]
    apart = SMALL.replace(flow="none", half_life=0.0)
    independent = [d.flicker for d in Dreamer(apart, dreamnet).dreams(source)]
    assert np.mean(coherent[12:]) < 0.2
    assert np.mean(independent[12:]) > 0.5


def test_flow_is_computed_on_the_device_that_was_asked_for(
    dreamnet: Network, texture: Picture, frames_of: FramesOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def opened(name: str, *, device: str = "auto") -> ZeroFlow:
        asked.append(device)
        return ZeroFlow()

    monkeypatch.setattr("livedream.dream.dreamer.open_flow", opened)
    list(Dreamer(SMALL.replace(device="cpu"), dreamnet).dreams(frames_of(texture)))
    assert asked == ["cpu"]


def test_a_colour_does_not_drift(dreamnet: Network, texture: Picture) -> None:
    calm = (64 + texture.astype(np.float32) / 2).astype(np.uint8)
    dreamer = Dreamer(SMALL, dreamnet)
    for index in range(60):
        shown = dreamer.step(Frame(calm, index, Fraction(1, 25), index), _still(calm))
    tint = shown.frame.rgb.mean((0, 1)) - calm.mean((0, 1))
    assert np.abs(tint).max() < 0.5


def test_nothing_grows_by_itself_on_a_slow_pan(dreamnet: Network, texture: Picture) -> None:
    """Long half-lives and high rates fade little from frame to frame: carrying must add nothing."""
    settings = SMALL.replace(size="source", half_life=8.0, rise=0.0, octaves=1, iterations=1)
    dreamer = Dreamer(settings, dreamnet)
    picture = np.ascontiguousarray(texture[:90, :160])
    flow = np.empty((2, 90, 160), np.float32)
    flow[0], flow[1] = 0.5, 0.25
    motion = Motion(flow, np.ones((90, 160), np.float32), False)
    frames = [Frame(picture, index, Fraction(1, 25), index) for index in range(150)]
    levels = [dreamer.step(frame, motion).level for frame in frames]
    assert max(levels[50:]) < 1.02 * settings.strength
    assert min(levels[50:]) > 0.98 * settings.strength


def test_the_state_survives_as_arrays(dreamnet: Network, texture: Picture) -> None:
    one, two = Dreamer(SOON, dreamnet), Dreamer(SOON, dreamnet)
    _held(one, texture, 5)
    two.restore(one.state.arrays())
    frame = Frame(texture, 5, Fraction(1, 25), 5)
    a = one.step(frame, _still(texture)).frame.rgb
    b = two.step(frame, _still(texture)).frame.rgb
    assert (a == b).all()
    assert DreamState.from_arrays(DreamState().arrays(), one.device) == DreamState()


def test_a_change_of_size_in_the_stream_starts_afresh(dreamnet: Network, texture: Picture) -> None:
    """As if nothing had been dreamed before; the clock goes on."""
    settings = SOON.replace(size="source")
    dreamer, fresh = Dreamer(settings, dreamnet), Dreamer(settings, dreamnet)
    _held(dreamer, texture, 3)
    fresh.state = replace(dreamer.state.copy(), residual=None, momentum=None)
    small = Frame(np.ascontiguousarray(texture[:100, :130]), 3, Fraction(1, 25), 3)
    found, wanted = dreamer.step(small), fresh.step(small)
    assert found.frame.rgb.shape == small.rgb.shape
    assert np.array_equal(found.frame.rgb, wanted.frame.rgb)
    assert dreamer.state.residual is not None and fresh.state.residual is not None
    assert torch.equal(dreamer.state.residual, fresh.state.residual)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (17, 300), (64, 64)])
def test_pictures_of_any_size(dreamnet: Network, shape: tuple[int, int]) -> None:
    picture = np.full((*shape, 3), 90, np.uint8)
    dreams = list(Dreamer(SOON, dreamnet).dreams([
        Frame(picture, index, Fraction(1, 25), index) for index in range(3)
    ]))  # fmt: skip
    assert [d.frame.rgb.shape for d in dreams] == [(*shape, 3)] * 3


def test_settings_change_between_frames_without_loading_anything(
    dreamnet: Network, texture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    dreamer = Dreamer(SMALL.replace(objective="eyes + 0.5*strokes"), dreamnet)
    _held(dreamer, texture, 3)
    engine, carried = dreamer.ascent.engine, dreamer.state.residual
    monkeypatch.setattr(Network, "truncated", None)  # whoever cuts a network anew fails
    other = SMALL.replace(
        objective="2*eyes - 0.25*strokes", octaves=3, iterations=1, jitter=5, step_size=3.0,
        strength=8.0, size="90p",
    )  # fmt: skip
    dreamer.adopt(other)
    assert dreamer.settings == other
    assert dreamer.ascent.engine is engine and dreamer.state.residual is carried


@with_openvino
def test_what_is_prepared_beforehand_takes_no_slower_way(
    dreamnet: Network, texture: Picture
) -> None:
    settings = SMALL.replace(engine="openvino", precision="fp32")
    dreamer = Dreamer(settings, dreamnet, wait_for_compile=False)
    height, width = texture.shape[:2]

    def prepared(wanted: DreamSettings) -> bool:
        return dreamer.prepare(Plan.of(wanted, width, height))

    def wait_for(wanted: DreamSettings) -> None:
        until(lambda: prepared(wanted))

    wait_for(settings)
    _held(dreamer, texture, 2)
    assert prepared(settings.replace(iterations=7, strength=3.0))
    other = settings.replace(size="90p", octaves=3, jitter=5)
    assert not prepared(other)
    _held(dreamer, texture, 1)
    wait_for(other)
    dreamer.adopt(other)
    _held(dreamer, texture, 2)
    assert dreamer.fallbacks == 0
    dreamer.ascent.engine.fallbacks = 3  # type: ignore[misc]
    dreamer.adopt(settings.replace(objective="strokes"))
    assert dreamer.fallbacks == 3  # nor are another's forgotten
    assert not prepared(settings)  # another engine has graphs of its own


def test_adopted_settings_dream_like_those_of_the_start(
    dreamnet: Network, texture: Picture
) -> None:
    first = SMALL.replace(objective="eyes + 0.5*strokes")
    wanted = SMALL.replace(objective="-1*eyes + 2*strokes", octaves=3, iterations=1, jitter=5)
    one, two = Dreamer(first, dreamnet), Dreamer(wanted, dreamnet)
    _held(one, texture, 4)
    two.restore(one.state.arrays())
    one.adopt(wanted)
    frame = Frame(texture, 4, Fraction(1, 25), 4)
    a, b = (dreamer.step(frame, _still(texture)).frame.rgb for dreamer in (one, two))
    assert (a == b).all()


def test_another_objective_is_adopted_too(dreamnet: Network, texture: Picture) -> None:
    dreamer = Dreamer(SMALL, dreamnet)
    _held(dreamer, texture, 4)
    dreamer.adopt(SMALL.replace(objective="strokes"))
    assert dreamer.network is dreamnet
    assert dreamer.ascent.response(dreamer.picture(texture)) == pytest.approx(
        Dreamer(SMALL.replace(objective="strokes"), dreamnet).ascent.response(
            dreamer.picture(texture)
        )
    )


@pytest.mark.parametrize(
    "wrong", [{"network": "nonet"}, {"objective": "nolayer"}, {"where": "mask(nowhere.png)"}]
)
def test_what_cannot_be_adopted_changes_nothing(
    dreamnet: Network, texture: Picture, wrong: dict[str, str]
) -> None:
    dreamer = Dreamer(SMALL, dreamnet)
    before = vars(dreamer).copy()
    with pytest.raises(LivedreamError):
        dreamer.adopt(SMALL.replace(strength=3.0, **wrong))
    assert vars(dreamer) == before


def test_two_dreamers_may_share_an_objective(dreamnet: Network, texture: Picture) -> None:
    settings = SMALL.replace(objective="creatures")
    one = Dreamer(settings, dreamnet)
    two = Dreamer(settings, dreamnet, one.objective)
    one.adopt(SMALL.replace(objective="3*creatures"))
    assert one.ascent.response(one.picture(texture)) == pytest.approx(
        3 * two.ascent.response(two.picture(texture))
    )
