"""NDI from one process to another: livedream's own sender and its receiver, on this machine."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from clap_and_flash import make_film
from waiting import PATIENCE_S

pytest.importorskip("cyndilib", reason="wants the extra ndi")

_SENDER = """
import sys, time
from fractions import Fraction
import numpy as np
from livedream.present.live import LiveFrame, open_output

name, width, height, red = sys.argv[1], *map(int, sys.argv[2:])
output = open_output(f"ndi:{name}", width=width, height=height, rate=Fraction(25))
output.open()
print("open", flush=True)
rgb = np.zeros((height, width, 3), np.uint8)
rgb[:, : width // 2, 0] = red
while True:
    output.write(LiveFrame(rgb, time.monotonic(), 0))
    time.sleep(0.04)
"""

_PLAYER = """
import sys
from itertools import count
from livedream.capture.live.paced import PacedInput
from livedream.core.live_sound import LiveSound
from livedream.present.live import LiveFrame, open_output

sound = LiveSound()
source = PacedInput(sys.argv[1], sound)
opened = source.open()
output = open_output(
    "ndi:Clap", width=opened.width, height=opened.height, rate=opened.rate, sound=sound
)
output.open()
print("open", flush=True)
for index in count():
    rgb = source.read()
    if rgb is not None:
        output.write(LiveFrame(rgb, source.taken_s, index))
"""

_WITNESS = """
import json, time
from clap_and_flash import Witness
from livedream.capture.live import open_live
from livedream.capture.live.ndi import list_senders
from livedream.capture.live.worker import Capture
from livedream.core.live_sound import SOUND_RATE, LiveSound

print(json.dumps(list_senders(60.0)), flush=True)
sound, witness, place = LiveSound(), Witness(), 0
capture = Capture(open_live("ndi:clap", sound=sound))
capture.start()
end_s = time.monotonic() + 90
while len(witness.apart_ms()) < 9 and time.monotonic() < end_s:
    captured = capture.slot.get(1.0)
    if captured is None:
        continue
    witness.see(captured.captured_s, captured.rgb)
    now = round(captured.captured_s * SOUND_RATE)
    place = place or now
    while (block := sound.take(place, 480, now)) is not None:
        witness.hear(place / SOUND_RATE, block[:, 0])
        place += 480
print(json.dumps(witness.apart_ms()), flush=True)
"""

_LAYER = """
import sys, time
from fractions import Fraction
import numpy as np
from livedream.present.live import LiveFrame, open_output

camera, dreamed = np.load(sys.argv[1])
height, width = camera.shape[:2]
outputs = [
    open_output(f"ndi:{of}?of={of}", width=width, height=height, rate=Fraction(25))
    for of in ("layer", "dream")
]
for output in outputs:
    output.open()
print("open", flush=True)
while True:
    for output in outputs:
        output.write(LiveFrame(dreamed, time.monotonic(), 0, camera))
    time.sleep(0.04)
"""

# Who sends, by cyndilib alone.
_FINDER = """
import sys, time
from cyndilib.finder import Finder

finder = Finder()  # not opened: a thread of its own would ask NDI at the same time

def named(words, seconds):
    names, end_s = [], time.monotonic() + seconds
    while not names and time.monotonic() < end_s:
        finder.wait_for_sources(0.0)
        time.sleep(0.05)
        names = [one for one in map(str, finder.get_source_names()) if words in one]
    return names
"""

_COMPOSITOR = """
import numpy as np
from cyndilib.receiver import Receiver
from cyndilib.video_frame import VideoFrameSync
from cyndilib.wrapper.ndi_recv import RecvBandwidth, RecvColorFormat

end_s = time.monotonic() + 90
for of in ("layer", "dream"):
    name = named(f"({of})", 60)[0]
    receiver, video = Receiver(
        color_format=RecvColorFormat.RGBX_RGBA, bandwidth=RecvBandwidth.highest
    ), VideoFrameSync()
    receiver.frame_sync.set_video_frame(video)
    receiver.set_source(finder.get_source(name))
    while not video.xres and time.monotonic() < end_s:
        receiver.frame_sync.capture_video()
        time.sleep(0.02)
    width, height = video.get_resolution()
    lines = np.asarray(video.get_array()).reshape(height, video.get_line_stride())
    np.save(f"{sys.argv[1]}/{of}.npy", lines[:, : 4 * width].reshape(height, width, 4))
    receiver.disconnect()
print("received", flush=True)
"""

_RECEIVER = """
import faulthandler, json, sys, time
from livedream.capture.live import open_live
from livedream.capture.live.worker import Capture
from livedream.capture.live.ndi import list_senders

faulthandler.enable()  # NDI's library is no Python
wanted = f"({sys.argv[1].partition(':')[2]})"
found, end_s = [], time.monotonic() + 60
# Senders of other tests may be heard of before this one's own.
while not any(wanted in one.lower() for one in found) and time.monotonic() < end_s:
    found = list_senders(10.0)
    time.sleep(0.2)
print(json.dumps(found), flush=True)
capture = Capture(open_live(sys.argv[1]))
capture.start()
last, end_s = None, time.monotonic() + 90
while time.monotonic() < end_s:
    captured = capture.slot.get(1.0)
    health = capture.health()
    said = {"state": health.state, "reconnects": health.reconnects, "detail": health.detail}
    if captured is not None:
        height, width = captured.rgb.shape[:2]
        left = captured.rgb[height // 2, width // 4].tolist()
        right = captured.rgb[height // 2, 3 * width // 4].tolist()
        said |= {"size": [width, height], "left": left, "right": right}
    if said != last:
        print(json.dumps(said), flush=True)
    last = said
sys.exit("not in time")
"""


class Programs:
    def __init__(self, folder: Path) -> None:
        # Senders are looked for at this address: no multicast is needed.
        config = {"ndi": {"networks": {"ips": "127.0.0.1"}}}
        (folder / "ndi-config.v1.json").write_text(json.dumps(config))
        here = Path(__file__).resolve().parent
        own = os.pathsep.join((str(here.parents[1]), str(here)))
        self._environment = {**os.environ, "NDI_CONFIG_DIR": str(folder), "PYTHONPATH": own}
        self._running: list[subprocess.Popen[str]] = []

    def start(self, program: str, *words: str) -> "subprocess.Popen[str]":
        one = subprocess.Popen(
            [sys.executable, "-c", program, *words],
            env=self._environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._running.append(one)
        return one

    def start_sender(self, name: str, program: str, *words: str) -> "subprocess.Popen[str]":
        """Returns once it can be found; skips the test where cyndilib alone does not find it."""
        one = self.start(program, *words)
        assert one.stdout is not None and one.stdout.readline() == "open\n"
        finder = self.start(_FINDER + "print(*named(sys.argv[1], 20), flush=True)", f"({name})")
        assert finder.stdout is not None
        found = finder.stdout.readline()
        assert one.poll() is None, "the sender has ended"
        if f"({name})" not in found:
            pytest.skip("NDI finds nobody on this machine")
        return one

    def close(self) -> None:
        for one in self._running:
            one.kill()
            one.communicate()


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    made = Programs(tmp_path)
    yield made
    made.close()


@pytest.mark.slow
def test_a_sender_is_found_by_its_name_and_found_again_with_another_size(
    programs: Programs,
) -> None:
    sender = programs.start_sender("Wall", _SENDER, "Wall", "320", "180", "200")
    receiver = programs.start(_RECEIVER, "ndi:wall")
    assert receiver.stdout is not None
    names = json.loads(receiver.stdout.readline())
    assert any("(Wall)" in name for name in names), names

    def until(**wanted: object) -> dict[str, object]:
        assert receiver.stdout is not None
        for line in receiver.stdout:
            said: dict[str, object] = json.loads(line)
            if all(said.get(key) == value for key, value in wanted.items()):
                return said
        raise AssertionError(f"the receiver has ended ({receiver.wait(PATIENCE_S)})")

    first = until(size=[320, 180], state="ok")
    left, right = first["left"], first["right"]
    assert isinstance(left, list) and isinstance(right, list)
    assert abs(left[0] - 200) < 12 and max(*left[1:], *right) < 12
    sender.kill()
    until(state="lost", detail="ndi:wall: the NDI sender is gone")
    programs.start_sender("Wall", _SENDER, "Wall", "480", "270", "90")
    again = until(size=[480, 270], state="ok")
    assert again["reconnects"] == 1
    left = again["left"]
    assert isinstance(left, list) and abs(left[0] - 90) < 12


def camera_and_dream() -> tuple[np.ndarray, np.ndarray]:
    """(180, 320, 3) uint8 each: soft shapes, and on their left two thirds what a dream may add."""
    rng = np.random.default_rng(5)
    camera = cv2.GaussianBlur(rng.normal(0, 600, (180, 320, 3)), (0, 0), 8) + 128
    added = cv2.GaussianBlur(rng.normal(0, 120, (180, 320, 3)), (0, 0), 2)
    added[:, 213:] = 0
    camera = np.clip(camera, 0, 255).astype(np.uint8)
    return camera, np.clip(camera + added, 0, 255).astype(np.uint8)


@pytest.mark.slow
def test_alpha_arrives_and_the_composite_is_the_dream(programs: Programs, tmp_path: Path) -> None:
    camera, dreamed = camera_and_dream()
    np.save(tmp_path / "sent.npy", np.stack([camera, dreamed]))
    programs.start_sender("layer", _LAYER, str(tmp_path / "sent.npy"))
    compositor = programs.start(_FINDER + _COMPOSITOR, str(tmp_path))
    assert compositor.stdout is not None
    assert compositor.stdout.readline() == "received\n"
    layer, opaque = np.load(tmp_path / "layer.npy"), np.load(tmp_path / "dream.npy")
    assert layer[:, 230:, 3].max() <= 4, "nothing was added there"
    assert layer[:, :200, 3].mean() > 10
    assert (opaque[:, :, 3] == 255).all()
    alpha = layer[:, :, 3:] / 255
    composite = camera * (1 - alpha) + layer[:, :, :3] * alpha
    apart = np.abs(composite - dreamed)
    # NDI compresses, and halves the width of colour: a layer loses no more than a picture does.
    assert apart.mean() <= np.abs(opaque[:, :, :3].astype(float) - dreamed).mean() + 0.5
    assert apart.mean() < 3
    assert np.percentile(apart, 99) < 16


@pytest.mark.slow
def test_sound_goes_along_and_claps_when_it_flashes(programs: Programs, tmp_path: Path) -> None:
    programs.start_sender("Clap", _PLAYER, str(make_film(tmp_path / "film.mp4")))
    witness = programs.start(_WITNESS)
    assert witness.stdout is not None
    assert json.loads(witness.stdout.readline()), "nobody was found"
    apart_ms = json.loads(witness.stdout.readline())
    assert len(apart_ms) == 9
    # NDI's pieces have no time but that of their coming: on a busy machine some come late.
    assert statistics.median(map(abs, apart_ms)) <= 40, apart_ms
