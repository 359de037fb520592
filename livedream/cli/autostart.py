"""``livedream autostart live ...``: a show that begins by itself at each login."""

import argparse
import re
import sys

from livedream.cli.options import Commands
from livedream.core.errors import SettingsError


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "autostart",
        help="start a show automatically at each login",
        description="Start `livedream live ...` when you log in, and restart it if it fails, "
        "through systemd, launchd or the Task Scheduler. Put livedream's own options after "
        "`live`, those of autostart before it.",
        usage="livedream autostart [--start] [--print] [--name NAME] live [SOURCE] [OPTIONS]\n"
        "       livedream autostart --remove [--name NAME]",
    )
    parser.add_argument("--start", action="store_true", help="also start it now")
    parser.add_argument(
        "--print", action="store_true", help="print what would be written, and change nothing"
    )
    parser.add_argument("--remove", action="store_true", help="stop it, and do not start it again")
    parser.add_argument(
        "--name", default="livedream", metavar="NAME", help="which of several (default: livedream)"
    )
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from livedream.cli import build_parser
    from livedream.cli.live import check, job_of
    from livedream.jobs.autostart import autostart
    from livedream.jobs.autostart import run as run_commands

    if args.remove:
        if args.words:
            raise SettingsError("autostart: --remove stands alone, or with --name")
        entry = autostart((), args.name)
        entry.check()
        run_commands(entry.end)
        trouble = run_commands(entry.off)
        if not entry.remove():
            raise SettingsError(f"autostart: there is no {args.name} to remove ({entry.file})")
        print(f"{entry.file} is removed" + (f"; not stopped: {trouble}" if trouble else ""))
        return 0
    if args.words[:1] != ["live"]:
        raise SettingsError("autostart: must be followed by live, such as: autostart live 0")
    # What is wrong is said now, not at a login. What the environment has then is not known yet.
    words = [re.sub(r"\{env:[^{}]+\}", "1", word) for word in args.words]
    check(job_of(build_parser().parse_args(words)))
    entry = autostart(args.words, args.name)
    if args.print:
        coding = "utf-16" if entry.file.suffix == ".xml" else "utf-8"
        print(f"# {entry.file}\n{entry.text.decode(coding)}")
        return 0
    entry.check()
    entry.write()
    print(f"{entry.file} is written")
    starts = args.start or entry.starts_at_once
    run_commands(entry.before)
    if starts:
        run_commands(entry.end)
    commands = entry.on if starts else entry.on[:-1]
    if trouble := run_commands(commands, entry.again_s):
        raise SettingsError(f"autostart: not switched on: {trouble}")
    if run_commands(entry.session):
        print(
            "livedream: this login has not reached graphical-session.target, with which the show "
            "starts: GNOME and KDE do, others may not; see 'Start automatically' in "
            "docs/installation.md",
            file=sys.stderr,
        )
    print("It starts at each login." + ("" if starts else " Start it now with --start."))
    return 0
