"""RTMP and SRT, by a process of its own.

FFmpeg connects inside a call that holds the whole interpreter still (measured: a server that
accepts and says nothing stops every thread for good), so the stream is encoded here and sent
through a pipe to a child that carries it out: this package's own relay for RTMP, an `ffmpeg` that
has it for SRT. A child that stops reading is ended and started anew.
"""

import contextlib
import errno
import os
import platform
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from typing import Any, Final

from livedream.core.addresses import STREAM_OPTIONS, Address, resolved, srt_options
from livedream.core.children import end_child, ffmpeg_with, last_words, start_child, trim
from livedream.core.errors import SettingsError, SinkError, is_broken_pipe
from livedream.core.live_sound import LiveSound
from livedream.present.live import LiveFrame
from livedream.present.live.encoding import StreamMuxer, read_options

PATIENCE_S: Final = 3.0  # heuristic: a receiver that takes nothing for so long is lost
_ENDING_S: Final = 0.3  # what a child gets to say goodbye


class RelayOutput:
    """`rtmp://HOST/APP/KEY?bitrate=6M` or `srt://HOST:PORT?mode=caller&latency=120&...`.

    Options of the stream (bitrate, keyframe, encoder) are taken from the address; every other
    one stays in it, for the protocol. Without sound its track is silence. No key, passphrase or
    streamid is among the child's arguments: they go to it through pipes.
    """

    def __init__(
        self, address: Address, width: int, height: int, rate: Fraction,
        sound: LiveSound | None = None,
    ) -> None:  # fmt: skip
        self._sound = sound
        self.name = address.shown.partition("?")[0].replace("://", " ")
        # Services ask for a keyframe every two seconds.
        self._options = read_options(address, width, height, rate, keyframe_s=2.0)
        if not address.rest:
            # The one address of the line: what follows an RTMP address is taken for a key.
            wanted = "HOST:PORT" if address.scheme == "srt" else "HOST/APP/KEY"
            raise SettingsError(f"{address.scheme}: no host: write {address.scheme}://{wanted}")
        if not hasattr(os, "set_blocking"):
            raise SettingsError(
                f"{address.scheme} needs Python 3.12 or newer on Windows (this is "
                f"{platform.python_version()}): install it, or send udp:// or whip:"
            )
        self._target, self._secrets = target_of(address)
        if address.scheme == "srt":
            self._command = _srt_command()
            self.delay_ms = 1570.0  # in OBS, docs/obs.md
        else:
            self._command = [sys.executable, "-m", "livedream.present.live.rtmp_child"]
            self.delay_ms = 620.0  # in OBS, docs/obs.md; a bare receiver: 130
        if not address.is_near:  # a service, whose delay is not known
            self.delay_ms = 0.0
        self._is_srt = address.scheme == "srt"
        self._child: subprocess.Popen[bytes] | None = None
        self._muxer: StreamMuxer | None = None
        self._said: Any = None  # the child's errors
        self._reports: Any = None
        self.reached = False

    def open(self) -> None:
        self.reached = False
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the child)
        self._reports = tempfile.TemporaryFile()  # noqa: SIM115
        command, inherited = self._command, _readable(self._secrets)
        if self._is_srt:  # ffmpeg takes options from a file as well (-fpre)
            presets = [word for fd in inherited for word in ("-fpre", f"/dev/fd/{fd}")]
            command = [*command, *presets, self._target]
        try:
            self._child = start_child(
                command,
                stdin=subprocess.PIPE,
                stdout=self._reports,
                stderr=self._said,
                pass_fds=inherited,
            )
        finally:
            for fd in inherited:
                os.close(fd)
        assert self._child.stdin is not None
        if not self._is_srt:
            os.write(self._child.stdin.fileno(), f"{self._target}\n".encode())
        os.set_blocking(self._child.stdin.fileno(), False)
        self._muxer = StreamMuxer(
            self._options, "flv", self._sound, silence=True, flvflags="no_duration_filesize"
        )

    def write(self, frame: LiveFrame) -> None:
        assert self._muxer is not None, "open comes first"
        self._look()
        self._pass_on(self._muxer.encode(frame))

    def _pass_on(self, stream: bytes) -> None:
        """Write into the pipe. Raises SinkError when the child has ended or takes nothing."""
        assert self._child is not None and self._child.stdin is not None, "open comes first"
        trim(self._said)
        rest, until = memoryview(stream), time.monotonic() + PATIENCE_S
        while rest:
            if self._child.poll() is not None:
                raise SinkError(self._last_words())
            try:
                rest = rest[os.write(self._child.stdin.fileno(), rest) :]
            except BlockingIOError:
                if time.monotonic() > until:
                    raise SinkError(f"nothing was accepted for {PATIENCE_S:g} s") from None
                time.sleep(0.005)
            except OSError as error:
                if not is_broken_pipe(error):
                    raise
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._child.wait(1.0)
                raise SinkError(self._last_words()) from None

    def _look(self) -> None:
        """Neither child reports anything until it has reached the receiver."""
        self.reached = self._has_reported()
        trim(self._reports)

    def _has_reported(self) -> bool:
        return self.reached or os.fstat(self._reports.fileno()).st_size > 0

    def _last_words(self) -> str:
        words = last_words(self._said) or "the connection ended"
        if self._is_srt and not self._has_reported() and words.endswith(os.strerror(errno.EIO)):
            words = "nobody answers there, or it was refused"  # all that ffmpeg says of both
        for line in self._secrets.splitlines():  # ffmpeg repeats an option that it does not know
            words = words.replace(line.partition("=")[2], "***")
        return words

    def close(self) -> None:
        child, self._child = self._child, None
        if self._muxer is not None:
            self._muxer.close()
            self._muxer = None
        if child is not None:
            end_child(child, _ENDING_S)
        for file in (self._said, self._reports):
            if file is not None:
                file.close()
        self._said = self._reports = None


def target_of(address: Address) -> tuple[str, str]:
    """The address for the protocol, and what of it goes another way, as lines NAME=VALUE.

    The target lacks the options that were taken for the stream and, for SRT, the secret ones.
    """
    rest = {name: value for name, value in address.pairs if name not in STREAM_OPTIONS}
    hidden: dict[str, str] = {}
    if address.scheme == "srt":
        rest = srt_options(address, rest)
        if os.name == "posix":  # where a child can be given an open pipe by its number
            hidden = {name: address.word(name, "") for name in _HIDDEN if rest.pop(name, "")}
    query = "&".join(f"{name}={value}" for name, value in rest.items())
    target = resolved(f"{address.scheme}://{address.rest}" + (f"?{query}" if query else ""))
    return target, "".join(f"{name}={value}\n" for name, value in hidden.items())


_HIDDEN: Final = ("passphrase", "streamid")


def _readable(text: str) -> tuple[int, ...]:
    """A pipe's end from which `text` can be read; none for no text."""
    if not text:
        return ()
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as pipe:
        pipe.write(text)
    return (reading,)


def _srt_command() -> list[str]:
    # Progress is shown from the moment on that the output is open.
    say = "-hide_banner -loglevel error -progress pipe:1 -stats_period 0.5"
    read = "-fflags nobuffer -probesize 4096 -analyzeduration 0 -f flv"
    write = "-c copy -f mpegts -muxdelay 0 -muxpreload 0 -flush_packets 1 -max_interleave_delta 1"
    return [ffmpeg_with("srt"), *say.split(), *read.split(), "-i", "pipe:0", *write.split()]
