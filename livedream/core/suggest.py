"""Suggestions for a name that was not found."""

import difflib
from collections.abc import Iterable
from typing import Final

_MOST: Final = 3  # names


def closest(wanted: str, known: Iterable[str]) -> str:
    """``did you mean a, b or c?`` with the nearest names, or an empty string.

    Case does not count, and a name that begins with what was asked for counts as near.
    """
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(wanted.lower(), names, n=_MOST, cutoff=0.6)
    near += [low for low in names if low.startswith(wanted.lower()) and low not in near]
    found = [names[low] for low in near[:_MOST]]
    if not found:
        return ""
    listed = " or ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)
    return f"did you mean {listed}?"
