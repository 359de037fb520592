"""Other programs that a show starts: none outlives it, whatever way it ends.

They are ended with the output or source that they belong to, else by `end_children` on the way out,
and on Linux by the system when livedream itself is killed.
"""

import atexit
import contextlib
import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Final

from livedream.core.errors import SettingsError

_running: set["subprocess.Popen[bytes]"] = set()
_MOST_SAID: Final = 64 * 1024  # bytes
# Not on the PATH of what launchd and the Finder start.
_HOMEBREW: Final = os.pathsep.join(("/opt/homebrew/bin", "/usr/local/bin"))
# prctl(PR_SET_PDEATHSIG, SIGKILL), which what is executed then keeps. In a process of its own,
# since nothing but exec is safe between fork and exec of a program with threads.
_BOUND: Final = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); "
    "os.getppid() == int(sys.argv[1]) and os.execv(sys.argv[2], sys.argv[2:])"
)


def start_child(command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
    """`subprocess.Popen(command, **options)`, for a program given by its whole path.

    Ctrl-C is not for it, and what a Python says is UTF-8. To be ended by `end_child`, and by the
    thread that started it.
    """
    # Windows has Python write to a pipe or file in the old code page.
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    if sys.platform == "linux":
        command = [sys.executable, "-ISc", _BOUND, str(os.getpid()), *command]
    child = subprocess.Popen(command, env=environment, **_apart(), **options)
    _running.add(child)
    return child


def _apart() -> dict[str, Any]:
    """Options by which a child neither hears Ctrl-C nor opens a console."""
    if sys.platform != "win32":
        return {"start_new_session": True}
    # Started by the studio's icon, livedream has no console, and ffmpeg would open one over the
    # projection. Else a child shares livedream's, to end with it when its window is closed.
    if Path(sys.executable).name.lower().startswith("pythonw"):
        return {"creationflags": subprocess.CREATE_NO_WINDOW}
    return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}


def end_child(child: "subprocess.Popen[bytes]", patience_s: float) -> None:
    """Close its input; after `patience_s` it is killed."""
    with contextlib.suppress(OSError):
        if child.stdin is not None:
            child.stdin.close()
    try:
        child.wait(patience_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    _running.discard(child)


def last_words(said: IO[bytes]) -> str:
    """The last line that a child wrote into this file, "" for none."""
    said.seek(0)
    lines = [line.strip() for line in said.read().decode(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")


def trim(said: IO[bytes]) -> None:
    """Begin such a file anew once it is long: a child may complain for weeks, many times a second.

    For every now and then while the child runs, which writes on from where the file then ends.
    """
    if os.fstat(said.fileno()).st_size > _MOST_SAID:
        said.seek(0)
        said.truncate()


@atexit.register
def end_children() -> None:
    """Kill those that still run: for the end of the process."""
    for child in tuple(_running):
        child.kill()


def ffmpeg_with(protocol: str) -> str:
    """The path of the installed ffmpeg. Raises SettingsError where it lacks the protocol."""
    tool = shutil.which("ffmpeg")
    if tool is None and sys.platform == "darwin":
        tool = shutil.which("ffmpeg", path=_HOMEBREW)
    if tool is None or protocol not in protocols(tool):
        found = "the one here has none" if tool else "there is none"
        raise SettingsError(
            f"{protocol} needs an ffmpeg with {protocol.upper()}, {found}: install it "
            "(apt install ffmpeg, brew install ffmpeg, or https://ffmpeg.org/download.html)"
        )
    return tool


@lru_cache
def protocols(tool: str) -> tuple[str, ...]:
    """Those that an ffmpeg lists, () where it cannot be asked."""
    try:
        listed = subprocess.run(
            [tool, "-hide_banner", "-protocols"],
            check=False,
            capture_output=True,
            text=True,
            timeout=10,
            **_apart(),
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(listed.split())
