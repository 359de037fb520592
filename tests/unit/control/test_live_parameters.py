"""The board: checked at the door, gliding, all or nothing, one snapshot at a time."""

import math
import threading
from functools import partial

import pytest
from waiting import PATIENCE_S

from livedream.control.catalogue import check_objective
from livedream.control.live_parameters import Change, LiveParameters
from livedream.core.errors import SettingsError
from livedream.core.grade import GradeSettings
from livedream.core.settings import DREAMED, DreamSettings
from livedream.dream.objectives.text import parse_objective


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def parameters(time: Time) -> LiveParameters:
    return LiveParameters(
        DreamSettings(octaves=2), GradeSettings(), time, own_objective=lambda network: "eyes"
    )


def test_a_number_glides_with_its_time_constant(parameters: LiveParameters, time: Time) -> None:
    parameters.set("strength", 24.0)
    constant_s = parameters.declared["strength"].ramp_s
    assert parameters.target("strength") == 24.0
    assert parameters.snapshot().dream.strength == 14.0
    time.now += constant_s
    assert parameters.snapshot().dream.strength == pytest.approx(14 + 10 * (1 - math.exp(-1)))
    time.now += 100 * constant_s
    assert parameters.snapshot().dream.strength == 24.0


def test_how_often_it_is_looked_at_changes_nothing(time: Time) -> None:
    often, seldom = (
        LiveParameters(DreamSettings(), clock=time),
        LiveParameters(DreamSettings(), clock=time),
    )
    for parameters in (often, seldom):
        parameters.set("strength", 30.0)
    for _ in range(50):
        time.now += 0.01
        often.snapshot()
    assert often.snapshot().dream.strength == pytest.approx(seldom.snapshot().dream.strength)


def test_a_glide_that_is_turned_round_goes_on_from_where_it_is(
    parameters: LiveParameters, time: Time
) -> None:
    parameters.set("strength", 24.0)
    time.now += 0.3
    before = parameters.snapshot().dream.strength
    parameters.set("strength", 4.0)
    assert parameters.snapshot().dream.strength == pytest.approx(before)


def test_the_glide_may_be_given_and_zero_jumps(parameters: LiveParameters) -> None:
    parameters.set("strength", 24.0, ramp_s=0)
    assert parameters.snapshot().dream.strength == 24.0


def test_a_preset_arrives_after_its_seconds(parameters: LiveParameters, time: Time) -> None:
    parameters.apply({"strength": 34.0, "octaves": 4, "hue": 90.0, "mirror": True}, seconds=4.0)
    time.now += 2.0
    middle = parameters.snapshot()
    assert middle.dream.strength == pytest.approx(24.0)
    assert middle.dream.octaves == 3
    assert middle.grade.hue == pytest.approx(45.0)
    assert middle.grade.mirror
    time.now += 2.0
    end = parameters.snapshot()
    assert (end.dream.strength, end.dream.octaves, end.grade.hue) == (34.0, 4, 90.0)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [("wander", 30.0, 0.0), ("wander", 0.0, 30.0), ("octaves", 0, 6), ("octaves", 6, 0)],
)
def test_nothing_fades_to_or_from_a_zero_that_is_no_small_value(
    parameters: LiveParameters, time: Time, name: str, before: float, after: float
) -> None:
    parameters.set(name, before)
    assert getattr(parameters.snapshot().dream, name) == before
    parameters.apply({name: after, "strength": 34.0}, seconds=4.0)
    for _ in range(41):
        assert getattr(parameters.snapshot().dream, name) == after
        time.now += 0.1
    assert parameters.snapshot().dream.strength == 34.0
    parameters.apply({"wander": 20.0, "octaves": 4}, ramp_s=0)
    parameters.apply({"wander": 40.0, "octaves": 8}, seconds=4.0)
    time.now += 2.0
    dream = parameters.snapshot().dream
    assert (dream.wander, dream.octaves) == (pytest.approx(30.0), 6)


def test_all_or_nothing(parameters: LiveParameters) -> None:
    told: list[Change] = []
    parameters.listen(told.append)
    with pytest.raises(SettingsError, match="octaves"):
        parameters.apply({"strength": 34.0, "octaves": 99})
    assert parameters.target("strength") == 14.0
    assert not told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("strength", 101.0),
        ("strength", math.nan),
        ("strength", "12"),
        ("strength", None),
        ("octaves", 2.5),
        ("mirror", "yes"),
        ("objective", "eyes +"),
        ("flow_size", "large"),
        ("device", "cpu"),
        ("nonsense", 1),
        ("__class__", 1),
    ],
)
def test_what_may_not_be_is_refused(parameters: LiveParameters, name: str, value: object) -> None:
    before = parameters.targets()
    with pytest.raises(SettingsError):
        parameters.set(name, value)
    assert parameters.targets() == before


def test_hands_send_whole_numbers_as_floats_and_switches_as_numbers(
    parameters: LiveParameters,
) -> None:
    parameters.set("octaves", 4.0)
    parameters.set("freeze", 1.0)
    found = parameters.snapshot()
    assert found.dream.octaves == 4
    assert found.grade.freeze is True


def test_layers_glide_as_a_weighted_sum_of_the_same_targets(
    parameters: LiveParameters, time: Time
) -> None:
    parameters.set("objective", "faces")
    time.now += 0.5
    texts = []
    for _ in range(20):
        texts.append(parameters.snapshot().dream.objective)
        time.now += 0.1
    assert len(set(texts)) > 5
    assert all("eyes" in text and "faces" in text for text in texts)
    time.now += 100
    assert parameters.snapshot().dream.objective == "faces"


def test_another_network_fades_in_and_the_old_one_out(
    parameters: LiveParameters, time: Time
) -> None:
    parameters.set("objective", "eyes", ramp_s=0)
    parameters.apply({"network": "googlenet", "objective": "inception4c"}, seconds=4.0)
    time.now += 2.0
    middle = parameters.snapshot()
    assert middle.previous is not None
    assert (middle.previous.network, middle.previous.objective) == ("", "eyes")
    assert (middle.dream.network, middle.dream.objective) == ("googlenet", "inception4c")
    assert middle.crossfade == pytest.approx(0.5)
    time.now += 2.1
    end = parameters.snapshot()
    assert end.previous is None
    assert end.crossfade == 1.0


@pytest.mark.parametrize("seconds_there", [0.5, 1.5, 3.0])
def test_back_to_the_network_that_fades_out_the_other_goes_as_it_came(
    parameters: LiveParameters, time: Time, seconds_there: float
) -> None:
    """Two dreams at any time, of two networks: each has one dreamer."""
    parameters.apply({"network": "googlenet", "objective": "inception4c"}, seconds=4.0)
    time.now += seconds_there
    there = parameters.snapshot().crossfade
    parameters.apply({"network": "", "objective": "faces"}, seconds=8.0)
    back = parameters.snapshot()
    assert (back.dream.network, back.dream.objective) == ("", "faces")
    assert back.previous is not None
    assert (back.previous.network, back.previous.objective) == ("googlenet", "inception4c")
    assert back.crossfade == pytest.approx(1 - there)
    time.now += 2 * seconds_there - 0.1
    assert 0.9 < parameters.snapshot().crossfade < 1.0
    time.now += 0.2
    assert parameters.snapshot().previous is None


def test_an_objective_s_fader_moves_it_however_fast_it_is_dragged(
    parameters: LiveParameters, time: Time
) -> None:
    parameters.set("objective", "eyes + 0.1*fur", ramp_s=0)
    for step in range(200):  # one second, at 200 messages a second
        time.now += 0.005
        parameters.set("objective", f"eyes + {0.1 + 0.004 * step:.3f}*fur")
        parameters.snapshot()
    constant_s = parameters.declared["objective"].ramp_s
    lag_s = constant_s * (1 - math.exp(-1 / constant_s))  # behind what rises evenly
    _, fur = parse_objective(parameters.snapshot().dream.objective).terms
    assert fur.weight == pytest.approx(0.1 + 0.8 * (1 - lag_s), abs=0.02)


def test_objectives_too_long_to_mix_change_at_once(parameters: LiveParameters) -> None:
    """What is on its way is an objective like any other, and read as one."""
    for name in ("eyes", "faces"):
        wanted = " + ".join(f"{name}:{number}" for number in range(60))
        parameters.set("objective", wanted)
        assert len(parse_objective(parameters.snapshot().dream.objective).terms) <= 100
    assert parameters.snapshot().dream.objective == wanted


def test_a_network_alone_brings_its_own_objective(parameters: LiveParameters) -> None:
    parameters.set("objective", "eyes")
    parameters.set("network", "googlenet")
    assert parameters.snapshot().dream.objective == ""


def test_a_prompt_brings_the_network_that_draws_it_and_takes_it_away(
    parameters: LiveParameters, time: Time
) -> None:
    def dreamed() -> tuple[str, str, str]:
        time.now += 60.0
        now = parameters.snapshot().dream
        return now.network, now.objective, now.prompt

    parameters.set("objective", "eyes")
    parameters.set("prompt", "elephant")
    half = parameters.snapshot(time.now + 1.0)
    assert half.previous is not None
    assert (half.previous.network, half.previous.objective) == ("", "eyes")
    assert half.dream.network == parameters.dreaming == "dreamnet+dreamnet-things"
    assert dreamed() == ("dreamnet+dreamnet-things", "eyes", "elephant")
    assert parameters.target("network") == ""
    parameters.set("strength", 20.0)
    parameters.set("prompt", "monarch")
    assert parameters.snapshot().previous is None  # the same network: its objective glides
    assert dreamed() == ("dreamnet+dreamnet-things", "eyes", "monarch")
    parameters.set("objective", "faces")  # one of dreamnet's layers
    assert dreamed() == ("", "faces", "")
    parameters.set("prompt", "monarch")
    parameters.set("prompt", "")
    assert dreamed() == ("", "faces", "")
    parameters.apply({"network": "dreamnet-birds", "prompt": "eagle"}, ramp_s=0.0)
    parameters.set("prompt", "elephant")
    assert dreamed()[0] == "dreamnet-birds"  # it was named


def test_what_is_taken_back_gives_way_to_what_the_network_that_dreams_was_to_dream(
    parameters: LiveParameters,
) -> None:
    def named() -> list[str]:
        return [parameters.target(name) for name in DREAMED]

    parameters.set("objective", "eyes")
    parameters.set("network", "dreamnet-birds")
    parameters.set("prompt", "eagle")
    parameters.set("network", "dreamnet-insects")
    parameters.take_back("dreamnet-birds", "", {})  # nobody waits for it any more
    assert named() == ["dreamnet-insects", "", ""]
    parameters.take_back("dreamnet-insects", "", {"objective": "", "prompt": ""})
    assert named() == ["dreamnet-insects", "", ""]  # it was named, and can be had
    parameters.take_back("dreamnet-insects", "", {})
    assert named() == ["", "eyes", ""]  # the birds never dreamed


def test_modulators_add_up_on_top_and_are_held_to_the_range(parameters: LiveParameters) -> None:
    parameters.modulate("mix", "lfo", -0.25)
    parameters.modulate("mix", "bass", -0.25)
    assert parameters.snapshot().grade.mix == pytest.approx(0.5)
    assert parameters.target("mix") == 1.0
    parameters.modulate("mix", "bass", -3.0)
    assert parameters.snapshot().grade.mix == 0.0
    parameters.modulate("mix", "bass", None)
    parameters.modulate("mix", "lfo", None)
    assert parameters.snapshot().grade.mix == 1.0


@pytest.mark.parametrize("offset", [math.nan, math.inf])
def test_an_offset_that_is_no_number_is_refused(parameters: LiveParameters, offset: float) -> None:
    with pytest.raises(SettingsError):
        parameters.modulate("mix", "lfo", offset)
    assert parameters.snapshot().grade.mix == 1.0


def test_sliders_reach_both_ends_and_come_back(parameters: LiveParameters) -> None:
    for name, parameter in parameters.declared.items():
        if not parameter.has_unit:
            with pytest.raises(SettingsError):
                parameters.set_unit(name, 0.5)
            continue
        for unit in (0.0, 1.0):
            parameters.set_unit(name, unit)
            assert parameters.unit(name) == pytest.approx(unit)
    parameters.set_unit("zoom", 0.5)
    assert parameters.target("zoom") == pytest.approx(1.0)


def test_triggers_come_once_and_peek_takes_none(parameters: LiveParameters) -> None:
    parameters.trigger("reset")
    assert "reset" not in parameters.peek().triggers
    assert parameters.snapshot().triggers == {"reset"}
    assert not parameters.snapshot().triggers


def test_listeners_are_told_what_suffices_to_do_it_again(
    parameters: LiveParameters, time: Time
) -> None:
    told: list[Change] = []
    stop = parameters.listen(told.append)
    parameters.set("strength", 20, origin="osc", ramp_s=2.0)
    parameters.trigger("tap", origin="keys")
    stop()
    parameters.set("strength", 10)
    assert told == [
        Change({"strength": 20.0}, "osc", time.now, 2.0),
        Change({}, "keys", time.now, trigger="tap"),
    ]


def test_a_listener_may_use_the_parameters(parameters: LiveParameters) -> None:
    parameters.listen(lambda change: parameters.target("strength") and None)
    done = threading.Thread(target=lambda: parameters.set("strength", 20), daemon=True)
    done.start()
    done.join(PATIENCE_S)
    assert not done.is_alive()


@pytest.mark.parametrize(
    "where",
    [
        "mooving", "left &", "mask(nowhere.png)", "mask(rtsp://10.0.0.5:99999/s)",
        "mask(rtsp://admin:{env:LIVEDREAM_NO_SUCH}@10.0.0.5/s)",
    ],
)  # fmt: skip
def test_a_region_is_refused_where_it_is_said(parameters: LiveParameters, where: str) -> None:
    parameters.set("where", "left & !dark")
    with pytest.raises(SettingsError, match=r"where: .*at character"):
        parameters.set("where", where)
    assert parameters.snapshot().dream.where == "left & !dark"


@pytest.mark.parametrize("values", [{"where": "still"}, {"objective": "eyes@moving"}])
def test_a_region_of_motion_is_refused_in_a_show_without_flow(values: dict[str, str]) -> None:
    check = partial(check_objective, flow="none")
    without = LiveParameters(DreamSettings(flow="none"), check_objective=check)
    with pytest.raises(SettingsError, match="needs motion, which --flow none"):
        without.apply(values)
    without.apply({"where": "left"})


def test_a_prompt_glides_from_and_to_what_is_dreamed_without(
    parameters: LiveParameters, time: Time
) -> None:
    parameters.set("objective", "faces", ramp_s=0)
    parameters.apply({"prompt": "owl -dog"}, seconds=2.0)
    time.now += 1.0
    dream = parameters.snapshot().dream
    assert dream.objective == "0.5*faces + 0.5*kind:owl - 0.5*kind:dog" and dream.prompt == ""
    time.now += 1.5
    dream = parameters.snapshot().dream
    assert (dream.objective, dream.prompt) == ("faces", "owl -dog")
    parameters.apply({"prompt": ""}, seconds=2.0)
    time.now += 1.0
    dream = parameters.snapshot().dream
    assert dream.objective == "0.5*kind:owl - 0.5*kind:dog + 0.5*faces" and dream.prompt == ""
    time.now += 1.5
    dream = parameters.snapshot().dream
    assert (dream.objective, dream.prompt) == ("faces", "")


def test_an_objective_and_another_network_take_a_prompt_s_place(
    parameters: LiveParameters, time: Time
) -> None:
    parameters.set("prompt", "owl", ramp_s=0)
    parameters.set("objective", "faces", ramp_s=0)
    assert parameters.target("prompt") == parameters.snapshot().dream.prompt == ""
    parameters.set("prompt", "owl", ramp_s=0)
    parameters.apply({"network": "googlenet"}, seconds=2.0)
    time.now += 1.0
    middle = parameters.snapshot()
    assert middle.previous is not None
    assert (middle.previous.objective, middle.previous.prompt) == ("kind:owl", "")
    assert (middle.dream.objective, middle.dream.prompt) == ("", "")
    parameters.apply({"network": "vgg16", "prompt": "fish"}, seconds=2.0)
    assert parameters.snapshot().dream.prompt == "fish"


def test_a_prompt_that_says_nothing_known_is_refused(time: Time) -> None:
    parameters = LiveParameters(DreamSettings(), clock=time, check_objective=check_objective)
    with pytest.raises(
        SettingsError,
        match=r"prompt: no word 'owll'; did you mean owl.*at character 7 of 'snow -owll'",
    ):
        parameters.set("prompt", "snow -owll")
    with pytest.raises(SettingsError, match="prompt: expected a word"):
        parameters.set("prompt", "owl %")
    with pytest.raises(SettingsError, match="prompt: no word 'dog'"):
        parameters.apply({"network": "dreamnet-birds", "prompt": "dog"})
    assert parameters.target("prompt") == "" and parameters.target("network") == ""
