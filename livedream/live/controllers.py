"""The controllers of a session: panel, OSC, MIDI, audio, presets, programs, show log.

Each is there only if it was asked for, and so is what it imports; a missing package is one line
with its install command. One that fails later says so in its health and leaves the others alone.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livedream.control.live_parameters import LiveParameters
from livedream.core.addresses import Endpoint, listening
from livedream.core.errors import SettingsError
from livedream.core.health import Health, StatusBoard
from livedream.core.live_sound import LiveSound
from livedream.core.redact import redact
from livedream.core.settings import DREAMED
from livedream.live.idle import Attract, AttractProgram
from livedream.present.live import LiveFrame

if TYPE_CHECKING:
    from livedream.control import Controller
    from livedream.control.obs import ObsControl
    from livedream.control.show import Show
    from livedream.control.show_log import ShowLog
    from livedream.present.live.wall_control import WallControl

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings:
    """None where a controller is not wanted; "" is its default (address, port, device).

    link: whether Ableton Link leads the tempo.  follow_beat: whether the audio input does.
    preset, program: by name, or a program's file; "" for none.  given: parameters that the preset
    leaves as they are; where one of `DREAMED` is among them, all three.  log: a file, "" for none.
    attract_program: what runs while nobody is there; "" for slow waves.
    """

    panel: str | None = None
    osc: str | None = None
    midi: str | None = None
    audio: str | None = None
    link: bool = False
    follow_beat: bool = False
    obs: str | None = None
    preset: str = ""
    given: tuple[str, ...] = ()
    program: str = ""
    attract_program: str = ""
    log: str = ""


class Controllers:
    """Makes, starts and closes them.

    newest: the newest picture, for the panel.  sinks: OBS is to show one of them.  sound: where
    what the audio input hears goes besides.  wall: the window's displays, None without a window.

    Raises SettingsError for a preset, program or address that cannot be, before anything is opened.
    """

    def __init__(
        self,
        job: ControllerSettings,
        parameters: LiveParameters,
        status: StatusBoard,
        newest: Callable[[], LiveFrame | None],
        source: str,
        *,
        sinks: tuple[str, ...] = (),
        sound: LiveSound | None = None,
        wall: "WallControl | None" = None,
    ) -> None:
        from livedream.control.show import Show as TheShow

        self._job, self._parameters, self._status = job, parameters, status
        self._newest, self._source, self._sound, self._wall = newest, source, sound, wall
        self.show: Show = TheShow(parameters)
        for name in filter(None, (job.program, job.attract_program)):
            self.show.checked_program(name)
        if job.preset:
            self.show.checked_preset(job.preset)
        if job.follow_beat and job.audio is None:
            raise SettingsError("--follow-beat: no audio input; add --audio, or --audio system")
        self._obs: ObsControl | None = None
        if job.obs is not None:
            from livedream.control.obs import ObsControl as TheObs

            self._obs = TheObs(self.show, job.obs, sinks)
        self._osc = self._panel_at = None
        if job.osc is not None:
            from livedream.control.osc import DEFAULT_ADDRESS, OscServer

            address = listening(job.osc, DEFAULT_ADDRESS, name="osc")
            self._osc = OscServer(parameters, self.show, address, wall=wall)
        if job.panel is not None:
            from livedream.panel.app import DEFAULT_ADDRESS

            self._panel_at = listening(job.panel, DEFAULT_ADDRESS, name="panel")
        self.log: ShowLog | None = None
        self.opened: dict[str, Controller] = {}
        attract = job.attract_program
        self.attract = (
            AttractProgram(self.show, attract) if attract else Attract(self.show.modulation.move)
        )
        self._playing = ("", "")

    def start(self, size: tuple[int, int], fps: float) -> None:
        """size, fps: of the picture.  Raises LivedreamError for one that cannot be opened."""
        job, show = self._job, self.show
        if job.log:  # first, so that whatever comes is written down
            self._start_log(Path(job.log))
        self._add("program", show)
        show.listen(self._log_playing)
        if job.preset:
            show.preset(job.preset, 0.0)
            # Whoever names a preset and a parameter wants that parameter.
            given, began = {*job.given}, show.started_with
            if not given.isdisjoint(DREAMED):
                given |= {*DREAMED}
            values = {name: value for name, value in began.items() if name in given}
            self._parameters.apply(values, ramp_s=0.0)
        if job.audio is not None:
            from livedream.control.audio import AudioInput

            audio = AudioInput(job.audio, self._sound)
            self._add("audio", audio)
            show.modulation.audio_level = audio.value
            if job.follow_beat:
                from livedream.control.beat_tracker import BeatTracker

                tracker = BeatTracker(show.tempo, time.monotonic)
                audio.on_step = tracker.hear
                self._add("beat", tracker)
        if self._osc is not None:
            self._add("osc", self._osc)
        if job.link:
            from livedream.control.link import LinkTempo

            self._add("link", LinkTempo(show))
        if self._obs is not None:
            self._obs.picture = size, fps
            self._add("obs", self._obs)
        learner = None
        if job.midi is not None:
            from livedream.control.midi import MidiInput

            learner = MidiInput(self._parameters, show, job.midi)
            self._add("midi", learner)
        if self._panel_at is not None:
            self._start_panel(self._panel_at, learner)
        if job.program:
            show.program(job.program)

    def _start_log(self, path: Path) -> None:
        from livedream.control.show_log import ShowLog

        source = {"source": redact(self._source)}
        log = ShowLog(path, self._parameters, source, tempo=self.show.tempo)
        self._add("log", log)
        self.log = log
        self.show.modulation.on_step = log.modulated

    def is_late(self, output: str, milliseconds: int) -> None:
        """How late an output's picture is where it is mixed with sound."""
        if self._obs is not None:
            self._obs.is_late(output, milliseconds)

    def recorded(self, kind: str, path: Path, first_s: float) -> None:
        """A recording began: the log says which one the camera's pictures are in."""
        if self.log is not None and kind == "camera":
            self.log.recording(path, first_s)

    def _start_panel(self, address: Endpoint, learner: Any) -> None:
        from livedream.panel.app import Panel

        panel = Panel(
            self._parameters, self._status, self._newest, address, self.show, learner=learner,
            controllers=dict(self.opened), wall=self._wall,
        )  # fmt: skip
        self._add("panel", panel)
        panel.print_address()

    def _log_playing(self) -> None:
        program = self.show.running_program
        playing = self.show.preset_name, program.name if program else ""
        for kind, name, before in zip(("preset", "program"), playing, self._playing, strict=True):
            if name != before:
                _log.info("%s: %s", kind, name or "none")
        self._playing = playing

    def _add(self, name: str, controller: "Controller") -> None:
        controller.start()
        self.opened[name] = controller

    def health(self) -> tuple[Health, ...]:
        return tuple(one.health() for one in self.opened.values())

    def notes(self) -> tuple[str, ...]:
        """One line for each that is not well."""
        return tuple(
            f"{h.name}: {h.detail or h.state}"
            for h in self.health()
            if h.state in ("lost", "failed")
        )

    def close(self) -> None:
        for name, one in reversed(self.opened.items()):
            try:
                one.close()
            except Exception:  # the others are closed all the same
                _log.exception("%s could not be closed", name)
