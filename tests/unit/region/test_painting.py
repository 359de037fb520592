"""A mask painted by hand: strokes, what takes them back, what is kept, what is refused."""

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from livedream.core.errors import SettingsError, SourceError
from livedream.region.films import masked
from livedream.region.fixed import read_mask
from livedream.region.painting import (
    Painting,
    PaintingFile,
    decoded,
    kept_file,
    kept_files,
    kept_painting,
)
from livedream.warp.remap import Plane


@pytest.fixture
def painting() -> Painting:
    made = Painting()
    made.begin(640, 360)
    return made


def stroke(*points: list[float], brush: float = 0.1, **more: Any) -> dict[str, Any]:
    return {"paint": [*points], "brush": brush, "begins": True, **more}


def plane(painting: Painting) -> Plane:
    assert painting.painted is not None
    return painting.painted.plane


def at(painting: Painting, x: float, y: float) -> float:
    height, width = plane(painting).shape
    return float(plane(painting)[int(y * height), int(x * width)])


def test_a_stroke_is_as_wide_as_its_brush_and_round_on_the_picture() -> None:
    for width, height in ((640, 360), (360, 640), (500, 500)):
        painting = Painting()
        painting.begin(width, height)
        painting.do(stroke([0.5, 0.5], brush=0.2))
        rows, columns = np.nonzero(plane(painting) > 0.5)
        lines = plane(painting).shape[0]
        for side in (np.ptp(rows), np.ptp(columns)):
            assert side + 1 == pytest.approx(0.2 * lines, abs=2.5)
        shape = plane(painting).shape
        assert shape[1] / shape[0] == pytest.approx(width / height, rel=0.01)


def test_painted_erased_taken_back_and_cleared(painting: Painting) -> None:
    assert plane(painting).max() == 0
    painting.do(stroke([0.1, 0.5], [0.9, 0.5]))
    assert at(painting, 0.5, 0.5) == 1 and at(painting, 0.5, 0.7) == 0
    before = painting.painted
    assert before is not None
    assert painting.painted is before
    painting.do(stroke([0.5, 0.5], erase=True))
    assert at(painting, 0.5, 0.5) == 0 and at(painting, 0.8, 0.5) == 1
    assert before.plane.max() == 1 and before.plane[135, 240] == 1  # what was given is as it was
    painting.do({"painting": "undo"})
    np.testing.assert_array_equal(plane(painting), before.plane)
    painting.do({"painting": "clear"})
    assert plane(painting).max() == 0
    painting.do({"painting": "undo"})
    np.testing.assert_array_equal(plane(painting), before.plane)
    for _ in range(3):  # more often than there is anything
        painting.do({"painting": "undo"})
    assert plane(painting).max() == 0


def test_where_nobody_can_paint_nothing_is_painted() -> None:
    """Then a region shows what was kept."""
    assert Painting().painted is None
    for what in (stroke([0.5, 0.5]), {"painting": "clear"}):
        painting = Painting()
        painting.do(what)
        assert painting.painted is not None

    begun = Painting()
    begun.begin(640, 360)
    assert begun.painted is not None and begun.painted.plane.max() == 0


def test_the_parts_of_a_stroke_are_taken_back_together(painting: Painting) -> None:
    painting.do(stroke([0.2, 0.2]))
    first = plane(painting)
    painting.do(stroke([0.5, 0.2], [0.5, 0.5]))
    painting.do(stroke([0.5, 0.5], [0.5, 0.8], begins=False))
    assert at(painting, 0.5, 0.8) == 1
    painting.do({"painting": "undo"})
    np.testing.assert_array_equal(plane(painting), first)


def test_what_was_done_does_the_same_again(painting: Painting) -> None:
    again = Painting()
    again.begin(*painting.size)
    points = np.random.default_rng(0).random((6, 5, 2)).tolist()
    for number, some in enumerate(points):
        again.do(painting.do(stroke(*some, brush=0.13, erase=number == 3)))
    again.do(painting.do({"painting": "undo"}))
    np.testing.assert_array_equal(plane(again), plane(painting))


@pytest.mark.parametrize(
    "what",
    [
        {"paint": []},
        {"paint": [[0.5, 0.5]] * 33},
        {"paint": [[0.5, 1.01]]},
        {"paint": [[-0.01, 0.5]]},
        {"paint": [[float("nan"), 0.5]]},
        {"paint": [[float("inf"), 0.5]]},
        {"paint": [[0.5]]},
        {"paint": [[0.5, 0.5, 0.5]]},
        {"paint": [["0.5", 0.5]]},
        {"paint": [0.5, 0.5]},
        {"paint": {"x": 1}},
        {"paint": "all"},
        {"paint": [[0.5, 0.5]], "brush": 0.0},
        {"paint": [[0.5, 0.5]], "brush": 1.5},
        {"paint": [[0.5, 0.5]], "brush": None},
        {"paint": [[0.5, 0.5]], "erase": 1},
        {"paint": [[0.5, 0.5]], "begins": "yes"},
        {"painting": "burn"},
        {"painting": None},
        {},
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    painting: Painting, what: dict[str, Any]
) -> None:
    before = painting.painted
    with pytest.raises(SettingsError):
        painting.do({"brush": 0.1, **what})
    assert painting.painted is before


def test_what_is_kept_comes_back_and_is_a_mask(
    painting: Painting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    assert kept_painting() is None and kept_files() == []
    painting.do(stroke([0.2, 0.3], [0.7, 0.6]))
    for name in ("painted", "stage-left"):
        path = painting.keep(name)
        assert path == kept_file(name)
        np.testing.assert_array_equal(read_mask(str(path)).plane, plane(painting))
    assert kept_files() == [kept_file("painted"), kept_file("stage-left")]
    again = Painting()
    again.begin(640, 360, kept_painting())
    np.testing.assert_array_equal(plane(again), plane(painting))
    kept_file().write_bytes(b"no picture")
    assert kept_painting() is None
    for name in ("../up", "", "a/b", "Über"):
        with pytest.raises(SettingsError):
            painting.keep(name)
    assert len(list(tmp_path.rglob("*"))) == 3  # the folder and two files


def test_what_is_left_of_a_show_comes_back_in_the_next(
    painting: Painting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    left = tmp_path / "left.png"

    def comes_back() -> bool:
        found = kept_painting(left)
        return found is not None and bool(found.any())

    file = PaintingFile(painting, left)
    file.write()
    assert not left.exists()  # nothing was painted
    painting.do(stroke([0.2, 0.3], [0.7, 0.6]))
    file.write()
    again = Painting()
    again.begin(640, 360, kept_painting(left))
    np.testing.assert_array_equal(plane(again), plane(painting))
    os.utime(left, (1, 1))
    file.write()
    assert left.stat().st_mtime == 1  # it is as it was
    painting.do({"painting": "clear"})
    kept = painting.keep("painted")
    assert not comes_back()  # kept since
    os.utime(kept, (0, 0))
    assert comes_back()
    left.write_bytes(b"no picture")
    assert not comes_back()
    assert "left.png: painted: this is no picture; it does not come back" in caplog.text
    for path in (None, left / "nowhere.png"):
        file = PaintingFile(painting, path)
        painting.do({"painting": "clear"})
        file.write()
    assert caplog.text.count("what is painted is not saved") == 1


def test_a_picture_of_it_reads_back(painting: Painting) -> None:
    painting.do(stroke([0.2, 0.3], [0.7, 0.6]))
    np.testing.assert_array_equal(masked(decoded(painting.png())), plane(painting))
    for wrong in (b"", b"x" * 100, cv2.imencode(".png", np.zeros((9, 9), np.uint8))[1][:40]):
        with pytest.raises(SourceError):
            decoded(bytes(wrong))
