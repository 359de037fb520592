"""Notifies systemd that the loop is alive: READY once, WATCHDOG while pictures come, STOPPING.

The protocol is one datagram to the socket that NOTIFY_SOCKET names (sd_notify(3)); without it
nothing is done. A loop that hangs sends nothing, and systemd restarts the service.
"""

import os
import socket
import time
from typing import Final

from livedream.core.health import Status

_DEFAULT_S: Final = 5.0  # between messages where systemd names no deadline


class Watchdog:
    """notify_socket, deadline_us: as systemd's environment names them; None reads it."""

    def __init__(self, notify_socket: str | None = None, deadline_us: str | None = None) -> None:
        self._address = (
            os.environ.get("NOTIFY_SOCKET", "") if notify_socket is None else notify_socket
        )
        deadline = os.environ.get("WATCHDOG_USEC", "") if deadline_us is None else deadline_us
        self._every_s = int(deadline) / 3e6 if deadline.isdecimal() else _DEFAULT_S
        self._frames = -1
        self._sent_s = 0.0

    def check(self, status: Status) -> None:
        """Call about once a second. Notifies only when pictures have come since the last time."""
        now_s = time.monotonic()
        if status.frames in (0, self._frames) or now_s - self._sent_s < self._every_s:
            return
        first = self._frames < 0
        self._frames, self._sent_s = status.frames, now_s
        text = f"WATCHDOG=1\nSTATUS={status.fps:.1f} fps, source {status.source.state}"
        self._notify("READY=1\n" + text if first else text)

    def stopping(self) -> None:
        self._notify("STOPPING=1")

    def _notify(self, text: str) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
                speaker.connect(address)
                speaker.send(text.encode())
        except OSError:  # nobody listens: no reason to end a show
            return
