"""`livedream live [SOURCE]`: a camera goes in; a projector, OBS and recordings come out."""

import argparse
import logging
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from livedream.cli.options import (
    Commands,
    add_parameter,
    add_settings,
    add_shared,
    given_of,
    number,
    seconds,
    settings_of,
)
from livedream.control.programs import ShowSettings
from livedream.core.arenas import release_free_memory, share_arenas
from livedream.core.defaults import LIVE
from livedream.core.errors import SettingsError, os_reason
from livedream.core.grade import MOMENTS, GradeSettings
from livedream.core.interrupts import interrupt_ends_at_once
from livedream.core.live_sound import SOUNDS
from livedream.core.parameters import declared
from livedream.core.redact import RedactingFormatter
from livedream.core.settings import DreamSettings

if TYPE_CHECKING:
    from livedream.live.job import LiveJob
    from livedream.live.session import Session


_DEADLINE_S: Final = 1.5  # from SIGTERM to the end, where closing within a second has failed
_RELEASE_S: Final = 60.0  # between two releases of memory that is free

# Without a value each takes its default; a source behind one would be taken for its value.
_CONTROLLERS: Final = (
    ("--panel", "HOST:PORT", "serve a control panel for laptop and phone"),
    (
        "--osc",
        "HOST:PORT",
        "let other programs and phones control the show by OSC (default: 127.0.0.1:9001)",
    ),
    ("--midi", "NAME", "let MIDI controllers control the show"),
    (
        "--audio",
        "NAME",
        "let sound drive the show: a microphone, a line in; system: what the computer plays",
    ),
    (
        "--obs",
        "HOST:PORT",
        "set OBS up automatically: its source, the microphone's delay, a preset for each scene",
    ),
)


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "live",
        help="dream a camera, a stream or the screen, live",
        description="Dream live: a camera, a stream, a looped file or the screen goes in; windows, "
        "projectors, OBS and recordings come out. Ctrl-C ends it.",
    )
    parser.add_argument(
        "source", nargs="?", default=None, metavar="SOURCE",
        help="a camera (0, /dev/video0, part of its name), a file, a URL, screen, "
        "screen:1:640x360+0+0, window:TITLE, ndi:NAME, spout:NAME, syphon:NAME, "
        "whip:HOST:PORT (OBS 30 or a browser sends there), synthetic:clouds (default: the first "
        "camera); in a URL, {env:NAME} and {file:PATH} stand for a password kept there",
    )  # fmt: skip
    parser.add_argument("--source", dest="source_option", metavar="SOURCE", help="same as SOURCE")
    # The studio's own: where one of its shows leaves what is painted for the next.
    parser.add_argument("--painting", type=Path, help=argparse.SUPPRESS)
    _add_in_and_out(parser.add_argument_group("in and out"))
    _add_controllers(parser.add_argument_group("controllers"))
    grade = parser.add_argument_group("the picture")
    for parameter in declared(GradeSettings):
        if parameter.name not in MOMENTS:
            add_parameter(grade, parameter, GradeSettings())
    add_settings(parser, LIVE)
    parser.set_defaults(run=run)


def _add_in_and_out(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--sink", action="append", metavar="SINK", dest="sinks",
        help="where the dream goes: window, udp://HOST:PORT, rtmp://..., srt://..., "
        "whip:https://..., browser, camera, ndi, record:FOLDER; may be given several times "
        "(default: window); {env:NAME} and {file:PATH} in it stand for a key or password "
        "kept there",
    )  # fmt: skip
    group.add_argument(
        "--layer", choices=("dream",),
        help="send the dream alone on a transparent background, to be laid over the camera's "
        "picture in OBS or Resolume: by NDI, browser page, Spout and Syphon; other outputs show "
        "the whole picture",
    )  # fmt: skip
    group.add_argument(
        "--matte",
        metavar="SINK",
        help="also send where the dream grows, white on black, for example to ndi:NAME",
    )
    group.add_argument("--fullscreen", action="store_true", help="open the window fullscreen")
    group.add_argument(
        "--display", default="0", metavar="N,...",
        help="which screen the window is on; 0,1 or 0:1920x1080+0+0,0:1920x1080+1920+0: a wall of "
        "several, from the left (default: 0)",
    )  # fmt: skip
    group.add_argument(
        "--overlap", type=number(float, 0, 0.5), default=0.0, metavar="X",
        help="how much of its picture each projector of a wall shares with its neighbour, 0 to 0.5 "
        "(default: 0)",
    )  # fmt: skip
    group.add_argument(
        "--fps", type=float, metavar="X",
        help="frames per second to keep (default: the source's)",
    )  # fmt: skip
    group.add_argument(
        "--camera-size", metavar="SIZE", help="picture size to ask the camera for: 1280x720"
    )
    group.add_argument(
        "--camera-fps", type=number(float, 1, 1000), metavar="X",
        help="frames per second to ask the camera for",
    )  # fmt: skip
    group.add_argument(
        "--rotate", type=int, default=0, choices=(0, 90, 180, 270),
        help="rotate the source, degrees clockwise (default: 0)",
    )  # fmt: skip
    group.add_argument(
        "--crop", default="", metavar="WxH[+X+Y]",
        help="dream a part of the source: 640x360, its middle; 640x360+100+0, 100 px from its left",
    )  # fmt: skip
    group.add_argument(
        "--record", default="", metavar="FOLDER", help="record the dream into this folder"
    )
    group.add_argument(
        "--sound", default=SOUNDS[0], choices=SOUNDS,
        help="which sound recordings and streams get: source, its own; audio, the audio input's; "
        "none (default: the source's, if it has any)",
    )  # fmt: skip
    group.add_argument(
        "--attract-after", type=number(float, 0, 604_800, "s"), default=0.0, metavar="S",
        help="after this many seconds without motion the dream plays by itself, to attract "
        "passers-by; 0: never (default: 0)",
    )  # fmt: skip
    group.add_argument(
        "--no-flash-limit", action="store_true",
        help="allow more than three flashes a second: can trigger seizures",
    )  # fmt: skip
    group.add_argument(
        "--seconds", type=seconds, metavar="TIME", help="end after this time: 90 or 1:30:00"
    )
    group.add_argument(
        "--log-file", type=Path, metavar="FILE",
        help="log what happens to this file, for troubleshooting; it is rotated at 4 MB",
    )  # fmt: skip
    add_shared(group, "--quiet")


def _add_controllers(group: argparse._ArgumentGroup) -> None:
    for flag, metavar, text in _CONTROLLERS:
        group.add_argument(flag, nargs="?", const="", metavar=metavar, help=text)
    group.add_argument(
        "--link", action="store_true",
        help="share tempo and bar with Ableton Live and others (Ableton Link)",
    )  # fmt: skip
    group.add_argument(
        "--follow-beat",
        action="store_true",
        help="take tempo and bar from the music at the audio input (--audio)",
    )
    for flag, metavar, text in (
        ("--preset", "NAME", "start with this preset (see `livedream presets`)"),
        ("--program", "NAME", "play this program: presets, one after the other"),
        ("--attract-program", "NAME", "what plays by itself while nothing moves (--attract-after)"),
        (
            "--show-log",
            "FILE.jsonl",
            "write every change to this file, so that the show can be rendered again later "
            "(see `livedream render --replay`)",
        ),
    ):
        group.add_argument(flag, default="", metavar=metavar, help=text)
    for parameter in declared(ShowSettings):
        add_parameter(group, parameter)


def run(args: argparse.Namespace) -> int:
    share_arenas()
    with interrupt_ends_at_once():  # torch and the like
        job = job_of(args)
        from livedream.live.session import Session
    if args.log_file is not None:
        _open_log(args.log_file)
    terminal = logging.StreamHandler()
    terminal.setFormatter(RedactingFormatter("livedream: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[terminal])
    if args.quiet:
        terminal.setLevel(logging.ERROR)
    else:
        logging.getLogger("livedream").setLevel(logging.INFO)
    try:
        with Session(job) as session, _ending(session):
            start = session.supervisor.start
            with closing(start("memory", release_free_memory, every_s=_RELEASE_S)):
                session.run()
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
    return 0


def _open_log(path: Path) -> None:
    """Write the package's log into a file, rotated at 4 MB; five old ones are kept."""
    from logging.handlers import RotatingFileHandler

    class LogFile(RotatingFileHandler):
        full = False

        def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's own name)
            """Python would print each record as it is, with the keys that may be in it."""
            if not self.full:
                self.full = True
                said = f"livedream: log file: {path} cannot be written ({sys.exception()})\n"
                sys.stderr.write(said)

    try:
        handler = LogFile(path, maxBytes=4_000_000, backupCount=5, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"log file: {path} cannot be written ({os_reason(error)})") from error
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger("livedream").addHandler(handler)
    logging.getLogger("livedream").setLevel(logging.INFO)


def job_of(args: argparse.Namespace) -> "LiveJob":
    """What the options ask for. Raises SettingsError for what does not fit together."""
    from livedream.capture.live.worker import Orientation
    from livedream.live.controllers import ControllerSettings
    from livedream.live.job import LiveJob

    if args.source is not None and args.source_option is not None:
        raise SettingsError("two sources given; give one")
    for flag, metavar, _ in _CONTROLLERS:
        if _names_a_source(found := getattr(args, flag[2:]) or ""):
            raise SettingsError(
                f"{flag}: must be {metavar} (got {found}, a source); put the source first: "
                f"livedream live {found} {flag}"
            )
    if args.preset and args.program:
        raise SettingsError("--preset and --program cannot be combined; give one")
    given = {
        cls: {
            p.name: getattr(args, p.name)
            for p in declared(cls)
            if getattr(args, p.name, None) is not None
        }
        for cls in (GradeSettings, ShowSettings)
    }
    return LiveJob(
        source=args.source or args.source_option or "",
        sinks=_sinks(args),
        dream=settings_of(args, LIVE),
        grade=GradeSettings(**given[GradeSettings]),
        show=ShowSettings(**given[ShowSettings]),
        fps=args.fps,
        camera_size=_size(args.camera_size),
        camera_fps=args.camera_fps,
        orientation=Orientation.parse(rotate=args.rotate, crop=args.crop),
        fullscreen=args.fullscreen,
        display=args.display,
        overlap=args.overlap,
        controllers=ControllerSettings(
            panel=args.panel, osc=args.osc, midi=args.midi, audio=args.audio, link=args.link,
            follow_beat=args.follow_beat,
            obs=args.obs, preset=args.preset,
            given=given_of(args, DreamSettings, GradeSettings, ShowSettings), program=args.program,
            attract_program=args.attract_program, log=args.show_log,
        ),
        record=args.record,
        sound=args.sound,
        painting=args.painting,
        attract_s=args.attract_after,
        limit_flashes=not args.no_flash_limit,
        seconds=args.seconds,
    )  # fmt: skip


def check(job: "LiveJob") -> None:
    """Raises SettingsError, SourceError and others for what `livedream live` would refuse before it
    opens anything."""
    from livedream.capture.live import open_live
    from livedream.control.catalogue import objective_check, own_objective_of
    from livedream.control.live_parameters import LiveParameters
    from livedream.core.health import StatusBoard
    from livedream.live.controllers import Controllers
    from livedream.live.job import is_window_sink
    from livedream.present.live import as_recording, open_output
    from livedream.present.live.screen import window_options
    from livedream.region.text import parse_region
    from livedream.region.wanted import check_region

    dream = job.dream
    check_dreamed = objective_check(dream, live=True)
    parameters = LiveParameters(
        dream, job.grade, show=job.show, own_objective=own_objective_of(dream),
        check_objective=check_dreamed,
    )  # fmt: skip
    Controllers(
        job.controllers, parameters, StatusBoard(), lambda: None, job.source, sinks=job.sinks
    )
    open_live(job.source, size=job.camera_size, fps=job.camera_fps)
    record = [as_recording(job.record, both=False)] if job.record else []
    for sink in (*job.sinks, *record):
        if is_window_sink(sink):
            window_options(sink, display=job.display, overlap=job.overlap)
        else:  # made, not opened, of any size
            open_output(sink, width=640, height=360, rate=Fraction(25))
    check_dreamed(dream.network, dream.objective, dream.prompt)
    if dream.where.strip():
        check_region(parse_region(dream.where), live=True, flow=dream.flow)


def _sinks(args: argparse.Namespace) -> tuple[str, ...]:
    """Where the dream, its layer and its matte go."""
    from livedream.control.obs_address import usual_sink
    from livedream.present.live import as_layers, as_matte

    sinks = tuple(args.sinks or ("window" if args.obs is None else usual_sink(args.obs),))
    if args.layer is not None:
        sinks = as_layers(sinks)
    return sinks if args.matte is None else (*sinks, as_matte(args.matte))


def _names_a_source(text: str) -> bool:
    from livedream.capture.live.beside import is_live
    from livedream.capture.synthetic import is_synthetic

    live = "://" in text or (is_live(text) and not text.isdecimal())  # which an input may be, too
    return live or is_synthetic(text) or Path(text).is_file()


@contextmanager
def _ending(session: "Session") -> Iterator[None]:
    """SIGTERM and Ctrl-C end the session.

    Until the session is there SIGTERM keeps its default, which ends the process at once whatever
    the main thread is busy with; Ctrl-C is Python's own. After SIGTERM everything is closed within
    a second; where a library holds Python's lock meanwhile, the system ends the process soon after.
    """

    def end(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, _DEADLINE_S)  # SIGALRM's default: an end
        session.stop(signal.Signals(number).name)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d{2,5})x(\d{2,5})", text)
    if not match:
        raise SettingsError(f"--camera-size: must be WIDTHxHEIGHT, such as 1280x720 (got {text!r})")
    return int(match[1]), int(match[2])
