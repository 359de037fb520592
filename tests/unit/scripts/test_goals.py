"""What training dreams towards: goals that last, layers together, classes, and their gradients."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from dreamnet_training.dreaming import (
    CLASS_MAP,
    DreamPool,
    Goals,
    draw_goals,
    goal_objective,
    grounds,
    varied,
)
from dreamnet_training.loop import Distillation
from dreamnet_training.losses import Match, Target
from dreamnet_training.matching import TOGETHER, match_loss, prepare_match
from dreamnet_training.pictures import Batches, load_pictures
from dreamnet_training.settings import TrainingSettings
from dreamnet_training.sheets import to_bytes
from dreamnet_training.teachers import Teacher
from PIL import Image
from torchvision import models

from livedream.dream.networks.dreamnet import DreamNet, DreamNetConfig, LayerConfig
from livedream.dream.objectives.terms import Dials, LayerPart

TARGETS = (
    Target("strokes", 0, "features.4"),
    Target("eyes", 1, "features.10"),
    Target("beasts", 1, "features.12"),
)
CONFIG = DreamNetConfig(
    layers=(
        LayerConfig("strokes", 1, 0, 128),
        LayerConfig("eyes", 3, 0, 512),
        LayerConfig("beasts", 3, 1, 512),
    ),
    num_classes=9,
    widths=(4, 6, 8, 10),
    blocks=(0, 0, 1, 1),
    bottlenecks=(2, 2, 4, 4),
    norm=False,
)


def drawn(count: int = 600, class_share: float = 0.25) -> Goals:
    return draw_goals(count, TARGETS, 9, class_share, np.random.default_rng(1))


def test_every_picture_climbs_one_layer_one_teacher_or_one_class() -> None:
    goals = drawn()
    by_class = goals.classes >= 0
    assert 0.18 < by_class.mean() < 0.32
    assert set(goals.classes[by_class]) == set(range(9))
    count = goals.layers.sum(axis=1)
    assert (count[by_class] == 0).all() and (count[~by_class] > 0).all()
    several = goals.layers[count > 1]
    assert len(several) and (several == [False, True, True]).all()  # the second teacher's two
    assert (goals.masks[count > 1] == -1).all()


def test_the_channels_of_a_goal_stay_the_same_from_visit_to_visit() -> None:
    goals = drawn()
    some = np.flatnonzero((goals.masks >= 0) & goals.layers[:, 1])
    mask = goals.channels(1, 512)
    torch.testing.assert_close(mask, goals.channels(1, 512))
    assert all(20 < int(mask[row].sum()) < 90 for row in some)
    assert not mask[np.flatnonzero(~goals.layers[:, 1])].any()


def test_goals_last_until_a_picture_starts_afresh() -> None:
    rng = np.random.default_rng(2)
    pool = DreamPool(torch.full((40, 3, 64, 64), 0.5), drawn, rng, renewal=0.0)
    chosen, _, first = pool.take(40, torch.zeros(40, 3, 64, 64))
    again, _, second = pool.take(40, torch.zeros(40, 3, 64, 64))
    order, other = np.argsort(chosen), np.argsort(again)
    np.testing.assert_array_equal(first.classes[order], second.classes[other])
    np.testing.assert_array_equal(first.masks[order], second.masks[other])


def test_a_class_starts_from_a_picture_or_from_nothing() -> None:
    rng = np.random.default_rng(3)
    pool = DreamPool(
        torch.full((64, 3, 64, 64), 0.5), lambda n: drawn(n, class_share=1.0), rng, renewal=1.0
    )
    fresh = torch.full((64, 3, 64, 64), 0.25)
    _, pictures, _ = pool.take(64, fresh)
    from_picture = (pictures == 0.25).flatten(1).all(dim=1)
    assert 15 < int(from_picture.sum()) < 50
    assert (pictures[~from_picture].flatten(1).std(dim=1) > 0.02).all()


def test_a_class_goal_climbs_its_log_probability() -> None:
    torch.manual_seed(5)
    net = DreamNet(CONFIG)
    goals = Goals(
        np.zeros((2, 3), dtype=bool), np.full(2, -1), np.zeros(2), np.array([4, -1]),
        np.zeros(2, dtype=bool),
    )  # fmt: skip
    goals.layers[1, 1] = True
    x = torch.rand(2, 3, 64, 64, requires_grad=True)
    maps = net.maps(x)
    outputs, grad_outputs = goal_objective(maps, goals, {"eyes": goals.channels(1, 512)})
    (found,) = torch.autograd.grad(outputs, x, grad_outputs, retain_graph=True)
    by_class = maps[CLASS_MAP].mean(dim=(2, 3)).log_softmax(dim=1)[0, 4]
    by_layer = maps["eyes"][1].square().sum() / 2
    for row, objective in ((0, by_class), (1, by_layer)):
        (wanted,) = torch.autograd.grad(objective, x, retain_graph=True)
        same = torch.cosine_similarity(found[row].flatten(), wanted[row].flatten(), dim=0)
        assert same > 0.9999
        assert not wanted[1 - row].any()


def test_variety_is_the_library_s() -> None:
    draw = torch.Generator().manual_seed(3)
    value = torch.rand(2, 40, 5, 6, generator=draw) * torch.rand(1, 40, 1, 1, generator=draw) ** 4
    channel_weight = varied(value, np.array([0.0, 0.8]))
    torch.testing.assert_close(channel_weight[0], torch.ones_like(channel_weight[0]))
    part = LayerPart(torch.tensor([0]))
    gradient = part.gradient(value[1:], Dials(torch.ones(1), torch.tensor([0.8]), torch.zeros(1)))
    wanted = gradient.scaled(1 / gradient.level, torch.float32)
    found = (value * channel_weight)[1:]
    torch.testing.assert_close(found / found.square().mean().sqrt(), wanted)
    assert float((found * value[1:]).sum()) == pytest.approx(float(value[1].square().sum()))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Distillation:
    """A tiny student of two teachers with random weights and nine classes."""
    torch.manual_seed(6)
    folder = tmp_path_factory.mktemp("pictures")
    for index, picture in enumerate(grounds(4, 80, np.random.default_rng(8))):
        Image.fromarray(to_bytes(picture[None])).save(folder / f"{index}.png")
    pictures = load_pictures(folder, folder / "cache")
    teachers = [
        Teacher("squeezenet1_0", models.squeezenet1_0(num_classes=9), layers, background=None)
        for layers in (["features.4"], ["features.10", "features.12"])
    ]
    rng = np.random.default_rng(7)
    found = Distillation(
        student=DreamNet(CONFIG),
        teachers=teachers,
        targets=TARGETS,
        batches=Batches([(pictures, range(4), 1.0)], 0.1, rng),
        settings=TrainingSettings(minutes=1, batch=6, dreams=4, pool=12, match=4, size_px=64),
        generator=rng,
    )
    found.measure_scales(6)
    return found


@pytest.mark.parametrize("kind", [CLASS_MAP, TOGETHER, "layer"])
def test_a_gradient_is_matched_by_itself_and_not_by_its_opposite(
    run: Distillation, kind: str
) -> None:
    made = prepare_match(
        torch.rand(4, 3, 64, 64),
        kind,
        np.array([-1, -1, 3, 8]),
        teachers=run.teachers,
        targets=run.targets,
        scales=run.scales,
        generator=run.generator,
    )
    if kind == CLASS_MAP:
        assert made.masks[CLASS_MAP].argmax(dim=1)[2:].tolist() == [3, 8]
    if kind == TOGETHER:
        assert tuple(made.masks) in {("strokes",), ("eyes", "beasts")}
    x = made.rgb.requires_grad_(True)
    with run.autocast():
        maps = run.extractors[tuple(made.masks)](run.normalised(x))
    ascended = torch.zeros(())
    for layer, mask in made.masks.items():
        value = maps[layer].float()
        if layer == CLASS_MAP:
            ascended = ascended + (value.mean(dim=(2, 3)).softmax(dim=1).log() * mask).sum()
        else:
            kept = value.square() if mask is None else value.square() * mask
            ascended = ascended + kept.mean(dim=(1, 2, 3)).sum()
    (own,) = torch.autograd.grad(ascended, x)
    match = Match(made.rgb, made.masks, own.float())
    loss = match_loss(match, run.extractors, run.normalised)
    assert loss.item() == pytest.approx(0, abs=0.02)
    loss = match_loss(replace(match, gradient=-own), run.extractors, run.normalised)
    assert loss.item() == pytest.approx(2, abs=0.02)


def test_a_class_is_asked_of_every_teacher_that_has_it(
    run: Distillation, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    for number, teacher in enumerate(run.teachers):
        whole = teacher.whole_maps

        def counted(rgb: torch.Tensor, number: int = number, whole: Any = whole) -> Any:
            asked.append(number)
            return whole(rgb)

        monkeypatch.setattr(teacher, "whole_maps", counted)
    prepare_match(
        torch.rand(2, 3, 64, 64),
        CLASS_MAP,
        np.array([3, -1]),
        teachers=run.teachers,
        targets=run.targets,
        scales=run.scales,
        generator=run.generator,
        shifts=2,
    )
    assert set(asked[-2:]) == {0, 1}


@pytest.mark.slow
def test_averaged_over_shifts_a_gradient_stays_in_place_and_grows_steadier(
    run: Distillation,
) -> None:
    pictures = grounds(4, 96, np.random.default_rng(4))

    def made(shifts: int, seed: int) -> torch.Tensor:
        match = prepare_match(
            pictures,
            TOGETHER,
            np.full(4, -1),
            teachers=run.teachers,
            targets=[Target("strokes", 0, "features.4")],
            scales=run.scales,
            generator=np.random.default_rng(seed),
            shifts=shifts,
        )
        return match.gradient.flatten(1)

    def alike(shifts: int) -> float:
        pairs = [(made(shifts, seed), made(shifts, seed + 1)) for seed in range(1, 12, 2)]
        return float(np.mean([torch.cosine_similarity(*pair).mean() for pair in pairs]))

    assert alike(6) > 0.25  # 0.33 found
    assert alike(6) > alike(2) + 0.1  # 0.11 found


def test_a_step_learns_from_pictures_dreams_and_gradients(run: Distillation) -> None:
    before = run.student.class_map.weight.detach().clone()
    losses = run.learn(run.prepare(), progress=0.5)
    assert {"strokes", "eyes", "beasts", CLASS_MAP} < set(losses)
    assert any(name.startswith("match ") for name in losses)
    assert all(torch.isfinite(value) for value in losses.values())
    assert not torch.equal(before, run.student.class_map.weight)


def test_classes_are_matched_on_photographs_where_none_is_dreamed(
    run: Distillation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "settings", replace(run.settings, class_share=0.0, match_classes=4))
    monkeypatch.setattr(run, "pool", None)  # its goals were drawn before
    matches = run.prepare().matches
    assert [len(match.rgb) for match in matches if CLASS_MAP in match.masks] == [1]


def test_a_first_phase_learns_values_only(
    run: Distillation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "settings", replace(run.settings, match=0, match_classes=0))
    assert not run.draw_goals(200).taught.any()
    losses = run.learn(run.prepare(), progress=0.5)
    assert "beasts" in losses and not any(name.startswith("match ") for name in losses)
