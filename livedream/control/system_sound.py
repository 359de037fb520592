"""What the computer itself plays, as sound to listen to: PulseAudio and PipeWire, and Windows.

    python -m livedream.control.system_sound [NAME]

writes it to its standard output: stereo float32, 48,000 a second, as it is heard. It is a process
of its own because SoundCard talks to one sound server for as long as it is loaded: when that one is
started anew, so is this. The last line it says is the reason for its end.
"""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livedream.core.children import end_child, last_words, start_child, trim
from livedream.core.errors import SourceError
from livedream.core.supervisor import SupervisedThread, start_thread

RATE: Final = 48000
_BLOCK: Final = 512  # samples, 11 ms
_PATIENCE_S: Final = 0.3
_POLL_S: Final = 0.05
_FIRST_S: Final = 5.0  # a server may begin only when something is played


class SystemSound:
    """Calls `receive` with (n, 2) float32 blocks, from a thread of its own, until it is closed.

    name: part of an output's name, "" for the one that is in use.
    Raises SourceError where there is nothing to listen to.
    """

    def __init__(self, name: str, receive: Callable[[NDArray[np.float32]], None]) -> None:
        if sys.platform == "darwin":
            raise SourceError(
                "audio: what a Mac plays is heard only through a loopback driver: install one, "
                "such as BlackHole, and give its name"
            )
        self._receive = receive
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the child)
        self._child = start_child(
            [sys.executable, "-m", "livedream.control.system_sound", *([name] if name else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said,
        )  # fmt: skip
        self._heard = threading.Event()
        self._thread: SupervisedThread = start_thread("system sound", self._read, restart=False)
        until_s = time.monotonic() + _FIRST_S
        while not self._heard.wait(_POLL_S) and time.monotonic() < until_s:
            if why := self.ended():
                self.close()
                raise SourceError(f"audio: {why}")

    def close(self) -> None:
        self._child.kill()
        self._thread.close(1.0)
        end_child(self._child, _PATIENCE_S)
        self._said.close()

    def ended(self) -> str:
        """Why there is no more sound, "" while there is."""
        if self._child.poll() is None:
            return ""
        return last_words(self._said) or f"code {self._child.returncode}"

    def _read(self) -> None:
        pipe = self._child.stdout
        assert pipe is not None, "as it was started"
        with pipe:
            while len(block := pipe.read(8 * _BLOCK)) == 8 * _BLOCK:
                self._receive(np.frombuffer(block, np.float32).reshape(-1, 2))
                self._heard.set()
                trim(self._said)


def _loopbacks(library: Any) -> dict[str, Any]:
    """Those of the outputs by their names, that of the one in use first."""
    in_use = str(library.default_speaker().name)
    found = {
        str(one.name): one
        for one in library.all_microphones(include_loopback=True)
        if one.isloopback
    }
    return dict(sorted(found.items(), key=lambda item: in_use not in item[0]))


def main(name: str = "") -> int:
    try:
        import soundcard
    except ImportError:
        print('SoundCard is not installed; pip install "livedream[audio]"', file=sys.stderr)
        return 1
    except Exception:  # whatever it meets in place of a sound server
        wanted = "sound device" if sys.platform == "win32" else "PulseAudio or PipeWire"
        print(f"no {wanted} to listen to", file=sys.stderr)
        return 1
    try:
        there = _loopbacks(soundcard)
        found = [one for said, one in there.items() if name.lower() in said.lower()]
        if not found:
            print(f"no output {name!r}; there are {', '.join(there)}", file=sys.stderr)
            return 1
        with found[0].recorder(RATE, channels=2, blocksize=_BLOCK) as recorder:
            while True:
                block = recorder.record(_BLOCK)
                sys.stdout.buffer.write(np.asarray(block, np.float32).tobytes())
                sys.stdout.buffer.flush()
    except BrokenPipeError:
        return 0
    except Exception as error:  # SoundCard has no exceptions of its own
        print(f"the sound server: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
