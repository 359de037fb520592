"""What can go wrong, as one tree.

LivedreamError
 ├─ SettingsError     (ValueError)   a parameter outside its range, an option that makes no sense
 ├─ GrammarError      (ValueError)   a text that does not parse; it points at the character
 │   ├─ ObjectiveError               an objective that does not parse or names what is not there
 │   ├─ RegionError                  a region that does not parse or names what is not there
 │   └─ CurveError                   curves that do not parse, or a value out of its range
 ├─ ShapeError        (ValueError)   arrays whose sizes do not fit together
 ├─ NetworkError      (LookupError)  an unknown network, layer or class
 │   └─ WeightsError  (LookupError)  weights missing, damaged or of another architecture
 ├─ FlowError         (RuntimeError) a flow estimator that cannot be had or cannot run
 ├─ SourceError       (OSError)      nothing to read, or nothing readable in it
 │   └─ LostSourceError              a file whose disk or share has gone while it was read
 ├─ SinkError         (OSError)      nowhere to write, or no encoder that can
 │   └─ UnfinishedError              a file that could not be written to its end
 ├─ WorkersError      (RuntimeError) workers for a film that cannot be had, or that failed
 └─ ShowError         (RuntimeError) a live show that has failed while it ran

Every message is one line: what must be, what was got, what to try. The command line
prints it and exits with code 2 (a show that failed: 1); nothing that was already written is lost.
What an address holds of passwords and keys does not show.
"""

import errno
import sys
from pathlib import Path
from typing import Final

from livedream.core.redact import one_line, redact

# What the system says of a disk or share that has gone.
UNREACHABLE: Final = (
    errno.EIO, errno.ENODEV, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ESTALE
)  # fmt: skip
_AROUND: Final = 200  # characters of a text before and behind the one that is meant


class LivedreamError(Exception):
    """The root: catch it to catch whatever livedream raises on purpose."""

    def __str__(self) -> str:
        return one_line(redact(super().__str__()))


class SettingsError(LivedreamError, ValueError):
    """A parameter is outside its range or two options contradict each other."""


class GrammarError(LivedreamError, ValueError):
    """A text does not parse.

    message: without the place.  text: the whole of it.  position: 0-based index of the offending
    character.
    """

    def __init__(self, message: str, *, text: str, position: int) -> None:
        self.message = message
        self.text = text
        self.position = position
        shown = redact(text)  # the whole: of a part, what makes it an address may be cut off
        begin = max(0, min(position, len(shown)) - _AROUND)
        self._around = shown[begin : begin + 2 * _AROUND]
        self._caret = position - begin if shown.startswith(text[:position]) else None
        super().__init__(f"{message} (at character {position + 1} of {self._around!r})")

    def pointer(self) -> str:
        """For a terminal: the text, as far as it is near, and on a second line a caret below the
        character, unless a password before it is left out."""
        shown = "".join(one if one.isprintable() else " " for one in self._around)
        return shown if self._caret is None else f"{shown}\n{' ' * self._caret}^"


class ObjectiveError(GrammarError):
    """An objective's text does not parse, or names a layer, channel or class that is not there."""


class RegionError(GrammarError):
    """A region's text does not parse, or names a file that cannot be read."""


class CurveError(GrammarError):
    """Curves do not parse, name no parameter, or hold a value outside its range."""


class ShapeError(LivedreamError, ValueError):
    """Two arrays have sizes that do not fit together."""


class NetworkError(LivedreamError, LookupError):
    """A network, layer or class of that name is not known."""


class WeightsError(NetworkError):
    """Weights are missing, damaged or belong to another architecture."""


class FlowError(LivedreamError, RuntimeError):
    """A flow estimator cannot be had here, or failed on a frame."""


class SourceError(LivedreamError, OSError):
    """A source cannot be opened or read."""


class LostSourceError(SourceError):
    """A file that was being read can be read no further: its disk or share has gone."""


class SinkError(LivedreamError, OSError):
    """A sink cannot be opened or written."""


class UnfinishedError(SinkError):
    """A file could not be written to its end; what it holds so far is kept."""


class WorkersError(LivedreamError, RuntimeError):
    """Workers for a film cannot be had, are not like this machine, or failed."""


class ShowError(LivedreamError, RuntimeError):
    """A live show has failed while it ran; the command line ends with code 1."""


def to_resume(error: LivedreamError) -> LivedreamError:
    """The same, and how a render goes on where it broke off half-way."""
    if isinstance(error, UnfinishedError | LostSourceError):
        return type(error)(f"{error}, then continue with --resume")
    return error


def reason(error: BaseException) -> str:
    """An exception as one line that is never empty."""
    return " ".join(one_line(str(error)).split()) or type(error).__name__


def first_line(error: BaseException) -> str:
    """The first line of what a library says, which may go on for a page; never empty."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def missing(path: Path | str) -> str:
    """That a file does not exist; of one without a full path, also where it was looked for."""
    try:
        where = "" if Path(path).is_absolute() else f" in {Path.cwd()}"
    except OSError:  # the folder itself is gone
        where = ""
    return f"{path} does not exist{where}: check the path"


def is_broken_pipe(error: OSError) -> bool:
    """Whether whoever was written to has gone: Windows says EINVAL for that (bpo-19612)."""
    if sys.platform == "win32" and error.errno == errno.EINVAL:
        return error.filename is None  # a file that cannot be has a name
    return isinstance(error, BrokenPipeError)


def os_reason(error: BaseException) -> str:
    """What the system or FFmpeg says of an error, without its number and file; never empty."""
    return getattr(error, "strerror", None) or reason(error)


def writing_advice(error: BaseException) -> str:
    """What to try where a file cannot be written, by what the system says of it."""
    if isinstance(error, PermissionError):  # Windows replaces no file that a player has open
        return "close the program that has it open, or allow writing to its folder"
    code = getattr(error, "errno", None)
    if code in (errno.EROFS, *UNREACHABLE):
        return "see to its disk or share"
    return "free some space"
