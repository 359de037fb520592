"""Picture files: written whole, with the settings where there is a place for them."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from livedream.capture.pictures import read_picture
from livedream.core.errors import SinkError, SourceError
from livedream.core.frame import Picture
from livedream.present.picture import SUFFIXES, read_settings, write_picture

SETTINGS = '{"settings": {"strength": 20.0}, "version": "x"}'


@pytest.fixture
def soft() -> Picture:
    ramp = np.linspace(0, 255, 48, dtype=np.uint8)
    return np.ascontiguousarray(np.stack([np.tile(ramp, (33, 1)) // (1 + c) for c in range(3)], -1))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_it_reads_back(tmp_path: Path, soft: Picture, suffix: str) -> None:
    path = tmp_path / f"dream{suffix}"
    write_picture(path, soft, settings=SETTINGS)
    error = np.abs(read_picture(path).astype(int) - soft)
    assert error.max() == 0 if suffix in (".png", ".tif", ".tiff") else error.mean() < 3
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_it_tells_its_settings(tmp_path: Path, soft: Picture, suffix: str) -> None:
    path = tmp_path / f"dream{suffix}"
    write_picture(path, soft, settings=SETTINGS)
    assert read_settings(path) == SETTINGS


def test_a_very_large_one_tells_them_too(tmp_path: Path, soft: Picture) -> None:
    path = tmp_path / "dream.png"
    write_picture(path, soft, settings=SETTINGS)
    content = bytearray(path.read_bytes())
    for width, told in ((20_000, SETTINGS), (200_000, None)):  # the second is refused
        content[16:24] = struct.pack(">II", width, 10_000)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
        path.write_bytes(content)
        assert read_settings(path) == told


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_one_without_settings_tells_none(tmp_path: Path, soft: Picture, suffix: str) -> None:
    path = tmp_path / f"dream{suffix}"
    write_picture(path, soft)
    assert read_settings(path) is None


@pytest.mark.parametrize("cut", [3, 20, 40, 90, 300])
def test_a_torn_file_is_read_without_a_traceback(tmp_path: Path, soft: Picture, cut: int) -> None:
    for suffix in (".png", ".jpg"):
        path = tmp_path / f"dream{suffix}"
        write_picture(path, soft, settings=SETTINGS)
        path.write_bytes(path.read_bytes()[:cut])
        assert read_settings(path) in (None, SETTINGS)


def test_what_is_there_stays_when_it_may_not_be_replaced(tmp_path: Path, soft: Picture) -> None:
    path = tmp_path / "dream.png"
    path.write_text("mine")
    with pytest.raises(SinkError, match="exists"):
        write_picture(path, soft, overwrite=False)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["dream.gif", "dream", "dream.mp4"])
def test_other_suffixes_are_refused(tmp_path: Path, soft: Picture, name: str) -> None:
    with pytest.raises(SinkError, match=r"must end in \.png"):
        write_picture(tmp_path / name, soft)


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    wide = np.zeros((1, 17000, 3), np.uint8)  # WebP ends at 16383
    with pytest.raises(SinkError, match="17000x1 does not fit a"):
        write_picture(tmp_path / "dream.webp", wide)


def test_settings_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        read_settings(tmp_path / "nothing.png")
