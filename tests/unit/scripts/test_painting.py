"""Pictures that teachers paint of their classes, and what training makes of them."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from dreamnet_training import painting
from dreamnet_training.dreaming import DreamPool, Goals
from dreamnet_training.painting import Painted, paint, paint_classes
from dreamnet_training.pictures import Batches, load_pictures
from dreamnet_training.teachers import LOGITS, Teacher
from PIL import Image
from torchvision import models

from livedream.learn.album import clouds

pytestmark = pytest.mark.slow  # real ascents; `scripts/check` runs them

CLASSES = 5


@pytest.fixture
def teachers(monkeypatch: pytest.MonkeyPatch) -> list[Teacher]:
    torch.manual_seed(3)
    monkeypatch.setattr(painting, "SIZE_PX", 64)
    monkeypatch.setattr(painting, "STEPS", 8)
    nets = [models.squeezenet1_0(num_classes=CLASSES) for _ in range(2)]
    return [Teacher("squeezenet1_0", net, [], background=None) for net in nets]


def test_what_is_painted_shows_its_class_to_each_and_is_smooth(teachers: list[Teacher]) -> None:
    classes = np.arange(10) % CLASSES
    found = paint(teachers, classes, np.random.default_rng(1))
    assert found.shape == (10, 3, 64, 64)
    assert float(found.min()) >= 0 and float(found.max()) <= 1
    ground = clouds(10, 64, 64, np.random.default_rng(1))
    for teacher in teachers:
        with torch.no_grad():
            before, after = (
                teacher(x)[LOGITS].mean(dim=(2, 3)).log_softmax(dim=1)[range(10), classes]
                for x in (ground, found)
            )
        assert float((after - before).mean()) > 0.3, (before, after)
    added = found - ground
    energy = torch.fft.fft2(added).abs().square().mean(dim=(0, 1))
    assert energy[28:36, 28:36].mean() < 0.01 * energy[1:4, 1:4].mean()


def test_every_class_is_painted_as_often_as_asked(teachers: list[Teacher], tmp_path: Path) -> None:
    path = tmp_path / "painted.zip"
    paint_classes(teachers, 2, np.random.default_rng(1), path)
    assert [p.name for p in tmp_path.iterdir()] == ["painted.zip"]
    with zipfile.ZipFile(path) as archive:
        folders = [int(name.split("/")[0]) for name in archive.namelist()]
    assert sorted(folders) == sorted([*range(CLASSES)] * 2)
    drawn = Painted(load_pictures(path, tmp_path)).draw(
        np.array([1, 1, 4]), 48, np.random.default_rng(1)
    )
    assert drawn.shape == (3, 3, 48, 48)


@pytest.fixture
def grey(tmp_path: Path) -> Painted:
    """Class n is a picture of the level n / 10."""
    with zipfile.ZipFile(tmp_path / "grey.zip", "w") as archive:
        for number in range(CLASSES):
            data = io.BytesIO()
            Image.new("RGB", (64, 64), (round(25.5 * number),) * 3).save(data, "PNG")
            archive.writestr(f"{number:05d}/0.png", data.getvalue())
    return Painted(load_pictures(tmp_path / "grey.zip", tmp_path))


def test_half_of_the_dreams_of_a_class_start_near_its_picture(grey: Painted) -> None:
    rng = np.random.default_rng(2)

    def goals(count: int) -> Goals:
        return Goals(
            np.zeros((count, 1), dtype=bool),
            np.full(count, -1),
            np.zeros(count),
            np.where(np.arange(count) % 2, 3, -1),
            np.zeros(count, dtype=bool),
        )

    pool = DreamPool(
        torch.zeros(200, 3, 64, 64), goals, rng, renewal=1.0,
        painted=lambda classes: grey.draw(classes, 64, rng),
    )  # fmt: skip
    _, pictures, chosen = pool.take(200, torch.ones(200, 3, 64, 64))
    plain = torch.from_numpy(chosen.classes < 0)
    assert (pictures[plain] == 1).all()
    # From white: a flat level between it and the class's is a mixture of both.
    flat = pictures[~plain].flatten(1)
    level = flat.mean(dim=1)[(flat.std(dim=1) < 1e-3) & (flat.mean(dim=1) < 1)]
    assert 12 < len(level) < 40
    assert 0.29 < float(level.min()) < 0.5 and float(level.max()) > 0.8


def test_pictures_drawn_by_other_processes_are_repeatable_and_differ(grey: Painted) -> None:
    def drawn() -> list[torch.Tensor]:
        sets = [(grey.pictures, range(CLASSES), 1.0)]
        stream = Batches(sets, 0.5, np.random.default_rng(4)).stream(3, 64, torch.device("cpu"), 2)
        return [next(stream) for _ in range(4)]

    first, again = drawn(), drawn()
    for a, b in zip(first, again, strict=True):
        torch.testing.assert_close(a, b)
    assert len({float(batch.mean()) for batch in first}) == 4
