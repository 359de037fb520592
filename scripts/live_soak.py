#!/usr/bin/env python3
"""A show with everything plugged in at once, for hours, and each plug pulled again and again.

    python scripts/live_soak.py FILM --minutes 120 --pulls 10 --folder /tmp/soak

`livedream live` as its users start it. In: FILM, looped, with its sound, by UDP. Out: NDI, UDP,
RTMP, a browser page and recordings. Controllers: OSC, MIDI, Link, what the computer plays, and
three pages of the panel. Counterparts are programs of their own: ffmpeg, nginx's RTMP server (apt:
libnginx-mod-rtmp), Chromium, PulseAudio, aalink and livedream's own receivers (pip install
".[audio,link,midi,ndi]"). MIDI is mido with a
backend made here, for want of a sound driver; the recordings lie on a small disk in memory (so this
wants Linux and root), which is filled to the last byte when it is their turn.

FILM is best small, such as 320x180 at 25 frames a second, and nothing else runs beside it: where
the machine cannot dream in full quality, level and memory go by what it can.

Prints its figures as JSON, a line a minute on stderr, and ends with 1 where memory, threads, files,
colour or level went away from where they were, or a plug did not come back.

Longer than other files: one show has ten plugs, each with a counterpart, a way to pull it and a way
to tell that it is back.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import cv2
import numpy as np

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from chromium import open_chromium  # noqa: E402
from ports import free_tcp_port, free_udp_port  # noqa: E402

BACK_S: Final = 60.0  # within which a plug is to be back
MEMORY, COLOUR, LEVEL = 0.05, 3.0, 0.5  # growth; 8-bit steps; 8-bit steps RMS
DISK_MB: Final = 900

_RECEIVER: Final = """
import sys
from livedream.capture.live import open_live
from livedream.capture.live.worker import Capture
capture = Capture(open_live(sys.argv[1]))
capture.start()
while True:
    if capture.slot.get(1.0) is not None:
        print(flush=True)
"""
_OSC: Final = """
import sys, time
from pythonosc.udp_client import SimpleUDPClient
client = SimpleUDPClient("127.0.0.1", int(sys.argv[1]))
while True:
    client.send_message("/livedream/feather", abs(time.monotonic() % 20 - 10) / 10)
    time.sleep(0.25)
"""
_LINK: Final = """
import asyncio, aalink
async def main():
    link = aalink.Link(97.5)
    link.quantum, link.enabled = 4, True
    while True:
        await asyncio.sleep(1)
asyncio.run(main())
"""
_NGINX: Final = """
load_module modules/ngx_rtmp_module.so;
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ }}
rtmp {{ server {{ listen {rtmp}; application live {{ live on; }} }} }}
"""
# A backend of mido's: one controller, there as long as a file says so, that turns a knob.
_MIDI: Final = """
import os, threading, time
import mido
from mido.ports import BaseInput

def plugged():
    return os.path.exists(os.environ["SOAK_MIDI"])

def get_devices():
    return [{"name": "Soak", "is_input": True, "is_output": False}] if plugged() else []

class Input(BaseInput):
    def _open(self, callback=None, **more):
        self.callback, self._stop = callback, threading.Event()
        threading.Thread(target=self._turn, daemon=True).start()

    def _turn(self):
        while not self._stop.wait(0.25) and plugged():
            value = int(127 * abs(time.monotonic() % 20 - 10) / 10)
            self.callback(mido.Message("control_change", control=7, value=value))

    def _close(self):
        self._stop.set()
"""


class Plug:
    """Something plugged in. pull, push: take it out, put it back.  well: does the show say so?"""

    name = ""

    def push(self) -> None: ...

    def pull(self) -> None: ...

    def well(self, figures: dict[str, Any]) -> bool:
        raise NotImplementedError


class Programs(Plug):
    """Programs that run; what they print to stdout are signs of life.

    part: the source's, output's or controller's word in /health, ok when all is well.
    """

    def __init__(
        self, name: str, part: str, *lines: list[str], env: dict[str, str], printing: bool = False
    ) -> None:
        self.name, self._part, self._lines, self._env = name, part, lines, env
        self._printing, self._printed_s = printing, 0.0
        self._running: list[subprocess.Popen[str]] = []

    def push(self) -> None:
        for line in self._lines:
            one = subprocess.Popen(
                line, env=self._env, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            self._running.append(one)
            threading.Thread(target=self._listen, args=(one,), daemon=True).start()

    def _listen(self, one: "subprocess.Popen[str]") -> None:
        assert one.stdout is not None
        for _ in one.stdout:
            self._printed_s = time.monotonic()

    def pull(self) -> None:
        for one in reversed(self._running):
            one.kill()
            one.wait()
        self._running.clear()
        self._printed_s = 0.0

    def well(self, figures: dict[str, Any]) -> bool:
        found = part(figures, self._part)
        printed = not self._printing or time.monotonic() - self._printed_s < 3
        return printed and found["state"] == "ok" and all(p.poll() is None for p in self._running)


class Link(Programs):
    def well(self, figures: dict[str, Any]) -> bool:
        return super().well(figures) and "1 other" in part(figures, "link")["detail"]


class Sound(Programs):
    """The computer's sound server, which plays."""

    def well(self, figures: dict[str, Any]) -> bool:
        if self._running and self._running[-1].poll() is not None:  # before the server was ready
            self._running.pop().wait()
            lines, self._lines = self._lines, self._lines[-1:]
            self.push()
            self._lines = lines
        heard = figures.get("heard", {}).get("level", 0)
        return super().well(figures) and heard > 0


class Midi(Plug):
    name = "midi"

    def __init__(self, file: Path) -> None:
        self._file = file

    def push(self) -> None:
        self._file.touch()

    def pull(self) -> None:
        self._file.unlink(missing_ok=True)

    def well(self, figures: dict[str, Any]) -> bool:
        return bool(part(figures, "midi")["state"] == "ok")


class Pages(Plug):
    """A browser with the output's page and three of the panel."""

    name = "pages"

    def __init__(self, folder: Path, panel: str, output: str) -> None:
        self._folder, self._panel, self._output = folder, panel, output
        self._open = ExitStack()

    def push(self) -> None:
        folder = Path(
            self._open.enter_context(
                TemporaryDirectory(dir=self._folder, ignore_cleanup_errors=True)
            )
        )
        browser = self._open.enter_context(open_chromium(folder))
        self._shown = browser.page(self._output, width=320, height=180)
        self._pages = [browser.page(self._panel, width=900, height=700) for _ in range(3)]

    def pull(self) -> None:
        self._open.close()

    def well(self, figures: dict[str, Any]) -> bool:
        three = part(figures, "panel")["detail"] == "3 pages open"
        return three and part(figures, "browser")["state"] == "ok" and not self.faults()

    def faults(self) -> list[str]:
        return [fault for page in (self._shown, *self._pages) for fault in page.faults]


class Disk(Plug):
    """The recordings' disk, full when pulled."""

    name = "disk"

    def __init__(self, folder: Path) -> None:
        self._folder, self._rest = folder, folder / "someone-else"

    def push(self) -> None:
        self._rest.unlink(missing_ok=True)

    def pull(self) -> None:
        with self._rest.open("wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
            except OSError:
                return  # full

    def well(self, figures: dict[str, Any]) -> bool:
        newest = max((p.stat().st_mtime for p in self._folder.glob("*.mp4")), default=0.0)
        return part(figures, "record")["state"] == "ok" and time.time() - newest < 5


def part(figures: dict[str, Any], word: str) -> dict[str, Any]:
    """The source, output or controller with this word in its name."""
    if word == "source":
        found: dict[str, Any] = figures["source"]
        return found
    if word in figures["controllers"]:
        found = figures["controllers"][word]
        return found
    return next(one for one in figures["outputs"] if one["name"].startswith(word))


def footprint(number: int) -> dict[str, float]:
    """Of a process and all that it started: memory in MB, threads, open files of the first."""
    family, found = [number], {"MB": 0.0, "threads": 0.0, "files": 0.0}
    for one in family:
        folder = Path("/proc") / str(one)
        try:
            status = (folder / "status").read_text()
            for task in (folder / "task").iterdir():
                family += map(int, (task / "children").read_text().split())
            files = len(list((folder / "fd").iterdir()))
        except OSError:
            continue  # it has ended
        told = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        found["MB"] += int(told.get("VmRSS", "0 kB").split()[0]) / 1024
        found["threads"] += int(told["Threads"])
        found["files"] += files
    return {name: round(value, 1) for name, value in found.items()} | {"processes": len(family)}


def spread(values: list[float]) -> list[float]:
    found: list[float] = np.percentile(values, [50, 100]).round(1).tolist()
    return found


class Soak:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.folder = args, args.folder
        self.folder.mkdir(parents=True)
        self.disk = self.folder / "disk"
        self.disk.mkdir()
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "soak", str(self.disk)], check=True
        )
        home, runtime = self.folder / "home", self.folder / "run"
        home.mkdir()
        runtime.mkdir(mode=0o700)
        (home / "midi.toml").write_text('[controls]\n"cc:1:7" = "saturation"\n')
        (self.folder / "soak_midi.py").write_text(_MIDI)
        # Senders are looked for at this address: no multicast is needed.
        ndi = {"ndi": {"networks": {"ips": "127.0.0.1"}}}
        (self.folder / "ndi-config.v1.json").write_text(json.dumps(ndi))
        self.env = {
            **os.environ,
            "LIVEDREAM_HOME": str(home), "XDG_RUNTIME_DIR": str(runtime), "HOME": str(self.folder),
            "NDI_CONFIG_DIR": str(self.folder), "MIDO_BACKEND": "soak_midi",
            "SOAK_MIDI": str(self.folder / "plugged"),
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(self.folder))),
        }  # fmt: skip
        self.panel = f"127.0.0.1:{free_tcp_port()}"
        self.pulls: dict[str, list[float]] = {}
        self.faults: list[str] = []

    def plugs(self, film: Path) -> tuple[list[str], list[Plug]]:
        """Arguments of livedream, and what is plugged in."""
        source, udp, osc = (free_udp_port() for _ in range(3))
        browser = f"127.0.0.1:{free_tcp_port()}"
        rtmp = f"127.0.0.1:{free_tcp_port()}"
        (self.folder / "nginx.conf").write_text(_NGINX.format(folder=self.folder, rtmp=rtmp))
        python = [sys.executable, "-c"]
        play = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(film)]
        server = [
            "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1",
            "-L", "module-native-protocol-unix", "-L", "module-null-sink sink_name=hall",
        ]  # fmt: skip
        env = self.env
        plugs: list[Plug] = [
            Programs(
                "source", "source",
                [*play, "-c", "copy", "-f", "mpegts", f"udp://127.0.0.1:{source}?pkt_size=1316"],
                env=env,
            ),
            Programs("ndi", "ndi", [*python, _RECEIVER, "ndi:soak"], env=env, printing=True),
            Programs(
                "udp", "udp", [*python, _RECEIVER, f"udp://127.0.0.1:{udp}"], env=env, printing=True
            ),
            Programs("rtmp", "rtmp", ["nginx", "-c", str(self.folder / "nginx.conf")], env=env),
            Pages(self.folder, f"http://{self.panel}/", f"http://{browser}/"),
            Disk(self.disk),
            Programs("osc", "osc", [*python, _OSC, str(osc)], env=env),
            Midi(self.folder / "plugged"),
            Link("link", "link", [*python, _LINK], env=env),
            Sound("audio", "audio", server, [*play, "-vn", "-f", "pulse", "soak"], env=env),
        ]  # fmt: skip
        arguments = [
            f"udp://127.0.0.1:{source}", "--sink", "ndi:soak", "--sink", f"udp://127.0.0.1:{udp}",
            "--sink", f"rtmp://{rtmp}/live/soak", "--sink", f"browser:{browser}",
            "--sink", f"record:{self.disk}?minutes=5&budget=200MB",
            "--panel", self.panel, "--osc", f"127.0.0.1:{osc}", "--midi", "all",
            "--audio", "system", "--link", "--preset", "pulse",
            "--log-file", str(self.folder / "log.txt"), "--quiet",
        ]  # fmt: skip
        return arguments, plugs

    def figures(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://{self.panel}/health", timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def preview(self) -> Any:
        with urllib.request.urlopen(f"http://{self.panel}/preview.jpg", timeout=30) as answer:
            return cv2.imdecode(np.frombuffer(answer.read(), np.uint8), cv2.IMREAD_COLOR)

    def until(self, true: Callable[[dict[str, Any]], bool], seconds: float) -> float:
        """How many seconds it took; infinite where it did not come to be."""
        start_s = time.monotonic()
        while (since_s := time.monotonic() - start_s) < seconds:
            try:
                if true(self.figures()):
                    return since_s
            except OSError:
                pass
            time.sleep(0.2)
        return float("inf")

    def pull(self, plug: Plug, chance: random.Random) -> None:
        plug.pull()
        time.sleep(chance.uniform(2, 8))
        plug.push()
        took_s = self.until(plug.well, BACK_S)
        self.pulls.setdefault(plug.name, []).append(took_s)
        if took_s == float("inf"):
            self.faults.append(f"{plug.name} was not back: {self.figures()}"[:2000])

    def run(self) -> dict[str, Any]:
        args, chance = self.args, random.Random(self.args.seed)
        arguments, plugs = self.plugs(args.film)
        for plug in plugs:
            if plug.name != "pages":
                plug.push()
        time.sleep(3)
        show = subprocess.Popen(
            [sys.executable, "-m", "livedream", "live", *arguments], env=self.env,
            stderr=(self.folder / "stderr.txt").open("w"), stdout=subprocess.DEVNULL,
        )  # fmt: skip
        prints: list[dict[str, Any]] = []
        try:
            begins = self.until(lambda f: f["frames"] > 100, 180) < float("inf")
            assert begins, (self.folder / "stderr.txt").read_text(encoding="utf-8")
            next(plug for plug in plugs if plug.name == "pages").push()
            for plug in plugs:
                if self.until(plug.well, BACK_S) == float("inf"):
                    self.faults.append(f"{plug.name} was never there: {self.figures()}"[:2000])
            with suppress(KeyboardInterrupt):  # what there was until then is judged
                self._minutes(show, plugs, chance, prints)
        finally:
            show.send_signal(signal.SIGINT)
            try:
                code = show.wait(60)
            except subprocess.TimeoutExpired:
                show.kill()
                code = show.wait()
            for plug in plugs:
                (plug.push if plug.name == "disk" else plug.pull)()
        return self.judge(prints, code)

    def _minutes(
        self,
        show: "subprocess.Popen[bytes]",
        plugs: list[Plug],
        chance: random.Random,
        prints: list[dict[str, Any]],
    ) -> None:
        args = self.args
        order = [plug for _ in range(args.pulls) for plug in chance.sample(plugs, len(plugs))]
        begun_s = time.monotonic()
        every_s = 60 * (args.minutes - args.settling) / max(1, len(order))
        while (minute := len(prints)) < args.minutes:
            levels: list[float] = []
            colours: list[Any] = []
            at_first = self.figures()
            while (now_s := time.monotonic() - begun_s) < 60 * (minute + 1):
                assert show.poll() is None, "the show has ended"
                figures, picture = self.figures(), self.preview()
                levels.append(figures["level"])
                colours.append(picture.mean((0, 1))[::-1])
                if (
                    order
                    and now_s
                    > 60 * args.settling / 2 + (args.pulls * len(plugs) - len(order)) * every_s
                ):
                    self.pull(order.pop(0), chance)
                time.sleep(2)
            last = self.figures()
            seconds = last["uptime_s"] - at_first["uptime_s"]
            prints.append({
                "minute": minute + 1, **footprint(show.pid),
                "fps": round((last["frames"] - at_first["frames"]) / seconds, 1),
                "dreams": round(float(last["dreams_per_s"]), 1),
                "level": round(float(np.mean(levels)), 2),
                "colour": np.mean(colours, 0).round(1).tolist(),
                "state": last["state"], "pulls": sum(map(len, self.pulls.values())),
            })  # fmt: skip
            print(json.dumps(prints[-1]), file=sys.stderr, flush=True)
            if minute % 10 == 0:
                cv2.imwrite(str(self.folder / f"minute-{minute:03}.png"), picture)

    def judge(self, prints: list[dict[str, Any]], code: int) -> dict[str, Any]:
        def of(some: list[dict[str, Any]], name: str) -> Any:
            return np.median([one[name] for one in some], 0)

        counted = prints[min(self.args.settling, len(prints) // 3) :]
        third = max(1, len(counted) // 3)
        first, last = counted[:third], counted[-third:]
        names = ("MB", "threads", "files", "fps", "dreams", "level", "colour")
        moved = {
            name: [of(some, name).round(2).tolist() for some in (first, last)] for name in names
        }
        log = (self.folder / "log.txt").read_text(errors="replace")
        log += (self.folder / "stderr.txt").read_text(errors="replace")
        good, bad = 0, []
        for path in sorted(self.disk.glob("*.mp4")):
            line = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "null", "-"]
            said = subprocess.run(line, check=False, capture_output=True, text=True)
            good += said.returncode == 0
            bad += [f"{path.name}: {said.stderr[:300]}"] if said.returncode else []
        growth = moved["MB"][1] / moved["MB"][0] - 1
        back = [took_s for some in self.pulls.values() for took_s in some]
        return {
            "minutes": len(prints),
            "first and last third": moved,
            "memory growth": f"{growth:+.2%}",
            "pulled": {
                name: {"times": len(some), "back after, s: p50, max": spread(some)}
                for name, some in self.pulls.items()
            },
            "faults": self.faults,
            "tracebacks": log.count("Traceback"),
            "recordings that play": [good, bad],
            "exit code": code,
            "passed": growth <= MEMORY and not self.faults and not bad and code == 0
            and bool(np.isfinite(back).all()) and "Traceback" not in log
            and all(moved[name][1] <= moved[name][0] + 1 for name in ("threads", "files"))
            and float(np.abs(np.subtract(*moved["colour"])).max()) < COLOUR
            and abs(moved["level"][0] - moved["level"][1]) < LEVEL,
        }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("film", type=Path, metavar="FILM", help="H.264, with sound")
    parser.add_argument("--minutes", type=int, default=120)
    parser.add_argument("--pulls", type=int, default=10, help="of each plug")
    parser.add_argument("--settling", type=int, default=10, help="minutes that do not count")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, required=True, help="a new one")
    soak = Soak(parser.parse_args())
    try:
        found = soak.run()
    finally:
        subprocess.run(["umount", "-l", str(soak.disk)], check=False)
    print(json.dumps(found, indent=2))
    return 0 if found["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
