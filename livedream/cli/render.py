"""`livedream render INPUT... [-o OUTPUT]`: video files become dreams."""

import argparse
import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from livedream.cli.automation import add_automation, automation_of
from livedream.cli.named import make_folder_of, output_of
from livedream.cli.options import (
    Commands,
    add_parameter,
    add_settings,
    add_shared,
    given_of,
    goes_with,
    rate,
    seconds,
    settings_of,
)
from livedream.cli.output import FilmProgress, Progress, print_notes, summary, write_json
from livedream.core.errors import SettingsError
from livedream.core.redact import one_line
from livedream.core.settings import DEINTERLACE, WARM_UP, DreamSettings

if TYPE_CHECKING:
    from livedream.core.frame import SourceInfo
    from livedream.dream.dreamer import Dream, Dreamer
    from livedream.jobs.render import RenderJob
    from livedream.jobs.report import RenderReport


_NOTHING: Mapping[str, Path] = MappingProxyType({})
_PREVIEW_S = 4.0
_PREVIEW_PICTURE = "360p"
_PREVIEW_DREAM = "180p"


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "render",
        help="dream a video file",
        description="Dream video files, picture sequences or synthetic:clouds. Audio, subtitles "
        "and timing are kept; a stopped render plays and can be resumed.",
    )
    files = add_options(parser)
    add_shared(files, "--overwrite")
    files.add_argument("--resume", action="store_true", help="continue a stopped render")
    files.add_argument(
        "--replay", type=Path, metavar="SHOW.jsonl",
        help="dream a recorded camera with every change of the live show that wrote this log",
    )  # fmt: skip
    files.add_argument(
        "--report", type=Path, metavar="FILE.json", help="write figures to this file"
    )
    files.add_argument("--sheet", type=Path, metavar="FILE.png", help="write a contact sheet")
    add_shared(files, "--quiet")
    many = parser.add_argument_group("many workers (docs/cluster.md)")
    many.add_argument(
        "--workers", type=int, metavar="N", help="dream pieces of the film on N workers, with Ray"
    )
    many.add_argument(
        "--cluster", metavar="ADDRESS",
        help="on a Ray cluster: auto, or ray://HOST:10001 (default: this machine)",
    )  # fmt: skip
    many.add_argument(
        "--gpus-per-worker", type=float, metavar="N", help="GPUs per worker; may be a fraction"
    )
    many.add_argument(
        "--exact", action="store_true", help="leave long shots whole: the frames of one device"
    )
    many.add_argument("--cpus-per-worker", type=float, metavar="N", help="CPU cores per worker")
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """What says which files are rendered, and how: for `livedream check` as well.

    Returns the group of those about files.
    """
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT",
        help="video files, picture sequences or synthetic:clouds",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", metavar="PATH",
        help="file, pictures such as frames/%%05d.png, or folder (default: this folder)",
    )  # fmt: skip
    files = parser.add_argument_group("files")
    files.add_argument("--start", type=seconds, default=0.0, metavar="TIME", help="where to start")
    files.add_argument("--end", type=seconds, metavar="TIME", help="where to end")
    files.add_argument("--fps", type=rate, metavar="RATE", help="frame rate of a picture sequence")
    files.add_argument(
        "--stream", type=int, metavar="N",
        help="which video stream of a file that has several (default: 1)",
    )  # fmt: skip
    add_parameter(files, DEINTERLACE)
    add_parameter(files, WARM_UP)
    add_shared(files, "--picture-size")
    files.add_argument(
        "--codec", metavar="NAME", help="h264, hevc, av1, vp9, prores, ffv1 (default: by suffix)"
    )
    add_shared(files, "--quality")
    files.add_argument(
        "--no-sound",
        action="store_true",
        help="drop all but the picture: audio, subtitles, chapters, titles",
    )
    files.add_argument("--compare", action="store_true", help="show source and dream side by side")
    add_shared(files, "--layer", "--matte")
    files.add_argument(
        "--preview", action="store_true", help=f"render only {_PREVIEW_S:g} s, small and fast"
    )
    add_automation(parser)
    add_settings(parser)
    return files


def run(args: argparse.Namespace) -> int:
    jobs = jobs_of(args)
    make_folder_of(args.output, len(args.inputs))
    check_jobs(jobs, _beside(args))
    if args.workers is not None or args.cluster is not None:
        _report(_by_many(jobs, args), args)
        return 0
    for name in ("gpus_per_worker", "cpus_per_worker", "exact"):
        if getattr(args, name) not in (None, False):
            raise SettingsError(f"--{name.replace('_', '-')}: give --workers or --cluster too")
    reports: list[RenderReport] = []
    try:
        for job, dreamer in with_dreamers(jobs):
            reports.append(_render(job, dreamer, args))
    except BaseException:
        if reports:  # of several films those that were finished before one failed
            with suppress(SettingsError):  # a disk that is full fails both; the film's error counts
                _report(reports, args)
        raise
    _report(reports, args)
    return 0


def _report(reports: "list[RenderReport]", args: argparse.Namespace) -> None:
    if args.report is not None:
        figures = [report.as_dict() for report in reports]
        write_json(args.report, figures[0] if len(args.inputs) == 1 else figures, "--report")


def _beside(args: argparse.Namespace) -> dict[str, Path]:
    """What is written at the end, by option. Raises SinkError where it cannot be."""
    from livedream.present.picture import check_picture

    if args.sheet is not None:
        check_picture(args.sheet, overwrite=True)
    found = {"--sheet": args.sheet, "--report": args.report}
    return {option: path for option, path in found.items() if path is not None}


def check_jobs(jobs: "list[RenderJob]", beside: Mapping[str, Path] = _NOTHING) -> None:
    """Raise what is wrong with any input or output before the first film is begun.

    beside: what else is written, by option.
    """
    from livedream.media.destination import check_destination, check_not_source

    read: list[Path] = []
    written: dict[Path, str] = {}
    for job in jobs:
        with job.open() as source:
            info = source.info
        job.check(job.described(info))
        read += info.all_files
        outputs = [job.output] if job.matte is None else [job.output, job.matte]
        written |= {output.resolve(): "the output" for output in outputs}
    for option, path in beside.items():
        if (other := written.get(path.resolve())) is not None:
            raise SettingsError(f"{option} and {other} are the same file; give another name")
        written[path.resolve()] = option
    check_not_source(written, read)
    for path in beside.values():
        check_destination(path, overwrite=jobs[0].overwrite, resume=jobs[0].resume)


def with_dreamers(jobs: "list[RenderJob]") -> "Iterator[tuple[RenderJob, Dreamer]]":
    """Each job with a dreamer, which they share in turn, and with it the network."""
    from livedream.core.prefetch import StageTimer
    from livedream.dream.dreamer import Dreamer

    dreamer: Dreamer | None = None
    for job in jobs:
        dreamer = dreamer or Dreamer(job.settings)
        dreamer.adopt(job.settings)  # automation or a show may have moved them
        dreamer.timer = StageTimer()
        yield job, dreamer


def _render(job: "RenderJob", dreamer: "Dreamer", args: argparse.Namespace) -> "RenderReport":
    from livedream.jobs.render import render
    from livedream.present.contact_sheet import SheetCollector
    from livedream.present.picture import write_picture

    # Of a film that is resumed the first part is not dreamed again.
    sheet = SheetCollector() if args.sheet and not job.resume else None
    with Progress(Path(job.output).name, "frames", None, quiet=args.quiet) as progress:

        def opened(info: "SourceInfo") -> None:
            progress.total = info.frames

        def watch(dream: "Dream", report: "RenderReport") -> None:
            if sheet is not None:
                sheet.add(dream.frame.rgb)
            progress.advance(dream.frame.index + 1, dream.level)

        try:
            report = render(job, dreamer, opened=opened, watch=watch)
        finally:
            if sheet is not None and (picture := sheet.sheet()) is not None:
                write_picture(args.sheet, picture)
    if args.sheet and job.resume:
        _write_sheet(job.output, args.sheet)
    _say(report, job, quiet=args.quiet)
    return report


def _by_many(jobs: "list[RenderJob]", args: argparse.Namespace) -> "list[RenderReport]":
    """Render the jobs by workers that Ray runs."""
    from livedream.jobs.film.film import render_films
    from livedream.jobs.film.on_ray import RayWorkers

    name = jobs[0].output.name if len(jobs) == 1 else f"{len(jobs)} films"
    with (
        FilmProgress(name, quiet=args.quiet) as progress,
        RayWorkers(
            args.workers, cluster=args.cluster, cpus=args.cpus_per_worker, gpus=args.gpus_per_worker
        ) as workers,
    ):
        reports = render_films(jobs, workers, progress.watch, exact=args.exact)
    for job, report in zip(jobs, reports, strict=True):
        if args.sheet is not None:
            _write_sheet(job.output, args.sheet)
        _say(report, job, quiet=args.quiet)
    return reports


def _write_sheet(film: Path, sheet: Path) -> None:
    """The contact sheet of a film that was dreamed by others, or in several runs."""
    from livedream.capture import open_source
    from livedream.present.contact_sheet import SheetCollector
    from livedream.present.picture import write_picture

    collector = SheetCollector()
    with open_source(film) as source:
        for frame in source:
            collector.add(frame.rgb)
    if (picture := collector.sheet()) is not None:
        write_picture(sheet, picture)


def _say(report: "RenderReport", job: "RenderJob", *, quiet: bool) -> None:
    if quiet:
        return
    print_notes(report)
    if job.resume and not report.frames:
        print(f"{one_line(report.output)}: already complete")
    else:
        print(summary(report, f"{report.frames} frames ({report.fps:.1f} fps)"))


def jobs_of(args: argparse.Namespace) -> "list[RenderJob]":
    """One job for each input, outputs chosen. Raises SettingsError for what does not fit."""
    from livedream.jobs.render import RenderJob

    if args.overwrite and args.resume:
        raise SettingsError("--overwrite and --resume cannot be combined; give one")
    automation = automation_of(args)
    settings, kept = (settings_of(args), ()) if args.replay is None else _settings_of_show(args)
    end_s, picture_size = args.end, args.picture_size
    if args.preview:
        end_s = min(args.start + _PREVIEW_S, end_s if end_s is not None else float("inf"))
        picture_size = _PREVIEW_PICTURE if picture_size == "source" else picture_size
        settings = dataclasses.replace(
            settings, size=args.size or _PREVIEW_DREAM, flow_size=args.flow_size or "180p"
        )
    suffixes = (".mov", ".mkv", ".webm") if args.layer else (".mp4", ".mov", ".mkv", ".webm")
    what, inputs = "preview" if args.preview else "dream", len(args.inputs)
    outputs = [
        output_of(args.output, text, suffixes=suffixes, what=what, inputs=inputs)
        for text in args.inputs
    ]
    last = Path(args.inputs[-1])
    if len(outputs) > 1 and args.output is None and last.suffix in suffixes and not last.exists():
        raise SettingsError(f"{last} does not exist; if it is the output, write -o {last}")
    sources: dict[Path, str] = {}
    for text, output in zip(args.inputs, outputs, strict=True):
        if output in sources:
            raise SettingsError(
                f"{sources[output]} and {text} would both be written to {output}; render the "
                "second on its own, with -o and another name or folder"
            )
        sources[output] = text
    for option in ("matte", "sheet"):
        if inputs > 1 and getattr(args, option, None) is not None:
            raise SettingsError(f"--{option} is for a single film; give one input")
    return [
        RenderJob(
            source=text, output=output, settings=settings, start_s=args.start, end_s=end_s,
            fps=args.fps, stream=args.stream,
            deinterlace=args.deinterlace or DEINTERLACE.default,
            warm_up=WARM_UP.default if args.warm_up is None else args.warm_up,
            picture_size=picture_size, codec=args.codec, quality=args.quality,
            copy_streams=not args.no_sound, compare=args.compare, layer=args.layer is not None,
            matte=args.matte, overwrite=args.overwrite, resume=args.resume,
            replay=args.replay, kept=kept, automation=automation, music=args.music,
        )
        for text, output in zip(args.inputs, outputs, strict=True)
    ]  # fmt: skip


def _settings_of_show(args: argparse.Namespace) -> tuple[DreamSettings, tuple[str, ...]]:
    """The show's settings with those given here, and the names that the show may not change.

    A live show takes quick flow; here there is time for the slow one.
    """
    from livedream.control.show_reader import read_show

    others = {"--resume": args.resume, "--settings-from": args.settings_from}
    others["--warm-up"] = args.warm_up is not None  # a show had no time for it
    for other in (option for option, given in others.items() if given):
        raise SettingsError(f"--replay and {other} cannot be combined; give one")
    slow = DreamSettings()
    began = read_show(args.replay, args.inputs[0]).dream.replace(
        flow=slow.flow, flow_size=slow.flow_size
    )
    settings = settings_of(args, began)
    given = given_of(args, DreamSettings)
    kept = [*given, *goes_with(given)]  # weights that the show had are not to come back
    if args.preview:
        kept += ["size", "flow_size"]
    return settings, tuple(dict.fromkeys(kept))
