"""Classes: each region of the picture goes to one of its own, and to another after a while."""

from functools import partial

import numpy as np
import pytest
import torch
from gradients import activations, cosine
from recorded import Stream
from torch import Tensor

from livedream.core.errors import ObjectiveError
from livedream.dream.networks.network import Network, load_network
from livedream.dream.objectives.binding import BoundObjective, bind
from livedream.dream.objectives.place_terms import HOLD, REGIONS, shares
from livedream.dream.objectives.value import classes
from livedream.dream.transfer import Transfers


def regions_of(bound: BoundObjective) -> Tensor:
    (*_, regions) = bound.dials
    return regions.clone()


def test_a_region_goes_along_its_class_s_row(network: Network, picture: Tensor) -> None:
    """What raises the class's logit above the others' mean, at each place by its energy."""
    bound = bind(classes(77), network)
    (activation,) = activations(bound, network, picture)
    (grad_output,) = bound.grad_outputs((activation,))
    rows = network.module.get_parameter("classifier.1.weight").flatten(1)
    apart = (rows[77] - rows.mean(0))[None, :, None, None]
    wanted = apart * activation.square().sum(1, keepdim=True)
    assert cosine(grad_output, wanted) == pytest.approx(1, abs=1e-5)
    value = float(bound.response((activation,)))
    assert float(bound.response((activation + 0.01 * wanted,))) > value


def test_neighbouring_regions_go_to_classes_of_their_own(network: Network) -> None:
    bound = bind("classes:0-397", network)
    bound.wander(0.0, 0)
    name, rows = network.class_rows()
    apart = torch.nn.functional.normalize(rows - rows.mean(0), dim=1)[:398]
    nearest = torch.einsum("kc,cij->kij", apart, regions_of(bound)).amax(0)
    assert bound.layers == (name,) and nearest.shape == REGIONS
    assert nearest.flatten().sort().values[1] > 0.99  # all but one that may be on its way
    assert len(regions_of(bound).flatten(1).unique(dim=1)[0]) == np.prod(REGIONS)


def test_regions_change_one_after_the_other(network: Network) -> None:
    bound = bind("fire8:3 + classes", network)
    seen = []
    for position in np.arange(0, 3, 0.01):
        bound.wander(float(position), 4)
        seen.append(regions_of(bound).flatten(1))
    steps = torch.stack(seen).diff(dim=0).square().sum(1)  # (moments, regions)
    moving = (steps > 1e-9).float()
    assert moving.mean() == pytest.approx(1 - HOLD, abs=0.02)
    assert (moving.sum(1) <= 3).all(), "never all at once"
    assert steps.max() < 0.1, "never at one go"
    bound.wander(0.5, 4)
    again = regions_of(bound)
    bound.wander(0.5, 5)
    assert not torch.equal(again, regions_of(bound)), "the seed draws"
    bound.wander(0.5, 4)
    assert torch.equal(again, regions_of(bound)), "and draws the same again"


def test_a_piece_s_place_says_which_regions_it_shows(network: Network, picture: Tensor) -> None:
    bound = bind("classes:0-99", network)
    bound.wander(7.3, 1)
    (whole,) = activations(bound, network, picture.repeat(1, 1, 4, 4))
    cut = whole.shape[3] // 3
    share = cut / whole.shape[3]
    pieces = (whole[..., :cut], (0.0, 1.0, 0.0, share)), (whole[..., cut:], (0.0, 1.0, share, 1.0))
    one, other = (bound.measure((piece,)) for piece, _ in pieces)
    measured = (((one[0][0] + other[0][0]),),)
    found = [bound.grad_outputs((piece,), measured, place)[0] for piece, place in pieces]
    torch.testing.assert_close(torch.cat(found, 3), bound.grad_outputs((whole,))[0])


def test_a_dreamer_s_regions_are_its_own(network: Network) -> None:
    bound = bind("classes", network)
    copy, kept = bound.to("cpu"), regions_of(bound)
    copy.wander(5.0, 0)
    assert torch.equal(regions_of(bound), kept) and not torch.equal(regions_of(copy), kept)


def test_regions_go_up_as_frames_do(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through buffers that stay: no dream waits for a copy of the moment."""
    stream, wanted = Stream(), bind("classes", network)
    streaming = partial(Transfers, stream=stream)
    monkeypatch.setattr("livedream.dream.objectives.place_terms.Transfers", streaming)
    bound, before = wanted.to("cpu"), stream.buffers
    for position in (0.1, 0.9, 1.7, 2.5):
        for one in (wanted, bound):
            one.wander(position, 3)
        assert torch.equal(regions_of(bound), regions_of(wanted))
    assert stream.buffers == before + 2


def test_a_class_that_is_not_there_is_pointed_at(network: Network) -> None:
    with pytest.raises(ObjectiveError, match=r"no class 1000; .* classes 0 to 999") as caught:
        bind("fire8 + classes:3,1000", network)
    assert caught.value.position == 8
    with pytest.raises(ObjectiveError, match=r"vgg16 has no layer .* try class:NAME"):
        bind("classes", load_network("vgg16", random_seed=0))


@pytest.mark.parametrize("count", [2, 3, 7, 40])
def test_shares_are_bilinear(count: int) -> None:
    """As PyTorch's own interpolation has it."""
    values = torch.rand(1, 1, 3, generator=torch.Generator().manual_seed(0))
    wanted = torch.nn.functional.interpolate(values, size=count, mode="linear")
    torch.testing.assert_close(shares(count, 3, 0.0, 1.0) @ values[0, 0], wanted[0, 0])
