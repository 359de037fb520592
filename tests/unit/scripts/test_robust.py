"""Adversarial training: what is learned from, what the adversary may do, and that it is learned."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from dreamnet_training.pictures import load_pictures
from dreamnet_training.robust import (
    Batch,
    Labelled,
    RobustSettings,
    RobustTraining,
    accuracy,
    augmented,
    class_folders,
    held_out,
    labelled,
    mixed,
    moved,
)
from PIL import Image
from train_robust import named

from livedream.dream.networks.dreamnet import DreamNet, DreamNetConfig, LayerConfig

SMALL = DreamNetConfig(
    layers=(LayerConfig("parts", 2, 1, 12), LayerConfig("things", 3, 1, 16)),
    num_classes=2,
    widths=(6, 8, 12, 16),
    blocks=(0, 0, 1, 1),
    bottlenecks=(4, 4, 6, 8),
)


def stripes(count: int, size: int = 64) -> Labelled:
    """Two classes, in any colours: stripes that lie, and stripes that stand."""
    random = np.random.default_rng(3)
    pictures, classes = [], []
    for number in range(count):
        wave = 100 * np.sin(np.arange(size) / 3 + random.uniform(0, 6))[:, None]
        field = 128 + np.broadcast_to(wave, (size, size))[None] * random.uniform(0.5, 1, (3, 1, 1))
        pictures.append(field if number % 2 else field.transpose(0, 2, 1))
        classes.append(number % 2)
    made = torch.from_numpy(np.stack(pictures)).round().to(torch.uint8)
    return Labelled(made, torch.tensor(classes))


def batch_of(lessons: Labelled) -> Batch:
    return Batch(lessons.pictures.float() / 255, lessons.classes, lessons.classes)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for name, value, size in (
            ("b/images/1.png", 200, (90, 70)),
            ("a/2.png", 20, (64, 64)),
            ("a/3.png", 30, (40, 50)),
        ):
            png = io.BytesIO()
            Image.fromarray(np.full((*size, 3), value, np.uint8)).save(png, "png")
            opened.writestr(name, png.getvalue())
    return path


def test_each_folder_is_a_class(archive: Path, tmp_path: Path) -> None:
    sets = [load_pictures(archive, tmp_path / "decoded")]
    assert class_folders(sets) == ("a", "b")
    found = labelled(sets, ["b", "a"], 64)
    assert found.pictures.shape == (3, 3, 64, 64) and found.pictures.dtype == torch.uint8
    values = [int(picture.float().mean()) for picture in found.pictures]
    assert list(zip(values, found.classes.tolist(), strict=True)) == [(20, 1), (30, 1), (200, 0)]
    with pytest.raises(ValueError, match="no picture lies in a folder of its class"):
        labelled(sets, ["elsewhere"], 64)


def test_folders_with_wordnet_s_numbers_get_imagenet_s_names_and_order() -> None:
    numbers = ["n02814860", "n01443537", "n02963159"]
    assert list(named(numbers).values()) == ["goldfish", "beacon", "cardigan"]
    assert list(named([*numbers, "val"])) == sorted(numbers)
    assert named(["my_aunt", "n01443537"]) == {"my_aunt": "my aunt", "n01443537": "n01443537"}


def test_what_is_held_out_is_never_learned() -> None:
    every = Labelled(torch.arange(50, dtype=torch.uint8)[:, None, None, None], torch.arange(50))
    for count, kept in ((4, 4), (1000, 5)):  # of a small set a tenth
        lessons, unseen = held_out(every, count)
        assert len(unseen) == kept
        assert sorted([*lessons.classes.tolist(), *unseen.classes.tolist()]) == list(range(50))
    assert held_out(every, 4)[1].classes.equal(held_out(every, 4)[1].classes)


def test_pictures_are_cut_at_the_size_that_is_asked_for() -> None:
    found = augmented(stripes(6).pictures, 48, np.random.default_rng(1))
    assert found.shape == (6, 3, 48, 48)
    assert float(found.min()) >= 0 and float(found.max()) <= 1


def test_a_mixed_batch_has_as_much_of_a_class_as_is_seen_of_it() -> None:
    pictures = torch.tensor([0.0, 1.0])[:, None, None, None].expand(2, 3, 32, 32).contiguous()
    random = np.random.default_rng(0)
    shares = set()
    for _ in range(8):
        batch = mixed(pictures, torch.tensor([0, 1]), random)
        shares.add(batch.share)
        assert 0.4 <= batch.share <= 1
        for picture, own, other in zip(batch.pictures, batch.classes, batch.others, strict=True):
            seen = batch.share * own + (1 - batch.share) * other
            assert float(picture.mean()) == pytest.approx(float(seen), abs=1e-6)
    assert len(shares) > 4


@pytest.mark.parametrize("tries", [1, 3])
def test_an_adversary_stays_within_reach_and_does_harm(tries: int) -> None:
    torch.manual_seed(0)
    training = RobustTraining(DreamNet(SMALL), RobustSettings(1))
    batch = batch_of(stripes(8))
    hard = moved(lambda shown: batch.wrong(training.score(shown)), batch.pictures, 1.0, tries)
    away = (hard - batch.pictures).flatten(1).norm(dim=1)
    assert float(away.max()) <= 1.0001 and float(away.min()) > 0.2
    assert float(hard.min()) >= 0 and float(hard.max()) <= 1
    random = batch.pictures + torch.nn.functional.normalize(
        torch.randn_like(batch.pictures).flatten(1)
    ).view_as(batch.pictures)
    with torch.no_grad():
        harm, chance = (batch.wrong(training.score(shown)) for shown in (hard, random))
    assert harm > chance


def test_it_learns_keeps_the_average_and_goes_on_from_it() -> None:
    torch.manual_seed(0)
    settings = RobustSettings(1, warm_up_steps=1, average=0.8)
    training, lessons = RobustTraining(DreamNet(SMALL), settings), stripes(64)
    random = np.random.default_rng(0)
    losses = []
    for _ in range(40):
        batch = Batch(augmented(lessons.pictures, 48, random), lessons.classes, lessons.classes)
        losses.append(training.step(batch, distance=0.3, learning_rate=4e-3))
    assert losses[-1] < 0.7 * losses[0]
    plain, attacked = accuracy(training, stripes(20))
    assert plain > 0.9 and attacked <= plain
    other = RobustTraining(DreamNet(SMALL), settings)
    other.load_state_dict(training.state_dict())
    shown = batch_of(stripes(4)).pictures
    torch.testing.assert_close(other.averaged()(shown), training.averaged()(shown))
    assert not torch.equal(training.net.class_map.weight, training.average["class_map.weight"])
