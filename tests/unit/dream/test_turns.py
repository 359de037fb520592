"""Two networks that dream one dream in turns."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livedream.capture.sky import Sky
from livedream.control.catalogue import check_objective
from livedream.core.errors import LivedreamError, NetworkError, ObjectiveError, SettingsError
from livedream.core.frame import Frame
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer, network_of
from livedream.dream.networks.registry import find_spec, in_turns, models_folder
from livedream.jobs.image import dreamed
from livedream.jobs.report import RenderReport

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
    for dreamer in (both, own[0]):  # as a preset brings them to a film
        report = RenderReport.of("a", Path("b"), dreamer, 64, 48, begins=SETTINGS)
        assert (report.network, report.objective) == (BOTH, both.own_objective)


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
        with pytest.raises(NetworkError, match=r"at most two networks dream in turns, A\+B"):
            one("dreamnet+")
    with pytest.raises(NetworkError, match="one network is meant here, not two in turns"):
        find_spec(BOTH)
    assert network_of(SETTINGS.replace(network="", prompt="lion")).name == "dreamnet"
    weights = str(models_folder() / "dreamnet.safetensors")
    with pytest.raises(SettingsError, match="two in turns have their own weights"):
        Dreamer(SETTINGS.replace(weights=weights))


def test_each_dreams_of_an_objective_what_it_has() -> None:
    """Two worlds: one of either network."""
    text = "plumage@left + 2*wings@!left + 0.5*creatures"
    both = Dreamer(SETTINGS.replace(objective=text))
    found = [str(ascent.spec.objective.objective) for ascent in both.ascents]
    assert found == ["plumage@left + 0.5*creatures", "2*wings@!left + 0.5*creatures"]
    kept = both.ascents
    both.adopt(SETTINGS.replace(objective="plumage@left + wings@!left + creatures"))
    assert both.ascents == kept  # only weights have changed
    weights = [ascent.spec.objective.weights.tolist() for ascent in kept]
    assert weights == [[1, 1], [1, 1]]
    frame = next(frames_of(1))
    planes = both.regions(frame.rgb, None, 0.1, 1.0)
    assert planes is not None and len(planes.terms) == 2


@pytest.mark.parametrize(
    ("settings", "wrong", "where"),
    [
        ({"objective": "plumage + nosuch + wings"}, "no layer 'nosuch' in dreamnet-birds", 10),
        ({"prompt": "eagle, nosuchthing"}, "no word 'nosuchthing'", 7),
        ({"objective": "wings"}, "dreamnet-birds has nothing of it to dream in its turn", 0),
        ({"prompt": "eagle"}, "dreamnet-insects has nothing of it to dream in its turn", 0),
    ],
)
def test_what_neither_has_is_refused_where_it_was_said(
    settings: dict[str, str], wrong: str, where: int
) -> None:
    with pytest.raises(ObjectiveError, match=wrong) as by_dreamer:
        Dreamer(SETTINGS.replace(**settings))
    with pytest.raises(ObjectiveError, match=wrong) as by_catalogue:
        check_objective(BOTH, settings.get("objective", ""), settings.get("prompt", ""))
    for found in (by_dreamer, by_catalogue):
        assert found.value.position == where


def test_a_prompt_of_words_that_one_or_the_other_knows() -> None:
    both = Dreamer(SETTINGS.replace(prompt="eagle, monarch"))
    found = [str(ascent.spec.objective.objective) for ascent in both.ascents]
    assert found == ["kind:eagle", "kind:monarch"]
    check_objective(BOTH, "", "eagle, monarch")
