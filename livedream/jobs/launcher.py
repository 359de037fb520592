"""An icon that opens the studio: in the applications menu of Linux, Windows and macOS.

Each system has one small file of its own kind, in the user's own folder; nothing needs an
administrator. What is started is the Python that runs now, with `-m livedream studio` behind it.
"""

import os
import plistlib
import shlex
import shutil
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from livedream.core.errors import SettingsError, os_reason
from livedream.core.user_folders import write_whole

_NAME: Final = "livedream"
_WORDS: Final = ("-m", "livedream", "studio")
_ENTRY: Final = """\
[Desktop Entry]
Type=Application
Version=1.0
Name=livedream
GenericName=Live DeepDream
Comment=Dream a camera, a film or the screen, live
Exec={command}
Icon={icon}
Terminal=false
Categories=AudioVideo;Video;
Keywords=VJ;projection;OBS;camera;
StartupNotify=false
"""


@dataclass(frozen=True, slots=True)
class Launcher:
    """files: what is written, its path and content.  folder: of its own, removed with it, or None.
    The first file is the one that is opened."""

    files: dict[Path, bytes]
    folder: Path | None = None

    @property
    def path(self) -> Path:
        """What the user sees."""
        return self.folder or next(iter(self.files))

    def write(self) -> None:
        """Raises SettingsError when it cannot be."""
        for path, content in self.files.items():
            write_whole(path, content)
        if self.folder is not None:  # macOS starts a program
            next(iter(self.files)).chmod(0o755)

    def remove(self) -> bool:
        """Whether it was there. Raises SettingsError when it cannot be removed."""
        there = self.path.exists()
        try:
            for path in self.files:
                path.unlink(missing_ok=True)
            if self.folder is not None and there:
                shutil.rmtree(self.folder)
        except OSError as error:
            raise SettingsError(f"{self.path} cannot be removed ({os_reason(error)})") from error
        return there


def launcher(*, system: str = sys.platform, home: Path | None = None) -> Launcher:
    """What opens the studio on a double click."""
    home = home or Path.home()
    icon = (files("livedream.core") / "icon.svg").read_bytes()
    command = [sys.executable, *_WORDS]
    if system == "win32":
        programs = Path(os.environ.get("APPDATA") or home / "AppData/Roaming")
        # pythonw has no console; `start` lets the one that runs this file go. A batch file is read
        # line by line in the console's code page: from the second on in UTF-8. It begins in the
        # menu's folder, where a recording would be lost.
        python = command[0].replace("python.exe", "pythonw.exe").replace("%", "%%")
        text = '@chcp 65001 >nul\r\n@cd /d "%USERPROFILE%"\r\n'
        text += f'@start "" "{python}" {" ".join(_WORDS)}\r\n'
        menu = programs / "Microsoft/Windows/Start Menu/Programs"
        return Launcher({menu / f"{_NAME}.cmd": text.encode()})
    if system == "darwin":
        bundle = home / "Applications" / f"{_NAME}.app"
        about = {
            "CFBundleName": _NAME,
            "CFBundleIdentifier": "org.livedream.studio",
            "CFBundleExecutable": _NAME,
            "CFBundlePackageType": "APPL",
            "NSCameraUsageDescription": "livedream dreams what the camera sees.",
            "NSMicrophoneUsageDescription": "Sound moves the dream.",
        }
        # The Finder starts it in /, where nothing can be recorded.
        script = f'#!/bin/sh\ncd "$HOME"\nexec {shlex.join(command)}\n'
        return Launcher(
            {
                bundle / "Contents/MacOS" / _NAME: script.encode(),
                bundle / "Contents/Info.plist": plistlib.dumps(about),
            },
            bundle,
        )
    shared = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    drawn = shared / "icons/hicolor/scalable/apps" / f"{_NAME}.svg"
    entry = _ENTRY.format(command=" ".join(map(_for_desktop, command)), icon=_for_entry(str(drawn)))
    return Launcher({shared / "applications" / f"{_NAME}.desktop": entry.encode(), drawn: icon})


def _for_desktop(word: str) -> str:
    """A word of a command as a desktop entry has it: Desktop Entry Specification, the Exec key."""
    word = word.replace("%", "%%")
    if set(word) & set(" \t\n\"'\\><~|&;$*?#()`"):
        for one in '\\"`$':
            word = word.replace(one, f"\\{one}")
        word = f'"{word}"'
    return _for_entry(word)


def _for_entry(text: str) -> str:
    """A value of a desktop entry, whose own escape the backslash is."""
    return text.replace("\\", "\\\\")
