"""Bound objectives: the right direction, the weights' meaning, safe in half precision."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from gradients import activations, cosine
from torch import Tensor

from livedream.core.errors import ObjectiveError
from livedream.dream.networks.graph import LOGITS
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import bind
from livedream.dream.objectives.terms import QUIET, Dials
from livedream.dream.objectives.text import parse_objective
from livedream.dream.objectives.value import channels, guide, image_class, layer

HALVES = [torch.float16, torch.bfloat16]


def rms(tensor: Tensor) -> float:
    return float(tensor.float().square().mean().sqrt())


def test_a_whole_layer_is_l2(network: Network, picture: Tensor) -> None:
    bound = bind(layer("fire8"), network)
    (activation,) = activations(bound, network, picture)
    (grad_output,) = bound.grad_outputs((activation,))
    assert cosine(grad_output, activation) == pytest.approx(1, abs=1e-5)
    assert rms(grad_output) == pytest.approx(1, rel=1e-4)
    assert float(bound.response((activation,))) == pytest.approx(rms(activation) ** 2, rel=1e-4)


def test_channels_leave_the_others_alone(network: Network, picture: Tensor) -> None:
    bound = bind("fire8:3,7", network)
    (activation,) = activations(bound, network, picture)
    (grad_output,) = bound.grad_outputs((activation,))
    chosen = [3, 7]
    assert cosine(grad_output[:, chosen], activation[:, chosen]) == pytest.approx(1, abs=1e-5)
    others = [number for number in range(grad_output.shape[1]) if number not in chosen]
    assert grad_output[:, others].abs().max() == 0
    wanted = activation[:, chosen].square().mean()
    torch.testing.assert_close(bound.response((activation,)), wanted)


@pytest.mark.parametrize(
    "text", ["fire8", "fire8:3", "fire8:3,7 - 0.5*fire8:4 + fire8", "conv1 + 0.2*fire8:3 - fire4"]
)
def test_the_seeds_are_the_gradient_that_the_module_states(
    network: Network, picture: Tensor, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By autograd: each term's length over that of its layer, the latter held."""
    monkeypatch.setattr("livedream.dream.objectives.terms.SILENT_SHARE", 0.0)
    objective = parse_objective(text)
    bound = bind(objective, network)
    found = tuple(a.requires_grad_() for a in activations(bound, network, picture))
    by_name = dict(zip(bound.layers, found, strict=True))
    total = torch.zeros(())
    for term in objective.terms:
        activation = by_name[network.resolve(term.target.layer)]
        picked = list(term.target.channels) or slice(None)
        total = total + term.weight * activation[:, picked].norm() / activation.detach().norm()
    wanted = torch.autograd.grad(total, found)
    grad_outputs = bound.grad_outputs(found)
    for grad_output, gradient in zip(grad_outputs, wanted, strict=True):
        ratio = (rms(grad_output) / rms(gradient)) / (rms(grad_outputs[0]) / rms(wanted[0]))
        assert ratio == pytest.approx(1, rel=1e-3)
        assert cosine(grad_output, gradient) == pytest.approx(1, abs=1e-4)


def test_a_channel_pulls_as_hard_as_its_whole_layer(network: Network, picture: Tensor) -> None:
    bound = bind("fire8:3 + fire8", network)
    (activation,) = activations(bound, network, picture)
    levels = [
        float(part.gradient(activation, Dials(bound.weights, bound.variety, bound.focus)).level)
        for part in bound.parts[0]
    ]
    assert levels[0] == pytest.approx(levels[1], rel=0.1)


@pytest.mark.parametrize("variety", [0.0, 0.3, 0.5, 1.0])
def test_variety_climbs_powers_of_the_channels_energies(
    network: Network, picture: Tensor, variety: float
) -> None:
    bound = bind("fire8", network)
    bound.variety.fill_(variety)
    (found,) = activations(bound, network, picture)
    a = found.detach().requires_grad_()
    energies = a.square().sum((0, 2, 3))
    shared = energies + QUIET * energies.mean().detach()
    value = shared.log() if variety == 1 else shared ** (1 - variety)
    (wanted,) = torch.autograd.grad(value.sum(), a)
    (grad_output,) = bound.grad_outputs((found,))
    assert cosine(grad_output, wanted) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("text", ["fire8", "fire8:3,9"])
@pytest.mark.parametrize("focus", [0.0, 1.0, 1.7])
def test_focus_climbs_powers_of_the_places_lengths(
    network: Network, picture: Tensor, text: str, focus: float
) -> None:
    bound = bind(text, network)
    bound.focus.fill_(focus)
    (found,) = activations(bound, network, picture)
    a = found.detach().requires_grad_()
    lengths = a.square().sum(1).sqrt()
    # A channel counts by the length of its whole layer.
    value = (
        lengths ** (2 + focus)
        if text == "fire8"
        else a[:, [3, 9]].square() * (lengths.detach() ** focus)[:, None]
    )
    (wanted,) = torch.autograd.grad(value.sum(), a)
    (grad_output,) = bound.grad_outputs((found,))
    assert cosine(grad_output, wanted) == pytest.approx(1, abs=1e-5)


def test_focus_takes_from_where_nothing_is(network: Network, picture: Tensor) -> None:
    bound = bind("fire8", network)
    (activation,) = activations(bound, network, picture)
    faint = activation.clone()
    faint[..., :4] *= 0.1
    shares = []
    for focus in (0.0, 1.0):
        bound.focus.fill_(focus)
        (grad_output,) = bound.grad_outputs((faint,))
        shares.append(rms(grad_output[..., :4]) / rms(grad_output[..., 4:]))
    assert shares[1] < 0.2 * shares[0]


def test_one_place_that_has_everything_fits_half_precision(network: Network) -> None:
    bound = bind("fire8 + fire8:1", network)
    bound.focus.fill_(2.0)
    activation = torch.full((1, 512, 30, 40), 0.01, dtype=torch.float16)
    activation[..., 7, 9] = 300
    (grad_output,) = bound.grad_outputs((activation,))
    assert bool(grad_output.isfinite().all()) and bool(grad_output[..., 7, 9].all())


def test_variety_turns_the_loud_down_and_keeps_the_pull(network: Network, picture: Tensor) -> None:
    bound = bind("fire8 + conv1", network)
    found = activations(bound, network, picture)
    loudest = found[0].square().sum((0, 2, 3)).argmax()
    shares, pulls = [], []
    for variety in (0.0, 0.5, 1.0):
        bound.variety.fill_(variety)
        grad_outputs = bound.grad_outputs(found)
        shares.append(float(grad_outputs[0][:, loudest].norm() / grad_outputs[0].norm()))
        pulls.append(
            [
                float((grad_output * a).sum())
                for grad_output, a in zip(grad_outputs, found, strict=True)
            ]
        )
    assert shares[0] > shares[1] > shares[2]
    for one, other in pulls:  # both layers' parts along themselves are their weights
        assert one == pytest.approx(other, rel=1e-3)


def test_weights_do_not_depend_on_how_loud_a_layer_is(network: Network, picture: Tensor) -> None:
    bound = bind("conv1 + fire8", network)
    quiet, loud = activations(bound, network, picture)
    plain = bound.grad_outputs((quiet, loud))
    louder = bound.grad_outputs((quiet, 1000 * loud))
    # The gradient with respect to a thousandfold activation is a thousandth.
    ratio = (rms(plain[1]) / rms(plain[0])) / (rms(louder[1]) / rms(louder[0]))
    assert ratio == pytest.approx(1000, rel=1e-3)


def test_a_common_factor_of_all_weights_changes_nothing(network: Network, picture: Tensor) -> None:
    objective = layer("conv1") - 0.3 * channels("fire8", 1)
    bound = bind(objective, network)
    found = activations(bound, network, picture)
    for a, b in zip(
        bound.grad_outputs(found), bind(7 * objective, network).grad_outputs(found), strict=True
    ):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_negative_weights_reduce(network: Network, picture: Tensor) -> None:
    bound = bind("-fire8", network)
    found = activations(bound, network, picture)
    assert cosine(bound.grad_outputs(found)[0], found[0]) == pytest.approx(-1, abs=1e-5)
    assert bound.response(found) < 0


def test_a_class_drives_its_probability(network: Network, picture: Tensor) -> None:
    bound = bind(image_class("goldfish"), network)
    assert bound.layers == (LOGITS,)
    (scores,) = activations(bound, network, picture)
    scores.requires_grad_()
    (wanted,) = torch.autograd.grad(scores.log_softmax(1)[0, 1], scores)
    (grad_output,) = bound.grad_outputs((scores,))
    assert cosine(grad_output, wanted) == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(bound.response((scores,)), scores.detach().log_softmax(1)[0, 1])


def test_a_guide_pulls_towards_the_best_match(
    network: Network, picture: Tensor, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (80, 120, 3), np.uint8)
    path = tmp_path / "gÜide.png"
    path.write_bytes(cv2.imencode(".png", pixels[:, :, ::-1])[1].tobytes())
    bound = bind(guide("fire8", pixels), network)
    (activation,) = activations(bound, network, picture)
    (grad_output,) = bound.grad_outputs((activation,))
    features = bound.parts[0][0].features
    assert float(features.square().mean()) == pytest.approx(1, rel=1e-4)
    scores = activation[0].flatten(1).T @ features
    wanted = features[:, scores.argmax(1)].view_as(activation)
    assert cosine(grad_output, wanted) == pytest.approx(1, abs=1e-5)
    assert rms(grad_output) == pytest.approx(1, rel=1e-3)
    (same,) = bind(guide("fire8", path), network).grad_outputs((activation,))
    torch.testing.assert_close(same, grad_output)


def test_a_guide_s_features_are_few_and_long_searches_are_split(
    network: Network, picture: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = bind(guide("conv1", np.full((40, 30, 3), 90, np.uint8)), network)
    assert bound.parts[0][0].features.shape[1] <= 1024
    found = activations(bound, network, picture)
    whole = bound.grad_outputs(found)[0]
    monkeypatch.setattr("livedream.dream.objectives.place_terms.CHUNK", 100)
    torch.testing.assert_close(bound.grad_outputs(found)[0], whole)


MIXED = "fire8 + 0.5*fire8:1-4 - 0.1*conv1 + 0.01*class:goldfish"


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("loudness", [1e-5, 1.0, 100.0])
@pytest.mark.parametrize("dials", [(0.0, 0.0), (1.0, 0.0), (0.0, 2.0)])
def test_half_precision_neither_overflows_nor_vanishes(
    network: Network, picture: Tensor, dtype: torch.dtype, loudness: float,
    dials: tuple[float, float],
) -> None:  # fmt: skip
    bound = bind(MIXED, network)
    bound.variety.fill_(dials[0])
    bound.focus.fill_(dials[1])
    found = tuple(loudness * a for a in activations(bound, network, picture))
    halves = tuple(activation.to(dtype) for activation in found)
    if loudness > 1:  # a sum of these squares is far beyond fp16's 65504
        assert float(halves[0].float().square().sum()) > 1e6
    for grad_output, half, wanted in zip(
        bound.grad_outputs(halves), halves, bound.grad_outputs(found), strict=True
    ):
        assert (grad_output.dtype, grad_output.shape) == (dtype, half.shape)
        assert bool(torch.isfinite(grad_output).all())
        assert cosine(grad_output, wanted) > 0.99
    response = bound.response(halves)
    assert response.dtype == torch.float32 and response.ndim == 0 and bool(response.isfinite())


@pytest.mark.parametrize("variety", [0.0, 1.0])
def test_silence_gives_zeros_and_no_nan(network: Network, variety: float) -> None:
    for text in ("fire8", "fire8:1 - 0.1*conv1", "-conv1"):
        bound = bind(text, network)
        bound.variety.fill_(variety)
        bound.focus.fill_(2 * variety)
        silent = tuple(torch.zeros(1, network.layers[name].channels, 4, 4) for name in bound.layers)
        for grad_output in bound.grad_outputs(silent):
            assert grad_output.abs().max() == 0
        assert bound.response(silent) == 0


def test_a_silent_channel_is_left_in_peace(network: Network, picture: Tensor) -> None:
    bound = bind("fire8 - fire8:5", network)
    (activation,) = activations(bound, network, picture)
    activation[:, 5] *= 1e-6
    (grad_output,) = bound.grad_outputs((activation,))
    others = torch.cat((grad_output[:, :5], grad_output[:, 6:]), 1)
    assert rms(grad_output[:, 5]) < 0.01 * rms(others)


def test_a_certain_class_asks_for_less_and_then_for_nothing(network: Network) -> None:
    bound = bind("class:7 + class:8", network)
    scores = torch.zeros(1, 1000)
    for score, share in ((5, 1.0), (16.1, 0.1), (60, 0.0)):
        scores[0, 7] = score
        (grad_output,) = bound.grad_outputs((scores,))
        dials = Dials(bound.weights, bound.variety, bound.focus)
        certain, other = (part.gradient(scores, dials).level for part in bound.parts[0])
        assert bool(grad_output.isfinite().all()) and float(grad_output[0, 8]) > 1
        assert float(certain / other) == pytest.approx(share, abs=0.02)
    (flat,) = bind("class:7", network).grad_outputs((torch.full((1, 1000), 5.0),))
    assert bool(flat.isfinite().all())


def test_weights_can_be_moved_while_running(network: Network, picture: Tensor) -> None:
    bound = bind("fire8:1 + fire8:2", network)
    found = activations(bound, network, picture)
    bound.weights.copy_(torch.tensor([0.0, 1.0]))
    (grad_output,) = bound.grad_outputs(found)
    assert grad_output[:, 1].abs().max() == 0 < grad_output[:, 2].abs().max()


def test_channels_last_stays(network: Network, picture: Tensor) -> None:
    bound = bind("fire8 + fire8:3", network)
    (activation,) = activations(bound, network, picture)
    (grad_output,) = bound.grad_outputs((activation.contiguous(memory_format=torch.channels_last),))
    assert grad_output.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(grad_output, bound.grad_outputs((activation,))[0])


def test_the_seeds_of_pieces_are_the_pieces_of_the_seeds(network: Network, picture: Tensor) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (80, 120, 3), np.uint8)
    objective = parse_objective("fire8 - 0.5*fire8:3,9 + 0.2*conv1") + guide("fire6", pixels)
    bound = bind(objective, network)
    bound.variety.fill_(0.6)
    bound.focus.fill_(1.0)
    whole = activations(bound, network, picture)
    cuts = [activation.shape[3] // 3 for activation in whole]
    left = tuple(a[..., :cut] for a, cut in zip(whole, cuts, strict=True))
    right = tuple(a[..., cut:] for a, cut in zip(whole, cuts, strict=True))
    measured = tuple(
        tuple(one + other for one, other in zip(ones, others, strict=True))
        for ones, others in zip(bound.measure(left), bound.measure(right), strict=True)
    )
    halves = zip(
        bound.grad_outputs(left, measured), bound.grad_outputs(right, measured), strict=True
    )
    for pieces, grad_output in zip(halves, bound.grad_outputs(whole), strict=True):
        torch.testing.assert_close(torch.cat(pieces, 3), grad_output, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("fire8 + 0.5*fire10", 12, "no layer 'fire10'"),
        ("fire8:512", 0, "no channel 512; features.11 has channels 0 to 511"),
        ("fire8 - class:goldfisch", 8, "did you mean goldfish"),
        ("class:1000", 0, "classes 0 to 999"),
        ("classifier.3", 0, "no output of a picture's shape"),
        ("guide(fire8, no-such.jpg)", 0, "guide picture no-such.jpg"),
        (f"guide(fire8, {Path(__file__).as_posix()})", 0, "guide: "),
    ],
)
def test_what_the_network_lacks_is_pointed_at(
    network: Network, text: str, position: int, message: str
) -> None:
    with pytest.raises(ObjectiveError) as caught:
        bind(text, network)
    assert caught.value.position == position
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["fire8", "fire6:5-9", "class:goldfish", "fire8 + 0.5*fire4 - 0.2*conv1"]
)
def test_three_steps_raise_the_objective(network: Network, picture: Tensor, text: str) -> None:
    bound = bind(text, network)
    cut = network.truncated(bound.layers)

    def value(found: tuple[Tensor, ...]) -> float:
        """One term per layer here: the weighted logarithms of mean squares, the log probability."""
        ones = torch.ones_like(bound.weights)
        values = [part.value(a, ones) for a, (part,) in zip(found, bound.parts, strict=True)]
        logs = [number.log() if number > 0 else number for number in values]
        return float(bound.weights @ torch.stack(logs))

    x, values = picture, []
    for _ in range(4):
        x = x.detach().requires_grad_()
        found = cut(network.preprocessing.normalise(x))
        values.append(value(tuple(a.detach() for a in found)))
        (gradient,) = torch.autograd.grad(found, x, grad_outputs=bound.grad_outputs(found))
        x = (x + gradient / gradient.abs().mean() * 1.5 / 255).clamp(0, 1)
    assert values == sorted(values) and values[-1] > values[0]


def test_the_device_can_be_chosen(network: Network) -> None:
    bound = bind("fire8:3 + class:7", network).to("meta")
    assert bound.weights.is_meta
    assert all(part.to("meta") for parts in bound.parts for part in parts)
