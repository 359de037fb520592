"""`livedream zoom INPUT [-o OUTPUT]`: the endless zoom into a picture or into noise."""

import argparse
import sys
from fractions import Fraction

from livedream.cli.image import NOT_OF_STILLS
from livedream.cli.named import make_folder_of, output_of
from livedream.cli.options import Commands, add_settings, add_shared, rate, seconds, settings_of
from livedream.cli.output import Progress, print_notes, summary
from livedream.core.defaults import ZOOM

REGIONS = ("where", "feather", "threshold")


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "zoom",
        help="zoom endlessly into a picture or noise",
        description="Zoom into a picture, `noise` or the first frame of a video, for as long as "
        "you like: what comes nearer dreams new detail. --size is the size of the video.",
    )
    parser.add_argument("input", metavar="INPUT", help="a picture, noise, synthetic:clouds?...")
    parser.add_argument(
        "-o", "--output", metavar="PATH",
        help="a video, GIF, WebP, pictures such as zoom/%%05d.png, or a folder "
        "(default: NAME.zoom.mp4)",
    )  # fmt: skip
    film = parser.add_argument_group("the zoom")
    film.add_argument(
        "--seconds", type=seconds, default=20.0, metavar="TIME", help="length (default: 20)"
    )
    film.add_argument(
        "--fps", type=rate, default=Fraction(25), metavar="RATE", help="frame rate (default: 25)"
    )
    film.add_argument(
        "--zoom", type=float, default=1.2, metavar="X",
        help="zoom per second, below 1 outwards (default: 1.2)",
    )  # fmt: skip
    film.add_argument(
        "--rotation", type=float, default=0.0, metavar="X",
        help="rotation, degrees per second clockwise (default: 0)",
    )  # fmt: skip
    film.add_argument(
        "--drift", type=drift, default=(0.0, 0.0), metavar="X,Y",
        help="movement of the view to the right and down, widths per second (default: 0,0)",
    )  # fmt: skip
    film.add_argument("--codec", metavar="NAME", help="h264, hevc, av1... (default: by suffix)")
    add_shared(film, "--quality", "--overwrite", "--quiet")
    add_settings(parser, ZOOM, leave_out=(*NOT_OF_STILLS, *REGIONS))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from livedream.capture.pictures import SUFFIXES
    from livedream.jobs.zoom import ZoomJob, render_zoom
    from livedream.warp.travel import Travel

    settings = settings_of(args, ZOOM)
    if args.settings_from and settings.where:
        print(f"note: a zoom has no regions: where={settings.where} is left out", file=sys.stderr)
        settings = settings.replace(where="")
    of_still = args.settings_from and args.settings_from.suffix.lower() in SUFFIXES
    # A still's size is never more than its picture's, which here would be enlarged to it; and its
    # bands would grow into bright ropes.
    for name in ("size", "laplacian") if of_still else ():
        own, usual = getattr(settings, name), getattr(ZOOM, name)
        if getattr(args, name) is None and own != usual:
            print(f"note: {name}={own} is left out; give --{name}", file=sys.stderr)
            settings = settings.replace(**{name: usual})
    job = ZoomJob(
        source=args.input,
        output=output_of(args.output, args.input, suffixes=(".mp4",), what="zoom"),
        settings=settings,
        travel=Travel(args.zoom, args.rotation, args.drift),
        seconds=args.seconds,
        rate=args.fps,
        codec=args.codec,
        quality=args.quality,
        overwrite=args.overwrite,
    )
    make_folder_of(args.output)
    with Progress(job.output.name, "frames", job.frames, quiet=args.quiet) as progress:
        report = render_zoom(job, watch=progress.watch)
    if not args.quiet:
        print_notes(report)
        print(summary(report, f"{report.frames} frames"))
    return 0


def drift(text: str) -> tuple[float, float]:
    """`0.1,-0.05`: to the right and down."""
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"must be two numbers, such as 0.1,-0.05 (got {text!r})"
        ) from error
    return x, y
