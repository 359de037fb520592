"""What is sent of a file: enough for a piece, and not much more."""

from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from film_made import film

from livedream.jobs.film.film import OneWorker
from livedream.jobs.film.plan import Sighting, plan_of
from livedream.jobs.film.sending import BlockFile, FilePart, Get, UnseenError, front_of, part_of
from livedream.jobs.render import RenderJob

SHARE = OneWorker().share


@pytest.fixture(scope="module", params=[".mkv", ".mp4", ".avi", ".ts"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("sending") / f"film{request.param}", *[90] * 6)


@pytest.mark.parametrize("start_s", [0.0, 2.0])
def test_a_piece_is_read_from_its_part(source: Path, start_s: float) -> None:
    job = RenderJob(source=str(source), output=Path("out.mkv"), start_s=start_s)
    with job.open() as opened:
        frames = list(opened)
        info = replace(opened.info, rate=Fraction(25))  # AVI tells of its clock's
    pts, third = np.array([frame.pts for frame in frames], np.int64), len(frames) // 3
    seen = Sighting(pts, (third, third + 60), None, info.orderly, ())
    piece = plan_of([seen], info, job.settings).pieces[1]
    front = front_of(job, SHARE)
    part = part_of(job, piece, SHARE, front)
    assert front and not front.keys() & part.blocks.keys(), "it is sent once"
    assert part.is_whole == (source.suffix == ".ts"), "its clock may jump anywhere"
    with job.open(*piece.reads[0], partial(BlockFile, part.size, part.block)) as opened:
        wanted = frames[piece.start - 1 : piece.end]
        for found, frame in zip(opened, wanted, strict=False):
            assert (found.index, found.pts) == (frame.index, frame.pts)
            assert (found.rgb == frame.rgb).all()


def test_what_was_not_sent_is_not_read_as_something_else(source: Path) -> None:
    part = part_of(RenderJob(source=str(source), output=Path("out.mkv")), None, SHARE, {})
    assert part.is_whole and b"".join(part.blocks.values()) == source.read_bytes()
    del part.blocks[2]
    file = BlockFile(part.size, part.block)
    file.seek(2 * len(part.blocks[0]) - 7)
    assert file.read(99) == part.blocks[1][-7:]
    with pytest.raises(UnseenError):
        file.read(1)


def test_much_is_sent_bit_by_bit(tmp_path: Path) -> None:
    path, shared = tmp_path / "film.ts", list[FilePart]()
    with path.open("wb") as made:
        made.truncate(40 << 20)
        made.seek(-3, 2)
        made.write(b"end")

    def share(part: FilePart) -> Get:
        shared.append(part)
        return lambda: part

    part = part_of(RenderJob(source=str(path), output=Path("out.mkv")), None, share, {})
    assert part.is_whole
    for one in (*shared, part):
        assert sum(map(len, one.blocks.values())) <= 16 << 20
    file = BlockFile(part.size, part.block)
    for at, wanted in ((20 << 20, bytes(99)), (part.size - 3, b"end")):
        file.seek(at)
        assert file.read(99) == wanted
