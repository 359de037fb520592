"""What a worker is asked to do: plain values that travel, each of which can carry itself out."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from livedream.core.errors import SinkError, os_reason
from livedream.core.frame import SourceInfo
from livedream.core.whole_file import whole_file
from livedream.jobs.film.piece import PieceReport, Tell, dream_piece, ending, finished
from livedream.jobs.film.plan import Piece, Sighting, Stretch, look
from livedream.jobs.film.seam import States
from livedream.jobs.film.sending import Get, UnseenError, seen_by_worker
from livedream.jobs.render import RenderJob


class Order(Protocol):
    """carry_out: what comes of it, an UnseenError where the worker does not see the source.

    tell: for what is worth saying meanwhile.
    """

    def carry_out(self, tell: Tell) -> object: ...


@dataclass(frozen=True, slots=True)
class LookOrder:
    """Look for cuts. get: what to read where the source is not seen."""

    job: RenderJob
    info: SourceInfo
    stretch: Stretch
    get: Get | None = None

    def carry_out(self, tell: Tell) -> Sighting | UnseenError:
        try:
            file = seen_by_worker(self.job, self.info, self.get)
            return look(self.job, self.info, self.stretch, file)
        except UnseenError as unseen:
            return unseen


@dataclass(frozen=True, slots=True)
class Parcel:
    """A finished piece. files: by name, where they do not lie where the head sees them."""

    report: PieceReport
    files: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)

    def keep(self, path: Path) -> None:
        """Put it where `path` says; what is seen there is whole, its figures come last.

        Raises SinkError when it cannot be written.
        """
        try:
            for name, content in self.files.items():
                _write(path.with_name(name), content)
            _write(path.with_suffix(".json"), np.frombuffer(self.report.text().encode(), np.uint8))
        except OSError as error:
            raise SinkError(f"{path} cannot be written ({os_reason(error)}): free space") from error


@dataclass(frozen=True, slots=True)
class DreamOrder:
    """Dream a piece.

    path: of its file, in the head's folder.  sign: the name of a file in that folder: where a
    worker sees it, it writes there itself; elsewhere what it wrote is sent.  states: see
    `dream_piece`.  get: what to read where the source is not seen.
    """

    job: RenderJob
    info: SourceInfo
    piece: Piece
    path: Path
    sign: str
    states: States = ()
    get: Get | None = None

    def carry_out(self, tell: Tell) -> Parcel | UnseenError:
        try:
            return self._carried_out(tell)
        except UnseenError as unseen:
            return unseen

    def _carried_out(self, tell: Tell) -> Parcel:
        if (self.path.parent / self.sign).exists():
            done = finished(self.path)  # by a worker that died before it could say so
            parcel = Parcel(done or self._dream(self.path, tell))
            if done is None:
                parcel.keep(self.path)  # for a head that dies before it hears of it
            return parcel
        with tempfile.TemporaryDirectory(prefix="livedream-") as folder:
            report = self._dream(Path(folder) / self.path.name, tell)
            made = {path.name: np.fromfile(path, np.uint8) for path in Path(folder).iterdir()}
            return Parcel(report, made)

    def _dream(self, path: Path, tell: Tell) -> PieceReport:
        file = seen_by_worker(self.job, self.info, self.get)
        return dream_piece(
            self.job, self.info, self.piece, path, tell, states=self.states, file=file
        )


def _write(path: Path, content: NDArray[np.uint8]) -> None:
    with whole_file(path, ending()) as unfinished:
        unfinished.write_bytes(content.data)
