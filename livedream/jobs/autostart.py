"""A show that begins by itself at each login: by systemd, launchd or Windows' Task Scheduler.

Each has one file in the user's own folder, and a tool that switches it on; nothing needs an
administrator. What is started is the Python that runs now, with `-m livedream` behind it.
"""

import getpass
import os
import plistlib
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from livedream.core.errors import SettingsError, os_reason
from livedream.core.user_folders import checked_name, own_folder, write_whole

DEFAULT_NAME: Final = "livedream"
_PATIENCE_S: Final = 30.0
_HUNG_S: Final = 30  # without a picture for so long it is started anew
_LEAVING_S: Final = 10.0  # heuristic: launchd takes up to five seconds to be rid of a show
_AGAIN_S: Final = 0.5

_UNIT: Final = """\
[Unit]
Description=livedream
After=graphical-session.target
PartOf=graphical-session.target

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
WorkingDirectory={folder}
Restart=always
RestartSec=2
TimeoutStartSec=180
WatchdogSec={hung_s}
TimeoutStopSec=5
# A driver that leaks must not take the machine with it.
MemoryMax=80%

[Install]
WantedBy=graphical-session.target
"""

_TASK: Final = """\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>livedream</Description></RegistrationInfo>
  <Triggers><LogonTrigger><Enabled>true</Enabled><UserId>{user}</UserId></LogonTrigger></Triggers>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>5</Priority>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
  </Settings>
  <Actions>
    <Exec>
      <Command>{program}</Command>
      <Arguments>{arguments}</Arguments>
      <WorkingDirectory>{folder}</WorkingDirectory>
    </Exec>
  </Actions>
</Task>
"""


@dataclass(frozen=True, slots=True)
class Autostart:
    """file: what says what is started.  on, off: commands that switch it on and off; the last of
    `on` is the one that starts it at once.  before: goes before `on`, and fails where none was
    there yet.  again_s: for how long `on` is tried, since what `before` ended may be slow to go.
    end: stops a show that runs, before it is switched off or started, and fails where none does.
    session: fails where this login would not have started it."""

    file: Path
    text: bytes
    on: tuple[tuple[str, ...], ...]
    off: tuple[tuple[str, ...], ...]
    before: tuple[tuple[str, ...], ...] = ()
    again_s: float = 0.0
    end: tuple[tuple[str, ...], ...] = ()
    session: tuple[tuple[str, ...], ...] = ()

    @property
    def starts_at_once(self) -> bool:
        """Whether switching it on starts it, too."""
        return len(self.on) == 1

    def check(self) -> None:
        """Raise SettingsError where somebody else's service has the name."""
        try:
            there = self.file.read_bytes()
        except OSError:
            return
        if not any("livedream".encode(coding) in there for coding in ("utf-8", "utf-16-le")):
            raise SettingsError(f"autostart: {self.file} is not livedream's; give another --name")

    def write(self) -> None:
        """For its owner alone: it may hold a key. Raises SettingsError when it cannot be."""
        write_whole(self.file, self.text, private=True)

    def remove(self) -> bool:
        """Whether it was there. Raises SettingsError when it cannot be removed."""
        try:
            self.file.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise SettingsError(f"{self.file} cannot be removed ({os_reason(error)})") from error
        return True


def autostart(
    words: Sequence[str], name: str = DEFAULT_NAME, *, system: str = sys.platform,
    home: Path | None = None, folder: Path | None = None,
) -> Autostart:  # fmt: skip
    """What has `livedream WORDS` begin at each login.

    name: of the entry; several shows have several.  folder: in which it runs, None: this one.
    Raises SettingsError for a name that is none.
    """
    checked_name(name)
    home, folder = home or Path.home(), folder or Path.cwd()
    command = [sys.executable, "-m", "livedream", *words]
    if system == "win32":
        file = own_folder() / "autostart" / f"{name}.xml"
        # Without a user it would be at anybody's login, which takes an administrator.
        whose = "\\".join(filter(None, (os.environ.get("USERDOMAIN"), getpass.getuser())))
        task = _TASK.format(
            user=escape(whose),
            program=escape(command[0]),
            arguments=escape(subprocess.list2cmdline(command[1:])),
            folder=escape(str(folder)),
        )
        made = ("schtasks", "/Create", "/TN", name, "/XML", str(file), "/F")
        return Autostart(
            file,
            task.encode("utf-16"),
            (made, ("schtasks", "/Run", "/TN", name)),
            (("schtasks", "/Delete", "/TN", name, "/F"),),
            end=(("schtasks", "/End", "/TN", name),),  # neither /Delete nor /Create stops it
        )
    if system == "darwin":
        label, domain = f"livedream.{name}", f"gui/{os.getuid()}"
        file = home / "Library/LaunchAgents" / f"{label}.plist"
        agent = {
            "Label": label,
            "ProgramArguments": command,
            "WorkingDirectory": str(folder),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ProcessType": "Interactive",
        }
        off = (("launchctl", "bootout", f"{domain}/{label}"),)
        return Autostart(
            file,
            plistlib.dumps(agent),
            (("launchctl", "bootstrap", domain, str(file)),),
            off,
            before=off,  # a label that is there already cannot be had twice
            again_s=_LEAVING_S,
        )
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    text = _UNIT.format(
        command=" ".join(map(_for_systemd, command)),
        folder=str(folder).replace("%", "%%"),
        hung_s=_HUNG_S,
    )
    user = ("systemctl", "--user")
    return Autostart(
        config / "systemd/user" / f"{name}.service",
        text.encode(),
        ((*user, "daemon-reload"), (*user, "enable", name), (*user, "restart", name)),
        ((*user, "disable", "--now", name),),
        session=((*user, "is-active", "graphical-session.target"),),
    )


def run(commands: Sequence[Sequence[str]], again_s: float = 0.0) -> str:
    """Run these one after the other; "" if all went well, else what did not, for people.

    again_s: for how long one that fails is tried again.
    """
    until_s = time.monotonic() + again_s
    for command in commands:
        while trouble := _trouble_of(command):
            if time.monotonic() >= until_s:
                return trouble
            time.sleep(_AGAIN_S)
    return ""


def _trouble_of(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",  # schtasks does not speak in the code page that Python expects
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{' '.join(command)}: {os_reason(error)}"
    if not done.returncode:
        return ""
    said = (done.stderr or done.stdout).strip().splitlines()
    return f"{' '.join(command)}: {said[-1] if said else f'code {done.returncode}'}"


def _for_systemd(word: str) -> str:
    """A word of a command as a unit has it: see systemd.service(5), COMMAND LINES."""
    for plain, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$"), ("\n", "\\n")):
        word = word.replace(plain, written)
    return f'"{word}"' if not word or set(word) & set(" \t\\\"';") else word
