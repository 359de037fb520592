"""Streams in by an installed ffmpeg, where PyAV's packages lack the protocol."""

import subprocess
import tempfile
from typing import Any, Final

import av

from livedream.core.addresses import parse_address, resolved, srt_options, stream_url
from livedream.core.children import end_child, ffmpeg_with, last_words, start_child, trim

BY_FFMPEG: Final = ("srt", "rist")


class FfmpegRelay:
    """An ffmpeg that reads a protocol which PyAV's packages lack, and hands it on as MPEG-TS.

    It gets the address by a list on its input, since arguments are seen by everybody.
    look: options for how long it looks at the stream first.  sound: whether that comes along.
    Raises SettingsError where there is no such ffmpeg.
    """

    def __init__(self, text: str, look: dict[str, str], *, sound: bool = False) -> None:
        address = parse_address(text)
        tool = ffmpeg_with(address.scheme)
        options = address.options
        if address.scheme == "srt":
            options = srt_options(address, options)
        lines = ["ffconcat version 1.0", f"file {_concat(stream_url(text).partition('?')[0])}"]
        lines += [
            f"option {name} {_concat(resolved(value))}" for name, value in (options | look).items()
        ]
        self._list = "\n".join([*lines, ""])
        read = f"-f concat -safe 0 -protocol_whitelist pipe,{address.scheme},udp -i pipe:0"
        write = "-c copy -f mpegts -muxdelay 0 -muxpreload 0 -flush_packets 1 pipe:1"
        write = f"-map 0:v {'-map 0:a? ' * sound}{write}"
        self._command = [
            tool, "-hide_banner", "-loglevel", "error", *read.split(), *write.split(),
        ]  # fmt: skip
        self._child: subprocess.Popen[bytes] | None = None
        self._said: Any = None

    def open(self, options: dict[str, str]) -> av.container.InputContainer:
        self.close()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the child)
        pipe = subprocess.PIPE
        self._child = start_child(
            self._command, stdin=pipe, stdout=pipe, stderr=self._said, bufsize=0
        )
        assert self._child.stdin is not None
        self._child.stdin.write(self._list.encode())
        self._child.stdin.close()
        return av.open(self._child.stdout, "r", format="mpegts", options=options)

    def last_words(self) -> str:
        """What it said last, "" for nothing."""
        return "" if self._said is None else last_words(self._said)

    def trim(self) -> None:
        """To be called for every picture: what it said long ago is forgotten."""
        if self._said is not None:
            trim(self._said)

    def end(self) -> None:
        """No more packets."""
        if self._child is not None:
            end_child(self._child, 0.0)

    def close(self) -> None:
        self.end()
        child, self._child = self._child, None
        said, self._said = self._said, None
        if child is not None and child.stdout is not None:
            child.stdout.close()
        if said is not None:
            said.close()


def _concat(text: str) -> str:
    """Quoted as FFmpeg's lists want it."""
    return "'" + text.replace("'", "'\\''") + "'"
