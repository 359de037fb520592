"""Pictures of other programs on this machine, by name: Spout (Windows) and Syphon (macOS).

Both hand over textures in the graphics card's memory; neither says how many a second there are, so
that is measured. Written without Windows and without a Mac.

    python -m livedream.capture.live.textures

prints the Syphon servers as JSON: their list reaches the main thread of a process, which has other
things to do in a show.
"""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from fractions import Fraction
from importlib import import_module
from typing import Any, Final

import cv2
import numpy as np

from livedream.capture.live import Opened, named, shown_name, stated_rate
from livedream.core.errors import SourceError, reason
from livedream.core.frame import Picture

_FIRST_S: Final = 3.0  # until the first picture
_RATE_S: Final = 0.5  # in which pictures are counted
_USUAL_RATE: Final = 30.0  # of what shows a still picture
_GONE_S: Final = 2.0  # without a connection for so long the sender is gone
_WAIT_S: Final = 0.5
_POLL_S: Final = 0.004  # as for NDI: neither library wakes anybody
_UNCOUNTED_S: Final = 1 / 60  # heuristic: between pictures of a Spout sender that does not count
_LARGEST_PX: Final = 16384  # a side of a texture; Direct3D 11 and Metal have none larger
_GL_RGBA: Final = 0x1908  # OpenGL's number for the order of the bytes
_METAL_RGBA: Final = 70  # MTLPixelFormatRGBA8Unorm; Syphon's own textures are BGRA
_LISTED_S: Final = 1.0  # in which Syphon's servers answer
_PATIENCE_S: Final = 15.0  # for a process that lists them
_MOST: Final = 100  # of them
# What makes a Syphon client; the description holds an icon, too.
_SYPHON_KEYS: Final = tuple(
    f"SyphonServerDescription{part}Key"
    for part in ("UUID", "Name", "AppName", "Surfaces", "DictionaryVersion")
)
_SYSTEMS: Final = {
    "SpoutGL": ("win32", "Windows", "spout"),
    "syphon": ("darwin", "macOS", "syphon"),
}


def is_texture(text: str) -> bool:
    return text.partition(":")[0] in ("spout", "syphon")


def list_spout() -> list[str]:
    """The senders' names. Raises SourceError without SpoutGL."""
    with _library("SpoutGL").SpoutReceiver() as receiver:
        return list(map(shown_name, _spout_names(receiver)))


def list_syphon() -> list[str]:
    """The servers, `PROGRAM (NAME)`. Raises SourceError without syphon-python."""
    return list(map(_syphon_name, _syphon_servers()))


class _TextureInput:
    """`KIND` (the first sender) or `KIND:NAME` (a part of its name, in any case)."""

    def __init__(self, text: str) -> None:
        self.name = text
        self._wanted = text.partition(":")[2]
        self._first: Picture | None = None

    def open(self) -> Opened:
        self.close()
        found = self._connect()
        self._seen_s = time.monotonic()
        self._first = self._next(_FIRST_S)
        if self._first is None:
            raise SourceError(f"{self.name}: {found} sends no picture")
        height, width = self._first.shape[:2]
        return Opened(width, height, self._rate(), f"{found}, {width}x{height}")

    def read(self) -> Picture | None:
        first, self._first = self._first, None
        return first if first is not None else self._next(_WAIT_S)

    def close(self) -> None:
        raise NotImplementedError

    def _connect(self) -> str:
        """To a sender of that name; its name, fit to show."""
        raise NotImplementedError

    def _look(self) -> tuple[Picture | None, bool]:
        """The newest picture where it is a new one, and whether its sender is there."""
        raise NotImplementedError

    def _next(self, wait_s: float) -> Picture | None:
        """The next picture, None where none came in time."""
        until_s = time.monotonic() + wait_s
        while True:
            rgb, there = self._look()
            now_s = time.monotonic()
            if there:
                self._seen_s = now_s
            elif now_s - self._seen_s > _GONE_S:
                raise SourceError(f"{self.name}: its sender is gone")
            if rgb is not None or now_s > until_s:
                return rgb
            time.sleep(_POLL_S)

    def _rate(self) -> Fraction:
        """Frames per second, as pictures come for a while."""
        times_s = [time.monotonic()]
        while times_s[-1] - times_s[0] < _RATE_S:
            rgb = self._next(_RATE_S)
            if rgb is None:
                break
            self._first = rgb
            times_s.append(time.monotonic())
        passed_s = times_s[-1] - times_s[0]
        return stated_rate(round((len(times_s) - 1) / passed_s) if passed_s else None, _USUAL_RATE)

    def _taken(self, pixels: Any, code: int) -> Picture:
        return np.asarray(cv2.cvtColor(pixels, code), np.uint8)


class SpoutInput(_TextureInput):
    _receiver: Any = None

    def _connect(self) -> str:
        self._receiver = _library("SpoutGL").SpoutReceiver()
        names = _spout_names(self._receiver)
        found = named(self._wanted, names)
        if not found:
            raise _not_there(self.name, "Spout sender", names)
        self._receiver.setReceiverName(found[0])
        self._pixels: Any = None
        self._empty, self._due_s = True, 0.0
        return shown_name(found[0])

    def _look(self) -> tuple[Picture | None, bool]:
        receiver = self._receiver
        received = receiver.receiveImage(self._pixels, _GL_RGBA, False, 0)
        if receiver.isUpdated():  # the first picture, or one of another size: it is read next time
            width, height = receiver.getSenderWidth(), receiver.getSenderHeight()
            if not (0 < width <= _LARGEST_PX and 0 < height <= _LARGEST_PX):
                raise SourceError(f"{self.name}: its pictures cannot be {width}x{height}")
            self._pixels, self._empty = np.zeros((height, width, 4), np.uint8), True
            return None, True
        if not received or self._pixels is None:
            return None, bool(receiver.isConnected())
        now_s = time.monotonic()
        if not (receiver.isFrameNew() if receiver.isFrameCountEnabled() else now_s >= self._due_s):
            return None, True
        self._due_s = now_s + _UNCOUNTED_S
        # The card hands over a picture one later: at first there is nothing in it.
        self._empty = self._empty and not self._pixels.any()
        return None if self._empty else self._taken(self._pixels, cv2.COLOR_RGBA2RGB), True

    def close(self) -> None:
        self._first = None
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.releaseReceiver()


class SyphonInput(_TextureInput):
    _client: Any = None

    def _connect(self) -> str:
        library = _library("syphon")
        servers = _syphon_servers()
        found = named(self._wanted, servers, _syphon_name)
        if not found:
            raise _not_there(self.name, "Syphon server", list(map(_syphon_name, servers)))
        uuid, name, program = (str(found[0].get(key, "")) for key in _SYPHON_KEYS[:3])
        description = import_module("syphon.server_directory").SyphonServerDescription(
            uuid, name, program, None, found[0]
        )
        try:
            self._client = library.SyphonMetalClient(description)
        except RuntimeError as error:
            raise SourceError(f"{self.name}: {reason(error)}") from error
        if self._client.context is None:  # before syphon-python 0.2 nothing says so
            raise SourceError(f"{self.name}: Syphon could not create the client")
        self._copied = import_module("syphon.utils.numpy").copy_mtl_texture_to_image
        return _syphon_name(found[0])

    def _look(self) -> tuple[Picture | None, bool]:
        client = self._client
        texture = client.new_frame_image if client.has_new_frame else None
        if texture is None:
            return None, bool(client.is_valid)
        width, height = texture.width(), texture.height()
        if not (0 < width <= _LARGEST_PX and 0 < height <= _LARGEST_PX):
            raise SourceError(f"{self.name}: its pictures cannot be {width}x{height}")
        rgba = texture.pixelFormat() == _METAL_RGBA
        code = cv2.COLOR_RGBA2RGB if rgba else cv2.COLOR_BGRA2RGB
        try:
            return self._taken(self._copied(texture), code), True
        except Exception as error:  # the library's own class says no more
            raise SourceError(f"{self.name}: its pictures cannot be read ({error})") from error

    def close(self) -> None:
        self._first = None
        client, self._client = self._client, None
        if client is not None:
            client.stop()


def _library(package: str) -> Any:
    system, called, extra = _SYSTEMS[package]
    try:
        return import_module(package)
    except ImportError as error:
        if sys.platform != system:
            raise SourceError(f"{extra}: {called} only; between machines there is ndi") from error
        raise SourceError(
            f'{extra}: {package} is not installed; pip install "livedream[{extra}]"'
        ) from error


def _not_there(wanted: str, kind: str, names: list[str]) -> SourceError:
    there = ", ".join(map(shown_name, names[:_MOST])) or "none"
    return SourceError(f"{wanted}: no such {kind}; there are {there}")


def _spout_names(receiver: Any) -> list[str]:
    try:
        return [str(name) for name in receiver.getSenderList()]
    except UnicodeDecodeError as error:  # SpoutGL takes Windows' own letters for UTF-8
        raise SourceError(
            "spout: a sender has a name that cannot be read; give it one of plain letters"
        ) from error


def _syphon_name(server: Mapping[str, Any]) -> str:
    _, name, program = (str(server.get(key, "")) for key in _SYPHON_KEYS[:3])
    return shown_name(f"{program} ({name})" if name else program)


def _syphon_servers() -> list[dict[str, Any]]:
    """The servers' descriptions, as plain values."""
    _library("syphon")
    try:
        listed = subprocess.run(
            [sys.executable, "-m", __name__], capture_output=True, timeout=_PATIENCE_S, check=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return [dict(server) for server in json.loads(listed.stdout)]
    except (OSError, subprocess.SubprocessError, ValueError, TypeError) as error:
        raise SourceError(
            f"syphon: its servers cannot be listed; python -m {__name__} says why"
        ) from error


def _plain(value: Any) -> Any:
    """An Objective-C value as JSON has it."""
    if isinstance(value, str | int | float):
        return value
    if hasattr(value, "items"):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value]


def main() -> None:
    directory = import_module("syphon.server_directory").SyphonServerDirectory()
    directory.run_loop_interval = _LISTED_S / 10  # it comes back at the first of several answers
    until_s = time.monotonic() + _LISTED_S
    servers: list[Any] = []
    while time.monotonic() < until_s:
        servers = [one.raw for one in directory.servers]
    print(json.dumps([
        {key: _plain(raw[key]) for key in _SYPHON_KEYS if key in raw} for raw in servers[:_MOST]
    ]))  # fmt: skip


if __name__ == "__main__":
    main()
