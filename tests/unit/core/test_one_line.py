"""Names that others chose: nothing in them moves a cursor, ends a line or hides what follows."""

import logging
import tomllib

from hypothesis import given
from hypothesis import strategies as st

from livedream.core.errors import SourceError, reason
from livedream.core.health import Health
from livedream.core.redact import RedactingFormatter, one_line
from livedream.core.user_folders import toml_text

# A terminal's colours and its title, a line of a log, a letter's neighbour written backwards, half
# of a character, what closes a tag.
HOSTILE = "Wall\x1b[31m\x1b]0;x\x07\nERROR\r\x00\x7f\x9b2J\u202egpj.\ud800</p>\u2028"


@given(st.text() | st.just(HOSTILE), st.none() | st.integers(0, 9))
def test_what_is_left_is_printable(text: str, most: int | None) -> None:
    found = one_line(text, most)
    assert found.isprintable() and found == one_line(found, most)
    assert most is None or len(found) <= most
    assert not text.isprintable() or most is not None or found == text


def test_so_are_errors_and_states() -> None:
    for found in (
        str(SourceError(HOSTILE)), reason(OSError(HOSTILE)), Health(HOSTILE, "ok", HOSTILE).detail,
    ):  # fmt: skip
        assert found == one_line(HOSTILE)
    assert len(Health("ndi", "lost", 99_999 * "x").detail) == 500


def test_a_message_is_one_line_of_the_log_and_a_traceback_stays() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter("%(levelname)s %(message)s"))
    try:
        raise OSError(HOSTILE)
    except OSError as error:
        record = logging.LogRecord(
            "ndi", logging.WARNING, "", 0, "from %s", (HOSTILE,),
            (type(error), error, error.__traceback__),
        )  # fmt: skip
    written = handler.format(record).split("\n")
    assert written[0] == f"WARNING from {one_line(HOSTILE)}"
    assert written[1] == "Traceback (most recent call last):"
    assert all(line.isprintable() for line in written)


@given(st.text() | st.just(HOSTILE) | st.just("🎤 Mic"))
def test_a_name_goes_into_a_settings_file_and_comes_back(text: str) -> None:
    kept = tomllib.loads(f"{toml_text(text)} = {toml_text(text)}")
    assert kept == {text.encode(errors="replace").decode(): text.encode(errors="replace").decode()}
