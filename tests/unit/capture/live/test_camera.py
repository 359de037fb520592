"""Cameras, with a device made for the test at OpenCV's door: asked, read back, found again."""

import os
import sys

import cv2
import numpy as np
import pytest

from livedream.capture.live.camera import Camera, CameraInput, find_camera, list_cameras
from livedream.core.errors import SourceError

CAMERAS = [Camera(0, "Integrated Webcam", "/dev/video0"), Camera(2, "Logitech BRIO", "/dev/video2")]


class Device:
    """A camera that gives 640x480 at 30 fps whatever is asked of it."""

    opened: list[int] = []  # noqa: RUF012 (of the test at hand)
    asked: list[int] = []  # noqa: RUF012

    def __init__(self, index: int, backend: int) -> None:
        self.opened.append(index)
        self.pictures = 3

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def set(self, name: int, value: float) -> bool:
        self.asked.append(name)
        return False

    def get(self, name: int) -> float:
        if name == cv2.CAP_PROP_FPS:
            return 30.0
        return float(cv2.VideoWriter.fourcc(*"MJPG")) if name == cv2.CAP_PROP_FOURCC else 0.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        if self.pictures <= 0:
            return False, None
        self.pictures -= 1
        bgr = np.zeros((480, 640, 3), np.uint8)
        bgr[..., 2] = 200
        return True, bgr

    def release(self) -> None:
        self.pictures = 0


@pytest.fixture(autouse=True)
def fresh() -> None:
    Device.opened, Device.asked = [], []


def test_what_is_asked_for_comes_in_the_order_that_counts_and_is_read_back() -> None:
    source = CameraInput(
        "brio", size=(1920, 1080), fps=60.0, list_them=lambda: CAMERAS, capture=Device
    )
    opened = source.open()
    assert Device.opened == [2]
    assert (opened.width, opened.height, opened.rate) == (640, 480, 30)
    assert "MJPG" in opened.detail
    assert "asked for 1920x1080" in opened.detail
    assert "asked for 60 fps" in opened.detail
    assert Device.asked[:4] == [
        cv2.CAP_PROP_FOURCC,
        cv2.CAP_PROP_FRAME_WIDTH,
        cv2.CAP_PROP_FRAME_HEIGHT,
        cv2.CAP_PROP_FPS,
    ]
    rgb = source.read()
    assert rgb is not None
    assert rgb[0, 0].tolist() == [200, 0, 0]


def test_an_unplugged_camera_says_so_and_is_found_under_another_index() -> None:
    cameras = list(CAMERAS)
    source = CameraInput("0", list_them=lambda: cameras, capture=Device)
    source.open()
    with pytest.raises(SourceError):
        for _ in range(5):
            source.read()
    del cameras[0]
    with pytest.raises(SourceError, match="unplugged"):
        source.open()
    cameras.append(Camera(4, "Integrated Webcam", "/dev/video4"))
    source.open()
    assert Device.opened == [0, 4]


@pytest.mark.parametrize(
    ("system", "advice"),
    [("linux", "close other programs"), ("darwin", "allow it in System Settings")],
)
def test_a_camera_that_does_not_open_says_what_to_try(
    system: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(Device, "isOpened", lambda self: False)
    source = CameraInput("0", list_them=lambda: CAMERAS, capture=Device)
    with pytest.raises(SourceError, match=rf"\(Integrated Webcam\) does not open: {advice}"):
        source.open()


def test_of_two_of_a_name_it_is_the_same_one_that_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr("livedream.capture.live.camera.time.monotonic", lambda: now[0])
    twins = [Camera(0, "Twin", "/usb/1"), Camera(2, "Twin", "/usb/2")]
    there = list(twins)
    source = CameraInput("2", list_them=lambda: there, capture=Device)
    source.open()
    there = twins[:1]
    with pytest.raises(SourceError, match="unplugged"):
        source.open()  # it may be back in a moment
    there = list(twins)
    source.open()
    there = twins[:1]
    with pytest.raises(SourceError, match="unplugged"):
        source.open()
    now[0] += 10.0
    source.open()  # better than none
    there = [twins[0], Camera(3, "Twin", "/usb/2")]
    source.open()
    assert Device.opened == [2, 2, 0, 3]


def test_one_whose_path_is_a_number_is_told_from_its_twin() -> None:
    twins = [Camera(0, "Twin", "/dev/video0"), Camera(2, "Twin", "/dev/video2")]
    there = list(twins)
    source = CameraInput("2", list_them=lambda: there, capture=Device)
    source.open()
    there = [twins[0], Camera(4, "Twin", "/dev/video4")]
    source.open()
    assert Device.opened == [2, 4]


@pytest.mark.parametrize(
    ("text", "index"), [("", 0), ("2", 2), ("/dev/video2", 2), ("webcam", 0), ("BRIO", 2)]
)
def test_found_by_index_path_or_part_of_the_name(text: str, index: int) -> None:
    assert find_camera(text, CAMERAS).index == index


def test_the_name_itself_comes_before_a_part_of_another() -> None:
    cameras = [Camera(0, "HD Webcam C270"), Camera(1, "HD Webcam")]
    assert find_camera("hd webcam", cameras).index == 1


def test_an_index_is_no_part_of_a_name() -> None:
    with pytest.raises(SourceError, match=r"no camera '2'; there are 0 \(USB2\.0 HD UVC WebCam\)"):
        find_camera("2", [Camera(0, "USB2.0 HD UVC WebCam")])


def test_a_camera_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(SourceError, match="Logitech BRIO"):
        find_camera("canon", CAMERAS)
    with pytest.raises(SourceError, match="no camera found"):
        find_camera("", [])


class Stalling(Device):
    """Opens; then each read waits, as OpenCV does, and fails."""

    reads = 0

    def read(self) -> tuple[bool, np.ndarray | None]:
        if self.pictures <= 0:
            Stalling.reads += 1
            now[0] += 3.0
        return super().read()


def test_a_camera_that_stalls_is_given_up_after_one_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livedream.capture.live.camera.time.monotonic", lambda: now[0])
    source = CameraInput("0", list_them=lambda: CAMERAS, capture=Stalling)
    source.open()
    for _ in range(2):
        assert source.read() is not None
    with pytest.raises(SourceError, match="no more frames"):
        source.read()
    assert Stalling.reads == 1


def test_opencv_waits_seconds_for_a_frame_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"
    monkeypatch.setenv(name, "7")
    list_cameras()
    assert os.environ[name] == "7"
    monkeypatch.delenv(name)
    list_cameras()
    assert os.environ[name] == "3"


class Waking(Device):
    """A camera whose first pictures show nothing: black, then a buffer of zeros."""

    asleep = 7

    def read(self) -> tuple[bool, np.ndarray | None]:
        now[0] += 1 / 30
        self.asleep -= 1
        bgr = np.zeros((480, 640, 3), np.uint8)
        if self.asleep < 3:
            bgr[200:] = (0, 135, 0)
        if self.asleep < 0:
            bgr[:] = 90
        return True, bgr


now = [0.0]


def test_first_pictures_that_show_nothing_are_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("livedream.capture.live.camera.time.monotonic", lambda: now[0])
    source = CameraInput("0", list_them=lambda: CAMERAS, capture=Waking)
    with caplog.at_level("INFO"):
        source.open()
    device_pictures = source.read()
    assert device_pictures is not None
    assert device_pictures.min() == 90
    (line,) = caplog.messages
    assert line == "Integrated Webcam: 7 frames skipped at the start (green)"


def test_a_camera_in_the_dark_is_shown_after_a_second(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("livedream.capture.live.camera.time.monotonic", lambda: now[0])
    monkeypatch.setattr(Waking, "asleep", 10_000)
    source = CameraInput("0", list_them=lambda: CAMERAS, capture=Waking)
    begun_s = now[0]
    with caplog.at_level("INFO"):
        source.open()
    assert now[0] - begun_s < 1.2
    assert "still is after 1 s" in caplog.text
