"""Still pictures: one picture held still and dreamed in rounds, or a dream grown out of noise.

A round is what the video engine does with a frame: the residual fades a little, gradient ascent
adds to it, the closed loop holds its level. On a still source nothing else happens, so after some
rounds the strongest motifs have found their places. Large forms need no large picture: in one of
more than 1080 lines they are dreamed at that size, and the last rounds draw fur on them at the
full one, in tiles where it is larger than memory allows (see `livedream.dream.tiles`).
"""

import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from torch import Tensor

from livedream.capture import open_source
from livedream.capture.sky import coloured_noise
from livedream.capture.synthetic import parse_settings
from livedream.core.defaults import NOISE_SIZE, ROUNDS, STILL
from livedream.core.errors import SettingsError, SourceError
from livedream.core.frame import Picture
from livedream.core.parameters import refused
from livedream.core.settings import DreamSettings, dream_size, parse_size
from livedream.core.shrink import fitted
from livedream.dream.compose import compose, steps_of
from livedream.dream.dreamer import Dreamer
from livedream.dream.level import LevelledDream
from livedream.dream.networks.network import Network
from livedream.dream.networks.palettes import Palette, palette_of
from livedream.dream.networks.words import imagenet_classes, vocabulary
from livedream.dream.objectives.prompt import parse_prompt
from livedream.dream.objectives.value import KindTarget
from livedream.dream.state import FIRST_STEP_S
from livedream.jobs.checkpoint import files_of, identity
from livedream.jobs.report import RenderReport
from livedream.media.viewing import squared
from livedream.present.layer import dream_layer, matte
from livedream.present.picture import DEFAULT_QUALITY, check_alpha, check_picture, write_picture
from livedream.region.planes import Planes
from livedream.region.text import parse_region
from livedream.region.value import MOTION, leaves

_FORMS: Final = "1080p"
# Heuristics, by eye (docs/decisions/motif.md): so many rounds, and at most one in so many...
_FUR_ROUNDS: Final = 3
_FORMS_TO_FUR: Final = 6
# ...with motifs that begin where those of the forms' finest octave end, and strongest on the forms.
_FUR: Final = {"motif": 0.1, "spread": 0.0}
_FUR_BANDS: Final = 2  # at most: with more of them the hairs are blurred
_KEEP_S: Final = 20.0  # so often what is there is written: a kill loses no more
_KEEP_COST: Final = 10  # but no sooner than after so many times as long as writing took
_BEGINNINGS: Final = 1 << 20  # in the wandering of kinds, of which a picture has one
_STRIP: Final = 256  # rows composed at once: bounds the memory of very large pictures


@dataclass(frozen=True, kw_only=True)
class StillJob:
    """What to dream of and where to.

    source: a picture, `noise`, or whatever `open_source` takes, of which the first frame counts.
    picture_size: of the output (see `parse_size`).  rounds: how long it is dreamed.
    quality: of JPEG and WebP, 0 to 100.  layer: the dream alone, with alpha.  matte: the region
    that `settings.where` names, as a grey picture of its own; None: none.
    """

    source: str
    output: Path
    settings: DreamSettings = STILL
    rounds: int = ROUNDS
    picture_size: str = "source"
    quality: float = DEFAULT_QUALITY
    layer: bool = False
    matte: Path | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.rounds <= 100_000:
            raise refused("rounds", "1 to 100000", self.rounds)
        if self.matte is not None and not self.settings.where.strip():
            raise SettingsError("--matte: give --where too, the region that is written")
        if self.matte is not None and self.matte.resolve() == self.output.resolve():
            raise SettingsError("--matte and the output are the same file; give another name")

    def identity(self) -> str:
        """Everything the picture depends on, as JSON: written into the file."""
        more = {"layer": "dream"} if self.layer else {}
        return identity(
            self.settings, self.source, picture_size=self.picture_size, rounds=self.rounds, **more
        )


@dataclass(frozen=True, slots=True)
class Round(LevelledDream):
    """A round's dream.

    ground: (H, W, 3) uint8, what it lies on: the picture with `headroom`.  planes: of its regions.
    """

    ground: Picture
    planes: Planes | None

    def shown(self) -> Picture:
        """The dream on its ground."""
        return lay_on(self.ground, self.residual)


def dream_still(
    job: StillJob,
    network: Network | None = None,
    watch: Callable[[LevelledDream, RenderReport], None] | None = None,
) -> RenderReport:
    """Dream a picture into a file.

    network: one loaded before; None: the one that the settings name.  watch: called after each
    round, which the report counts as a frame.
    Raises SourceError, SinkError and what `Dreamer` raises. Now and then, and on KeyboardInterrupt,
    which is raised again, the rounds that are done are written.
    """
    start = kept_s = time.monotonic()
    writing_s = 0.0
    rgb, files, notes = start_of(
        job.source, job.picture_size, job.settings.seed, job.settings.prompt
    )
    files = (*files, *files_of(job.settings))
    check_picture(job.output, sources=files, overwrite=job.overwrite)
    if job.layer:
        check_alpha(job.output)
    if job.matte is not None:
        check_picture(job.matte, sources=files, overwrite=job.overwrite)
    dreamer = Dreamer(job.settings, network)
    # Each picture has kinds of its own, the same one always the same.
    dreamer.state.wandered = float(zlib.crc32(rgb.tobytes()) % _BEGINNINGS)
    height, width = rgb.shape[:2]
    report = RenderReport.of(job.source, job.output, dreamer, width, height)
    report.notes += notes
    levelled, stopped = None, None

    def keep(dream: Round) -> None:
        shown, settings = dream.shown(), job.identity()
        shown = dream_layer(rgb, shown) if job.layer else shown
        write_picture(job.output, shown, settings=settings, quality=job.quality)

    try:
        for levelled in rounds_of(dreamer, rgb, job.rounds):
            report.frames += 1
            report.strength, report.seconds = float(levelled.level), time.monotonic() - start
            if watch is not None:
                watch(levelled, report)
            since_s = time.monotonic() - kept_s
            if since_s > max(_KEEP_S, _KEEP_COST * writing_s) and report.frames < job.rounds:
                begun_s = time.monotonic()
                keep(levelled)
                kept_s = time.monotonic()
                writing_s = kept_s - begun_s
    except KeyboardInterrupt as interrupt:
        stopped = interrupt
    if levelled is not None:
        keep(levelled)
        if levelled.planes is not None and levelled.planes.is_empty:
            report.notes.append(_empty_region(dreamer))
        if job.matte is not None:
            planes = levelled.planes
            region = matte(None if planes is None else planes.grow, width, height)
            write_picture(job.matte, region, quality=job.quality)
    if stopped is not None or levelled is None:
        raise stopped or SettingsError("rounds: none done")
    report.complete = True
    return report


def _empty_region(dreamer: Dreamer) -> str:
    """What to know of a picture in which there is no region to dream in."""
    where, regions = dreamer.settings.where, dreamer.objective.regions
    named = (*regions, parse_region(where)) if where.strip() else regions
    moves = any(leaf.name in MOTION for region in named for leaf in leaves(region))
    why = " (in a still picture nothing moves)" if moves else ""
    return f"the region is empty{why}: nothing was dreamed"


def rounds_of(dreamer: Dreamer, rgb: Picture, rounds: int) -> Iterator[Round]:
    """Dream a picture for some rounds; each continues from the dreamer's state.

    A round counts as a frame of a video, for half-life and rise.
    rgb: (H, W, 3) uint8.  The residual of a round is overwritten by the next one; it is smaller
    than what is asked for while large forms are dreamed.
    """
    settings = dreamer.settings
    forms, size = (min(dream_size(s, *rgb.shape[1::-1])) for s in (_FORMS, settings.size))
    fur = min(_FUR_ROUNDS, rounds // _FORMS_TO_FUR) if size > forms else 0
    if fur:
        fine = settings.replace(**_FUR, laplacian=min(_FUR_BANDS, settings.laplacian))
        try:
            for of_part, count in ((settings.replace(size=_FORMS), rounds - fur), (fine, fur)):
                dreamer.adopt(of_part)
                yield from _held(dreamer, rgb, count)
        finally:
            dreamer.adopt(settings)
    else:
        yield from _held(dreamer, rgb, rounds)


def _held(dreamer: Dreamer, rgb: Picture, rounds: int) -> Iterator[Round]:
    dreamer.resize(rgb)
    planes = dreamer.regions(rgb, None, FIRST_STEP_S, 0.0)
    ground = dreamer.ground(rgb, planes)
    picture = dreamer.picture(ground)
    for _ in range(rounds):
        dream = dreamer.grow(picture, dreamer.fade(picture, FIRST_STEP_S), planes)
        yield Round(dream.residual, dream.level, dream.gain, ground, planes)


def dreamed(dreamer: Dreamer, rgb: Picture, rounds: int) -> Picture:
    """A picture after some rounds."""
    *_, last = rounds_of(dreamer, rgb, rounds)
    return last.shown()


def lay_on(rgb: Picture, residual: Tensor) -> Picture:
    """The residual, (1, 3, h, w) in units of the picture, on a picture of any size."""
    if residual.shape[2:] != rgb.shape[:2]:
        return compose(rgb, steps_of(residual))
    shown = np.empty_like(rgb)
    for top in range(0, rgb.shape[0], _STRIP):
        rows = slice(top, top + _STRIP)
        shown[rows] = compose(rgb[rows], steps_of(residual[:, :, rows]))
    return shown


def is_noise(source: str) -> bool:
    """Whether a dream starts from noise: `noise`, or `noise?size=640x360&seed=1`."""
    return source == "noise" or source.startswith("noise?")


def start_picture(source: str, size: str = "source", seed: int = 0) -> Picture:
    """What a still dream or a zoom starts from without a prompt, (H, W, 3) uint8.

    size: see `parse_size`; pixels that are not square are made so first.  seed: of noise, unless
    the source has its own.
    Raises SourceError when there is nothing to see.
    """
    return start_of(source, size, seed)[0]


def start_of(
    source: str, size: str, seed: int, prompt: str = ""
) -> tuple[Picture, tuple[Path, ...], tuple[str, ...]]:
    """`start_picture`, the files that the source reads, and its notes.

    prompt: what noise has the colours of.
    """
    if is_noise(source):
        query = source.partition("?")[2]
        noise = parse_settings(query)
        width, height = (noise.width, noise.height) if "size=" in query else NOISE_SIZE
        width, height = parse_size(size, width, height, name="picture size")
        own_seed = noise.seed if "seed=" in query else seed
        return soft_noise(width, height, own_seed, colours_of(prompt)), (), ()
    with open_source(source) as opened:
        frame = next(iter(opened), None)
        info = opened.info  # its notes as of the first frame
    if frame is None:
        raise SourceError(f"{source} holds no picture")
    found = (frame.rgb.shape[1], frame.rgb.shape[0])
    wanted = parse_size(size, *squared(*found, info.sample_aspect_ratio), name="picture size")
    return fitted(frame.rgb, *wanted), info.all_files, info.notes


def colours_of(prompt: str) -> Palette | None:
    """The colours of what a prompt names; None where that has none that are known.

    Raises ObjectiveError for what is no prompt.
    """
    if not prompt.strip():
        return None
    words = vocabulary(imagenet_classes())
    terms = parse_prompt(prompt).terms
    named = [
        words.find(term.target.word)
        for term in terms
        if term.weight > 0 and isinstance(term.target, KindTarget) and term.target.word in words
    ]
    return palette_of(named) if named else None


def soft_noise(width: int, height: int, seed: int, palette: Palette | None = None) -> Picture:
    """Soft coloured 1/f noise: something to see shapes in, without the grain of white noise.

    palette: its colours; None: any.
    """
    generator = np.random.default_rng(seed)
    # Steeper than a photograph's 1/f, contrast like one's, half of the colour taken out: by eye.
    exponent, contrast, tint = 1.4, 0.2, 0.6
    if palette is not None:
        channels = coloured_noise(generator, height, width, exponent, 1.0)
        coloured = palette.mean + channels @ palette.mixing
        return np.asarray(np.clip(coloured * 255 + 0.5, 0, 255), np.uint8)
    coloured = 0.5 + contrast * coloured_noise(generator, height, width, exponent, tint)
    painted: Picture = np.clip(coloured * 255 + 0.5, 0, 255).astype(np.uint8)
    return painted
