"""Render: a file goes in, a coherent dream comes out, and nothing is lost on the way."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import cv2
import numpy as np

from livedream.capture import Source, open_source
from livedream.core.device import precision_name
from livedream.core.errors import SettingsError
from livedream.core.frame import Frame, Motion, SourceInfo
from livedream.core.prefetch import AsyncWriter
from livedream.core.settings import DEINTERLACE, DreamSettings, parse_size
from livedream.core.shrink import fitted
from livedream.dream.dreamer import Dream, Dreamer
from livedream.dream.objectives.prompt import dreamed
from livedream.jobs.checkpoint import MANIFEST, Checkpoint, Checkpoints, identity
from livedream.jobs.replay import ShowDreamer
from livedream.media.film_time import film_start_s
from livedream.media.tags import SETTINGS
from livedream.media.viewing import squared
from livedream.present import keeps_pixel_shape, open_sink

if TYPE_CHECKING:
    from livedream.control.automation import Automation, FilmTimeline

Step = Callable[[Frame, Motion | None], Dream]

_FINEST_ASPECT: Final = 10_000  # of a ratio's second number; H.264 has 16 bits for it


@dataclass(frozen=True, kw_only=True)
class RenderJob:
    """What to render and where to.

    source: as `open_source` takes it.  start_s, end_s, stream: the part of it.  deinterlace:
    "auto", "fields" (a frame from each field) or "off".  picture_size: of the output (see
    `parse_size`).  compare: source and dream side by side.
    overwrite, resume: what to do with an output that is already there.
    replay: a live show's performance log, to dream `source` as it went; kept: the parameters that
    stay as `settings` have them, whatever the show did.
    automation: what moves the settings over the film's time; None: nothing does.
    """

    source: str
    output: Path
    settings: DreamSettings = field(default_factory=DreamSettings)
    start_s: float = 0.0
    end_s: float | None = None
    fps: Fraction | None = None
    stream: int | None = None
    deinterlace: str = DEINTERLACE.default
    picture_size: str = "source"
    codec: str | None = None
    quality: float = 80.0
    copy_streams: bool = True
    compare: bool = False
    overwrite: bool = False
    resume: bool = False
    replay: Path | None = None
    kept: tuple[str, ...] = ()
    automation: "Automation | None" = None

    def open(self, skip: int = 0, at: int | None = None) -> Source:
        """What is dreamed; skip, at: as for `open_source`. Raises SourceError for nothing."""
        return open_source(
            self.source, start_s=self.start_s, end_s=self.end_s, fps=self.fps, stream=self.stream,
            deinterlace=self.deinterlace, skip=skip, at=at,
        )  # fmt: skip

    def described(self, info: SourceInfo) -> SourceInfo:
        """What is dreamed, at the size of the output; `written` is what becomes of it there."""
        return scaled_info(info, self.picture_size, square=not keeps_pixel_shape(self.output))

    def written(self, info: SourceInfo) -> SourceInfo:
        """What is written of `described`: with the source beside it where that is wanted."""
        return replace(info, width=2 * info.width, immersive=b"") if self.compare else info

    def identity(self) -> str:
        """Everything the pictures depend on, as JSON: written into the file's metadata."""
        more: dict[str, Any] = {} if self.replay is None else {"replay": self.replay.name}
        if self.automation is not None:
            more |= self.automation.identity()
        if self.stream is not None:
            more["stream"] = self.stream
        if self.deinterlace != DEINTERLACE.default:
            more["deinterlace"] = self.deinterlace
        return identity(
            self.settings, self.source, start_s=self.start_s, end_s=self.end_s,
            picture_size=self.picture_size, compare=self.compare, **more,
        )  # fmt: skip

    def timeline(self, info: SourceInfo) -> "FilmTimeline | None":
        """The parameters at the frames' times; None where nothing moves them. info: the source."""
        if self.automation is None:
            return None
        from livedream.control.automation import FilmTimeline

        return FilmTimeline(self.automation, self.settings, info.rate, film_start_s(info))

    def step(self, dreamer: Dreamer, info: SourceInfo) -> Step | None:
        """What dreams a frame as automation moves the parameters; None where nothing moves them."""
        timeline = self.timeline(info)
        return None if timeline is None else ShowDreamer(dreamer, timeline).step


@dataclass
class RenderReport:
    """Figures of a finished (or stopped) render, zoom or still, whose frames are rounds."""

    source: str
    output: str
    width: int = 0
    height: int = 0
    frames: int = 0
    seconds: float = 0.0
    strength: float = 0.0
    flicker: float = 0.0
    stages_ms: dict[str, float] = field(default_factory=dict)
    device: str = ""
    precision: str = ""
    network: str = ""
    objective: str = ""
    complete: bool = False
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, source: str, output: Path, dreamer: Dreamer, width: int, height: int) -> Self:
        """An empty one. width, height: of what is written, px."""
        return cls(
            source, str(output), width, height, device=str(dreamer.device),
            precision=precision_name(dreamer.dtype), network=dreamer.network.name,
            objective=dreamed(
                dreamer.settings.prompt, dreamer.settings.objective,
                dreamer.network.default_objective,
            ),
        )  # fmt: skip

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.seconds > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "fps": self.fps}

    def count(self, dream: Dream, dreamer: Dreamer, seconds: float) -> None:
        """Add a frame. seconds: of running time since the first."""
        self.frames += 1
        share = 1 / self.frames
        self.strength += (dream.level - self.strength) * share
        self.flicker += (dream.flicker - self.flicker) * share
        self.seconds = seconds
        spent = dreamer.timer.spent_s
        self.stages_ms = {name: 1000 * s / self.frames for name, s in spent.items()}


Watcher = Callable[[Dream, RenderReport], None]


def render(
    job: RenderJob,
    dreamer: Dreamer | None = None,
    *,
    opened: Callable[[SourceInfo], None] | None = None,
    watch: Watcher | None = None,
) -> RenderReport:
    """Render `job`.

    dreamer: one made before, so that several jobs share a network.  opened: called with what the
    source is before the first frame.  watch: called with every dream that was written.
    Raises SourceError, SinkError, SettingsError and what `Dreamer` raises. On KeyboardInterrupt
    the file is finished, the state to go on from is kept, and the interrupt raised again.
    """
    dreamer = dreamer or Dreamer(job.settings)
    checkpoints = Checkpoints(job.output)
    if job.resume and (checkpoints.folder / MANIFEST).exists():
        raise SettingsError(f"{job.output.name} was begun by several workers: add --workers")
    with ExitStack() as stack:
        source = stack.enter_context(job.open())
        info = job.described(source.info)
        if opened is not None:
            opened(info)
        written = job.written(info)
        report = RenderReport.of(job.source, job.output, dreamer, written.width, written.height)
        sink = open_sink(
            job.output, written, codec=job.codec, quality=job.quality, overwrite=job.overwrite,
            copy_streams=job.copy_streams, metadata={SETTINGS: job.identity()},
            resume=job.resume,
        )  # fmt: skip
        writer = stack.enter_context(AsyncWriter(sink, dreamer.timer))
        frames = scaled(source, info)
        if job.replay is None:
            dreams = _resumed(
                job, frames, dreamer, checkpoints, written=sink.frames_written,
                step=job.step(dreamer, info),
            )  # fmt: skip
        else:
            dreams = _replayed(job, job.replay, frames, dreamer)
        dreams = _checkpointed(dreams, job, checkpoints)
        write_dreams(dreams, writer, report, dreamer, watch, compare=job.compare)
    checkpoints.remove()
    report.notes += dict.fromkeys(
        [*source.info.notes, *shape_notes(source.info, info), *sink.notes]
    )
    return report


def write_dreams(
    dreams: Iterable[Dream],
    writer: AsyncWriter,
    report: RenderReport,
    dreamer: Dreamer,
    watch: Watcher | None,
    *,
    compare: bool = False,
    whole_when_stopped: bool = False,
) -> None:
    """Write dreams until the last one, and count them.

    compare: with their sources beside them.  whole_when_stopped: what a KeyboardInterrupt leaves
    is no part of something longer.
    """
    start = time.monotonic()
    try:
        for dream in dreams:
            shown = dream.frame
            if compare:
                both = np.concatenate([dream.source.rgb, shown.rgb], axis=1)
                shown = replace(shown, rgb=both)
            writer.write(shown)
            report.count(dream, dreamer, time.monotonic() - start)
            if watch is not None:
                watch(dream, report)
    except KeyboardInterrupt:
        writer.close(complete=whole_when_stopped)
        raise
    report.complete = True


def _checkpointed(
    dreams: Iterable[Dream], job: RenderJob, checkpoints: Checkpoints
) -> Iterator[Dream]:
    """The same dreams; now and then, once one is written, where we are is saved."""
    for dream in dreams:
        yield dream
        if dream.state is not None and checkpoints.due():
            index, state = dream.frame.index + 1, dream.state.arrays()
            checkpoints.save(Checkpoint(index, state, job.identity()))


def _resumed(
    job: RenderJob,
    frames: Iterator[Frame],
    dreamer: Dreamer,
    checkpoints: Checkpoints,
    *,
    written: int,
    step: Step | None,
) -> Iterator[Dream]:
    """The dreams still to be written.

    Those between the checkpoint and the end of the file are dreamed again (to the same bits) and
    left out.
    """
    begin = 0
    if job.resume and written:
        found = checkpoints.newest(written)
        if found is not None:
            check_same(job, found.settings)
            dreamer.restore(found.state)
            begin = found.index
    before: Frame | None = None
    for frame in frames:
        if frame.index >= begin:
            frames = chain([frame], frames)
            break
        before = frame
    for dream in dreamer.dreams(frames, before, step, checkpoints.due):
        if dream.frame.index >= written:
            yield dream


def _replayed(
    job: RenderJob, show: Path, frames: Iterator[Frame], dreamer: Dreamer
) -> Iterator[Dream]:
    """The dreams of a live show, with all the time that they take."""
    from livedream.control.show_reader import Playback, read_show

    script = read_show(show, job.source)
    playback = Playback(script, job.settings, job.kept)
    start_s = script.start_of(job.source) + job.start_s
    return ShowDreamer(dreamer, playback, start_s).dreams(frames)


def check_same(job: RenderJob, settings: str) -> None:
    """Raise SettingsError when `settings` (of an unfinished render) are not this job's."""
    now, then = json.loads(job.identity()), json.loads(settings)
    flat = [{**known.pop("settings", {}), **known} for known in (now, then)]
    for name in sorted(set(flat[0]) | set(flat[1])):
        if flat[0].get(name) != flat[1].get(name):
            raise SettingsError(
                f"--resume: {name} is {flat[0].get(name)!r}, the stopped render of "
                f"{job.output.name} had {flat[1].get(name)!r}; give the same, or --overwrite"
            )


def scaled_info(info: SourceInfo, size: str, *, square: bool = False) -> SourceInfo:
    """`info` at another size (see `parse_size`), sides even; itself for `source`.

    What is shown keeps its shape: the pixels' own changes instead, as with FFmpeg's scaler.
    square: what it is written to knows square pixels only.
    """
    if square and info.sample_aspect_ratio != 1:
        width, height = squared(info.width, info.height, info.sample_aspect_ratio)
        info = replace(info, width=width, height=height, sample_aspect_ratio=Fraction(1))
    width, height = parse_size(size, info.width, info.height, name="picture size")
    if (width, height) == (info.width, info.height):
        return info
    width, height = max(2, width // 2 * 2), max(2, height // 2 * 2)
    aspect = Fraction(1) if square else _kept_shape(info, width, height)
    return replace(info, width=width, height=height, sample_aspect_ratio=aspect)


def _kept_shape(info: SourceInfo, width: int, height: int) -> Fraction:
    """The sample aspect ratio with which `width` x `height` is shown in the shape of `info`."""
    shape = info.sample_aspect_ratio * info.width / info.height
    rounding = 2 * max(1.0, float(shape))  # px: even sides never fit exactly
    for simple in (Fraction(1), info.sample_aspect_ratio):
        if abs(width * simple - shape * height) <= rounding:
            return simple
    return (shape * height / width).limit_denominator(_FINEST_ASPECT)


def shape_notes(source: SourceInfo, written: SourceInfo) -> tuple[str, ...]:
    """What the user should know about the pixels' shape."""
    before, after = source.sample_aspect_ratio, written.sample_aspect_ratio
    if before == after:
        return ()
    size = f"{written.width}x{written.height}"
    if after == 1:
        return (f"pixels that are not square ({ratio_text(before)}) become square: {size}",)
    width, height = squared(written.width, written.height, after)
    return (
        f"{size} is shown as {width}x{height}, in the shape of the source "
        f"(pixels {ratio_text(after)})",
    )


def ratio_text(ratio: Fraction) -> str:
    return f"{ratio.numerator}:{ratio.denominator}"


def scaled(source: Source, info: SourceInfo) -> Iterator[Frame]:
    """The source's frames at the size of `info`."""
    found = source.info
    stretched = info.width > found.width or info.height > found.height
    reshaped = stretched and info.sample_aspect_ratio != found.sample_aspect_ratio
    method = cv2.INTER_CUBIC if reshaped else cv2.INTER_AREA
    for frame in source:
        yield replace(frame, rgb=fitted(frame.rgb, info.width, info.height, method))
