"""One piece of a film, dreamed by one worker into a file of its own."""

import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache, partial
from itertools import chain, count, islice
from pathlib import Path
from typing import Any, Final, Self

from livedream.core.errors import SinkError, SourceError, os_reason
from livedream.core.frame import Frame, SourceInfo
from livedream.core.prefetch import AsyncWriter, StageTimer
from livedream.core.settings import DreamSettings
from livedream.core.whole_file import whole_file
from livedream.dream.dreamer import Dream, Dreamer
from livedream.jobs.checkpoint import Checkpoint, digest_beside, write_checkpoint
from livedream.jobs.film.plan import Piece
from livedream.jobs.film.seam import Seam, States
from livedream.jobs.render import RenderJob
from livedream.jobs.report import FilmOutput, RenderReport, write_dreams
from livedream.jobs.scaling import scaled
from livedream.media.containers import Opener
from livedream.present.video import VideoSink

_TELL_S: Final = 1.0  # between two words to the head


@dataclass(frozen=True, slots=True)
class Word:
    """What a worker says of itself. who: machine and process.  first: of its piece, the first
    frame.  done, frames: of the piece."""

    who: str
    film: str
    first: int
    done: int
    frames: int
    fps: float
    device: str


Tell = Callable[[Word], None]


@dataclass(frozen=True, slots=True)
class PieceReport:
    """Figures of a finished piece.

    end: of its last frame, in seconds.  header: the digest of what its file begins with; pieces
    with other ones cannot be joined.  where: the machine.  size: of the file, in bytes.
    """

    report: RenderReport
    end: Fraction
    header: str
    where: str
    size: int

    def text(self) -> str:
        """As JSON."""
        own = {"header": self.header, "where": self.where, "size": self.size}
        return json.dumps({**own, "end": str(self.end), "report": self.report.__dict__})

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError, KeyError or TypeError for what `text` never made."""
        found: dict[str, Any] = json.loads(text)
        report = RenderReport(**found["report"])
        end = Fraction(found["end"])
        return cls(report, end, found["header"], found["where"], found["size"])


def finished(path: Path) -> PieceReport | None:
    """The figures of the finished piece at `path`, None where there is none, or not all of it."""
    try:
        report = PieceReport.parse(path.with_suffix(".json").read_text(encoding="utf-8"))
        return report if path.stat().st_size == report.size else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def ending() -> str:
    """Of what this process is writing: others may be at the same piece in the same folder."""
    return f".{socket.gethostname()}-{os.getpid()}"


def state_path(folder: Path, piece: Piece, number: int) -> Path:
    """Where a piece keeps its state before a frame: the one that leads there, or from there on."""
    side = "before" if number == piece.end else "after"
    return folder / f"{number:09d}.{side}.safetensors"


def dream_piece(
    job: RenderJob, info: SourceInfo, piece: Piece, path: Path, tell: Tell, *,
    states: States = (), file: Opener | None = None,
) -> PieceReport:  # fmt: skip
    """Dream a piece into the file at `path`, which then is whole; states it keeps lie beside it.

    info: of the film, at the size of the output.  states: of a seam, before it and after it.
    file: as for `open_source`.
    Raises what `render` raises, and SourceError when the source is not what was planned for.
    """
    if job.beside_digest != digest_beside(job.every_settings()):
        raise SourceError(
            "masks, guides or networks here differ from those on the machine that began the "
            "render: every machine needs the same files at the same paths"
        )
    dreamer = _dreamer(job.settings)
    dreamer.adopt(job.settings)  # automation may have moved them
    dreamer.state, dreamer.timer, dreamer.start_s = piece.state, StageTimer(), info.begins_s
    dreamer.planes.rate, dreamer.warm_up_s = info.rate, job.warm_up
    frames, told_s = piece.end - piece.first, 0.0
    who = f"{socket.gethostname()}:{os.getpid()}"

    def watch(dream: Dream, report: RenderReport) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= _TELL_S:
            told_s = time.monotonic()
            tell(Word(
                who, str(job.output), piece.first, report.frames, frames, report.fps, report.device
            ))  # fmt: skip

    written = job.written(info)
    try:
        with whole_file(path, f"{ending()}{path.suffix}") as growing:
            sink = VideoSink(growing, written, replace(job.options, piece=True), overwrite=True)
            report = RenderReport.of(
                job.source, path, dreamer, written.width, written.height,
                begins=job.begins(dreamer, info),
            )  # fmt: skip
            opened = job.open(*piece.reads[0], file)
            with AsyncWriter(sink, dreamer.timer) as writer, opened as source:
                before, wanted = _placed(scaled(source, info), piece, job.source)
                if piece.seam:
                    dreams = dreamer.dreams(wanted, before, Seam(dreamer, states, frames).step)
                else:
                    numbers = count(piece.start + 1)
                    keep = partial(_asked, numbers, piece.kept)
                    dreams = dreamer.dreams(wanted, before, job.step(dreamer, info), keep)
                    dreams = _own(dreams, piece, path.parent)
                write_dreams(dreams, [FilmOutput(writer, job.picture)], report, dreamer, watch)
            if report.frames != frames or sink.end is None:
                raise _other(job.source, f"{report.frames} frames of {frames}")
            end, size = sink.end, growing.stat().st_size
    except OSError as error:
        if isinstance(error, (SinkError, SourceError)):
            raise
        raise SinkError(f"{path} cannot be written ({os_reason(error)})") from error
    report.notes = list(sink.notes)
    digest = hashlib.sha256(sink.header).hexdigest()
    return PieceReport(report, end, digest, socket.gethostname(), size)


@lru_cache(maxsize=1)
def _dreamer(settings: DreamSettings) -> Dreamer:
    """A worker dreams many pieces: its network is loaded once."""
    return Dreamer(settings)


def _asked(numbers: Iterator[int], kept: Sequence[int]) -> bool:
    return next(numbers) in kept


def _own(dreams: Iterator[Dream], piece: Piece, folder: Path) -> Iterator[Dream]:
    """The dreams that are the piece's own; states it is to keep are written."""
    for dream in dreams:
        number = dream.frame.index + 1
        if number in piece.kept:
            assert dream.state is not None, "it was asked for"
            path = state_path(folder, piece, number)
            write_checkpoint(path, Checkpoint(number, dream.state.arrays()))
        if dream.frame.index >= piece.first:
            yield dream


def _placed(
    frames: Iterator[Frame], piece: Piece, name: str
) -> tuple[Frame | None, Iterator[Frame]]:
    """The frame before the start, and those from it on, which are those that were planned."""
    before = next(frames, None) if piece.start else None
    first = next(frames, None)
    if first is None or (first.index, first.pts) != (piece.start, piece.begins):
        found = "none" if first is None else f"pts {first.pts}"
        raise _other(name, f"frame {piece.start}: {found} instead of pts {piece.begins}")

    def checked() -> Iterator[Frame]:
        for frame in islice(chain([first], frames), piece.end - piece.start):
            if frame.index == piece.end - 1 and frame.pts != piece.ends:
                raise _other(name, f"frame {frame.index}: pts {frame.pts}, not {piece.ends}")
            yield frame

    return before, checked()


def _other(name: str, found: str) -> SourceError:
    return SourceError(f"{name} is not the file that the film was planned for ({found})")
