"""A film in pieces is the film in one: pictures, times, sound; and what was done stays done."""

import errno
import pickle
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import cv2
import pytest
from film_made import film, shot
from PIL import Image

from livedream.capture import open_source
from livedream.core.errors import LivedreamError, SettingsError, SinkError, SourceError
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dream
from livedream.jobs.film.film import Hear, OneWorker, render_films
from livedream.jobs.film.ledger import entries
from livedream.jobs.film.orders import DreamOrder, Order, Parcel
from livedream.jobs.film.sending import FilePart, Get
from livedream.jobs.render import RenderJob, render
from livedream.jobs.report import RenderReport

SMALL = DreamSettings(
    size="source", flow_size="source", wander=1.0, objective="faces + classes:0-9"
)
TINY = DreamSettings(  # soon computed, where any dream will do
    size="32p", flow_size="32p", objective="strokes"
)
SHOTS = 60, 52, 70


class Elsewhere:
    """Workers on other machines: they see nothing of the head's folder.

    stop: after how many.  hidden: a file that they do not see.
    """

    count = 3

    def __init__(self, stop: int | None = None, hidden: Path | None = None) -> None:
        self.stop, self.dreamed, self.hidden = stop, list[int](), hidden
        self.shared: list[FilePart] = []

    def share(self, part: FilePart) -> Get:
        self.shared.append(part)
        return partial(pickle.loads, pickle.dumps(part))

    def run(self, orders: Iterable[Order], hear: Hear) -> Iterator[tuple[int, Any]]:
        for number, order in enumerate(orders):
            if isinstance(order, DreamOrder):
                if len(self.dreamed) == self.stop:
                    raise KeyboardInterrupt
                self.dreamed.append(order.piece.first)
            seen = replace(order, sign="not there") if isinstance(order, DreamOrder) else order
            with away(self.hidden):
                found = pickle.loads(pickle.dumps(seen)).carry_out(lambda word: hear([word]))
            yield number, found


class Idle(OneWorker):
    """Nobody is to work."""

    def run(self, orders: Iterable[Order], hear: Hear) -> Iterator[tuple[int, Any]]:
        raise AssertionError("somebody was to work")


@contextmanager
def away(path: Path | None) -> Iterator[None]:
    """While it lasts, there is nothing at the path."""
    if path is None:
        yield
        return
    other = path.rename(path.with_name("elsewhere"))
    try:
        yield
    finally:
        other.rename(path)


def packets(path: Path, kind: str) -> list[tuple[object, ...]]:
    with av.open(str(path)) as found:
        stream = next(s for s in found.streams if s.type == kind)
        return [(p.pts, p.dts, p.duration, bytes(p)) for p in found.demux(stream) if p.size]


def times(path: Path) -> list[tuple[object, ...]]:
    return [packet[:3] for packet in packets(path, "video")]


def job(source: Path | str, output: Path, **more: Any) -> RenderJob:
    return RenderJob(source=str(source), output=output, **{"settings": SMALL, **more})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A film and its dream by one, without loss."""
    folder = tmp_path_factory.mktemp("film")
    source = film(folder / "film.mkv", *SHOTS)
    render(job(source, folder / "one.mkv", codec="ffv1"))
    return source, folder / "one.mkv"


@pytest.mark.parametrize("workers", [OneWorker(), Elsewhere()])
def test_a_film_in_pieces_is_the_same_film(
    made: tuple[Path, Path], tmp_path: Path, workers: OneWorker
) -> None:
    source, one = made
    out = tmp_path / "many.mkv"
    told = []
    (report,) = render_films(
        [job(source, out, codec="ffv1")], workers, lambda done, of, words: told.append((done, of))
    )
    assert packets(out, "video") == packets(one, "video")
    assert packets(out, "audio") == packets(one, "audio")
    assert (report.frames, report.complete, report.notes) == (sum(SHOTS), True, [])
    assert told[-1][1] == sum(SHOTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many.mkv"]


@pytest.mark.parametrize(("white", "empty"), [((), 20), ((12,), 19)])
def test_a_region_that_is_empty_in_every_frame_is_said_to_be_so(
    tmp_path: Path, white: tuple[int, ...], empty: int
) -> None:
    source = film(tmp_path / "in.mkv", 9, 11)
    for number in range(20):
        mask = Image.new("L", (16, 9), 255 * (number in white))
        mask.save(tmp_path / f"{number:02d}.png")
    settings = TINY.replace(where=f"mask({tmp_path}/%02d.png)", size="32p")
    one = job(source, tmp_path / "one.mkv", settings=settings)
    reports = [render(one), *render_films([replace(one, output=tmp_path / "2.mkv")], OneWorker())]
    for report in reports:
        assert (report.frames, report.empty_regions) == (20, empty)
        told = "the region was empty in every frame: nothing was dreamed" in report.notes
        assert told == (not white)


def test_a_guide_that_moves_is_at_its_time_in_every_piece(tmp_path: Path) -> None:
    source, guide = film(tmp_path / "in.mkv", 9, 11), film(tmp_path / "guide.mkv", 14)
    settings = SMALL.replace(objective=f"faces + guide(eyes, {guide})")
    one, many, stopped = (tmp_path / f"{name}.mkv" for name in ("one", "many", "stopped"))
    first = job(source, one, codec="ffv1", settings=settings, start_s=0.1)
    render(first)
    render_films([replace(first, output=many)], OneWorker())
    assert packets(many, "video") == packets(one, "video")

    def stop(dream: Dream, report: RenderReport) -> None:
        if report.frames == 13:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(replace(first, output=stopped), watch=stop)
    render(replace(first, output=stopped, resume=True))
    with open_source(one) as wanted, open_source(stopped) as found:
        for a, b in zip(wanted, found, strict=True):
            assert (a.rgb == b.rgb).all()


def test_h264_has_every_frame_in_its_place(made: tuple[Path, Path], tmp_path: Path) -> None:
    one, many = tmp_path / "one.mp4", tmp_path / "many.mp4"
    part = {"start_s": 0.5, "end_s": 5.0, "settings": TINY}
    render(job(made[0], one, **part))
    render_films([job(made[0], many, **part)], OneWorker())
    assert times(many) == times(one)
    assert packets(many, "audio") == packets(one, "audio")
    with open_source(many) as source:
        assert sum(1 for _ in source) == len(times(one))


def test_what_was_stopped_plays_and_is_gone_on_with(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    source, one = made
    out = tmp_path / "many.mkv"
    first = Elsewhere(stop=2)  # the longest two pieces: the first of them begins the film
    with pytest.raises(KeyboardInterrupt):
        render_films([job(source, out, codec="ffv1")], first)
    assert first.dreamed == [112, 0]
    assert packets(out, "video") == packets(one, "video")[: SHOTS[0]]
    with pytest.raises(SinkError, match="already exists"):
        render_films([job(source, out, codec="ffv1")], OneWorker())
    with pytest.raises(SettingsError, match="seed is 5"):
        other = job(source, out, codec="ffv1", resume=True, settings=SMALL.replace(seed=5))
        render_films([other], OneWorker())
    with pytest.raises(SettingsError, match="add --workers"):
        render(job(source, out, codec="ffv1", resume=True))
    (tmp_path / "many.mkv.livedream-state" / "000000112.mkv").write_bytes(b"")  # a power cut
    second = Elsewhere()
    render_films([job(source, out, codec="ffv1", resume=True)], second)
    assert second.dreamed == [112, 60]
    assert packets(out, "video") == packets(one, "video")


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_a_batch_is_gone_on_with_once_a_film_of_it_is_done(tmp_path: Path, suffix: str) -> None:
    clouds = "synthetic:clouds?size=64x48&fps=10&seconds=0.{}"
    jobs = [job(clouds.format(n), tmp_path / f"{n}{suffix}", settings=TINY) for n in (4, 3)]
    with pytest.raises(KeyboardInterrupt):
        render_films(jobs, Elsewhere(stop=1))
    before = jobs[0].output.read_bytes()
    workers, told = Elsewhere(), list[tuple[int, int]]()
    one, two = render_films(
        [replace(one, resume=True) for one in jobs], workers,
        lambda done, of, words: told.append((done, of)),
    )  # fmt: skip
    assert (one.frames, one.complete, two.frames, two.complete) == (0, True, 3, True)
    assert len(workers.dreamed) == 1 and told[-1] == (3, 3)
    assert jobs[0].output.read_bytes() == before
    if suffix != ".ts":  # which cannot say what it was made with
        other = replace(jobs[0], resume=True, settings=TINY.replace(seed=5))
        with pytest.raises(SettingsError, match="seed is 5"):
            render_films([other], Idle())


def test_a_part_of_a_film_by_one_is_not_gone_on_with_by_many(tmp_path: Path) -> None:
    def stop(dream: Dream, report: RenderReport) -> None:
        raise KeyboardInterrupt

    clouds = "synthetic:clouds?size=64x48&fps=10&seconds=0.4"
    wanted = job(clouds, tmp_path / "out.mkv", settings=TINY)
    with pytest.raises(KeyboardInterrupt):
        render(wanted, watch=stop)
    with pytest.raises(SettingsError, match="was not started by several workers"):
        render_films([replace(wanted, resume=True)], Idle())


def test_a_worker_that_died_before_it_could_say_so(made: tuple[Path, Path], tmp_path: Path) -> None:
    """What it has finished is not dreamed again."""
    again: list[bool] = []

    class Twice(OneWorker):
        def run(self, orders: Iterable[Order], hear: Hear) -> Iterator[tuple[int, Any]]:
            for number, order in enumerate(orders):
                found = order.carry_out(lambda word: None)
                if isinstance(order, DreamOrder):
                    stamp = order.path.stat().st_mtime_ns
                    found = order.carry_out(lambda word: None)
                    again.append(order.path.stat().st_mtime_ns != stamp)
                yield number, found

    assert render_films([job(made[0], tmp_path / "many.mkv", settings=TINY)], Twice())
    assert again == [False] * len(SHOTS)


def test_another_file_of_the_same_name_is_found_out(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    source, out = tmp_path / "film.mkv", tmp_path / "many.mkv"
    source.write_bytes(made[0].read_bytes())

    class Changed(OneWorker):
        def run(self, orders: Iterable[Order], hear: Hear) -> Iterator[tuple[int, Any]]:
            yield from super().run(orders, hear)
            film(source, 60, 52, 69)

    with pytest.raises(SourceError, match="not the file that the film was planned for"):
        render_films([job(source, out, settings=TINY)], Changed())


def test_a_film_is_done_once_it_is_joined(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path / "home"))

    def full(*given: Any, **more: Any) -> tuple[str, ...]:
        raise SinkError("the disk is full")

    wanted = job(made[0], tmp_path / "many.mkv", settings=TINY)
    with monkeypatch.context() as broken, pytest.raises(SinkError):
        broken.setattr("livedream.jobs.film.film.join", full)
        render_films([wanted], OneWorker())
    (entry,) = entries()
    assert (entry.state, entry.why, entry.done) == ("failed", "the disk is full", sum(SHOTS))
    render_films([replace(wanted, resume=True)], Idle())
    (entry,) = entries()
    assert (entry.state, entry.done, entry.frames) == ("done", sum(SHOTS), sum(SHOTS))


def test_pieces_of_other_encoders_are_not_joined(made: tuple[Path, Path], tmp_path: Path) -> None:
    class Mixed(OneWorker):
        def run(self, orders: Iterable[Order], hear: Hear) -> Iterator[tuple[int, Any]]:
            for number, found in super().run(orders, hear):
                other = isinstance(found, Parcel) and number
                yield number, Parcel(replace(found.report, header="other")) if other else found

    with pytest.raises(SinkError, match="encodes otherwise"):
        render_films([job(made[0], tmp_path / "many.mkv", settings=TINY)], Mixed())


@pytest.mark.parametrize(
    ("name", "more", "wrong"),
    [
        ("out.gif", {}, "several workers write video files"),
        ("out.mkv", {"replay": Path("show.jsonl")}, "--replay"),
        ("out.mkv", {"music": Path("missing.flac")}, "missing.flac"),
        ("song.mkv", {"music": Path("song.mkv"), "overwrite": True}, "is the source itself"),
        ("out.mp4", {"codec": "vp7"}, "vp7"),
    ],
)
def test_what_many_workers_cannot_do(
    made: tuple[Path, Path], tmp_path: Path, name: str, more: dict[str, Any], wrong: str
) -> None:
    if "music" in more:
        more["music"] = tmp_path / more["music"]
        (tmp_path / "song.mkv").write_bytes(made[0].read_bytes())
    with pytest.raises(LivedreamError, match=wrong):
        render_films([job(made[0], tmp_path / name, **more)], Idle())


PART = {"start_s": 1.2, "end_s": 5.9, "codec": "ffv1", "settings": TINY}


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A longer film, and the dream of a part of it by one."""
    folder = tmp_path_factory.mktemp("part")
    source = film(folder / "film.mkv", *SHOTS, *[90] * 5)
    render(job(source, folder / "one.mkv", **PART))
    return source, folder / "one.mkv"


@pytest.mark.parametrize("enough", [True, False])
def test_a_source_that_workers_do_not_see_is_sent(
    part: tuple[Path, Path], tmp_path: Path, enough: bool
) -> None:
    """As far as a piece takes it; all of it where that was not enough."""
    source, one = part
    many = tmp_path / "many.mkv"

    class Holed(Elsewhere):
        def share(self, part: FilePart) -> Get:
            if not enough and not part.is_whole:
                part = replace(part, blocks=dict(list(part.blocks.items())[:2]))
            return super().share(part)

    workers = Holed(hidden=source)
    (report,) = render_films([job(source, many, **PART)], workers)
    assert report.complete
    assert packets(many, "video") == packets(one, "video")
    assert packets(many, "audio") == packets(one, "audio")
    front, *parts = workers.shared
    assert not front.is_whole
    assert [part.is_whole for part in parts] == [False, not enough, *[False] * enough]


def test_frames_that_change_their_size(tmp_path: Path) -> None:
    """They are scaled to that of the film's first, whatever a piece begins with."""
    source, one, many = (tmp_path / f"{name}.mkv" for name in ("film", "one", "many"))
    with av.open(str(source), "w") as out:
        stream: Any = out.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        smaller: Any = av.CodecContext.create("mjpeg", "w")
        smaller.width, smaller.height, smaller.pix_fmt = 48, 64, "yuvj420p"
        smaller.time_base = stream.codec_context.time_base = Fraction(1, 10)
        pictures = [picture for seed in range(3) for picture in shot(seed, 21)]
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture).reformat(format="yuvj420p")
            small = number > 20
            frame = frame.reformat(48, 64) if small else frame
            frame.pts, frame.time_base = number, Fraction(1, 10)
            for packet in (smaller if small else stream).encode(frame):
                packet.stream = stream
                out.mux(packet)
    told = {"codec": "ffv1", "settings": TINY}
    alone = render(job(source, one, **told))
    (report,) = render_films([job(source, many, **told)], OneWorker())
    assert packets(many, "video") == packets(one, "video")
    assert alone.notes == report.notes == ["frames change their size: scaled to that of the first"]


def test_pictures_are_not_sent(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, picture in enumerate(shot(1, 3)):
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    with pytest.raises(SourceError, match="does not exist"):
        render_films([job(folder, tmp_path / "many.mkv")], Elsewhere(hidden=folder))


def test_a_worker_with_another_mask_is_refused(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = tmp_path / "mask.png"
    cv2.imwrite(str(mask), shot(1, 1)[0])
    settings = DreamSettings(size="64p", where=f"mask({mask})")
    wanted = job(made[0], tmp_path / "many.mkv", settings=settings)
    mask.write_bytes(b"another's")
    with pytest.raises(SourceError, match="masks, guides or networks here differ from"):
        render_films([wanted], OneWorker())


def test_a_share_that_goes_away_is_one_line(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(path: Path) -> None:
        raise OSError(errno.ESTALE, "Stale file handle", str(path))

    monkeypatch.setattr(Path, "touch", gone)
    with pytest.raises(SinkError, match=r"many\.mkv\.livedream-state cannot be written: Stale"):
        render_films([job(made[0], tmp_path / "many.mkv", settings=TINY)], OneWorker())
