"""`livedream studio`: shows are set up, started and stopped in the browser."""

import argparse
import contextlib
import logging
import os
import signal
import sys
import webbrowser
from pathlib import Path
from types import FrameType
from typing import Final

from livedream.cli.options import Commands
from livedream.core.errors import SettingsError, SinkError
from livedream.core.redact import RedactingFormatter
from livedream.core.supervisor import start_thread

_ANSWER_S: Final = 5.0


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "studio",
        help="set up and run live dreams in the browser",
        description="Open the panel in the browser, to choose source, screens, outputs and sound, "
        "and to start and stop the dream.",
    )
    parser.add_argument(
        "--panel", default="", metavar="HOST:PORT",
        help="the panel's address (default: 127.0.0.1:8765); 0.0.0.0 lets a phone in, with a token",
    )  # fmt: skip
    parser.add_argument("--no-browser", action="store_true", help="do not open the browser")
    icon = parser.add_mutually_exclusive_group()
    icon.add_argument(
        "--install-launcher", action="store_true",
        help="add an icon to the applications menu, and exit",
    )  # fmt: skip
    icon.add_argument("--remove-launcher", action="store_true", help="remove that icon")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.install_launcher or args.remove_launcher:
        return _change_launcher(remove=args.remove_launcher)
    from livedream.cli.form import LiveForm
    from livedream.core.addresses import listening
    from livedream.panel.app import DEFAULT_ADDRESS
    from livedream.panel.studio import Studio

    if sys.stderr is None:  # started from an icon on Windows: nobody reads it
        sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    terminal = logging.StreamHandler()
    terminal.setFormatter(RedactingFormatter("livedream: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[terminal])
    logging.getLogger("livedream").setLevel(logging.INFO)
    studio = Studio(listening(args.panel, DEFAULT_ADDRESS, name="panel"), LiveForm())

    def end(number: int, frame: FrameType | None) -> None:
        studio.done.set()

    with contextlib.closing(studio):
        try:
            studio.start()
        except SinkError:
            if not _runs_already(studio.url):
                raise
            print(f"The studio is already running: {studio.url}")
            if not args.no_browser:
                webbrowser.open(studio.url)
            return 0
        signal.signal(signal.SIGTERM, end)
        studio.print_address()
        if not args.no_browser:
            # Beside: a browser that $BROWSER names may be waited for until it is closed. With
            # restart=False Python would wait for that at the end.
            start_thread("browser", lambda: webbrowser.open(studio.url))
        while not studio.done.wait(1.0):  # Windows takes signals in between only
            pass
    return 0


def _runs_already(url: str) -> bool:
    """Whether a second click on the icon is to show what the first one started."""
    from livedream.panel.passing import HERE

    try:
        with HERE.open(url, timeout=_ANSWER_S) as page:
            return b"<body data-studio>" in page.read()
    except (OSError, ValueError):
        return False


def _change_launcher(*, remove: bool) -> int:
    from livedream.jobs.launcher import launcher

    icon = launcher()
    if remove:
        if not icon.remove():
            raise SettingsError(f"studio: there is no icon to remove ({icon.path})")
        print(f"{icon.path} is removed")
        return 0
    icon.write()
    print(f"{icon.path} is written: livedream is in the applications menu")
    return 0
