"""Any keyframes are read back as they were written, and lead from value to value."""

from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from livedream.control.curves import Curve, Curves, Keyframe, parse_curves

TIMES = st.integers(0, 10**8).map(lambda ms: Fraction(ms, 1000))
LETTERS = st.characters(exclude_characters="\n\r", exclude_categories=("Cs",))


@st.composite
def keyframes(draw: st.DrawFn) -> Curves:
    times = draw(st.lists(TIMES, min_size=1, max_size=12, unique=True))
    found = []
    for time in times:
        name, values = draw(
            st.sampled_from(
                [
                    ("strength", st.floats(0, 100)),
                    ("octaves", st.integers(0, 16)),
                    ("mirror", st.booleans()),
                    ("network", st.text(LETTERS, max_size=9)),
                ]
            )
        )
        number = name in ("strength", "octaves")
        kind = draw(st.sampled_from(["linear", "ease", "hold"])) if number else "hold"
        frames = time.denominator == 1 and draw(st.booleans())
        found.append(Keyframe(time, name, draw(values), kind, frames))
    return Curves(tuple(found))


@given(keyframes())
def test_what_is_written_is_read_back(curves: Curves) -> None:
    assert parse_curves(str(curves)) == curves


@given(
    st.lists(st.tuples(TIMES, st.floats(0, 100)), min_size=1, max_size=9, unique_by=lambda p: p[0]),
    st.sampled_from(["linear", "ease", "hold"]),
    st.floats(0, 100),
    st.floats(0, 1e5),
)
def test_a_curve_stays_between_its_neighbours_and_meets_them(
    points: list[tuple[Fraction, float]], kind: str, start: float, time_s: float
) -> None:
    found = [Keyframe(time, "strength", value, kind) for time, value in points]
    timed = Curves(tuple(found)).timed(Fraction(25))
    curve = Curve(timed, start)
    for at_s, keyframe in timed:
        assert curve.at(at_s) == keyframe.value
    before = [k.value for t, k in timed if t <= time_s][-1:] or [start]
    after = [k.value for t, k in timed if t > time_s][:1] or before
    low, high = min(*before, *after), max(*before, *after)
    assert low - 1e-9 <= curve.at(time_s) <= high + 1e-9


@given(st.text(max_size=60))
@example("\r")
def test_no_text_does_anything_but_parse_or_point(text: str) -> None:
    from livedream.core.errors import CurveError

    try:
        parse_curves(text)
    except CurveError as error:
        assert 0 <= error.position <= len(error.text)
