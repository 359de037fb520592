"""Somebody's pictures: read once, kept small, cut at random, and what is unlike them."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from livedream.capture.pictures import in_folder
from livedream.core.errors import SourceError
from livedream.learn.album import Album, read_album, strangers


def save(path: Path, width: int = 200, height: int = 150, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 256, (height // 10, width // 10, 3), np.uint8)
    cv2.imwrite(str(path), cv2.resize(small, (width, height)))


def test_every_folder_is_read_and_pictures_are_kept_small(tmp_path: Path) -> None:
    for number in range(8):
        save(tmp_path / f"{number}.png", seed=number)
    for number in range(4):
        save(tmp_path / "summer" / "sea" / f"{number}.jpg", 1200, 900, number)
    told: list[tuple[int, int]] = []
    album = read_album(tmp_path, lambda done, total: told.append((done, total)))
    assert len(album.pictures) == 12 and not album.skipped
    assert {one.shape for one in album.pictures} == {(150, 200, 3), (224, 299, 3)}
    assert told[-1] == (12, 12) and len(told) == 12


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    for number in range(10):
        save(tmp_path / f"{number}.png", seed=number)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    save(tmp_path / "icon.png", 30, 20)
    album = read_album(tmp_path)
    assert len(album.pictures) == 10
    assert [Path(line.split(" is ")[0]).name for line in album.skipped] == [
        "broken.jpg",
        "icon.png",
    ]


def test_hidden_folders_are_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / ".photos"  # its own name does not count
    for number in range(10):
        save(folder / f"{number}.png", seed=number)
    save(folder / ".thumbnails" / "large" / "0.png")
    save(folder / "summer" / ".cache" / "0.png")
    album = read_album(folder)
    assert len(album.pictures) == 10 and not album.skipped


def test_a_folder_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        save(tmp_path / f"{number}.png", seed=number)
    closed, listed = tmp_path / "lost+found", Path.iterdir
    closed.mkdir()

    def iterdir(path: Path) -> Iterator[Path]:  # the administrator may read everything
        if path == closed:
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    album = read_album(tmp_path)
    assert len(album.pictures) == 10
    assert album.skipped == [f"{closed} cannot be read (Permission denied)"]
    with pytest.raises(SourceError, match=r"lost\+found cannot be read"):
        in_folder(closed)


@pytest.mark.parametrize("count", [0, 9])
def test_too_few_pictures_are_refused(tmp_path: Path, count: int) -> None:
    for number in range(count):
        save(tmp_path / f"{number}.png", seed=number)
    with pytest.raises(SourceError, match=f"has {count} readable pictures: must be at least 10"):
        read_album(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not a folder"):
        read_album(tmp_path / "nowhere")


def album_of(width: int, height: int) -> Album:
    draw = np.random.default_rng(1)
    small = draw.integers(0, 256, (10, height // 8, width // 8, 3), np.uint8)
    return Album([cv2.resize(one, (width, height)) for one in small])


def test_cuts_are_squares_and_the_seed_draws_them() -> None:
    album = album_of(300, 200)
    cuts = album.cut(6, np.random.default_rng(3))
    assert cuts.shape == (6, 3, 128, 128) and 0 <= float(cuts.min()) < float(cuts.max()) <= 1
    assert bool((cuts == album.cut(6, np.random.default_rng(3))).all())
    assert not bool((cuts == album.cut(6, np.random.default_rng(4))).all())
    assert album_of(96, 80).cut(2, np.random.default_rng(0)).shape == (2, 3, 80, 80)


def test_strangers_are_of_the_cuts_size_and_none_is_a_cut() -> None:
    album = album_of(300, 200)
    found = strangers(album, 12, np.random.default_rng(5))
    assert found.shape == (12, 3, 128, 128)
    assert bool(found.isfinite().all()) and 0 <= float(found.min()) <= float(found.max()) <= 1
    assert len(found.flatten(1).unique(dim=0)) == 12
