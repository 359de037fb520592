"""WHIP from other processes: aiortc and Chromium send, and are heard, lost and found again."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from chromium import open_chromium
from clap_and_flash import SIZE, Witness, make_film
from ports import free_tcp_port
from waiting import until

pytest.importorskip("aiortc", reason="wants the extra whip")

from livedream.capture.live import open_live
from livedream.capture.live.worker import Capture
from livedream.core.live_sound import SOUND_RATE, LiveSound

PEER = Path(__file__).with_name("whip_peer.py")
ROOT = PEER.parents[2]

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


# Plays a film to an address, until it is killed.
_PLAYER = """
import sys
from itertools import count
from livedream.capture.live.paced import PacedInput
from livedream.core.live_sound import LiveSound
from livedream.present.live import LiveFrame, open_output
from livedream.present.live.worker import OutputWorker

sound = LiveSound()
source = PacedInput(sys.argv[1], sound)
opened = source.open()
worker = OutputWorker(open_output(
    sys.argv[2], width=opened.width, height=opened.height, rate=opened.rate, sound=sound
))
for index in count():
    rgb = source.read()
    if rgb is not None:
        worker.offer(LiveFrame(rgb, source.taken_s, index))
"""


class Stage:
    """A source, who watches and hears it, and its publishers."""

    def __init__(self, token: str = "") -> None:
        port = free_tcp_port()
        self.url = f"http://127.0.0.1:{port}/"
        self.sound, self.witness, self._place = LiveSound(), Witness(), 0
        self.size = (0, 0)
        self._address = f"whip:127.0.0.1:{port}{token and '?token='}{token}"
        self._peers: list[subprocess.Popen[bytes]] = []
        self.listen()

    def listen(self) -> None:
        self.capture = Capture(open_live(self._address, sound=self.sound))
        self.capture.start()

        def listens() -> bool:
            health = self.capture.health()
            return health.state == "ok" or "nobody is sending yet" in health.detail

        until(listens, state=self.capture.health)

    def send(self, size: str) -> "subprocess.Popen[bytes]":
        words = [sys.executable, str(PEER), "send", f"{self.url}whip", size]
        peer = subprocess.Popen(words, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
        self._peers.append(peer)
        return peer

    def play(self, film: Path, address: str, **environment: str) -> None:
        words = [sys.executable, "-c", _PLAYER, str(film), address]
        environment["PYTHONPATH"] = str(ROOT)
        self._peers.append(subprocess.Popen(words, cwd=ROOT, env=environment))

    def until(self, done: Callable[[], bool]) -> None:
        def watched() -> bool:
            self._take()
            return done()

        until(watched, state=self.capture.health)

    def _take(self) -> None:
        captured = self.capture.slot.get(0.2)
        if captured is None:
            return
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
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    made = Stage(getattr(request, "param", ""))
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
@pytest.mark.parametrize("stage", ["between-us"], indirect=True)
def test_our_own_output_is_seen_and_heard_together_and_comes_back(
    stage: Stage, tmp_path: Path
) -> None:
    film = make_film(tmp_path / "film.mp4")
    stage.play(film, f"whip:{stage.url}whip?token={{env:KEPT}}&bitrate=2M", KEPT="between-us")
    stage.until(lambda: len(stage.witness.apart_ms()) >= 5)
    assert statistics.median(map(abs, stage.witness.apart_ms())) <= 40, stage.witness.apart_ms()
    assert stage.size == SIZE
    stage.capture.close()
    stage.listen()
    stage.until(lambda: stage.capture.health().frames > 10)


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


class Showing(BaseHTTPRequestHandler):
    """A service that hands offers to a page, and the page's answer back. page: set by the test."""

    page: Any = None

    def do_POST(self) -> None:
        offer = self.rfile.read(int(self.headers["content-length"])).decode()
        answer = self.page.evaluate(f"shown({json.dumps(offer)})").encode()
        self.send_response(201)
        self.send_header("content-type", "application/sdp")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None: ...


# Answers an offer; `numbers` are those of the pictures that were shown, `profile` the codec's.
_VIEWER = """(() => {
  window.numbers = [];
  window.shown = async (offer) => {
    window.connection = new RTCPeerConnection();
    connection.ontrack = async ({track}) => {
      if (track.kind !== "video") return;
      const paint = document.createElement("canvas").getContext("2d");
      const frames = new MediaStreamTrackProcessor({track}).readable.getReader();
      for (let one; !(one = await frames.read()).done; one.value.close()) {
        paint.drawImage(one.value, 0, 0, 160, 96);
        const row = paint.getImageData(0, 48, 160, 1).data;
        let index = 0;
        for (let bit = 0; bit < 8; bit++) index |= (row[4 * (20 * bit + 10) + 1] > 128) << bit;
        for (const shift of [4, 2, 1]) index ^= index >> shift;
        numbers.push(index);
      }
    };
    await connection.setRemoteDescription({type: "offer", sdp: offer});
    await connection.setLocalDescription();
    return connection.localDescription.sdp;
  };
  window.codecs = async () => [...(await connection.getStats()).values()]
    .filter((one) => one.type === "codec").map((one) => one.mimeType).sort().join();
  return true;
})()"""


@pytest.mark.slow
def test_chromium_shows_our_output(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4")
    server = HTTPServer(("127.0.0.1", 0), Showing)
    with open_chromium(tmp_path) as browser, server:
        Showing.page = browser.page("about:blank", width=320, height=240)
        assert Showing.page.evaluate(_VIEWER)
        words = [
            sys.executable,
            "-c",
            _PLAYER,
            str(film),
            f"whip:http://127.0.0.1:{server.server_port}/a",
        ]
        with subprocess.Popen(words, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}) as player:
            try:
                server.handle_request()
                Showing.page.wait("new Set(numbers.slice(-50)).size > 20")
                following = "numbers.filter((one, at) => at && one === (numbers[at - 1] + 1) % 64)"
                assert Showing.page.evaluate(f"{following}.length") > 10
                assert Showing.page.wait("codecs()") == "audio/opus,video/H264"
            finally:
                player.kill()
