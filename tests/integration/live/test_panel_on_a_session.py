"""The panel on the real loop: what a page sets is seen in the picture."""

import base64
import threading
import urllib.request
from pathlib import Path

import cv2
import numpy as np
from panel_made import Client
from waiting import PATIENCE_S

from livedream.core.settings import DreamSettings
from livedream.live.controllers import ControllerSettings
from livedream.live.job import LiveJob
from livedream.live.session import Session
from livedream.panel.app import Panel

DREAM = DreamSettings(
    size="64x36", octaves=1, iterations=1, flow="dis-ultrafast", flow_size="72p", device="cpu"
)


class Where:
    """What `Client` asks of a stage."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.address = f"127.0.0.1:{panel.port}"

    def brightness(self) -> float:
        address = f"http://{self.address}/preview.jpg"
        with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
            coded = np.frombuffer(answer.read(), np.uint8)
        return float(cv2.imdecode(coded, cv2.IMREAD_COLOR).mean())


def opaque(region: str | None) -> tuple[bool, bool] | None:
    """Whether the region is left of the middle, and right of it; None while it is nowhere."""
    coded = np.frombuffer(base64.b64decode(region or ""), np.uint8)
    if not len(coded):
        return None
    alpha = cv2.imdecode(coded, cv2.IMREAD_UNCHANGED)[:, :, 3]
    middle = alpha.shape[1] // 2
    found = bool(alpha[:, :middle].any()), bool(alpha[:, middle + 1 :].any())
    return found if any(found) else None


def test_a_page_changes_the_picture_of_a_running_session(tmp_path: Path) -> None:
    job = LiveJob(
        source="synthetic:clouds?size=160x90&fps=20&seconds=4&seed=3",
        sinks=(f"record:{tmp_path}",),
        dream=DREAM,
        controllers=ControllerSettings(panel="127.0.0.1:0"),
    )
    with Session(job) as session:
        running = threading.Thread(target=session.run)
        running.start()
        panel = session.controllers.opened["panel"]
        assert isinstance(panel, Panel)
        where = Where(panel)
        client = Client(where)  # type: ignore[arg-type]
        client.until(lambda sent: sent.get("status", {}).get("frames", 0) > 5)
        client.until(lambda sent: client.pictures > 2)
        before = where.brightness()
        client.send(set="brightness", unit=0.15)
        client.until(lambda sent: sent["values"]["brightness"][0] == 0.3)
        client.until(lambda sent: where.brightness() < 0.5 * before)
        client.send(overlay=True)
        client.send(set="where", value="painted & left")
        client.send(paint=[[0.1, 0.5], [0.9, 0.5]], brush=0.6, begins=True)
        assert client.until(lambda sent: opaque(sent.get("region"))) == (True, False)
        client.send(act="blackout")
        client.until(lambda sent: where.brightness() < 2)
        client.close()
        session.stop()
        running.join(PATIENCE_S)
        assert not running.is_alive()
