"""Pictures decoded for training: once, each set under a name of its own."""

import io
import zipfile
from pathlib import Path

import numpy as np
from dreamnet_training.pictures import load_pictures
from PIL import Image


def packed(path: Path, grey: int) -> Path:
    png = io.BytesIO()
    Image.fromarray(np.full((40, 40, 3), grey, np.uint8)).save(png, "png")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", png.getvalue())
    return path


def test_sets_whose_names_have_dots_are_told_apart(tmp_path: Path) -> None:
    cache = tmp_path / "decoded"
    for name, grey in (("birds.train.zip", 10), ("birds.val.zip", 200)):
        for _ in range(2):
            found = load_pictures(packed_once(tmp_path / name, grey), cache)
            assert int(found.pixels[0]) == grey
    assert len(list(cache.iterdir())) == 4


def packed_once(path: Path, grey: int) -> Path:
    return path if path.exists() else packed(path, grey)
