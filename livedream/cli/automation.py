"""Options for what moves a film's parameters over its time, the same in `render` and `check`."""

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from livedream.cli.options import add_parameter, given_of, number, seconds
from livedream.control.programs import ShowSettings
from livedream.control.tempo import MAXIMUM_BPM, MINIMUM_BPM
from livedream.core.errors import SettingsError
from livedream.core.parameters import declared
from livedream.core.settings import DreamSettings

if TYPE_CHECKING:
    from livedream.control.automation import Automation

_OPTIONS = ("curves", "modulate", "preset", "program", "on", "bpm", "bar")


def add_automation(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("over time (docs/music.md)")
    group.add_argument(
        "--curves", type=Path, metavar="FILE",
        help="keyframes, as text (0:strength=6, 12.5:strength=20 ease) or a table (.csv)",
    )  # fmt: skip
    group.add_argument(
        "--modulate", action="append", metavar="PARAMETER:SOURCE:DEPTH",
        help="let the sound or a wave move a parameter: strength:bass:0.4, hue:sine:0.1:20s or "
        "zoom:triangle:0.05:8beats; may be given several times",
    )  # fmt: skip
    group.add_argument("--preset", metavar="NAME", help="use this preset")
    group.add_argument(
        "--program", metavar="NAME", help="play a program, presets in turn: its name or file"
    )
    (on,) = (one for one in declared(ShowSettings) if one.group == "programs")
    add_parameter(group, on)
    group.add_argument(
        "--music", type=Path, metavar="FILE",
        help="listen to this song instead of the film's sound, and make it the output's sound",
    )  # fmt: skip
    group.add_argument(
        "--bpm", type=number(float, MINIMUM_BPM, MAXIMUM_BPM), metavar="X",
        help="approximate beats per minute of the music (default: as heard)",
    )  # fmt: skip
    group.add_argument(
        "--bar", metavar="N[@TIME]",
        help="beats in a bar, and a time at which a bar begins (default: as heard)",
    )  # fmt: skip


def automation_of(args: argparse.Namespace) -> "Automation | None":
    """What the options ask for, None for nothing. Raises SettingsError, and CurveError."""
    given = [f"--{name}" for name in _OPTIONS if getattr(args, name) is not None]
    if not given:
        return None
    if args.on is not None and args.program is None:
        raise SettingsError("--on: give --program too, whose presets it changes")
    from livedream.control.automation import Automation
    from livedream.control.curves import Curves, read_curves
    from livedream.control.modulation import parse_modulator
    from livedream.control.presets import Presets
    from livedream.control.programs import Step, find_program

    if args.replay is not None:
        raise SettingsError(f"--replay has its own show: leave out {', '.join(given)}")
    if args.preset is not None and args.program is not None:
        raise SettingsError("--preset and --program cannot be combined; give one")
    steps: tuple[Step, ...] = ()
    loop = False
    if args.preset is not None:
        steps = (Step(args.preset, math.inf),)
    elif args.program is not None:
        program = find_program(args.program)
        steps, loop = program.steps, program.loop
    presets = Presets()
    bar, bar_at_s = _bar(args.bar)
    found = ((step, presets.find(step.preset)) for step in steps)
    automation = Automation(
        curves=Curves() if args.curves is None else read_curves(args.curves),
        modulators=tuple(map(parse_modulator, args.modulate or ())),
        # Plain values, which travel to other machines.
        steps=tuple((step, replace(preset, values=dict(preset.values))) for step, preset in found),
        loop=loop,
        kept=frozenset(given_of(args, DreamSettings)),
        on=None if args.on is None else ShowSettings(on=args.on).every,
        bpm=args.bpm,
        bar=bar,
        bar_at_s=bar_at_s,
    )
    tempo = [option for option in given if option in ("--bpm", "--bar")]
    if tempo and not automation.follows_beats:
        raise SettingsError(
            f"{', '.join(tempo)}: nothing here follows the beat; give --program with --on, or "
            "--modulate zoom:sine:0.1:4beats"
        )
    return automation


def _bar(text: str | None) -> tuple[int | None, float | None]:
    """`4`, or `4@12.5`: beats in a bar, and when one begins."""
    if text is None:
        return None, None
    count, _, at = text.partition("@")
    try:
        return int(count), seconds(at) if at else None
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise SettingsError(f"--bar: must be 4, or 4@12.5 (got {text!r})") from error
