"""Two networks that dream one dream in turns."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livedream.capture.sky import Sky
from livedream.core.errors import LivedreamError, NetworkError, ObjectiveError, SettingsError
from livedream.core.frame import Frame
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer, network_of
from livedream.dream.networks.registry import find_spec, in_turns, models_folder
from livedream.jobs.image import dreamed

BIRDS, INSECTS = "dreamnet-birds", "dreamnet-insects"
BOTH = f"{BIRDS}+{INSECTS}"
SETTINGS = DreamSettings(
    network=BOTH, device="cpu", engine="torch", size="72p", octaves=2, rise=0.0, seed=3
)


def frames_of(count: int, size: tuple[int, int] = (128, 72)) -> Iterator[Frame]:
    sky = Sky(*size, 8.0, 3)
    for n in range(count):
        rgb = np.ascontiguousarray(sky.paint(n / 25))
        yield Frame(rgb, n, Fraction(1, 25), n, 1)


def alone(network: str, **more: Any) -> Dreamer:
    return Dreamer(SETTINGS.replace(network=network, **more))


@pytest.mark.parametrize("more", [{}, {"momentum": 0.0}, {"objective": "creatures@left"}], ids=str)
def test_each_dreams_every_other_dream_on_top_of_the_others(more: dict[str, Any]) -> None:
    both, turns = Dreamer(SETTINGS.replace(**more)), [alone(BIRDS, **more), alone(INSECTS, **more)]
    for n, frame in enumerate(frames_of(8)):
        dreamer = turns[n % 2]
        dreamer.share_state(turns[1 - n % 2])
        wanted = dreamer.step_by_stage(frame, None)
        found = both.step_by_stage(frame, None)
        assert np.array_equal(found.frame.rgb, wanted.frame.rgb), n
    assert both.state.frames == 8


def test_each_has_its_share_of_coarse_and_fine_octaves(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Dreamer(SETTINGS.replace(size="144p"))
    climbed: Counter[tuple[str, int]] = Counter()
    for ascent in both.ascents:
        name, engine = ascent.spec.network.name, ascent.engine

        def seen(x: Any, *rest: Any, name: str = name, ascend: Any = engine.ascend) -> None:
            climbed[name, x.shape[2]] += 1
            ascend(x, *rest)

        monkeypatch.setattr(engine, "ascend", seen)
    *_, _ = both.dreams(frames_of(13, (256, 144)))
    coarse, fine = sorted({height for _, height in climbed})
    # The very first climbs all; of every three after it one climbs the coarse ones.
    assert {climbed[name, coarse] for name in (BIRDS, INSECTS)} <= {2, 3}
    assert {climbed[name, fine] for name in (BIRDS, INSECTS)} <= {4, 5}


def test_what_is_adopted_reaches_both() -> None:
    both = Dreamer(SETTINGS)
    kept = both.ascents
    both.adopt(SETTINGS.replace(variety=0.9, strength=3.0))
    assert both.ascents == kept  # nothing was loaded
    assert [float(ascent.spec.objective.variety) for ascent in kept] == pytest.approx([0.9, 0.9])
    both.adopt(SETTINGS.replace(objective="0.5*creatures + weave@left"), plan=None)
    assert {str(ascent.spec.objective.objective) for ascent in both.ascents} == {
        "0.5*creatures + weave@left"
    }
    assert [ascent.spec.network for ascent in both.ascents] == [
        ascent.spec.network for ascent in kept
    ]
    both.adopt(SETTINGS.replace(network=INSECTS))
    assert (both.network_name, len(both.ascents)) == (INSECTS, 1)
    both.adopt(SETTINGS)
    assert both.network_name == BOTH


def test_what_one_of_them_lacks_leaves_both_as_they_were() -> None:
    both = Dreamer(SETTINGS)
    before = [str(ascent.spec.objective.objective) for ascent in both.ascents]
    for wrong in ({"objective": "wings"}, {"network": f"{BIRDS}+nosuch"}, {"network": "a+b+c"}):
        with pytest.raises(LivedreamError):
            both.adopt(SETTINGS.replace(**wrong))
        assert both.settings == SETTINGS
        assert [str(ascent.spec.objective.objective) for ascent in both.ascents] == before
    dreamed(both, next(frames_of(1)).rgb, 2)


def test_going_on_from_a_state_goes_on_with_whose_turn_it_is() -> None:
    frames = list(frames_of(6))
    whole, part = Dreamer(SETTINGS), Dreamer(SETTINGS)
    for frame in frames[:3]:
        whole.step_by_stage(frame, None)
    part.restore(whole.state.arrays())
    for frame in frames[3:]:
        one, other = (each.step_by_stage(frame, None) for each in (whole, part))
        assert np.array_equal(one.frame.rgb, other.frame.rgb)


def test_each_dreams_its_own_where_nothing_is_named() -> None:
    both = Dreamer(SETTINGS)
    own = [alone(BIRDS), alone(INSECTS)]
    found = [ascent.spec.objective.objective for ascent in both.ascents]
    assert found == [dreamer.objective.objective for dreamer in own]
    assert both.own_objective == " / ".join(one.network.default_objective for one in own)


def test_a_prompt_is_dreamed_by_two_whose_motifs_are_as_large_as_asked() -> None:
    settings = DreamSettings(prompt="lion", device="cpu", engine="torch", motif=0.5)
    both = Dreamer(settings)
    assert both.network_name == "dreamnet+dreamnet-things"
    octaves = [len(ascent.octave_sizes(640, 360)) for ascent in both.ascents]
    named = [Dreamer(settings.replace(network=name)) for name in in_turns(both.network_name)]
    assert octaves == [len(dreamer.ascent.octave_sizes(640, 360)) for dreamer in named]
    assert octaves[0] != octaves[1]


def test_where_one_network_is_meant_two_are_refused() -> None:
    for one in (find_spec, in_turns, lambda name: network_of(SETTINGS.replace(network=name))):
        with pytest.raises(NetworkError, match=r"at most two networks dream in turns, A\+B"):
            one("a+b+c")
    with pytest.raises(NetworkError, match="one network is meant here, not two in turns"):
        find_spec(BOTH)
    assert network_of(SETTINGS.replace(network="", prompt="lion")).name == "dreamnet"
    weights = str(models_folder() / "dreamnet.safetensors")
    with pytest.raises(SettingsError, match="two in turns have weights and objectives of their"):
        Dreamer(SETTINGS.replace(weights=weights))
    with pytest.raises(ObjectiveError, match="no layer 'wings' in dreamnet-birds"):
        Dreamer(SETTINGS.replace(objective="wings"))
    assert Path(weights).is_file()
