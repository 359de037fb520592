"""Films on many workers: plan, dream the pieces, join them.

Beside the output lies the folder of an unfinished render, here with the plan in `film.json` and the
finished pieces, each a growing video and its figures. It is all that `--resume` needs.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any, Final, Protocol

from livedream.capture.synthetic import is_synthetic
from livedream.core.errors import SettingsError, SinkError
from livedream.core.frame import SourceInfo
from livedream.core.settings import DreamSettings
from livedream.core.user_folders import write_whole
from livedream.jobs.checkpoint import MANIFEST, Checkpoints, read_checkpoint
from livedream.jobs.film.ledger import Ledger
from livedream.jobs.film.orders import DreamOrder, LookOrder, Order, Parcel
from livedream.jobs.film.piece import PieceReport, Word, finished
from livedream.jobs.film.plan import (
    Piece,
    Plan,
    Sighting,
    Stretch,
    fit_together,
    plan_of,
    stretches_of,
)
from livedream.jobs.film.sending import (
    ALL,
    NOTHING,
    PARTS,
    FilePart,
    Get,
    UnseenError,
    front_of,
    part_of,
)
from livedream.jobs.render import RenderJob, check_same, has_more
from livedream.jobs.report import RenderReport
from livedream.jobs.scaling import shape_notes
from livedream.media.containers import frames_in
from livedream.media.destination import cannot
from livedream.present import keeps_pixel_shape
from livedream.present.video import join

_STRETCHES: Final = 4  # for each worker in the first pass: one that is done early takes another

Hear = Callable[[Sequence[Word]], None]


class Workers(Protocol):
    """Who carries out orders.

    count: how many at once, as far as it is known.
    run: what comes of each order, with its number, as they are done; they are asked for as there is
    room for them, and begun in their order. An error of
    livedream's is raised, and the rest given up.  hear: told now and then what workers say.
    share: put something where workers can get it, once each.
    """

    @property
    def count(self) -> int: ...

    def share(self, part: FilePart) -> Get: ...

    def run(self, orders: Iterable[Order], hear: Hear) -> Iterator[tuple[int, Any]]: ...


class OneWorker:
    """This process: for tests, and for programs that want pieces without Ray."""

    count = 1

    def share(self, part: FilePart) -> Get:
        return lambda: part

    def run(self, orders: Iterable[Order], hear: Hear) -> Iterator[tuple[int, Any]]:
        for number, order in enumerate(orders):
            yield number, order.carry_out(lambda word: hear([word]))


@dataclass
class _Film:
    """A film that is being made."""

    job: RenderJob
    info: SourceInfo
    source: SourceInfo
    folder: Path
    plan: Plan | None = None
    sending: int = NOTHING
    front: Mapping[int, Get] | None = None
    whole: Get | None = None
    sign: str = field(default_factory=lambda: secrets.token_hex(8))
    finished: dict[int, PieceReport] = field(default_factory=dict)
    complete: bool = False  # before anybody has worked

    @classmethod
    def begin(cls, job: RenderJob) -> "_Film":
        """Raises what is wrong with the job before anybody works."""
        if job.replay is not None:
            raise SettingsError("--replay works frame after frame: leave out --workers")
        if job.matte is not None:
            raise SettingsError("--matte is written by one worker only: leave out --workers")
        if not keeps_pixel_shape(job.output):
            raise SettingsError(
                f"{job.output}: several workers write video files only, such as .mp4 or .mkv"
            )
        if not is_synthetic(job.source):
            job = replace(job, source=str(Path(job.source).resolve()))
        job = replace(job, output=job.output.resolve())
        with job.open() as opened:
            source = opened.info
        job.check(job.described(source))
        source = replace(source, files=())  # it goes to every worker, with each order
        film = cls(job, job.described(source), source, Checkpoints(job.output).folder)
        if job.resume:
            film._find()
        elif film.folder.exists() and not job.overwrite:
            raise SinkError(
                f"{film.folder.name} holds an unfinished render: add --resume, or --overwrite"
            )
        if film.plan is None:
            film.complete = job.resume and film._is_there()
            if film.complete:
                return film
            if job.resume and (job.output.exists() or film.folder.exists()):
                raise SettingsError(
                    f"--resume: {job.output.name} was not started by several workers; leave out "
                    "--workers"
                )
            Checkpoints(job.output).remove()
        film.job = job.heard(source)
        return film

    def _is_there(self) -> bool:
        """Whether the output is whole; that it is this job's has been checked."""
        if self.folder.exists() or not self.job.output.exists():
            return False
        return not has_more(self.job, frames_in(self.job.output))

    def _find(self) -> None:
        """What a head that died left."""
        try:
            found = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
            settings = str(found["settings"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        check_same(self.job, settings)
        try:
            plan = Plan.from_dict(found["plan"])
        except (ValueError, KeyError, TypeError):
            return
        self.plan = plan
        for piece in plan.pieces:
            if (report := finished(self.path_of(piece))) is not None:
                self.finished[piece.first] = report

    def make(self, plan: Plan) -> None:
        """Go by a plan, which is kept."""
        self.plan = plan
        found = {"settings": self.job.identity(), "plan": plan.as_dict()}
        write_whole(self.folder / MANIFEST, json.dumps(found))

    def planned(self, seen: Sequence[Sighting], workers: int, *, exact: bool) -> Plan:
        """The plan of what was seen. Automation leaves long shots whole: at a seam two dreams of
        one look meet, not of two."""
        from livedream.control.catalogue import own_objective_of

        timeline, own = self.job.timeline(self.info), own_objective_of(self.job.settings)
        start_s = self.info.begins_s

        def told(settings: DreamSettings) -> DreamSettings:
            """With the network's own objective, which may have regions, where it is dreamed."""
            if settings.prompt.strip() or settings.objective:
                return settings
            return settings.replace(objective=own(settings.network))

        at = None
        if timeline is not None:
            at = lambda time_s: told(timeline.snapshot(start_s + time_s).dream)  # noqa: E731
        return plan_of(
            seen, self.info, told(self.job.settings), workers=workers,
            exact=exact or timeline is not None, at=at, warm_up_s=self.job.warm_up,
        )  # fmt: skip

    def path_of(self, piece: Piece) -> Path:
        return self.folder / f"{piece.first:09d}{self.job.output.suffix}"

    def get(self, wanted: Piece | Stretch, workers: Workers) -> Get | None:
        """What workers who do not see the source read of it, as far as any has said so."""
        if self.sending == PARTS:
            if self.front is None:
                self.front = front_of(self.job, workers.share)
            part = part_of(self.job, wanted, workers.share, self.front)
            if not part.is_whole:
                return workers.share(part)
            self.sending = ALL
        if self.sending == ALL and self.whole is None:
            self.whole = workers.share(part_of(self.job, None, workers.share, {}))
        return self.whole

    def send_more(self, unseen: UnseenError) -> None:
        """From now on."""
        assert unseen.sent < ALL, "there is no more"
        self.sending = max(self.sending, unseen.sent + 1)

    def order(self, piece: Piece, workers: Workers) -> DreamOrder:
        """Raises SinkError where a seam's states cannot be read, or nothing can be written."""
        try:
            (self.folder / self.sign).touch()
        except OSError as error:
            raise cannot(self.folder, error) from error
        states = []
        if piece.seam:
            for side in ("before", "after"):
                path = self.folder / f"{piece.first:09d}.{side}.safetensors"
                if (found := read_checkpoint(path)) is None:
                    raise SinkError(f"{path} cannot be read: render again with --overwrite")
                states.append(found.state)
        return DreamOrder(
            self.job.part(self.info, piece.begins, piece.ends),
            self.info,
            piece,
            self.path_of(piece),
            self.sign,
            states,
            self.get(piece, workers),
        )

    def finish(self, piece: Piece, parcel: Parcel) -> None:
        """Take a piece as done. Raises SinkError where it does not fit to the others."""
        report = parcel.report
        other = next(iter(self.finished.values()), report)
        if other.header != report.header:
            raise SinkError(
                f"{report.where} encodes otherwise than {other.where}: "
                "workers need the same livedream, PyAV and hardware encoders"
            )
        if parcel.files:
            parcel.keep(self.path_of(piece))
        self.finished[piece.first] = report

    @property
    def missing(self) -> list[Piece]:
        assert self.plan is not None
        return [piece for piece in self.plan.pieces if piece.first not in self.finished]

    def figures(self, words: Sequence[Word]) -> tuple[int, int, int]:
        """(frames done, frames, workers that say that they are at it)."""
        own = [word.done for word in words if word.film == str(self.job.output)]
        done = sum(one.report.frames for one in self.finished.values())
        return done + sum(own), 0 if self.plan is None else self.plan.frames, len(own)

    def join(self, *, complete: bool = True) -> RenderReport:
        """Make the output of the pieces, as far as they follow each other from the beginning."""
        pieces = () if self.plan is None else self.plan.pieces
        done = list(takewhile(lambda piece: piece.first in self.finished, pieces))
        reports = [self.finished[piece.first] for piece in done]
        report = _summed([one.report for one in reports], self.job)
        if self.plan is not None and done:
            info = self.job.written(self.info)
            with self.job.told_to_resume():
                notes = join(
                    self.job.output, [self.path_of(piece) for piece in done], info,
                    self.job.options,
                    end=reports[-1].end, complete=complete,
                )  # fmt: skip
            shapes = shape_notes(self.source, self.info)
            report.notes = list(
                dict.fromkeys([*self.plan.notes, *shapes, *notes, *report.region_notes])
            )
        report.complete = complete
        if complete:
            Checkpoints(self.job.output).remove()
        return report


def _summed(reports: Sequence[RenderReport], job: RenderJob) -> RenderReport:
    """The figures of all pieces as one's."""
    if not reports:
        return RenderReport(job.source, str(job.output))
    frames = sum(one.frames for one in reports)

    def mean(of: Callable[[RenderReport], float]) -> float:
        return sum(of(one) * one.frames for one in reports) / frames

    devices = ", ".join(dict.fromkeys(one.device for one in reports))
    return replace(
        reports[0], source=job.source, output=str(job.output), frames=frames,
        device=devices,
        empty_regions=sum(one.empty_regions for one in reports),
        strength=mean(lambda one: one.strength), flicker=mean(lambda one: one.flicker),
        stages_ms={
            name: mean(lambda one, name=name: one.stages_ms.get(name, 0.0))  # type: ignore[misc]
            for name in reports[0].stages_ms
        },
    )  # fmt: skip


Watch = Callable[[int, int, Sequence[Word]], None]


def render_films(
    jobs: Sequence[RenderJob],
    workers: Workers,
    watch: Watch = lambda done, frames, words: None,
    *,
    exact: bool = False,
) -> list[RenderReport]:
    """Render the jobs, all by the same workers; their reports in order.

    exact: long shots are not cut, so that frames are those of one worker.

    watch: told now and then how many frames of all are done, how many there are, and what workers
    say.
    Raises what `render` raises, and WorkersError. Finished pieces are kept whatever happens; a
    KeyboardInterrupt joins those at the beginning of each film into one that plays.
    """
    begun_s = time.monotonic()
    everything = [_Film.begin(job) for job in jobs]
    films = [film for film in everything if not film.complete]
    reports = {film.job.output: film.join() for film in everything if film.complete}

    def join(film: _Film) -> None:
        if not film.missing:
            report = reports[film.job.output] = film.join()
            report.seconds = time.monotonic() - begun_s if report.frames else 0.0
            ledger.note({film.job.output: film.figures([])})
            ledger.done(film.job.output)

    def hear(words: Sequence[Word]) -> None:
        figures = {film.job.output: film.figures(words) for film in films}
        ledger.note(figures)
        done, frames, _ = map(sum, zip(*figures.values(), strict=True))
        watch(done, frames, words)

    with Ledger([film.job.output for film in films]) as ledger:
        try:
            _look(films, workers, exact=exact)
            for film in films:
                join(film)
            for seams in (False, True):  # which wait for the pieces on both sides
                while wanted := [(f, p) for f in films for p in f.missing if p.seam is seams]:
                    wanted.sort(key=lambda one: one[1].start - one[1].end)  # the longest first
                    orders = (film.order(piece, workers) for film, piece in wanted)
                    for number, found in workers.run(orders, hear):
                        film, piece = wanted[number]
                        if isinstance(found, UnseenError):
                            film.send_more(found)
                            continue
                        film.finish(piece, found)
                        hear([])
                        join(film)
        except KeyboardInterrupt:
            for film in films:
                if film.job.output not in reports:
                    film.join(complete=False)
            raise
    return [reports[film.job.output] for film in everything]


def _look(films: Sequence[_Film], workers: Workers, *, exact: bool) -> None:
    """Plan those without a plan: in stretches, or where these do not fit together, as a whole."""
    for most in (workers.count * _STRETCHES, 1):
        films = [film for film in films if film.plan is None]
        if not films:
            return
        wanted = [(film, stretch) for film in films for stretch in stretches_of(film.source, most)]
        seen: dict[int, Sighting] = {}
        while left := [number for number in range(len(wanted)) if number not in seen]:
            orders = (
                LookOrder(
                    replace(film.job, automation=None),
                    film.info,
                    stretch,
                    film.get(stretch, workers),
                )
                for film, stretch in map(wanted.__getitem__, left)
            )
            for place, found in workers.run(orders, lambda words: None):
                if isinstance(found, UnseenError):
                    wanted[left[place]][0].send_more(found)
                else:
                    seen[left[place]] = found
        for film in films:
            own = [seen[n] for n in range(len(wanted)) if wanted[n][0] is film]
            if fit_together(own):
                film.make(film.planned(own, workers.count, exact=exact))
