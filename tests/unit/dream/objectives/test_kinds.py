"""Kinds: each place goes to the nearest of a word's classes, by a soft maximum."""

import pytest
import torch
from gradients import activations, cosine
from torch import Tensor

from livedream.core.errors import ObjectiveError
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import bind
from livedream.dream.objectives.place_terms import NEAREST
from livedream.dream.objectives.value import classes, kind


def test_the_direction_is_the_soft_maximum_s_gradient(network: Network, picture: Tensor) -> None:
    """By autograd, with each place's length and its energy held as they are."""
    bound = bind(kind("owl") + kind("dog"), network)
    (activation,) = activations(bound, network, picture)
    rows = network.module.get_parameter("classifier.1.weight").flatten(1)
    apart = torch.nn.functional.normalize(rows - rows.mean(0), dim=1)
    wanted = torch.zeros_like(activation)
    for word in ("owl", "dog"):
        a = activation.clone().requires_grad_()
        length = activation.norm(dim=1, keepdim=True)
        scores = torch.einsum("kc,nchw->nkhw", apart[list(network.kind(word))], a) / length
        nearest = length * torch.logsumexp(NEAREST * scores, 1, keepdim=True) / NEAREST
        (gradient,) = torch.autograd.grad((nearest * length.square()).sum(), a)
        wanted += gradient
    (grad_output,) = bound.grad_outputs((activation,))
    assert cosine(grad_output, wanted) == pytest.approx(1, abs=1e-5)
    value = float(bound.response((activation,)))
    assert float(bound.response((activation + 0.01 * wanted,))) > value


def test_a_kind_of_one_class_is_that_class(network: Network, picture: Tensor) -> None:
    one, other = bind("kind:owl", network), bind(classes(*network.kind("owl")), network)
    (activation,) = activations(one, network, picture)
    torch.testing.assert_close(one.grad_outputs((activation,)), other.grad_outputs((activation,)))


def test_places_go_to_classes_of_their_own(network: Network, picture: Tensor) -> None:
    """Not all to the mean: what is near one class goes there."""
    bound = bind("kind:bird", network)
    (whole,) = activations(bound, network, picture)
    activation = whole[..., :2, :2].clone()
    rows = network.module.get_parameter("classifier.1.weight").flatten(1)
    apart = torch.nn.functional.normalize(rows - rows.mean(0), dim=1)
    first, *_, last = network.kind("bird")
    activation[0, :, 0, 0], activation[0, :, 1, 1] = apart[first], apart[last]
    (found,) = bound.grad_outputs((activation,))
    for place, number in ((0, first), (1, last)):
        assert cosine(found[0, :, place, place], apart[number]) > 0.98


def test_pieces_add_up(network: Network, picture: Tensor) -> None:
    bound = bind("kind:fish", network)
    (whole,) = activations(bound, network, picture)
    pieces = whole[..., :2], whole[..., 2:]
    one, other = (bound.measure((piece,)) for piece in pieces)
    measured = (((one[0][0] + other[0][0]),),)
    found = [bound.grad_outputs((piece,), measured)[0] for piece in pieces]
    torch.testing.assert_close(torch.cat(found, 3), bound.grad_outputs((whole,))[0])


def test_an_unknown_word_is_pointed_at_with_the_nearest(network: Network) -> None:
    with pytest.raises(ObjectiveError, match="no word 'sharc'; did you mean shark") as caught:
        bind("fire8 + 2*kind:sharc", network)
    assert caught.value.position == 10
