"""Options for what moves a film's parameters over its time, the same in `render` and `check`."""

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from livedream.core.errors import SettingsError
from livedream.core.settings import DreamSettings, declared

if TYPE_CHECKING:
    from livedream.control.automation import Automation

_OPTIONS = ("curves", "modulate", "preset", "program")


def add_automation(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("over time (docs/music.md)")
    group.add_argument(
        "--curves", type=Path, metavar="FILE",
        help="keyframes, as a text (0:strength=6, 12.5:strength=20 ease) or a table (.csv)",
    )  # fmt: skip
    group.add_argument(
        "--modulate", action="append", metavar="PARAMETER:SOURCE:DEPTH",
        help="let a wave move a parameter, such as hue:sine:0.1:20s; may be given several times",
    )  # fmt: skip
    group.add_argument("--preset", metavar="NAME", help="dream by this preset")
    group.add_argument(
        "--program", metavar="NAME", help="presets in turn: a program, by name or file"
    )


def automation_of(args: argparse.Namespace) -> "Automation | None":
    """What the options ask for, None for nothing. Raises SettingsError, and CurveError."""
    if all(getattr(args, name) is None for name in _OPTIONS):
        return None
    from livedream.control.automation import Automation
    from livedream.control.curves import Curves, read_curves
    from livedream.control.modulation import parse_modulator
    from livedream.control.presets import Presets
    from livedream.control.programs import Step, find_program

    if args.replay is not None:
        raise SettingsError("--replay has its own show: leave out --curves, --modulate, --preset")
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
    found = ((step, presets.find(step.preset)) for step in steps)
    return Automation(
        curves=Curves() if args.curves is None else read_curves(args.curves),
        modulators=tuple(map(parse_modulator, args.modulate or ())),
        # Plain values, which travel to other machines.
        steps=tuple((step, replace(preset, values=dict(preset.values))) for step, preset in found),
        loop=loop,
        kept=frozenset(
            one.name for one in declared(DreamSettings) if getattr(args, one.name) is not None
        ),
    )
