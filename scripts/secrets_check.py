#!/usr/bin/env python3
"""A live show with secrets in its addresses: does anything that it leaves behind hold one?

    python scripts/secrets_check.py --seconds 300                    from environment and file
    python scripts/secrets_check.py --seconds 30 --form written      written out in the addresses

A camera behind a password (RTSP) goes in; RTMP with a stream key, the OBS page, recordings, panel,
show log and log file come out. The camera is silent, refuses, breaks off and comes back, the RTMP
server breaks off, so that errors are reported as well. Looked through, for every secret as it is,
percent-encoded and in base64: what the show printed, both logs, the recordings, what panel, /health
and OBS page served, and, twice a second, the arguments of the show's process and of all that it
started. Prints what it saw as JSON, and ends with 1 where a secret was found, or where the password
and the key did not arrive at camera and server.
"""

import argparse
import base64
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "integration")]

from live.senders import RtspServer  # noqa: E402

# What an address may hold only when it is percent-encoded is among them.
PASSWORD: Final = "Cam#2:pass/w@rd"
KEY: Final = "live_4711-StreamKey"
_RECEIVER: Final = """
import sys, av
with av.open(sys.stdin.readline().strip(), options={"listen": "1"}) as source:
    for count, _ in enumerate(source.demux(video=0), 1):
        print(count, flush=True)
"""


class RtmpServer:
    """A receiver behind a relay that looks for the key among the bytes of the connection."""

    def __init__(self, key: str) -> None:
        self.key_seen, self.packets = 0, 0
        self._key = key.encode()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        self._closing = threading.Event()
        self._child: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def hang_up(self) -> None:
        if self._child is not None:
            self._child.kill()

    def close(self) -> None:
        self._closing.set()
        self.hang_up()
        self._door.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(OSError):
                link, _ = self._door.accept()
                with link:
                    self._receive(link)

    def _receive(self, link: socket.socket) -> None:
        """One connection: everything goes on to a process that reads RTMP."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        child = subprocess.Popen(
            [sys.executable, "-c", _RECEIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self._child = child
        with child:
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write(f"rtmp://127.0.0.1:{port}/live/{KEY}\n")
            child.stdin.flush()
            onwards = _connected(port, child)
            if onwards is None:
                return
            threading.Thread(target=self._count, args=(child,), daemon=True).start()
            back = threading.Thread(target=_copy, args=(onwards, link), daemon=True)
            back.start()
            before = b""
            with contextlib.suppress(OSError):
                while found := link.recv(65536):
                    # Not across the chunks of RTMP: the message with the key is in one.
                    self.key_seen += self._key in before[-64:] + found
                    before = found if len(self._key) > len(found) else b""
                    onwards.sendall(found)
            onwards.close()
            child.kill()

    def _count(self, child: "subprocess.Popen[str]") -> None:
        assert child.stdout is not None
        with contextlib.suppress(ValueError):
            for _ in child.stdout:
                self.packets += 1


def _connected(port: int, child: "subprocess.Popen[str]") -> socket.socket | None:
    while child.poll() is None:
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port))
        time.sleep(0.05)
    return None


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while found := source.recv(65536):
            target.sendall(found)
        target.shutdown(socket.SHUT_WR)


class Seen:
    """Everything the show leaves behind. secrets: name to what must not be found."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.bytes: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.lock = threading.Lock()

    def look(self, where: str, content: bytes, but: tuple[str, ...] = ()) -> None:
        """Search `content`. but: secrets that may be there."""
        with self.lock:
            self.bytes[where] += len(content)
            for name, secret in self.secrets.items():
                if name not in but and any(form in content for form in _forms(secret)):
                    self.found[f"{name} in {where}"] += 1


def _forms(secret: str) -> tuple[bytes, ...]:
    raw = secret.encode()
    coded = {base64.b64encode(raw[skip:])[:-4] for skip in range(3)}
    return (raw, quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode(), *coded)


def _family(pid: int) -> list[int]:
    """The process and all that came from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            after = entry.read_text().rpartition(")")[2].split()
            children.setdefault(int(after[1]), []).append(int(entry.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def _look_at_arguments(seen: Seen, pid: int, written: bool) -> int:
    """Arguments of the show's processes; how many it has started."""
    family = _family(pid)
    for one in family:
        with contextlib.suppress(OSError):
            arguments = (Path("/proc") / str(one) / "cmdline").read_bytes()
            if not (written and one == pid):  # whoever writes a secret there has shown it himself
                seen.look("arguments", arguments)
    return len(family) - 1


def _look_at_pages(seen: Seen, printed: str, stop: threading.Event) -> None:
    """Everything that panel and OBS page serve, while the show runs."""
    from websockets.sync.client import connect

    panel, page = _address(printed, "panel"), _address(printed, "browser page")
    host, _, query = panel.removeprefix("http://").partition("/")
    with connect(f"ws://{host}/socket{query}", max_size=None, compression=None) as link:
        while not stop.is_set():
            for name in ("", "health", "static/panel.js"):
                with urllib.request.urlopen(f"http://{host}/{name}{query}", timeout=20) as answer:
                    seen.look("panel over HTTP", answer.read() + str(answer.headers).encode(),
                              but=("panel's token",))  # fmt: skip
            with urllib.request.urlopen(page, timeout=20) as answer:
                seen.look("OBS page", answer.read())
            until = time.monotonic() + 1
            while (left := until - time.monotonic()) > 0:
                with contextlib.suppress(TimeoutError):
                    message = link.recv(timeout=left)
                    if isinstance(message, bytes):
                        link.send('{"ready": true}')
                    else:
                        seen.look("panel over WebSocket", message.encode())


def _address(printed: str, name: str) -> str:
    match = re.search(rf"{name}: (http://\S+)", printed)
    assert match, printed
    return re.sub(r"//[^:/]+:", "//127.0.0.1:", match[1])


@contextmanager
def _show(args: argparse.Namespace, folder: Path, camera: int, server: int) -> Iterator[Any]:
    """The command, its output in files."""
    written = args.form == "written"
    (folder / "key").write_text(f"{KEY}\n")
    password = quote(PASSWORD, safe="") if written else "{env:CAMERA_PASSWORD}"
    key = KEY if written else f"{{file:{folder}/key}}"
    line = [
        sys.executable, "-m", "livedream", "live", f"rtsp://admin:{password}@127.0.0.1:{camera}/cam",
        "--sink", f"rtmp://127.0.0.1:{server}/live/{key}", "--sink", "browser:0.0.0.0:0",
        "--sink", f"record:{folder}/shows?of=both&minutes=1", "--panel", "0.0.0.0:0",
        "--show-log", str(folder / "show.jsonl"), "--log-file", str(folder / "live.log"),
        "--seconds", str(args.seconds), "--fps", "12", "--size", "64x36", "--octaves", "1",
        "--iterations", "1", "--flow", "dis-ultrafast", "--flow-size", "72p", "--device", "cpu",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(args.package), "CAMERA_PASSWORD": PASSWORD}
    with (
        (folder / "out").open("wb") as out,
        subprocess.Popen(line, stdout=out, stderr=out, env=environment, cwd=folder) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def check(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    seen, started = Seen(), 0
    seen.secrets = {"password": PASSWORD, "key": KEY}
    stop, faults = threading.Event(), list[str]()
    with ExitStack() as stack:
        camera = stack.enter_context(RtspServer("admin", "another at first"))
        camera.answering.clear()
        server = RtmpServer(KEY)
        stack.callback(server.close)
        process = stack.enter_context(_show(args, folder, camera.port, server.port))
        begun_s = time.monotonic()
        both = re.compile("(?s)panel: http.*browser page: http|browser page: http.*panel: http")
        while not both.search(printed := (folder / "out").read_text(errors="replace")):
            assert process.poll() is None and time.monotonic() - begun_s < 120, printed
            time.sleep(0.2)
        for name in ("panel", "browser page"):
            seen.secrets[f"{name}'s token"] = _address(printed, name).partition("token=")[2]

        def look() -> None:
            try:
                _look_at_pages(seen, printed, stop)
            except Exception as error:
                faults.append(repr(error))

        looking = threading.Thread(target=look)
        looking.start()
        shown_s = time.monotonic()
        events = [
            (0.0, camera.answering.set),
            (0.3, lambda: setattr(camera, "password", PASSWORD)),
            (0.5, camera.hang_up),
            (0.7, server.hang_up),
        ]
        while process.poll() is None and time.monotonic() - shown_s < args.seconds + 30:
            passed = (time.monotonic() - shown_s) / args.seconds
            while events and events[0][0] < passed:
                events.pop(0)[1]()
            # The show's clock runs ahead of this one, and a page is looked at for up to a second.
            if (1.0 - passed) * args.seconds < 5.0:
                stop.set()
            started = max(started, _look_at_arguments(seen, process.pid, args.form == "written"))
            time.sleep(0.5)
        stop.set()
        looking.join()
        code = process.wait(20)
    seen.look(
        "printed", (folder / "out").read_bytes(), but=("panel's token", "browser page's token")
    )
    seen.look("log file", (folder / "live.log").read_bytes())
    seen.look("show log", (folder / "show.jsonl").read_bytes())
    for path in (folder / "shows").iterdir():
        seen.look("recordings", path.name.encode() + path.read_bytes())
    report = {
        "form": args.form, "seconds": args.seconds, "exit code": code,
        "camera: refused, played": [camera.refused, camera.played],
        "RTMP: connections with the key, packets": [server.key_seen, server.packets],
        "processes started": started, "bytes looked through": dict(seen.bytes),
        "faults": faults, "found": dict(seen.found),
        "printed": (folder / "out").read_text(errors="replace").splitlines()[-12:],
        "log": (folder / "live.log").read_text().splitlines()[:12],
    }  # fmt: skip
    arrived = camera.refused and camera.played and server.key_seen and server.packets > 20
    whole = started and len(seen.bytes) == 8 and all(seen.bytes.values()) and not faults
    return report | {"passed": bool(arrived and whole and not seen.found and code == 0)}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--form", choices=("elsewhere", "written"), default="elsewhere")
    parser.add_argument("--package", type=Path, default=ROOT, help="another checkout to be tried")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = check(args, Path(folder))
    print(json.dumps(report, indent=2))
    return 0 if report["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
