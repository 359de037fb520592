"""WHIP from other processes: aiortc and Chromium send, and are heard, lost and found again."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chromium import open_chromium
from clap_and_flash import Witness
from ports import free_tcp_port

pytest.importorskip("aiortc", reason="wants the extra whip")

from livedream.capture.live import open_live
from livedream.capture.live.worker import Capture
from livedream.core.live_sound import SOUND_RATE, LiveSound

PEER = Path(__file__).with_name("whip_peer.py")
ROOT = PEER.parents[2]
PATIENCE_S = 90.0

# Pictures by this machine's clock, as clap_and_flash.py draws them, and a tone once it is clicked.
_PAGE = """(async () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [640, 384];
  const paint = canvas.getContext("2d");
  setInterval(() => {
    let index = Math.floor(Date.now() / 40) % 64;
    index ^= index >> 1;
    for (let bit = 0; bit < 8; bit++) {
      paint.fillStyle = index >> bit & 1 ? "#dcdcdc" : "#282828";
      paint.fillRect(80 * bit, 0, 80, 384);
    }
  }, 40);
  const tone = new AudioContext(), out = tone.createMediaStreamDestination();
  const source = tone.createOscillator();
  source.connect(out);
  source.start();
  document.onmousedown = () => tone.resume();
  const connection = new RTCPeerConnection();
  for (const track of [...canvas.captureStream(25).getTracks(), ...out.stream.getTracks()])
    connection.addTransceiver(track, {direction: "sendonly"});
  await connection.setLocalDescription();
  const answer = await fetch("/whip", {
    method: "POST", headers: {"Content-Type": "application/sdp"},
    body: connection.localDescription.sdp,
  });
  await connection.setRemoteDescription({type: "answer", sdp: await answer.text()});
  window.stop = async () =>
    (await fetch(answer.headers.get("Location"), {method: "DELETE"})).status;
  return answer.status;
})()"""


class Stage:
    """A source, who watches and hears it, and its publishers."""

    def __init__(self) -> None:
        port = free_tcp_port()
        self.url = f"http://127.0.0.1:{port}/"
        self.sound, self.witness, self._place = LiveSound(), Witness(), 0
        self.size = (0, 0)
        self.capture = Capture(open_live(f"whip:127.0.0.1:{port}", sound=self.sound))
        self.capture.start()
        assert self.capture.wait(PATIENCE_S) is None
        self._peers: list[subprocess.Popen[bytes]] = []

    def send(self, size: str) -> "subprocess.Popen[bytes]":
        words = [sys.executable, str(PEER), "send", f"{self.url}whip", size]
        peer = subprocess.Popen(words, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
        self._peers.append(peer)
        return peer

    def until(self, done: Callable[[], bool]) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < end_s, self.capture.health()
            captured = self.capture.slot.get(0.2)
            if captured is None:
                continue
            rgb, captured_s = captured.rgb, captured.captured_s
            self.size = rgb.shape[1], rgb.shape[0]
            self.witness.see(captured_s, rgb)
            now = round(captured_s * SOUND_RATE)
            self._place = self._place or now
            while (block := self.sound.take(self._place, 480, now)) is not None:
                self.witness.hear(self._place / SOUND_RATE, block[:, 0])
                self._place += 480

    def close(self) -> None:
        self.capture.close()
        for peer in self._peers:
            peer.kill()
            peer.wait()


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.close()


@pytest.mark.slow
def test_who_sends_is_seen_and_heard_together_lost_and_found_again(stage: Stage) -> None:
    peer = stage.send("320x192")
    stage.until(lambda: len(stage.witness.apart_ms()) >= 5)
    opened = stage.capture.wait(0)
    assert opened is not None and opened.sound
    assert stage.size == (320, 192) == (opened.width, opened.height)
    assert stage.capture.health().state == "ok"
    # On a busy machine single pieces come late.
    assert statistics.median(map(abs, stage.witness.apart_ms())) <= 40, stage.witness.apart_ms()
    peer.kill()
    stage.until(lambda: stage.capture.health().state == "lost")
    stage.send("480x288")
    stage.until(lambda: stage.size == (480, 288))
    assert stage.capture.health().state == "ok"
    assert stage.capture.health().reconnects == 1


@pytest.mark.slow
def test_chromium_sends_a_picture_and_a_tone_and_stops(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_chromium(tmp_path) as browser:
        page = browser.page(stage.url, width=320, height=240)
        page.wait(f"location.href === {stage.url!r}")
        assert page.evaluate(_PAGE) == 201
        page.click("body")
        seen = stage.witness.seen
        stage.until(lambda: len({index for _, index in seen[-50:]}) > 20)
        assert stage.size == (640, 384)

        def is_heard() -> bool:
            now = round(time.monotonic() * SOUND_RATE)
            block = stage.sound.take(now - SOUND_RATE, 480, now)
            return block is not None and float(abs(block).max()) > 0.1

        stage.until(is_heard)
        assert page.evaluate("stop()") == 200
        stage.until(lambda: "127.0.0.1 has stopped sending" in caplog.text)
