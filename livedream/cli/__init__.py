"""The command line: `livedream COMMAND`.

Every LivedreamError, and a device whose memory runs out, becomes one line on stderr and exit code
2; 1 for a show that failed while it ran. Ctrl-C ends with 130.
"""

import argparse
import contextlib
import difflib
import errno
import io
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, Final

from livedream.cli import (
    autostart,
    bench,
    check,
    export,
    find,
    image,
    jobs,
    layers,
    learn,
    listings,
    live,
    measure,
    obs,
    pack,
    render,
    studio,
    zoom,
)
from livedream.core.children import end_children
from livedream.core.errors import (
    UNREACHABLE,
    GrammarError,
    LivedreamError,
    ShowError,
    first_line,
    is_broken_pipe,
    os_reason,
    reason,
)
from livedream.core.interrupts import INTERRUPTED
from livedream.core.redact import one_line, redact
from livedream.core.version import __version__

_COMMANDS = (
    render,
    jobs,
    check,
    studio,
    live,
    obs,
    autostart,
    image,
    zoom,
    learn,
    measure,
    layers,
    find,
    listings,
    pack,
    export,
    bench,
)


# What even asking whether a file is there can fail with, wherever a path is looked at: a name that
# no file can have, a folder that may not be entered, a disk or share that does not answer.
_OF_THE_PATH: Final = (
    errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EROFS, *UNREACHABLE
)  # fmt: skip


class _Parser(argparse.ArgumentParser):
    """One line for a wrong option, and where to look; argparse prints its whole usage.

    Options are written out: a name that is gone must not be taken for one that begins alike.
    """

    def __init__(self, **more: Any) -> None:
        super().__init__(**more, allow_abbrev=False)
        self._typed: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if args is not None and self._subparsers is None:
            args = self._typed = self._with_minuses(args)
        found, unknown = super().parse_known_args(args, namespace)
        if unknown and self._subparsers is None:  # a command's own: its help is the one to look at
            names = list(self._option_string_actions)
            near = [one for word in unknown for one in _meant(word, names)]
            if not near and "--output" in names and not any(w.startswith("-") for w in unknown):
                near = ["-o OUTPUT"]
            hint = f" (is {' and '.join(near)} meant?)" if near else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return found, unknown

    def _with_minuses(self, words: Sequence[str]) -> list[str]:
        """`--drift -0.1,0` and `--prompt -dog` as `--drift=-0.1,0` and `--prompt=-dog`: argparse
        takes for an option what begins with a minus and is not a plain number."""
        options = self._option_string_actions
        joined: list[str] = []
        for at, word in enumerate(words):
            if word == "--":
                return [*joined, *words[at:]]
            before = options.get(joined[-1]) if joined else None
            takes_one = before is not None and before.nargs is None
            if takes_one and word.startswith("-") and word[1:2] != "-" and word not in options:
                joined[-1] += f"={word}"
            else:
                joined.append(word)
        return joined

    def error(self, message: str) -> "None":  # type: ignore[override]
        message = redact(message.removeprefix("argument "))
        options = self._option_string_actions
        greedy = [word for word in self._typed if word in options and options[word].nargs == "?"]
        if greedy and "arguments are required" in message:
            message += f" (put {' and '.join(greedy)} last: what follows is taken as the value)"
        self.exit(2, f"{self.prog}: {message}; try '{self.prog} --help'\n")


def _meant(word: str, names: list[str]) -> list[str]:
    """The options that begin with `word`, else the one that is most like it, if any is."""
    if not word.startswith("-"):
        return []  # a value, mostly of the option before
    longer = [name for name in names if name.startswith(f"{word}-")]
    return longer or difflib.get_close_matches(word, names, 1)


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="livedream", description="Real-time DeepDream for video: coherent, sharp and live."
    )
    parser.add_argument("--version", action="version", version=f"livedream {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    # OpenMP threads that spin at a barrier starve each other as soon as anything else runs on
    # the machine (measured: 38 times slower beside one busy process). Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # What OpenCV prints of a damaged picture names no file; what is wrong our own line says.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "FATAL")
    try:
        args = build_parser().parse_args(argv)
        return int(args.run(args))
    except KeyboardInterrupt:
        return INTERRUPTED
    except (LivedreamError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and is_broken_pipe(error):  # `livedream layers NAME | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        if (said := _said(error)) is None:
            raise
        print(f"livedream: {said}", file=sys.stderr)
        return 1 if isinstance(error, ShowError) else 2


def _said(error: Exception) -> str | None:
    """What people are told of an error; None for a fault of our own."""
    if isinstance(error, GrammarError):
        return f"{error}\n{error.pointer()}"
    if isinstance(error, LivedreamError):
        return reason(error)
    if "out of memory" in str(error).lower():  # PyTorch's words
        found = one_line(redact(first_line(error)))
        tried = "a smaller --size or --tile, or --device cpu"
        return f"the device's memory ran out; try {tried} ({found})"
    if isinstance(error, OSError) and error.errno in _OF_THE_PATH and error.filename is not None:
        return one_line(redact(f"{error.filename}: {os_reason(error)}")) + "; check the path"
    return None


def script() -> None:
    """The console command: `main`, then out.

    A live show has closed everything when it returns. Taking torch's modules apart would keep its
    process for seconds on a busy machine, and whoever started it waiting; so it leaves at once.
    """
    live = sys.argv[1:2] == ["live"]
    # Windows gives a pipe or file the old code page, which lacks most of what a window, a camera
    # or a file may be called.
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")
    try:
        code = main()
    except Exception:  # a fault of our own: as Python would, but at once
        if not live:
            raise
        sys.stderr.write(redact(traceback.format_exc()))
        code = 1
    finally:
        end_children()  # before threads are waited for, which may wait for them
    if live:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        logging.shutdown()
        os._exit(code)
    sys.exit(code)
