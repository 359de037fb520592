"""`livedream live [SOURCE]`: a camera goes in; a projector, OBS, a performer's hands come out."""

import argparse
import dataclasses
import logging
import re
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from livedream.cli.options import add_parameters, add_settings, seconds, settings_of
from livedream.core.defaults import LIVE
from livedream.core.errors import SettingsError
from livedream.core.grade import GradeSettings
from livedream.core.redact import RedactingFormatter, redact
from livedream.core.settings import DreamSettings, declared

if TYPE_CHECKING:
    from livedream.live.session import LiveJob, Session

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_parser", "run"]

_LOOK_ACTIONS: Final = ("freeze", "blackout")  # for hands, not for a start


def add_parser(commands: "Commands") -> None:
    """``live [SOURCE] [--sink SINK]...``, hands, and every parameter of dream and look."""
    parser = commands.add_parser(
        "live",
        help="dream a camera, a stream or the screen, live",
        description="Dream live: a camera, a stream, a looped file or the screen goes in; windows, "
        "projectors, OBS and recordings come out. Ctrl-C ends it.",
    )
    parser.add_argument(
        "source", nargs="?", default=None, metavar="SOURCE",
        help="a camera (0, /dev/video0, part of its name), a file, a URL, screen, "
        "screen:1:640x360+0+0, synthetic:clouds (default: the first camera)",
    )  # fmt: skip
    parser.add_argument("--source", dest="source_option", metavar="SOURCE", help="the same")
    _add_picture(parser.add_argument_group("in and out"))
    _add_hands(parser.add_argument_group("hands"))
    add_parameters(
        parser.add_argument_group("the look"),
        declared(GradeSettings),
        GradeSettings(),
        _LOOK_ACTIONS,
    )
    add_settings(parser, DreamSettings(**LIVE))
    parser.set_defaults(run=run)


def _add_picture(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--sink", action="append", metavar="SINK", dest="sinks",
        help="window, udp://HOST:PORT, rtmp://..., srt://..., browser, camera, ndi, record:FOLDER; "
        "several may be given (default: window)",
    )  # fmt: skip
    group.add_argument("--fullscreen", action="store_true", help="of the window")
    group.add_argument("--display", type=int, default=0, metavar="N", help="of the window (0)")
    group.add_argument("--fps", type=float, metavar="X", help="to hold (default: the source's)")
    group.add_argument("--camera-size", metavar="WxH", help="to ask of the camera")
    group.add_argument("--camera-fps", type=float, metavar="X", help="to ask of the camera")
    group.add_argument(
        "--rotate", type=int, default=0, choices=(0, 90, 180, 270), help="degrees clockwise"
    )
    group.add_argument("--crop", default="", metavar="WxH[+X+Y]", help="of the source's picture")
    group.add_argument("--record", default="", metavar="FOLDER", help="record the dream there")
    group.add_argument(
        "--attract-after", type=float, default=0.0, metavar="S",
        help="without motion for so long, move by itself; 0: never (0)",
    )  # fmt: skip
    group.add_argument(
        "--no-flash-limit", action="store_true",
        help="let through more than three flashes a second: may harm people",
    )  # fmt: skip
    group.add_argument("--seconds", type=seconds, metavar="TIME", help="end by itself")
    group.add_argument("--log-file", type=Path, metavar="FILE", help="what happens, turned over")
    group.add_argument("--quiet", action="store_true", help="print errors only")


def _add_hands(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--panel",
        nargs="?",
        const="",
        metavar="HOST:PORT",
        help="a page to play on, for phones too",
    )
    group.add_argument("--osc", nargs="?", const="", metavar="HOST:PORT", help="listen to OSC")
    group.add_argument("--midi", nargs="?", const="", metavar="NAME", help="listen to a controller")
    group.add_argument(
        "--audio", nargs="?", const="", metavar="NAME", help="listen to a sound input"
    )
    group.add_argument("--preset", default="", metavar="NAME", help="begin with it")
    group.add_argument("--program", default="", metavar="NAME", help="a program's name or file")
    group.add_argument(
        "--attract-program", default="", metavar="NAME", help="what to play while nobody is there"
    )
    group.add_argument("--log", default="", metavar="FILE.jsonl", help="write the performance down")


def run(args: argparse.Namespace) -> int:
    job = job_of(args)
    if args.log_file is not None:
        from livedream.live.session import open_log

        open_log(args.log_file)
    terminal = logging.StreamHandler()
    terminal.setFormatter(RedactingFormatter("livedream: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[terminal])
    if args.quiet:
        terminal.setLevel(logging.ERROR)
    else:
        logging.getLogger("livedream").setLevel(logging.INFO)
    from livedream.live.session import Session

    with _ending() as ending, Session(job) as session:
        ending.session = session
        if not args.quiet:
            _say(session)
        session.run()
    return ending.code


def job_of(args: argparse.Namespace) -> "LiveJob":
    """What the options ask for. Raises SettingsError for what does not fit together."""
    from livedream.capture.live.orient import Orientation
    from livedream.live.controllers import ControllerSettings
    from livedream.live.session import LiveJob

    if args.source is not None and args.source_option is not None:
        raise SettingsError("two sources found; give one")
    look: dict[str, Any] = {
        p.name: getattr(args, p.name)
        for p in declared(GradeSettings)
        if p.name not in _LOOK_ACTIONS and getattr(args, p.name) is not None
    }
    return LiveJob(
        source=args.source or args.source_option or "",
        sinks=tuple(args.sinks or ("window",)),
        dream=settings_of(args, DreamSettings(**LIVE)),
        look=dataclasses.replace(GradeSettings(), **look),
        fps=args.fps,
        camera_size=_size(args.camera_size),
        camera_fps=args.camera_fps,
        orientation=Orientation.parse(rotate=args.rotate, crop=args.crop),
        fullscreen=args.fullscreen,
        display=args.display,
        hands=ControllerSettings(
            panel=args.panel, osc=args.osc, midi=args.midi, audio=args.audio, preset=args.preset,
            program=args.program, attract_program=args.attract_program, log=args.log,
        ),
        record=args.record,
        attract_s=args.attract_after,
        limit_flashes=not args.no_flash_limit,
        seconds=args.seconds,
    )  # fmt: skip


class _ending:  # noqa: N801 (a context manager, used like a function)
    """SIGTERM and Ctrl-C end the session, also while it is still being opened."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.code = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "_ending":
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._end)
        return self

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self.session is None:
            raise KeyboardInterrupt
        self.session.stop()

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _say(session: "Session") -> None:
    opened, job = session.opened, session.job
    source = session.capture.health()
    print(f"source: {source.name}, {opened.detail or source.detail}", file=sys.stderr)
    sinks = ", ".join(map(redact, job.sinks))
    print(f"{opened.width}x{opened.height} at {session.fps:g} fps to {sinks}", file=sys.stderr)


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d{2,5})x(\d{2,5})", text)
    if not match:
        raise SettingsError(f"camera-size: {text!r} found, 1280x720 wanted")
    return int(match[1]), int(match[2])
