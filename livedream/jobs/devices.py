"""What this machine has for live work: each kind of device asked, and tried where that is quick.

Every function returns lines of (name, detail); what is missing says how to get it.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from livedream.capture.live import shown_name
from livedream.core.errors import LivedreamError, reason

Line = tuple[str, str]

# Asked of each camera as MJPG; it answers with what it has (heuristic: what projectors show).
_SIZES: Final = ((640, 480), (1280, 720), (1920, 1080))


def cameras(*, modes: bool = True) -> list[Line]:
    """By index and name; with `modes` each is opened for a moment."""
    import cv2

    from livedream.capture.live.camera import list_cameras

    lines = []
    for camera in list_cameras():
        detail = camera.path
        if modes:
            found = camera_modes(lambda c=camera: cv2.VideoCapture(c.index, c.backend))  # type: ignore[misc]
            detail = ", ".join(filter(None, [detail, "; ".join(found)]))
        lines.append((f"{camera.index}  {camera.name}", detail))
    return lines


def camera_modes(capture: Callable[[], Any]) -> list[str]:
    """What a camera really gives when it is asked for the usual sizes, each once."""
    import cv2

    from livedream.capture.live.camera import what_to_try

    device = capture()
    found: dict[str, None] = {}
    try:
        if not device.isOpened():
            return [f"does not open: {what_to_try()}"]
        for width, height in _SIZES:
            device.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            device.set(cv2.CAP_PROP_FRAME_WIDTH, width)
            device.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
            device.set(cv2.CAP_PROP_FPS, 60)
            got = [
                int(device.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
            ]
            rate = float(device.get(cv2.CAP_PROP_FPS))
            found[f"{got[0]}x{got[1]} {rate:g} fps"] = None
    finally:
        device.release()
    return list(found)


def displays() -> list[Line]:
    """As `--display` and the window count them; as a source, `screen:1` is the first one."""
    from livedream.present.live.desktop import display_sizes

    return [(f"{n}  display", f"{w}x{h}") for n, (w, h) in enumerate(display_sizes())]


def graphics() -> list[Line]:
    """What can dream, by what `--device` calls it; other GPUs than the first by what it takes."""
    import torch

    from livedream.core.device import choose_device, choose_dtype

    lines = []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    for index in range(torch.cuda.device_count()):
        known = torch.cuda.get_device_properties(index)
        name = f"cuda  {known.name}"
        if index > 0:
            own = chosen.split(",")[index].strip() if chosen else index
            name += f", with CUDA_VISIBLE_DEVICES={own}"
        lines.append((name, f"{known.total_memory / 2**30:.0f} GB"))
    if torch.backends.mps.is_available():
        lines.append(("mps  Apple GPU", ""))
    cpu = choose_device("cpu")
    kind = str(choose_dtype("auto", cpu)).removeprefix("torch.")
    lines.append(("cpu", f"{torch.get_num_threads()} threads, {kind}"))
    return lines


def virtual_cameras() -> list[Line]:
    """Where `--sink camera` can write."""
    import importlib.util

    if importlib.util.find_spec("pyvirtualcam") is None:
        return [("none", 'pip install "livedream[obs]"')]
    if sys.platform != "linux":
        return [("by OBS or Unity Capture", "see docs/obs.md")]
    folder = Path("/sys/devices/virtual/video4linux")
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    lines = [(f"/dev/{one.name}", (one / "name").read_text().strip()) for one in found]
    return lines or [("none", "load v4l2loopback: see docs/obs.md")]


def audio_inputs() -> list[Line]:
    """What `--audio NAME` can listen to."""
    from livedream.control.audio import list_inputs, sounddevice

    return _or_why(
        lambda: [(name, f"{count} channels") for _, name, count in list_inputs(sounddevice())]
    )


def ndi_senders() -> list[Line]:
    """What `livedream live ndi:NAME` can dream."""
    from livedream.capture.live.ndi import list_senders

    return _or_why(lambda: [(name, "") for name in list_senders()])


def spout_senders() -> list[Line]:
    """What `livedream live spout:NAME` can dream."""
    from livedream.capture.live.textures import list_spout

    return _or_why(lambda: [(name, "") for name in list_spout()])


def syphon_servers() -> list[Line]:
    """What `livedream live syphon:NAME` can dream."""
    from livedream.capture.live.textures import list_syphon

    return _or_why(lambda: [(name, "") for name in list_syphon()])


def windows() -> list[Line]:
    """What `livedream live window:TITLE` can dream."""
    from livedream.capture.live.window_capture import list_windows

    return _or_why(lambda: [(one.title, "{}x{}".format(*one.size)) for one in list_windows()])


def _or_why(lines: Callable[[], list[Line]]) -> list[Line]:
    try:
        return lines()
    except LivedreamError as error:
        return [("none", str(error))]


def midi_ports() -> list[Line]:
    """What `--midi NAME` can listen to."""
    from livedream.control.midi import RtMidiPorts

    try:
        return [(shown_name(name), "") for name in RtMidiPorts().names()]
    except Exception as error:  # no library, or no MIDI system beneath it
        return [("none", reason(error))]


def encoders() -> list[Line]:
    """Each tried at 640x360: listed is not usable."""
    from livedream.present.encoders import trials

    found: dict[str, str | None] = {}
    for codec, encoder, why in trials():
        name = f"{codec}  {encoder.name}"
        if name not in found or why is None:  # one may be there with several settings
            found[name] = why
    return [(n, "opens" if why is None else f"does not open ({why})") for n, why in found.items()]


# What one system has and the others have not.
_OF_SYSTEM: Final[dict[str, dict[str, Callable[[], list[Line]]]]] = {
    "win32": {"Spout senders": spout_senders},
    "darwin": {"Syphon servers": syphon_servers},
}
SECTIONS: Final[dict[str, Callable[[], list[Line]]]] = {
    "cameras": cameras,
    "NDI senders": ndi_senders,
    **_OF_SYSTEM.get(sys.platform, {}),
    "displays": displays,
    "windows": windows,
    "compute devices": graphics,
    "virtual cameras": virtual_cameras,
    "audio inputs": audio_inputs,
    "MIDI ports": midi_ports,
    "encoders": encoders,
}
