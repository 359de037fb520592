"""Terms with a region: their grammar, and where their gradients are."""

import numpy as np
import pytest
import torch
from gradients import cosine
from hypothesis import given, settings
from hypothesis import strategies as st
from installed import with_openvino
from torch import Tensor

from livedream.control.ramp import mixed_objective
from livedream.core.device import choose_dtype
from livedream.core.errors import ObjectiveError
from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Ascent
from livedream.dream.engines.cuda import CapturedStep, StepKind
from livedream.dream.engines.eager import EagerEngine
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import BoundObjective, bind
from livedream.dream.objectives.placing import placed, window_before, window_of
from livedream.dream.objectives.text import parse_objective
from livedream.dream.objectives.value import classes, image_class, layer
from livedream.region.planes import GRID
from livedream.region.text import parse_region

CPU = torch.device("cpu")
LEFT = torch.zeros(GRID, GRID)
LEFT[:, : GRID // 2] = 1


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("eyes@left", layer("eyes").at("left")),
        ("eyes @ moving & !left-0.5*fur@still",
         layer("eyes").at("moving & !left") - 0.5 * layer("fur").at("still")),
        ("class:owl@(left | top) + classes:3@!top",
         image_class("owl").at("left | top") + classes(3).at("!top")),
        ("2*eyes:1,2@mask(a.png)", 2 * parse_objective("eyes:1,2").at("mask(a.png)")),
    ],
)  # fmt: skip
def test_texts(text: str, wanted: object) -> None:
    assert parse_objective(text) == wanted
    assert parse_objective(str(wanted)) == wanted


@pytest.mark.parametrize(
    ("text", "position"),
    [("eyes@", 5), ("eyes@mooving", 5), ("fur + eyes@left &", 17), ("eyes@left eyes", 10),
     ("eyes@rect(0,0,2,1)", 14)],
)  # fmt: skip
def test_errors_point_at_the_character(text: str, position: int) -> None:
    with pytest.raises(ObjectiveError) as caught:
        parse_objective(text)
    assert caught.value.position == position


def test_a_region_within_a_region() -> None:
    found = (layer("a").at("left") + layer("b")).at("top")
    assert str(found) == "a@left & top + b@top"


def test_gliding_keeps_regions_apart() -> None:
    at = mixed_objective("eyes@left", "eyes@right")
    assert str(parse_objective(at(0.5))) == "0.5*eyes@left + 0.5*eyes@right"


def with_planes(bound: BoundObjective, *planes: Tensor) -> BoundObjective:
    bound.planes.copy_(torch.stack(planes))
    return bound


@pytest.mark.parametrize("target", ["eyes", "eyes:1-9", "classes", "classes:7"])
def test_a_term_counts_in_its_region_as_it_does_everywhere(dreamnet: Network, target: str) -> None:
    activation = torch.rand(1, dreamnet.layers["eyes"].channels, 10, 20)
    if target.startswith("classes"):
        activation = torch.rand(1, len(dreamnet.class_rows()[1][0]), 10, 20)
    (wanted,) = bind(target, dreamnet).grad_outputs((activation,))
    placed_one = with_planes(bind(f"{target}@left", dreamnet), LEFT)
    (found,) = placed_one.grad_outputs((activation,))
    torch.testing.assert_close(found[..., :9], wanted[..., :9])
    assert found[..., 11:].abs().max() == 0


def test_two_terms_share_a_layer(dreamnet: Network) -> None:
    activation = torch.rand(1, dreamnet.layers["eyes"].channels, 10, 20)
    bound = with_planes(bind("eyes:1@left + eyes:2@right", dreamnet), LEFT, 1 - LEFT)
    (found,) = bound.grad_outputs((activation,))
    assert found[0, 1, :, :9].min() > 0 and found[0, 1, :, 11:].abs().max() == 0
    assert found[0, 2, :, 11:].min() > 0 and found[0, 2, :, :9].abs().max() == 0


def test_a_class_in_a_region_has_a_place(dreamnet: Network, odd_texture: Tensor) -> None:
    """Within it the gradient goes the way of the class alone."""
    spec_of = lambda text: Ascent(  # noqa: E731
        dreamnet, with_planes(bind(text, dreamnet), LEFT), DreamSettings(engine="torch"), CPU,
        torch.float32,
    )  # fmt: skip
    found = spec_of("class:7@left").engine.gradient(odd_texture)
    assert found[..., :60].abs().mean() > 20 * found[..., -20:].abs().mean()


@settings(max_examples=50)
@given(
    left=st.integers(0, 30), top=st.integers(0, 30), right=st.integers(0, 30),
    rows=st.integers(1, 40), columns=st.integers(1, 40),
)  # fmt: skip
def test_planes_lie_where_the_picture_does(
    left: int, top: int, right: int, rows: int, columns: int
) -> None:
    width, height = 96, 64
    across = ((torch.arange(GRID) + 0.5) / GRID).expand(GRID, GRID)
    window = window_of((left, right, top, 0), width, height)
    found = placed(across, rows, columns, window)
    places = (torch.arange(columns) + 0.5) * ((width + left + right) / columns) - left
    mirrored = width - (width - places.abs()).abs()
    wide = 1 / min(columns, GRID)  # nearer to the border than that the mean is another
    wanted = (mirrored / width).clamp(wide, 1 - wide)
    assert (found - wanted).abs().max() < 1.2 * wide
    assert found.shape == (rows, columns) and (found - found[0]).abs().max() < 1e-5
    before = torch.tensor([top, left])
    there = window_before(before, (height + top, width + left + right), (height, width))
    torch.testing.assert_close(placed(across, rows, columns, there), found)


@with_openvino
@pytest.mark.parametrize("objective", ["eyes@left", "eyes@left + 0.5*weave@!left + fur"])
def test_engines_see_the_same_planes(
    dreamnet: Network, odd_texture: Tensor, objective: str
) -> None:
    """A step with jitter, by autograd, by OpenVINO's graph, and as CUDA takes it."""
    found = {}
    for engine in ("torch", "openvino"):
        bound = bind(objective, dreamnet)
        with_planes(bound, *[LEFT, 1 - LEFT][: len(bound.regions)])
        given = DreamSettings(engine=engine, octaves=1, iterations=2, momentum=0.0)
        ascent = Ascent(dreamnet, bound, given, CPU, torch.float32)
        found[engine] = ascent.addition(odd_texture, np.random.default_rng(1))
    margins = ascent.margins(odd_texture.shape[3], odd_texture.shape[2], np.random.default_rng(1))
    kind = StepKind.of(odd_texture, margins[0][0], given)
    captured = CapturedStep(kind, CPU, EagerEngine(ascent.spec).gradient, placed=True)
    captured.picture.copy_(odd_texture)
    for one in margins[0]:
        captured.set(one, given.step_size)
        captured.run()
    found["cuda"] = captured.picture - odd_texture
    for engine in ("openvino", "cuda"):
        assert cosine(found["torch"], found[engine]) > 0.9999, engine


@with_openvino
def test_planes_of_an_openvino_graph_are_no_constants(
    dreamnet: Network, odd_texture: Tensor
) -> None:
    bound = with_planes(bind("eyes@left", dreamnet), LEFT)
    ascent = Ascent(dreamnet, bound, DreamSettings(engine="openvino"), CPU, torch.float32)
    first = ascent.engine.gradient(odd_texture)
    ascent.spec.objective.planes.copy_(1 - LEFT)
    second = ascent.engine.gradient(odd_texture)
    assert first[..., :40].abs().mean() > 20 * first[..., -40:].abs().mean()
    assert second[..., -40:].abs().mean() > 20 * second[..., :40].abs().mean()
    assert len(ascent.engine.graphs) == 1  # type: ignore[attr-defined]


def test_another_region_is_another_objective(dreamnet: Network) -> None:
    given = DreamSettings(engine="torch")
    ascent = Ascent(dreamnet, bind("eyes@left", dreamnet), given, CPU, choose_dtype("fp32", CPU))
    assert ascent.adopt(given, parse_objective("2*eyes@left"))
    assert not ascent.adopt(given, parse_objective("eyes@right"))
    assert ascent.spec.objective.regions == (parse_region("left"),)
