"""Where OBS is and what its password is: as it was said, else from OBS's own settings."""

import configparser
import json
import os
import sys
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from livedream.core.addresses import Endpoint
from livedream.core.errors import SettingsError

PASSWORD: Final = "LIVEDREAM_OBS_PASSWORD"
_PORT: Final = 4455  # OBS's own default


def whereabouts(address: str) -> tuple[str, int, str]:
    """Host, port and password ("" for none)."""
    try:
        at = urlsplit(f"//{address}")
        host, port = at.hostname or "127.0.0.1", at.port
    except ValueError as error:
        got = "" if "@" in address else f" (got {address})"  # it may be a password
        raise SettingsError(f"obs: must be HOST:PORT{got}") from error
    if at.password is not None or at.path or at.query:
        raise SettingsError(f"obs: must be HOST:PORT; the password goes into {PASSWORD}")
    own = _own_settings() if Endpoint(host, 0).loopback else {}
    password = os.environ.get(PASSWORD) or own.get("password", "")
    return host, port or int(own.get("port", _PORT)), password


def is_elsewhere(address: str) -> bool:
    """Whether OBS is on another machine."""
    return not Endpoint(whereabouts(address)[0], 0).loopback


def usual_sink(address: str) -> str:
    """What is sent to OBS where nobody says: a sink."""
    host = whereabouts(address)[0] if is_elsewhere(address) else "127.0.0.1"
    return f"udp://[{host}]:9000" if ":" in host else f"udp://{host}:9000"


def _own_settings() -> dict[str, str]:
    """Port and password in the settings of the OBS of this machine; empty where it has none."""
    for folder in _folders():
        try:
            said = json.loads(
                (folder / "plugin_config/obs-websocket/config.json").read_text(encoding="utf-8-sig")
            )
            return {"port": str(int(said["server_port"])), "password": said["server_password"]}
        except (OSError, ValueError, KeyError, TypeError):
            pass
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:  # before OBS 30
            parser.read_string((folder / "global.ini").read_text(encoding="utf-8-sig"))
            section = parser["OBSWebSocket"]
            return {
                "port": str(section.getint("ServerPort", _PORT)),
                "password": section.get("ServerPassword", ""),
            }
        except (OSError, ValueError, KeyError, configparser.Error):
            continue
    return {}


def _folders() -> list[Path]:
    """Where OBS keeps its settings."""
    home = Path.home()
    if sys.platform == "win32":
        return [Path(os.environ.get("APPDATA", home)) / "obs-studio"]
    if sys.platform == "darwin":
        return [home / "Library/Application Support/obs-studio"]
    config = Path(os.environ.get("XDG_CONFIG_HOME", home / ".config"))
    return [config / "obs-studio", home / ".var/app/com.obsproject.Studio/config/obs-studio"]
