"""Suggestions for a name that was not found."""

import difflib
import re
from collections.abc import Iterable
from typing import Final

_MOST: Final = 3  # names


def closest(wanted: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """``did you mean a, b or c?`` with the nearest names, or an empty string.

    Case does not count, and a name that has what was asked for as a word in it, or begins with it,
    counts as near.  cutoff: how alike the others are, 1 is the same (`difflib`).
    """
    names = {name.lower(): name for name in known}
    asked = wanted.lower()
    word = re.compile(rf"\b{re.escape(asked)}\b")
    near = sorted(filter(word.search, names), key=len) if asked else []
    near += difflib.get_close_matches(asked, names, n=_MOST, cutoff=cutoff)
    near += [low for low in names if asked and low.startswith(asked)]
    found = [names[low] for low in list(dict.fromkeys(near))[:_MOST]]
    if not found:
        return ""
    listed = " or ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)
    return f"did you mean {listed}?"
