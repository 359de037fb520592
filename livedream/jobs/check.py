"""Check: what a render of a file would keep, convert and drop, and how long it would take here.

The first frames are really rendered, into a folder that goes again: its notes are the render's own,
and the pace is measured, not reckoned.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from livedream.core.frame import SourceInfo
from livedream.dream.dreamer import Dream, Dreamer
from livedream.jobs.render import RenderJob, render
from livedream.jobs.report import RenderReport
from livedream.media.containers import CONTAINERS, Container, codec_for, main_video, open_container
from livedream.present.stream_convert import fitted
from livedream.present.stream_copy import CopiedStream, Music, copied_streams_of

_TRIED: Final = 24  # frames that are rendered
_WARMING: Final = 4  # of these, the first ones: buffers and graphs are made


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """One thing in a file and what becomes of it.

    name: as the notes of a render name it; a song by its file.  fate: "dreamed", "kept",
    "converted" or "dropped".  into: what it is converted into, "" otherwise.
    """

    name: str
    fate: str
    into: str = ""


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What a render of `info` would do.

    parts: in the order of the file, a song behind its streams.  width, height: of what is written,
    px.  notes: those of a render.  fps: frames a second here, decoding and encoding included.
    """

    info: SourceInfo
    output: Path
    width: int
    height: int
    parts: tuple[CheckedPart, ...]
    notes: tuple[str, ...]
    fps: float

    @property
    def seconds(self) -> float | None:
        """How long the whole render would take, None where the number of frames is unknown."""
        return None if self.info.frames is None else self.info.frames / self.fps


def check_file(job: RenderJob, dreamer: Dreamer | None = None) -> FileCheck:
    """What `render` would do with `job`; nothing is written where it says.

    Raises what `render` raises for a source or an output that cannot be.
    """
    with job.open() as source:
        info = source.info
    job.check(job.described(info))
    with TemporaryDirectory(prefix="livedream-") as folder:
        report, fps = _tried(job, info, dreamer, Path(folder))
    known = [*info.notes, *report.notes]
    if info.frames != report.frames:  # a region that is empty so far may not be so later
        known = [note for note in known if note not in report.region_notes]
    notes = tuple(dict.fromkeys(known))
    return FileCheck(
        info, job.output, report.width, report.height, tuple(_parts(job, info)), notes, fps
    )


def _tried(
    job: RenderJob, info: SourceInfo, dreamer: Dreamer | None, folder: Path
) -> tuple[RenderReport, float]:
    """The report of the first frames, and frames a second."""
    end_s = job.start_s + float(_TRIED / info.rate)
    trial = replace(
        job, output=folder / (job.output.name or "frames"), matte=None, overwrite=True,
        resume=False,
        end_s=end_s if job.end_s is None else min(job.end_s, end_s),
    )  # fmt: skip
    if job.output.is_dir() or not job.output.suffix:
        trial.output.mkdir(exist_ok=True)
    written_s: list[float] = []
    begun_s = time.monotonic()

    def watch(dream: Dream, report: RenderReport) -> None:
        written_s.append(time.monotonic())

    report = render(trial, dreamer, watch=watch)
    spans_s = [b - a for a, b in pairwise(written_s)][_WARMING:]
    if spans_s:
        return report, 1 / max(median(spans_s), 1e-6)
    return report, len(written_s) / max(time.monotonic() - begun_s, 1e-6)


def _parts(job: RenderJob, info: SourceInfo) -> Iterator[CheckedPart]:
    container = CONTAINERS.get(job.output.suffix.lower())
    codec = "" if container is None else codec_for(job.output, job.codec, alpha=job.layer)
    muxer = "matroska" if container is None else container.name
    holder = None if job.layer or not job.copy_streams else container
    if info.path is None:
        yield CheckedPart("pictures", "dreamed", codec)
        yield from _song(job, info, muxer, holder)
        return
    with open_container(info.path) as opened:
        video = main_video(opened, info.stream)
        yield CheckedPart(f"video ({video.codec_context.name})", "dreamed", codec)
        chapters = len(opened.chapters())
    for stream in copied_streams_of(info.path, muxer, info.stream):
        replaced = job.music is not None and stream.kind == "audio"
        language = stream.stream.metadata.get("language", "und")
        name = stream.title if language == "und" else f"{stream.title}, {language}"
        yield _copied(name, stream, None if replaced else holder)
    yield from _song(job, info, muxer, holder)
    if chapters:
        holds = container is not None and container.has_chapters and job.copy_streams
        yield CheckedPart(f"chapters ({chapters})", "kept" if holds else "dropped")


def _song(
    job: RenderJob, info: SourceInfo, muxer: str, holder: Container | None
) -> Iterator[CheckedPart]:
    """What becomes of the song that is heard instead of the source's sound, if there is one."""
    if job.music is not None:
        song = Music.beside(job.music, info).stream(muxer)
        yield _copied(f"song ({job.music.name})", song, holder)


def _copied(name: str, stream: CopiedStream, holder: Container | None) -> CheckedPart:
    """What becomes of a stream, which is closed.  holder: None where it does not come along."""
    held = None if holder is None else fitted(stream, holder)
    made = "" if held is None else held.made
    fate = "dropped" if held is None else "converted" if made else "kept"
    for opened in {stream, held or stream}:
        opened.close()
    return CheckedPart(name, fate, made)
