"""What a page offers to choose from: this machine's devices, ways out, presets, folders.

Devices are asked for by a process of their own: a driver that crashes crashes that.
"""

import importlib.util
import json
import mimetypes
import os
import re
import string
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import platformdirs

from livedream.capture.live.whip import DEFAULT_ADDRESS as WHIP
from livedream.control.presets import Presets
from livedream.control.programs import ShowSettings, list_programs
from livedream.core.children import end_child, start_child
from livedream.core.errors import SettingsError
from livedream.core.parameters import declared
from livedream.media.webrtc import EXTRA, is_installed
from livedream.present.live import OUTPUTS
from livedream.present.live.browser import DEFAULT_ADDRESS as BROWSER

Devices: TypeAlias = Mapping[str, Mapping[str, str]]  # {kind: {name: detail}}

_KINDS: Final = (
    "cameras", "displays", "windows", "NDI senders", "audio inputs", "MIDI ports",
)  # fmt: skip
# By system: what else there is, what goes before a name, and the group.
_OF_SYSTEM: Final = {
    "win32": ("Spout senders", "spout:", "Spout"),
    "darwin": ("Syphon servers", "syphon:", "Syphon"),
}
_PATIENCE_S: Final = 60.0
_MOST: Final = 400  # entries of a folder
# Which Python's and the system's tables lack, or take for something else.
_FILMS: Final = frozenset((".mkv", ".ts", ".m2ts", ".mts", ".mxf", ".3gp", ".y4m", ".ogv", ".flv"))
_TEST: Final = (("synthetic:clouds", "Drifting clouds"), ("synthetic:noise", "TV static"))
# Where it takes more than the way's name. The others are addresses that a person writes.
_USUAL: Final = {"udp": "udp://127.0.0.1:9000"}
_SERVED: Final = {"browser": f"http://{BROWSER}/"}  # what others open
_ONLY_ON: Final = {"spout": "win32", "syphon": "darwin"}
# The page itself in a browser, and a show's own.
_OWN_WINDOW: Final = re.compile(r"livedream( [-\u2013\u2014] |$)")
_WRITTEN: Final = ("rtmp", "rtmps", "srt", "whip", "record")


def find_devices() -> Devices:
    """{} where they cannot be asked."""
    kinds = (*_KINDS, *_OF_SYSTEM.get(sys.platform, ())[:1])
    command = [sys.executable, "-m", "livedream", "devices", "--quick", "--json", *kinds]
    try:
        child = start_child(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        return {}
    try:
        found = json.loads(child.communicate(timeout=_PATIENCE_S)[0])
    except (ValueError, subprocess.TimeoutExpired):
        return {}
    finally:
        end_child(child, 0.0)
    return found if isinstance(found, dict) else {}


def offers(devices: Devices) -> dict[str, Any]:
    """For a field's name what it can be, each a `value`, a `title` and a `note`.

    A source also has a `group`.  What a device's kind lacks is a note without a value.
    """
    numbered = [one.partition("  ")[::2] for one in devices.get("cameras", {})]
    twins = Counter(name for _, name in numbered)
    screens = list(enumerate(devices.get("displays", {}).values()))
    sources = [
        # By name, so that it is found again in another socket.
        _offer(f"camera:{name}" if twins[name] == 1 else number, name, "", "Cameras")
        for number, name in numbered
    ]
    sources += [
        _offer(f"screen:{number + 1}", f"Screen {number + 1}", detail, "Screens")
        for number, detail in screens
    ]
    windows = _listed(devices, "windows", "window:", "Windows")
    sources += [one for one in windows if not _OWN_WINDOW.match(one["title"])]
    for kind, prefix, group in (("NDI senders", "ndi:", "NDI"), *_OF_SYSTEM.values()):
        sources += _listed(devices, kind, prefix, group)
    whip = f"http://{WHIP}/whip" if is_installed() else f'pip install "{EXTRA}"'
    sources.append(_offer("whip" * is_installed(), "OBS 30 or a browser sends here", whip, "WHIP"))
    sources += [_offer(value, title, "", "Test pictures") for value, title in _TEST]
    own_sound = [_offer("system", "what the computer plays", "")]
    if sys.platform == "darwin":  # there it takes a loopback driver, which is an input
        own_sound = []
    return {
        "source": sources,
        "display": [
            *(_offer(str(n), f"Screen {n + 1}", detail) for n, detail in screens), *_wall(screens)
        ],
        "sinks": [
            _offer(
                _USUAL.get(name, name), name, route.help,
                address=_SERVED.get(name, ""),
                missing="" if _there(route.package) else f'pip install "livedream[{route.extra}]"',
            )
            for name, route in OUTPUTS.items()
            if name not in _WRITTEN and _ONLY_ON.get(name, sys.platform) == sys.platform
        ],
        "audio": [*own_sound, *_listed(devices, "audio inputs", "")],
        "midi": _listed(devices, "MIDI ports", ""),
        "preset": [_offer(one.name, one.title, one.about) for one in Presets()],
        "program": (programs := [_offer(n, p.title, "") for n, p in list_programs()[0].items()]),
        "attract_program": programs,
        **{
            parameter.name: [_offer(o, o, "") for o in parameter.offered if o != parameter.default]
            for parameter in declared(ShowSettings)
        },
    }  # fmt: skip


def _offer(value: str, title: str, note: str, group: str = "", **more: str) -> dict[str, str]:
    return {"value": value, "title": title, "note": note, "group": group, **more}


def _listed(devices: Devices, kind: str, prefix: str, group: str = "") -> list[dict[str, str]]:
    found = devices.get(kind, {})
    return [
        _offer("" if name == "none" else prefix + name, name, detail, group)
        for name, detail in found.items()
    ]


def _wall(screens: Sequence[tuple[int, str]]) -> list[dict[str, str]]:
    """Several screens as one."""
    every = ",".join(str(number) for number, _ in screens)
    return [_offer(every, "All, side by side", "")] if len(screens) > 1 else []


def _there(package: str) -> bool:
    return not package or importlib.util.find_spec(package) is not None


def list_folder(text: str) -> dict[str, Any]:
    """What films, pictures and folders there are, and at the root of a drive the other drives.

    text: a path, of which what exists is taken; else the user's videos.
    Raises SettingsError for a folder that cannot be read.
    """
    try:
        folder = Path(text).expanduser()
        if not folder.is_absolute():
            folder = platformdirs.user_videos_path()
        # What exists of it; of a drive that is unplugged, nothing does.
        folder = next(filter(Path.is_dir, (folder, *folder.parents)), Path.home())
        entries = sorted(folder.iterdir(), key=lambda one: one.name.lower())
        seen = [one for one in entries if not one.name.startswith(".")]
        folders = [one.name for one in seen if one.is_dir()]
    except (OSError, ValueError, RuntimeError) as error:  # "~somebody" who is not known
        why = getattr(error, "strerror", None) or "not a path"
        raise SettingsError(f"{text}: cannot be listed ({why})") from error
    films = [one.name for one in seen if _kind(one.name) in ("video", "image")]
    return {
        "path": str(folder), "parent": str(folder.parent),
        "drives": _drives() if folder.parent == folder else [],
        "folders": folders[:_MOST], "files": films[:_MOST],
        "separator": "\\" if "\\" in str(folder) else "/",
    }  # fmt: skip


def _drives() -> list[str]:
    """Windows' drives, by their roots."""
    if sys.platform != "win32":
        return []
    if sys.version_info >= (3, 12):
        return os.listdrives()
    roots = (f"{letter}:\\" for letter in string.ascii_uppercase)
    return [root for root in roots if Path(root).exists()]


def _kind(name: str) -> str:
    if Path(name).suffix.lower() in _FILMS:
        return "video"
    return (mimetypes.guess_type(name)[0] or "").partition("/")[0]
