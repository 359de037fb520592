"""The board: checked at the door, gliding, all or nothing, one snapshot at a time."""

import math
import threading

import pytest

from livedream.control.live_parameters import Board, Change
from livedream.core.errors import SettingsError
from livedream.core.grade import LookSettings
from livedream.core.settings import DreamSettings


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def board(time: Time) -> Board:
    return Board(DreamSettings(), LookSettings(), time, own_objective=lambda network: "eyes")


def test_a_number_glides_with_its_time_constant(board: Board, time: Time) -> None:
    board.set("strength", 24.0)
    constant_s = board.parameters["strength"].glide_s
    assert board.target("strength") == 24.0
    assert board.snapshot().dream.strength == 14.0
    time.now += constant_s
    assert board.snapshot().dream.strength == pytest.approx(14 + 10 * (1 - math.exp(-1)))
    time.now += 100 * constant_s
    assert board.snapshot().dream.strength == 24.0


def test_how_often_it_is_looked_at_changes_nothing(time: Time) -> None:
    often, seldom = Board(DreamSettings(), clock=time), Board(DreamSettings(), clock=time)
    for board in (often, seldom):
        board.set("strength", 30.0)
    for _ in range(50):
        time.now += 0.01
        often.snapshot()
    assert often.snapshot().dream.strength == pytest.approx(seldom.snapshot().dream.strength)


def test_a_glide_that_is_turned_round_goes_on_from_where_it_is(board: Board, time: Time) -> None:
    board.set("strength", 24.0)
    time.now += 0.3
    before = board.snapshot().dream.strength
    board.set("strength", 4.0)
    assert board.snapshot().dream.strength == pytest.approx(before)


def test_the_glide_may_be_given_and_zero_jumps(board: Board) -> None:
    board.set("strength", 24.0, glide_s=0)
    assert board.snapshot().dream.strength == 24.0


def test_a_preset_arrives_after_its_seconds(board: Board, time: Time) -> None:
    board.apply({"strength": 34.0, "octaves": 4, "hue": 90.0, "mirror": True}, seconds=4.0)
    time.now += 2.0
    middle = board.snapshot()
    assert middle.dream.strength == pytest.approx(24.0)
    assert middle.dream.octaves == 3
    assert middle.look.hue == pytest.approx(45.0)
    assert middle.look.mirror
    time.now += 2.0
    end = board.snapshot()
    assert (end.dream.strength, end.dream.octaves, end.look.hue) == (34.0, 4, 90.0)


def test_all_or_nothing(board: Board) -> None:
    told: list[Change] = []
    board.listen(told.append)
    with pytest.raises(SettingsError, match="octaves"):
        board.apply({"strength": 34.0, "octaves": 99})
    assert board.target("strength") == 14.0
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
def test_what_may_not_be_is_refused(board: Board, name: str, value: object) -> None:
    before = board.targets()
    with pytest.raises(SettingsError):
        board.set(name, value)
    assert board.targets() == before


def test_hands_send_whole_numbers_as_floats_and_switches_as_numbers(board: Board) -> None:
    board.set("octaves", 4.0)
    board.set("freeze", 1.0)
    found = board.snapshot()
    assert found.dream.octaves == 4
    assert found.look.freeze is True


def test_layers_glide_as_a_weighted_sum_of_the_same_targets(board: Board, time: Time) -> None:
    board.set("objective", "faces")
    time.now += 0.5
    texts = []
    for _ in range(20):
        texts.append(board.snapshot().dream.objective)
        time.now += 0.1
    assert len(set(texts)) > 5
    assert all("eyes" in text and "faces" in text for text in texts)
    time.now += 100
    assert board.snapshot().dream.objective == "faces"


def test_another_network_fades_in_and_the_old_one_out(board: Board, time: Time) -> None:
    board.set("objective", "eyes", glide_s=0)
    board.apply({"network": "googlenet", "objective": "inception4c"}, seconds=4.0)
    time.now += 2.0
    middle = board.snapshot()
    assert middle.previous is not None
    assert (middle.previous.network, middle.previous.objective) == ("", "eyes")
    assert (middle.dream.network, middle.dream.objective) == ("googlenet", "inception4c")
    assert middle.crossfade == pytest.approx(0.5)
    time.now += 2.1
    end = board.snapshot()
    assert end.previous is None
    assert end.crossfade == 1.0


def test_a_network_alone_brings_its_own_objective(board: Board) -> None:
    board.set("objective", "eyes")
    board.set("network", "googlenet")
    assert board.snapshot().dream.objective == ""


def test_modulators_add_up_on_top_and_are_held_to_the_range(board: Board) -> None:
    board.modulate("mix", "lfo", -0.25)
    board.modulate("mix", "bass", -0.25)
    assert board.snapshot().look.mix == pytest.approx(0.5)
    assert board.target("mix") == 1.0
    board.modulate("mix", "bass", -3.0)
    assert board.snapshot().look.mix == 0.0
    board.modulate("mix", "bass", None)
    board.modulate("mix", "lfo", None)
    assert board.snapshot().look.mix == 1.0


@pytest.mark.parametrize("offset", [math.nan, math.inf])
def test_an_offset_that_is_no_number_is_refused(board: Board, offset: float) -> None:
    with pytest.raises(SettingsError):
        board.modulate("mix", "lfo", offset)
    assert board.snapshot().look.mix == 1.0


def test_sliders_reach_both_ends_and_come_back(board: Board) -> None:
    for name, parameter in board.parameters.items():
        if not parameter.has_unit:
            with pytest.raises(SettingsError):
                board.set_unit(name, 0.5)
            continue
        for unit in (0.0, 1.0):
            board.set_unit(name, unit)
            assert board.unit(name) == pytest.approx(unit)
    board.set_unit("zoom", 0.5)
    assert board.target("zoom") == pytest.approx(1.0)


def test_triggers_come_once_and_peek_takes_none(board: Board) -> None:
    board.trigger("reset")
    assert "reset" not in board.peek().triggers
    assert board.snapshot().triggers == {"reset"}
    assert not board.snapshot().triggers


def test_listeners_are_told_what_suffices_to_do_it_again(board: Board, time: Time) -> None:
    told: list[Change] = []
    stop = board.listen(told.append)
    board.set("strength", 20, origin="osc", glide_s=2.0)
    board.trigger("tap", origin="keys")
    stop()
    board.set("strength", 10)
    assert told == [
        Change("strength", 20.0, "osc", time.now, 2.0),
        Change("tap", None, "keys", time.now),
    ]


def test_a_listener_may_use_the_board(board: Board) -> None:
    board.listen(lambda change: board.target("strength") and None)
    done = threading.Thread(target=lambda: board.set("strength", 20), daemon=True)
    done.start()
    done.join(2)
    assert not done.is_alive()
