"""`livedream image INPUT [-o OUTPUT]`: still pictures become dreams."""

import argparse

from livedream.cli.named import make_folder_of, output_of
from livedream.cli.options import Commands, add_settings, add_shared, number, settings_of
from livedream.cli.output import Progress, print_notes, summary
from livedream.core.defaults import ROUNDS, STILL, STILL_FROM_NOISE

# Nothing moves by itself in a still picture.
NOT_OF_STILLS = ("flow", "flow_size", "hold", "region_half_life")


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "image",
        help="dream a still picture, or one from noise",
        description="Dream a picture, `noise`, or the first frame of a video. A picture "
        "too large for memory is dreamed in tiles. From noise the default strength is 40.",
    )
    parser.add_argument("input", metavar="INPUT", help="a picture, noise, synthetic:clouds?...")
    parser.add_argument(
        "-o", "--output", metavar="PATH",
        help="a .png, .jpg, .webp or .tif, or a folder (default: NAME.dream.png)",
    )  # fmt: skip
    files = parser.add_argument_group("the picture")
    files.add_argument(
        "--rounds", type=int, default=ROUNDS, metavar="N",
        help=f"how many rounds to dream (default: {ROUNDS})",
    )  # fmt: skip
    add_shared(files, "--picture-size", "--layer", "--matte")
    files.add_argument(
        "--quality", type=number(float, 0, 100), default=92.0, metavar="0..100",
        help="JPEG and WebP quality (default: 92)",
    )  # fmt: skip
    add_shared(files, "--overwrite", "--quiet")
    add_settings(parser, STILL, leave_out=NOT_OF_STILLS)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from livedream.jobs.image import StillJob, dream_still, is_noise

    defaults = STILL_FROM_NOISE if is_noise(args.input) else STILL
    job = StillJob(
        source=args.input,
        output=output_of(args.output, args.input, suffixes=(".png",)),
        settings=settings_of(args, defaults),
        rounds=args.rounds,
        picture_size=args.picture_size,
        quality=args.quality,
        layer=args.layer is not None,
        matte=args.matte,
        overwrite=args.overwrite,
    )
    make_folder_of(args.output)
    with Progress(job.output.name, "rounds", job.rounds, quiet=args.quiet) as progress:
        report = dream_still(job, watch=progress.watch)
    if not args.quiet:
        print_notes(report)
        rounds = f"{report.frames} round{'s' * (report.frames != 1)}"
        print(summary(report, f"{report.width}x{report.height}, {rounds}"))
    return 0
