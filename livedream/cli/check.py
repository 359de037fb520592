"""`livedream check INPUT... [-o OUTPUT]`: what a render would keep, convert, drop, and how long."""

import argparse
from datetime import timedelta
from typing import TYPE_CHECKING

from livedream.cli.named import folder_for_a_while
from livedream.cli.options import Commands, add_shared
from livedream.cli.render import add_options, check_jobs, jobs_of, with_dreamers
from livedream.core.redact import one_line

if TYPE_CHECKING:
    from livedream.jobs.check import FileCheck


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "check",
        help="say what a render would keep, and how long it would take",
        description="Say what is in a file, what `livedream render` with these options would do "
        "with each part of it (kept, converted, dropped), and how long it would take here. The "
        "first frames are rendered to find out, and thrown away; nothing is written.",
    )
    add_shared(add_options(parser), "--overwrite")
    parser.set_defaults(run=run, resume=False, replay=None)


def run(args: argparse.Namespace) -> int:
    from livedream.jobs.check import check_file

    jobs = jobs_of(args)
    with folder_for_a_while(args.output, len(args.inputs)):
        check_jobs(jobs)
        for job, dreamer in with_dreamers(jobs):
            print("\n".join(map(one_line, lines_of(check_file(job, dreamer)))))
    return 0


def lines_of(found: "FileCheck") -> list[str]:
    info = found.info
    facts = [f"{info.width}x{info.height}", f"{float(info.rate):.5g} fps"]
    if info.frames is not None:
        length_s = round(info.frames / info.rate)
        facts.append(f"{info.frames} frames ({timedelta(seconds=length_s)})")
    lines = [f"{info.name}: {', '.join(facts)}"]
    longest = max(len(part.name) for part in found.parts)
    for part in found.parts:
        what = {"dreamed": f"dreamed as {part.into}", "converted": f"converted to {part.into}"}
        fate = what.get(part.fate, part.fate) if part.into else part.fate
        lines.append(f"  {part.name:{longest}}  {fate}")
    lines += [f"note: {note}" for note in found.notes]
    size = f"{found.width}x{found.height}"
    pace = f"{found.fps:.1f} fps here"
    if found.seconds is not None:
        pace += f", about {timedelta(seconds=max(1, round(found.seconds)))}"
    return [*lines, f"{found.output}: {size}, {pace}"]
