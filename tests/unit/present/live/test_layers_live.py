"""The dream as a layer, the camera and the matte: what each output sends, up to its door."""

import sys
from fractions import Fraction
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from livedream.cli import build_parser
from livedream.core.errors import SettingsError
from livedream.core.frame import Picture
from livedream.present.live import LiveFrame, as_layers, as_matte, as_recording, open_output
from livedream.present.live.browser import encoded
from livedream.present.live.live_picture import picture_of

WIDTH, HEIGHT = 64, 36


@pytest.fixture
def frame() -> LiveFrame:
    """A camera's picture with something added in its left half; the region is its right half."""
    rng = np.random.default_rng(2)
    camera = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    dreamed = camera.copy()
    dreamed[:, : WIDTH // 2] = rng.integers(0, 256, (HEIGHT, WIDTH // 2, 3), np.uint8)
    region = np.zeros((9, 16), np.float32)
    region[:, 8:] = 1.0
    return LiveFrame(dreamed, 1.0, 0, camera, region)


def over(source: Picture, layer: Picture) -> Picture:
    alpha = layer[:, :, 3:] / 255
    return np.rint(source * (1 - alpha) + layer[:, :, :3] * alpha).astype(np.uint8)


class Door:
    """What a library is handed, whichever it is."""

    def __init__(self, *names: object) -> None:
        self.pixels: Any = None
        self.device = self

    def setSenderName(self, name: str) -> None: ...  # noqa: N802

    def setFrameSync(self, name: str) -> None: ...  # noqa: N802

    def sendImage(self, pixels: bytes, width: int, height: int, *more: Any) -> bool:  # noqa: N802
        assert more == (0x1908, False, 0)
        self.pixels = np.frombuffer(pixels, np.uint8).reshape(height, width, 4)
        return True

    def copy(self, pixels: Picture, texture: object) -> None:
        self.pixels = pixels

    def publish_frame_texture(self, texture: object) -> None: ...

    def send(self, pixels: Picture) -> None:
        self.pixels = pixels


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    """In place of SpoutGL, syphon and pyvirtualcam, as far as the outputs call them."""
    door = Door()
    libraries: dict[str, dict[str, object]] = {
        "SpoutGL": {"SpoutSender": lambda: door},
        "syphon": {"SyphonMetalServer": lambda name: door},
        "syphon.utils": {},
        "syphon.utils.raw": {"create_mtl_texture": lambda *size: None},
        "syphon.utils.numpy": {"copy_image_to_mtl_texture": door.copy},
        "pyvirtualcam": {"Camera": lambda *size, **names: door},
    }
    for name, contents in libraries.items():
        library = ModuleType(name)
        library.__spec__ = sys.__spec__
        library.__dict__.update(contents)
        monkeypatch.setitem(sys.modules, name, library)
    return door


def sent(text: str, frame: LiveFrame, door: Door) -> Picture:
    output = open_output(text, width=WIDTH, height=HEIGHT, rate=Fraction(25))
    output.open()
    output.write(frame)
    return np.asarray(door.pixels, np.uint8)


@pytest.mark.parametrize("kind", ["spout", "syphon"])
def test_a_layer_over_the_camera_is_the_dream(kind: str, frame: LiveFrame, door: Door) -> None:
    layer = sent(f"{kind}:Layer?of=layer", frame, door)
    assert frame.camera is not None
    assert np.array_equal(over(frame.camera, layer), frame.rgb)
    assert not layer[:, WIDTH // 2 :].any()
    assert layer[:, : WIDTH // 2, 3].mean() > 100


def test_of_a_mirrored_picture_camera_layer_and_matte_fit_each_other(frame: LiveFrame) -> None:
    assert frame.camera is not None and frame.region is not None
    seen = LiveFrame(
        cv2.flip(frame.rgb, 1), 1.0, 0, frame.camera, cv2.flip(frame.region, 1), mirrored=True
    )  # fmt: skip
    camera, layer = picture_of(seen, "camera"), picture_of(seen, "layer")
    assert np.array_equal(camera, frame.camera[:, ::-1])
    assert np.array_equal(over(camera, layer), seen.rgb)
    assert not layer[:, : WIDTH // 2].any()  # nothing was added there
    assert picture_of(seen, "matte")[0, 0].tolist() == [255, 255, 255]
    assert np.array_equal(picture_of(seen, "dream"), seen.rgb)


@pytest.mark.parametrize("kind", ["spout", "syphon", "camera"])
def test_everything_else_is_opaque(kind: str, frame: LiveFrame, door: Door) -> None:
    for of in ("", "?of=dream", "?of=camera", "?of=matte"):
        picture = sent(f"{kind}:Wall{of}", frame, door)
        assert picture.shape[2] == 3 or (picture[:, :, 3] == 255).all()
        expected = frame.camera if "camera" in of else frame.rgb
        if "matte" in of:
            assert picture[0, 0, :3].tolist() == [0, 0, 0]
            assert picture[0, -1, :3].tolist() == [255, 255, 255]
        else:
            assert np.array_equal(picture[:, :, :3], expected)


def test_a_virtual_camera_has_no_alpha(door: Door) -> None:
    with pytest.raises(SettingsError, match=r"of must be one of dream, camera, matte \(got layer"):
        open_output("camera:Cam?of=layer", width=WIDTH, height=HEIGHT, rate=Fraction(25))


def test_without_a_camera_picture_nothing_was_added(frame: LiveFrame) -> None:
    assert not picture_of(LiveFrame(frame.rgb, 1.0, 0), "layer").any()


def test_sinks_that_carry_alpha_get_the_layer_and_the_others_what_they_had() -> None:
    sinks = "window", "ndi:Dream", "browser:8766?quality=80", "ndi:Cam?of=camera", "udp://h:1"
    assert as_layers(sinks) == (
        "window", "ndi:Dream?of=layer", "browser:8766?quality=80&of=layer", "ndi:Cam?of=camera",
        "udp://h:1",
    )  # fmt: skip
    assert as_matte("ndi:Region") == "ndi:Region?of=matte"


def test_what_is_to_be_replayed_is_recorded_with_its_camera() -> None:
    assert as_recording("shows", both=False) == "record:shows"
    assert as_recording("shows", both=True) == "record:shows?of=both"
    assert as_recording("shows?budget=50GB", both=True) == "record:shows?budget=50GB&of=both"
    assert as_recording("shows?of=dream", both=True) == "record:shows?of=dream"


def test_sinks_without_alpha_are_refused_in_one_line() -> None:
    with pytest.raises(SettingsError, match=r"layer: no sink carries alpha \(got window, udp:"):
        as_layers(("window", "udp://127.0.0.1:9000"))
    with pytest.raises(SettingsError, match=r"matte: must be ndi:NAME, .* \(got 'udp:"):
        as_matte("udp://127.0.0.1:9000")


def test_a_page_gets_a_picture_with_alpha(frame: LiveFrame) -> None:
    assert frame.camera is not None
    codes = np.frombuffer(encoded(picture_of(frame, "layer"), 90), np.uint8)
    found = cv2.cvtColor(cv2.imdecode(codes, cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
    assert np.array_equal(over(frame.camera, np.asarray(found, np.uint8)), frame.rgb)


def test_the_command_line_asks_for_both() -> None:
    from livedream.cli.live import job_of

    words = ["live", "clouds.mp4", "--layer", "dream", "--matte", "ndi:Region"]
    words += ["--sink", "window", "--sink", "browser"]
    assert job_of(build_parser().parse_args(words)).sinks == (
        "window",
        "browser?of=layer",
        "ndi:Region?of=matte",
    )
