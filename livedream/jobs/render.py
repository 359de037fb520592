"""Render: a file goes in, a coherent dream comes out, and nothing is lost on the way.

Long, as half of it is one noun: a job, with everything that its pictures depend on.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from livedream.capture import Source, open_source
from livedream.capture.sound import sound_of
from livedream.core.errors import LivedreamError, SettingsError, SinkError, SourceError, to_resume
from livedream.core.frame import Frame, Motion, Picture, SourceInfo
from livedream.core.prefetch import AsyncWriter
from livedream.core.settings import DEINTERLACE, WARM_UP, DreamSettings
from livedream.dream.dreamer import Dream, Dreamer
from livedream.dream.state import DreamState
from livedream.jobs.checkpoint import (
    BESIDE,
    Checkpoint,
    Checkpoints,
    digest_beside,
    extent,
    files_of,
    identity,
)
from livedream.jobs.replay import ShowDreamer, Timeline
from livedream.jobs.report import FilmOutput, RenderReport, Watcher, made_at_once, write_dreams
from livedream.jobs.scaling import scaled, scaled_info, shape_notes
from livedream.media.containers import Opener
from livedream.media.tags import SETTINGS
from livedream.present import (
    FileSink,
    check_sink,
    grows,
    keeps_pixel_shape,
    make_sink,
    read_settings,
)
from livedream.present.layer import dream_layer, matte
from livedream.present.video import VideoOptions

if TYPE_CHECKING:
    from livedream.control.automation import Automation, FilmTimeline
    from livedream.control.show_reader import Playback

Step = Callable[[Frame, Motion | None], Dream]

_LONGEST_SHOWN: Final = 100  # characters of a value; keyframes and presets may be thousands


@dataclass(frozen=True, kw_only=True)
class RenderJob:
    """What to render and where to.

    source: as `open_source` takes it.  start_s, end_s, stream: the part of it.  deinterlace:
    "auto", "fields" (a frame from each field) or "off".  warm_up: s, see `Dreamer`; a replay, as a
    show, has none.  picture_size: of the output (see `parse_size`).
    compare: source and dream side by side.  layer: the dream alone, with alpha.
    matte: the region that `settings.where` names, as a grey film of its own; None: none.
    overwrite, resume: what to do with an output that is already there.
    replay: a live show's performance log, to dream `source` as it went; kept: the parameters that
    stay as `settings` have them, whatever the show did.
    automation: what moves the settings over the film's time; None: nothing does.
    music: a song that is heard, and is the output's sound, instead of the source's.  music_sha256:
    of its file, which is read where it is not given: workers may not have it.  beside_digest: of
    masks, guides and networks, in the same way: theirs may be others.
    """

    source: str
    output: Path
    settings: DreamSettings = field(default_factory=DreamSettings)
    start_s: float = 0.0
    end_s: float | None = None
    fps: Fraction | None = None
    stream: int | None = None
    deinterlace: str = DEINTERLACE.default
    warm_up: float = WARM_UP.default
    picture_size: str = "source"
    codec: str | None = None
    quality: float = 80.0
    copy_streams: bool = True
    compare: bool = False
    layer: bool = False
    matte: Path | None = None
    overwrite: bool = False
    resume: bool = False
    replay: Path | None = None
    kept: tuple[str, ...] = ()
    automation: "Automation | None" = None
    music: Path | None = None
    music_sha256: str = ""
    beside_digest: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "warm_up", WARM_UP.check(self.warm_up))
        if not self.beside_digest:
            object.__setattr__(self, "beside_digest", digest_beside(self.every_settings()))
        if self.music is not None and self.music.is_file() and not self.music_sha256:
            with suppress(OSError), self.music.open("rb") as song:  # what is wrong others say
                digest = hashlib.file_digest(song, "sha256").hexdigest()
                object.__setattr__(self, "music_sha256", digest)
        if self.layer and self.compare:
            raise SettingsError("--layer and --compare cannot be combined; give one")
        if self.matte is None:
            return
        if self.replay is not None:
            raise SettingsError("--matte and --replay cannot be combined; give one")
        if not self.settings.where.strip():
            raise SettingsError("--matte: give --where too, the region that is written")
        if self.matte.resolve() == self.output.resolve():
            raise SettingsError("--matte and the output are the same file; give another name")

    def every_settings(self) -> Iterator[DreamSettings]:
        """Its settings, and what automation makes of what is dreamed and where."""
        yield self.settings
        if self.automation is not None:
            yield from self.automation.brought(self.settings)

    def open(self, skip: int = 0, at: int | None = None, file: Opener | None = None) -> Source:
        """What is dreamed; skip, at, file: as for `open_source`. Raises SourceError for nothing."""
        return open_source(
            self.source, start_s=self.start_s, end_s=self.end_s, fps=self.fps, stream=self.stream,
            deinterlace=self.deinterlace, skip=skip, at=at, file=file,
        )  # fmt: skip

    def described(self, info: SourceInfo) -> SourceInfo:
        """What is dreamed, at the size of the output; `written` is what becomes of it there."""
        return scaled_info(info, self.picture_size, square=not keeps_pixel_shape(self.output))

    def written(self, info: SourceInfo) -> SourceInfo:
        """What is written of `described`: with the source beside it where that is wanted."""
        if self.compare:
            return replace(info, width=2 * info.width, immersive=b"")
        return replace(info, alpha=self.layer)

    @property
    def options(self) -> VideoOptions:
        """How the output is written."""
        return VideoOptions(
            self.codec, self.quality, self.copy_streams, {SETTINGS: self.identity()},
            layer=self.layer, music=self.music,
        )  # fmt: skip

    def films(self, info: SourceInfo) -> list[tuple[Path, SourceInfo, VideoOptions]]:
        """What is written: the output, and the matte if there is one. info: as `described`."""
        films = [(self.output, self.written(info), self.options)]
        if self.matte is not None:
            films.append((self.matte, info, replace(self.options, codec=None, layer=True)))
        return films

    def check(self, info: SourceInfo) -> None:
        """Raise SinkError or SourceError, before anything is written, where one cannot be, and
        SettingsError for what automation or a show brings later and nobody can dream, or where one
        that is resumed was made with other settings. info: as described."""
        with suppress(SettingsError):  # what is wrong the timeline says
            beside = [path for one in self.every_settings() for path in files_of(one)]
            info = replace(info, files=(*info.files, *beside))
        for path, frames, options in self.films(info):
            check_sink(path, frames, options, overwrite=self.overwrite, resume=self.resume)
            if self.resume:
                begun = None
                with suppress(SourceError):  # there is none, or it was killed at its beginning
                    begun = read_settings(path)
                if begun is None and path.exists():  # growing, it does not say
                    begun = Checkpoints(self.output).settings
                check_same(self, begun or self.identity())
        if (timeline := self.timeline(info)) is not None:
            timeline.check()
        if self.replay is not None:
            playback, start_s = _playback(self, self.replay)
            begin_s = start_s + info.begins_s
            length_s = math.inf if info.frames is None else float(info.frames / info.rate)
            playback.check(begin_s, begin_s + length_s)

    def picture(self, dream: Dream) -> Picture:
        """What is written of a dream."""
        if self.compare:
            return np.concatenate([dream.source.rgb, dream.frame.rgb], axis=1)
        return dream_layer(dream.source.rgb, dream.frame.rgb) if self.layer else dream.frame.rgb

    def identity(self) -> str:
        """Everything the pictures depend on, as JSON: written into the file's metadata."""
        more: dict[str, Any] = {**extent(self.source)}
        if self.replay is not None:
            more["replay"] = self.replay.name
        else:
            more["warm_up"] = self.warm_up
        if self.automation is not None:
            more |= self.automation.identity()
        if self.beside_digest:
            more[BESIDE] = self.beside_digest
        if self.music is not None:
            more["music"] = f"{self.music.name} {self.music_sha256[:12]}"
        if self.fps is not None:
            more["fps"] = str(self.fps)
        if self.stream is not None:
            more["stream"] = self.stream
        if self.deinterlace != DEINTERLACE.default:
            more["deinterlace"] = self.deinterlace
        if self.layer:
            more["layer"] = "dream"
        return identity(
            self.settings, self.source, start_s=self.start_s, end_s=self.end_s,
            picture_size=self.picture_size, compare=self.compare, **more,
        )  # fmt: skip

    def heard(self, info: SourceInfo) -> Self:
        """This job once the sound of its film or music was heard, where its automation follows it.

        info: the source.  Raises SourceError where there is none and it was asked for by name.
        """
        automation = self.automation
        if automation is None or automation.heard is not None or not automation.listens:
            return self
        try:
            hearing = automation.hearing(sound_of(info, self.music))
        except SourceError:
            if self.music is not None or automation.must_listen:
                raise
            return self  # a preset's modulators are silent without sound, as they are live
        return replace(self, automation=hearing)

    @property
    def resumable(self) -> bool:
        """Whether it can be continued: a replay is dreamed in one go, an animation encoded so."""
        return self.replay is None and grows(self.output)

    @contextmanager
    def told_to_resume(self) -> Iterator[None]:
        """What breaks off in here says how it is continued, if it can be."""
        try:
            yield
        except LivedreamError as error:
            if not self.resumable or (said := to_resume(error)) is error:
                raise
            raise said from error

    def part(self, info: SourceInfo, begin: int, end: int) -> Self:
        """This job for frames by pts, with no more of what was heard than they need."""
        if self.automation is None or self.automation.heard is None:
            return self
        begin_s, end_s = (info.begins_s + float(pts * info.time_base) for pts in (begin, end))
        heard = self.automation.heard.part(begin_s, end_s)
        return replace(self, automation=replace(self.automation, heard=heard))

    def timeline(self, info: SourceInfo, dreamer: Dreamer | None = None) -> "FilmTimeline | None":
        """The parameters at the film's times; None where nothing moves them.

        info: the source.  dreamer: who dreams the first ones; a network that it was given stays.
        """
        if self.automation is None:
            return None
        from livedream.control.automation import FilmTimeline

        given = dreamer is not None and dreamer.network_given
        return FilmTimeline(self.automation, self.settings, info.rate, network_given=given)

    def begins(self, dreamer: Dreamer, info: SourceInfo) -> DreamSettings:
        """The settings of the first frame, as automation or a show has them. info: the source."""
        timeline: Timeline | None = self.timeline(info, dreamer)
        begin_s = info.begins_s
        if self.replay is not None:
            timeline, start_s = _playback(self, self.replay, dreamer)
            begin_s += start_s
        return dreamer.settings if timeline is None else timeline.snapshot(begin_s).dream

    def step(self, dreamer: Dreamer, info: SourceInfo) -> Step | None:
        """What dreams a frame as automation moves the parameters; None where nothing moves them."""
        timeline = self.timeline(info, dreamer)
        return None if timeline is None else ShowDreamer(dreamer, timeline).step


def render(
    job: RenderJob,
    dreamer: Dreamer | None = None,
    *,
    opened: Callable[[SourceInfo], None] | None = None,
    watch: Watcher | None = None,
) -> RenderReport:
    """Render `job`.

    dreamer: one made before, so that several jobs share a network; it begins with a new state.
    opened: called with what the source is before the first frame.  watch: called with every dream
    that was written.
    Raises SourceError, SinkError, SettingsError and what `Dreamer` raises. On KeyboardInterrupt
    the file is finished, the state to go on from is kept, where it fits, and the interrupt raised
    again.
    """
    dreamer = dreamer or Dreamer(job.settings)
    dreamer.state = DreamState()
    checkpoints = Checkpoints(job.output)
    if checkpoints.by_workers and not job.overwrite:
        wanted = "add --workers" if job.resume else "add --resume and --workers, or --overwrite"
        raise SettingsError(f"{job.output.name} was begun by several workers: {wanted}")
    with job.told_to_resume(), ExitStack() as stack:
        source = stack.enter_context(job.open())
        info = job.described(source.info)
        job.check(info)
        job = job.heard(info)
        if opened is not None:
            opened(info)
        written = job.written(info)
        report = RenderReport.of(
            job.source, job.output, dreamer, written.width, written.height,
            begins=job.begins(dreamer, info),
        )  # fmt: skip
        dreamer.start_s = info.begins_s
        dreamer.planes.rate = None if job.replay else info.rate  # a show's masks had their own
        # A show had no time for it, nor has what the caller dreams next.
        dreamer.warm_up_s = None if job.replay else job.warm_up
        stack.callback(setattr, dreamer, "warm_up_s", None)
        frames, step, start_s = scaled(source, info), job.step(dreamer, info), time.monotonic()
        if job.replay is not None:
            dreams = made_at_once(_replayed(job, job.replay, frames, dreamer))
        elif not job.resume:
            dreams = made_at_once(dreamer.dreams(frames, None, step, checkpoints.due))
        sinks, outputs = [], []
        for film, picture in zip(job.films(info), (job.picture, _matte), strict=False):
            sinks.append(make_sink(*film, overwrite=job.overwrite, resume=job.resume))
            outputs.append(_output(stack, sinks[-1], dreamer, picture))
        there = min(output.begun for output in outputs)
        # What an earlier render left must neither outlive this one's nor be resumed in its place.
        if there:
            checkpoints.forget(there)
        else:
            checkpoints.remove()
        if job.resumable:
            if not there:
                checkpoints.save(Checkpoint(0, settings=job.identity()))
                # Where no frame comes there is no file, and nothing to resume.
                stack.callback(lambda: None if report.frames else checkpoints.remove())
            if job.resume:
                dreams = _resumed(job, frames, dreamer, checkpoints, written=there, step=step)
            dreams = _checkpointed(dreams, job, checkpoints)
        write_dreams(dreams, outputs, report, dreamer, watch, start_s=start_s)
    checkpoints.remove()
    notes = [note for sink in sinks for note in sink.notes]
    notes += () if there else report.region_notes  # of frames from an earlier run nothing is known
    report.notes += dict.fromkeys([*source.info.notes, *shape_notes(source.info, info), *notes])
    return report


def _output(
    stack: ExitStack, sink: FileSink, dreamer: Dreamer, picture: Callable[[Dream], Picture]
) -> FilmOutput:
    writer = stack.enter_context(AsyncWriter(sink, dreamer.timer))
    return FilmOutput(writer, picture, sink.frames_written)


def _matte(dream: Dream) -> Picture:
    height, width = dream.frame.rgb.shape[:2]
    return matte(None if dream.planes is None else dream.planes.grow, width, height)


def _checkpointed(
    dreams: Iterable[Dream], job: RenderJob, checkpoints: Checkpoints
) -> Iterator[Dream]:
    """The same dreams; now and then, once one is written, where we are is saved."""
    settings = job.identity()
    for dream in dreams:
        yield dream
        if dream.state is not None and checkpoints.due():
            index, state = dream.frame.index + 1, dream.state.arrays()
            # One that does not fit costs repeated work, at worst all of it; the film may still fit.
            with suppress(SinkError):
                checkpoints.save(Checkpoint(index, state, settings))


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
    if written:
        found = checkpoints.newest(written)
        if found is not None and found.state:
            dreamer.restore(found.state)
            begin = found.index
        elif not has_more(job, written):
            return
    before: Frame | None = None
    for frame in frames:
        if frame.index >= begin:
            frames = chain([frame], frames)
            break
        before = frame
    for dream in dreamer.dreams(frames, before, step, checkpoints.due):
        if dream.frame.index >= written:
            yield dream


def has_more(job: RenderJob, written: int) -> bool:
    """Whether the source has more frames than are written: to see that, none has to be dreamed."""
    with job.open(skip=written) as rest:
        return next(iter(rest), None) is not None


def _replayed(
    job: RenderJob, show: Path, frames: Iterator[Frame], dreamer: Dreamer
) -> Iterator[Dream]:
    """The dreams of a live show, with all the time that they take."""
    playback, start_s = _playback(job, show, dreamer)
    dreamer.start_s += start_s
    return ShowDreamer(dreamer, playback).dreams(frames)


def _playback(
    job: RenderJob, show: Path, dreamer: Dreamer | None = None
) -> "tuple[Playback, float]":
    """A live show, and the time in it at which the source's first frame was captured. dreamer: as
    for `RenderJob.timeline`."""
    from livedream.control.show_reader import Playback, read_show

    script = read_show(show, job.source)
    given = dreamer is not None and dreamer.network_given
    playback = Playback(script, job.settings, job.kept, network_given=given)
    return playback, script.start_of(job.source)


def check_same(job: RenderJob, settings: str) -> None:
    """Raise SettingsError when `settings` (of an unfinished render) are not this job's."""
    now, then = json.loads(job.identity()), json.loads(settings)
    flat = [{**known.pop("settings", {}), **known} for known in (now, then)]
    older = {*extent(job.source), BESIDE} - flat[1].keys()  # which did not tell
    if "warm_up" in flat[0].keys() - flat[1].keys() and "replay" not in flat[1]:
        raise SettingsError(
            f"--resume: {job.output.name} was begun by an earlier version of livedream, which "
            "dreams cuts differently; start again with --overwrite"
        )
    names = (flat[0].keys() | flat[1].keys()) - older
    # Another name of a mask says more than other bytes.
    for name in sorted(names, key=lambda name: (name == BESIDE, name)):
        if flat[0].get(name) != flat[1].get(name):
            if name == BESIDE:
                raise SettingsError(
                    "--resume: a mask, guide or network is no longer the file that the stopped "
                    f"render of {job.output.name} had; put that one back, or --overwrite"
                )
            given, had = (repr(one.get(name)) for one in flat)
            said = f"--resume: {name} is {given}, the stopped render of {job.output.name} had {had}"
            if max(len(given), len(had)) > _LONGEST_SHOWN:
                said = f"--resume: {name}: other than in the stopped render of {job.output.name}"
            raise SettingsError(f"{said}; give the same, or --overwrite")
