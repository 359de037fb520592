"""A panel for tests: a small loop paints the parameters' values, so that a slider can be seen."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from waiting import PATIENCE_S
from websockets.sync.client import ClientConnection, connect

from livedream.control.catalogue import check_objective
from livedream.control.live_parameters import LiveParameters
from livedream.control.midi import MidiInput
from livedream.control.presets import Presets
from livedream.control.show import Show
from livedream.core.addresses import Endpoint
from livedream.core.frame import Picture
from livedream.core.health import Health, Status, StatusBoard
from livedream.core.settings import DreamSettings
from livedream.panel.app import Panel
from livedream.present.grading import Grading
from livedream.present.live import LiveFrame
from livedream.present.live.wall_control import WallControl
from livedream.warp.remap import Plane

RATE = 20
LOOPBACK = Endpoint("127.0.0.1", 0)


class Stage:
    """Parameters, a show, a panel, and a loop of `RATE` pictures a second."""

    def __init__(
        self, folder: Path, address: Endpoint, token: str = "", learner: MidiInput | None = None
    ) -> None:
        self.folder = folder
        self.parameters = LiveParameters(DreamSettings(), check_objective=check_objective)
        self.parameters.painting.begin(320, 180)
        self.status = StatusBoard()
        self.show = Show(self.parameters, Presets(folder / "presets"))
        self.picture: Picture | None = None
        self.region: Plane | None = None
        self.pictures = 0  # painted so far
        self.source_state = self.output_state = "ok"
        self.beside: tuple[Health, ...] = ()
        self.triggers: list[str] = []  # that the loop was passed
        self.wall = WallControl()  # of a window that there is not, until a test publishes one
        self.panel = Panel(
            self.parameters, self.status, self._newest, address, self.show, token=token,
            wall=self.wall, learner=learner,
        )  # fmt: skip
        self.panel.pictures.folder = folder / "motifs"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop)
        rows = np.linspace(20, 235, 180)[:, None, None]
        self._plain = np.broadcast_to(rows, (180, 320, 3)).astype(np.uint8).copy()
        self._plain[40:90, 60:160] = (200, 60, 40)

    def start(self) -> None:
        self.show.start()
        self.panel.start()
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.panel.close()
        self.show.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.panel.port}"

    def _newest(self) -> LiveFrame | None:
        if self.picture is None:
            return None
        return LiveFrame(self.picture, 0.0, self.pictures, region=self.region)

    def _loop(self) -> None:
        grading, before = Grading(), time.monotonic()
        for index in itertools.count():
            if self._stop.wait(1 / RATE):
                return
            now = time.monotonic()
            snapshot = self.parameters.snapshot()
            self.triggers += snapshot.triggers
            self.picture = grading.apply(self._plain.copy(), snapshot.grade, now - before)
            self.pictures += 1
            before = now
            self.status.publish(
                Status(
                    time_s=now,
                    fps=RATE,
                    dreams_per_s=11.0,
                    latency_ms=42.0,
                    dream_age_ms=85.0,
                    stages_ms={"flow": 4.0, "dream": 61.0},
                    level=snapshot.dream.strength,
                    governor="holds 25 per s",
                    dream_size=(640, 360),
                    octaves=2,
                    iterations=2,
                    source=Health("clouds", self.source_state, "640x360", index),
                    outputs=(Health("window", self.output_state, "display 1", index),),
                    beside=self.beside,
                    frames=index,
                )
            )


@contextmanager
def open_stage(
    folder: Path, address: Endpoint = LOOPBACK, token: str = "", learner: MidiInput | None = None
) -> Iterator[Stage]:
    stage = Stage(folder, address, token, learner)
    stage.start()
    try:
        yield stage
    finally:
        stage.close()


class Client:
    """A page's end of the socket, without a page."""

    def __init__(self, stage: Stage, **headers: str) -> None:
        self._open = ExitStack()
        self.link: ClientConnection = self._open.enter_context(
            connect(
                f"ws://{stage.address}/socket",
                additional_headers=headers or None,
                compression=None,
                max_size=None,
            )
        )
        self.sent: dict[str, Any] = {"values": {}}
        self.pictures = 0

    def send(self, **message: Any) -> None:
        self.link.send(json.dumps(message))

    def until(self, done: Callable[[dict[str, Any]], Any], seconds: float = PATIENCE_S) -> Any:
        """Read until `done` of everything sent so far; what it is then."""
        end = time.monotonic() + seconds
        while not (found := done(self.sent)):
            assert time.monotonic() < end, {k: v for k, v in self.sent.items() if k != "hello"}
            try:
                message = self.link.recv(timeout=0.2)
            except TimeoutError:
                continue
            if isinstance(message, bytes):
                self.pictures += 1
                self.send(ready=True)
                continue
            for name, part in json.loads(message).items():
                if name == "values":
                    self.sent["values"].update(part)
                else:
                    self.sent[name] = part
        return found

    def close(self) -> None:
        self._open.close()
