"""What a live session is asked to do."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from livedream.capture.live.worker import Orientation
from livedream.control.programs import ShowSettings
from livedream.core.defaults import LIVE
from livedream.core.errors import SettingsError
from livedream.core.grade import GradeSettings
from livedream.core.live_sound import SOUNDS
from livedream.core.parameters import refused
from livedream.core.settings import DreamSettings
from livedream.live.controllers import ControllerSettings

MOST_FPS: Final = 240.0


@dataclass(frozen=True, kw_only=True)
class LiveJob:
    """What `livedream live` was asked for.

    source: see `open_live`.  sinks: see `open_output`; "window" is handled by the main thread.
    display, overlap: see `window_options`.
    fps: frame rate to keep; None for the source's own.  attract_s: seconds without motion before
    the attract mode begins, 0 never.  seconds: stop after this time, None never.
    record: a folder, "" for none.  sound: what goes along with the picture, one of SOUNDS.
    painting: the path of a `PaintingFile`, None for none.
    """

    source: str = ""
    sinks: tuple[str, ...] = ("window",)
    dream: DreamSettings = LIVE
    grade: GradeSettings = field(default_factory=GradeSettings)
    show: ShowSettings = field(default_factory=ShowSettings)
    fps: float | None = None
    camera_size: tuple[int, int] | None = None
    camera_fps: float | None = None
    orientation: Orientation = field(default_factory=Orientation)
    fullscreen: bool = False
    display: str = "0"
    overlap: float = 0.0
    controllers: ControllerSettings = field(default_factory=ControllerSettings)
    record: str = ""
    sound: str = SOUNDS[0]
    painting: Path | None = None
    attract_s: float = 0.0
    limit_flashes: bool = True
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and not 1.0 <= self.fps <= MOST_FPS:
            raise SettingsError(f"fps: must be 1 to {MOST_FPS:g} (got {self.fps:g})")
        if self.sound not in SOUNDS:
            raise refused("sound", f"one of {', '.join(SOUNDS)}", repr(self.sound))
        if self.controllers.attract_program and not self.attract_s:
            raise SettingsError("--attract-program: add --attract-after 120, or it never plays")
        if self.sound == "audio" and self.controllers.audio is None:
            raise SettingsError("sound: audio is what --audio listens to: add --audio")
        if not self.sinks:
            raise SettingsError("sink: must be window, udp://... or another (got none)")
        if sum(map(is_window_sink, self.sinks)) > 1:
            raise SettingsError("sink: one window only; for several displays add --display 0,1")


def is_window_sink(sink: str) -> bool:
    """Whether a sink is the window, which the main thread shows."""
    return sink == "window" or sink.startswith(("window?", "window:"))
