"""Whatever hands, presets and modulators do, no snapshot leaves a parameter's declared range."""

import contextlib
import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from livedream.control.live_parameters import LiveParameters
from livedream.core.errors import SettingsError
from livedream.core.grade import GradeSettings
from livedream.core.parameters import declared
from livedream.core.settings import DreamSettings

PARAMETERS = LiveParameters(DreamSettings())
NAMES = [*PARAMETERS.declared, "device", "nonsense"]
ANYTHING = st.one_of(
    st.floats(), st.integers(-(10**9), 10**9), st.booleans(), st.text(max_size=8), st.none(),
    st.sampled_from(["eyes", "faces:1-3 + 0.5*eyes", "", "180p", "googlenet", "creatures"]),
)  # fmt: skip
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.sampled_from(NAMES), ANYTHING, st.floats(0, 5) | st.none()),
        st.tuples(st.just("unit"), st.sampled_from(NAMES), st.floats(), st.none()),
        st.tuples(st.just("modulate"), st.sampled_from(NAMES), st.floats(), st.none()),
        st.tuples(st.just("apply"), st.sampled_from(NAMES), ANYTHING, st.floats(allow_nan=True)),
        st.tuples(st.just("wait"), st.just(""), st.floats(0, 10), st.none()),
    ),
    max_size=40,
)


def act(parameters: LiveParameters, now: list[float], one: tuple[str, str, Any, Any]) -> None:
    what, name, value, more = one
    if what == "set":
        parameters.set(name, value, ramp_s=more)
    elif what == "unit":
        parameters.set_unit(name, value)
    elif what == "modulate":
        parameters.modulate(name, "test", value)
    elif what == "apply":
        parameters.apply({name: value, "hue": 30.0}, seconds=more)
    else:
        now[0] += value


@settings(max_examples=150)
@given(acts=ACTS)
def test_no_snapshot_leaves_the_range(acts: list[tuple[str, str, Any, Any]]) -> None:
    now = [0.0]
    parameters = LiveParameters(
        DreamSettings(), clock=lambda: now[0], own_objective=lambda network: "eyes"
    )
    for one in acts:
        with contextlib.suppress(SettingsError):
            act(parameters, now, one)
        now[0] += 0.05
        found = parameters.snapshot()
        for values in (found.dream, found.grade):
            for parameter in declared(type(values)):
                held = getattr(values, parameter.name)
                assert parameter.check(held) == held
        assert 0.0 <= found.crossfade <= 1.0


@given(name=st.sampled_from([n for n, p in PARAMETERS.declared.items() if p.has_unit]),
       unit=st.floats(0, 1))  # fmt: skip
def test_a_slider_comes_back_to_where_it_was_put(name: str, unit: float) -> None:
    parameter = PARAMETERS.declared[name]
    value = parameter.from_unit(unit)
    assert parameter.check(value) == value
    if parameter.kind is float:
        assert math.isclose(parameter.to_unit(value), unit, abs_tol=1e-6)


def test_names_never_collide() -> None:
    names = [p.name for cls in (DreamSettings, GradeSettings) for p in declared(cls)]
    assert len(names) == len(set(names))
