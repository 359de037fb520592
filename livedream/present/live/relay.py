"""RTMP and SRT, by a process of its own.

FFmpeg connects inside a call that holds the whole interpreter still (measured: a server that
accepts and says nothing stops every thread for good), so the stream is encoded here and handed
through a pipe to a child that carries it out: this package's own relay for RTMP, an `ffmpeg` that
has it for SRT. A child that stops reading is ended and started anew.
"""

import atexit
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

import av

from livedream.core.errors import SettingsError, SinkError
from livedream.present.fragmented import ByteSink
from livedream.present.live import LiveFrame
from livedream.present.live.address import Address
from livedream.present.live.encoding import (
    CLOCK,
    StreamClock,
    add_video,
    read_options,
    stream_frame,
)
from livedream.present.live.sound import SilentTrack

PATIENCE_S: Final = 3.0  # heuristic: a receiver that takes nothing for so long is lost
_ENDING_S: Final = 0.3  # what a child gets to say goodbye


class RelayOutput:
    """`rtmp://HOST/APP/KEY?bitrate=6M` or `srt://HOST:PORT?mode=caller&latency=120&...`.

    Options of the stream (bitrate, keyframe, encoder) are taken from the address; every other
    one stays in it, for the protocol. The sound track is silence.
    """

    def __init__(self, address: Address, width: int, height: int, rate: Fraction) -> None:
        self.name = f"{address.scheme} {_without_key(address)}"
        # Services ask for a keyframe every two seconds.
        self._options = read_options(address, width, height, rate, keyframe_s=2.0)
        target = target_of(address)
        if address.scheme == "srt":
            self._command = _srt_command(target)
            self.delay_ms = 1570.0  # in OBS, docs/obs.md
        else:
            self._command = [sys.executable, "-m", "livedream.present.live.rtmp_child", target]
            self.delay_ms = 620.0  # in OBS, docs/obs.md; a bare receiver: 130
        self._child: subprocess.Popen[bytes] | None = None
        self._container: Any = None
        self._said: Any = None

    def open(self) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the child)
        self._child = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            start_new_session=True,  # Ctrl-C is for the parent
        )
        atexit.register(self._child.kill)
        assert self._child.stdin is not None
        os.set_blocking(self._child.stdin.fileno(), False)
        self._clock = StreamClock()
        self._bytes = ByteSink()
        self._container = av.open(
            self._bytes,
            "w",
            format="flv",
            container_options={"flvflags": "no_duration_filesize", "flush_packets": "1"},
        )
        self._video = add_video(self._container, self._options)
        self._sound = SilentTrack(self._container)
        self._container.start_encoding()

    def write(self, frame: LiveFrame) -> None:
        picture = stream_frame(frame.rgb, self._options)
        picture.pts = self._clock.pts(frame.captured_s)
        picture.time_base = CLOCK
        try:
            packets = list(self._video.encode(picture))
            for packet in [*self._sound.until(float(picture.pts * CLOCK)), *packets]:
                self._container.mux_one(packet)
        except av.FFmpegError as error:
            raise SinkError(f"{self.name}: the encoder failed ({error})") from error
        self._hand_over(self._bytes.take())

    def _hand_over(self, stream: bytes) -> None:
        """Write into the pipe. Raises SinkError when the child has ended or takes nothing."""
        assert self._child is not None and self._child.stdin is not None, "open comes first"
        rest, until = memoryview(stream), time.monotonic() + PATIENCE_S
        while rest:
            if self._child.poll() is not None:
                raise SinkError(f"{self.name}: {self._last_words()}")
            try:
                rest = rest[os.write(self._child.stdin.fileno(), rest) :]
            except BlockingIOError:
                if time.monotonic() > until:
                    raise SinkError(
                        f"{self.name}: nothing was taken for {PATIENCE_S:g} s"
                    ) from None
                time.sleep(0.005)
            except BrokenPipeError:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._child.wait(1.0)
                raise SinkError(f"{self.name}: {self._last_words()}") from None

    def _last_words(self) -> str:
        self._said.seek(0)
        lines = [line.strip() for line in self._said.read().decode(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "the connection ended")

    def close(self) -> None:
        child, self._child = self._child, None
        if self._container is not None:
            with contextlib.suppress(av.FFmpegError, ValueError):
                self._container.close()
            self._container = None
        if child is not None:
            _end(child)
        if self._said is not None:
            self._said.close()
            self._said = None


def _end(child: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(OSError):
        if child.stdin is not None:
            child.stdin.close()
    try:
        child.wait(_ENDING_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    atexit.unregister(child.kill)


def _without_key(address: Address) -> str:
    """The address as people may see it: the last part of an RTMP path is a password."""
    if address.scheme == "srt":
        return address.rest
    head, slash, _ = address.rest.rpartition("/")
    return f"{head}{slash}..." if "/" in head else address.rest


def target_of(address: Address) -> str:
    """The address for the protocol: without the options that were taken for the stream."""
    if not address.rest:
        raise SettingsError(f"{address.text}: a host is wanted, as in {address.scheme}://127.0.0.1")
    mine = ("bitrate", "keyframe", "encoder")
    rest = dict(address.options)
    for name in mine:
        rest.pop(name, None)
    if address.scheme == "srt":
        if not address.rest.rpartition(":")[2].isdigit():
            raise SettingsError(f"{address.text}: a port is wanted, as in srt://127.0.0.1:9000")
        if "latency" in rest:  # ours is in ms, as OBS's is; FFmpeg counts in microseconds
            rest["latency"] = str(round(address.number("latency", 120, 20, 8000) * 1000))
    query = "&".join(f"{name}={value}" for name, value in rest.items())
    return f"{address.scheme}://{address.rest}" + (f"?{query}" if query else "")


def _srt_command(target: str) -> list[str]:
    tool = shutil.which("ffmpeg")
    if tool is None or not _has_srt(tool):
        found = "one without it" if tool else "none"
        raise SettingsError(
            f"srt needs an ffmpeg with SRT, {found} found: install it "
            "(apt install ffmpeg, brew install ffmpeg, or https://ffmpeg.org/download.html)"
        )
    read = "-hide_banner -loglevel error -fflags nobuffer -probesize 4096 -analyzeduration 0 -f flv"
    write = "-c copy -f mpegts -muxdelay 0 -muxpreload 0 -flush_packets 1"
    return [tool, *read.split(), "-i", "pipe:0", *write.split(), target]


@lru_cache
def _has_srt(tool: str) -> bool:
    try:
        listed = subprocess.run(
            [tool, "-hide_banner", "-protocols"],
            check=False,
            capture_output=True,
            text=True,
            timeout=10,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "srt" in listed.split()
