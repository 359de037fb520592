"""What a worker is asked to do: plain values that travel, each of which can carry itself out."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from livedream.core.errors import SinkError
from livedream.core.frame import SourceInfo
from livedream.jobs.film.piece import PieceReport, Tell, dream_piece
from livedream.jobs.film.plan import Piece, Sighting, Stretch, look
from livedream.jobs.render import RenderJob


class Order(Protocol):
    """carry_out: what comes of it. tell: for what is worth saying meanwhile."""

    def carry_out(self, tell: Tell) -> object: ...


@dataclass(frozen=True, slots=True)
class LookOrder:
    """Look for cuts."""

    job: RenderJob
    info: SourceInfo
    stretch: Stretch

    def carry_out(self, tell: Tell) -> Sighting:
        return look(self.job, self.info, self.stretch)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A finished piece. content: of its file, where that does not lie where the head sees it."""

    report: PieceReport
    content: NDArray[np.uint8] | None = None

    def keep(self, path: Path) -> None:
        """Put it where `path` says; what is seen there is whole, its figures come last.

        Raises SinkError when it cannot be written.
        """
        try:
            if self.content is not None:
                _write(path, self.content.tobytes())
            _write(path.with_suffix(".json"), self.report.text().encode())
        except OSError as error:
            raise SinkError(f"{path} cannot be written ({error.strerror}): free space") from error


@dataclass(frozen=True, slots=True)
class DreamOrder:
    """Dream a piece.

    path: of its file, in the head's folder.  sign: the name of a file in that folder: where a
    worker sees it, it writes there itself; elsewhere what it wrote is sent.
    """

    job: RenderJob
    info: SourceInfo
    piece: Piece
    path: Path
    sign: str

    def carry_out(self, tell: Tell) -> Parcel:
        if (self.path.parent / self.sign).exists():
            parcel = Parcel(dream_piece(self.job, self.info, self.piece, self.path, tell))
            parcel.keep(self.path)  # for a head that dies before it hears of it
            return parcel
        with tempfile.TemporaryDirectory(prefix="livedream-") as folder:
            path = Path(folder) / self.path.name
            report = dream_piece(self.job, self.info, self.piece, path, tell)
            return Parcel(report, np.fromfile(path, np.uint8))


def _write(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
