"""A network that is taught: its own layers know the pictures, the old ones are what they were."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from livedream.dream.networks.dreamnet import DreamNet, load_dreamnet
from livedream.dream.networks.network import load_network
from livedream.dream.networks.registry import find_spec
from livedream.dream.networks.weights import locate_weights
from livedream.learn.album import Album, strangers
from livedream.learn.study import FORMS, OWN, Lessons, Study, with_own_layers

FEW = Lessons(cuts=48, none=24, dreams=16, motifs=6, turns=60)


def base() -> DreamNet:
    return load_dreamnet(locate_weights(find_spec("dreamnet")))


def rings() -> Album:
    """Pictures of rings on plain ground, of many sizes and colours."""
    draw, pictures = np.random.default_rng(0), []
    for _ in range(12):
        picture = np.full((160, 200, 3), draw.integers(0, 256, 3), np.uint8)
        for _ in range(9):
            middle = tuple(int(one) for one in draw.integers(0, 200, 2))
            colour = tuple(int(one) for one in draw.integers(0, 256, 3))
            cv2.circle(picture, middle, int(draw.integers(10, 40)), colour, 5, cv2.LINE_AA)
        pictures.append(picture)
    return Album(pictures)


@pytest.fixture(scope="module")
def taught() -> DreamNet:
    study = Study(
        base(), load_network("dreamnet").preprocessing, rings(),
        random=np.random.default_rng(0), lessons=FEW,
    )  # fmt: skip
    told: list[float] = []
    net = study.taught(told.append)
    assert told == sorted(told) and told[-1] == pytest.approx(1.0)
    return net


def test_the_old_network_is_in_it_as_it_was(taught: DreamNet) -> None:
    old, state = base().state_dict(), taught.state_dict()
    assert all(torch.equal(old[name], state[name]) for name in old)
    assert {layer.name for layer in taught.config.layers} > set(OWN)


def test_its_own_layers_answer_to_the_pictures_more_than_to_strangers(taught: DreamNet) -> None:
    draw, album = np.random.default_rng(9), rings()
    normal = load_network("dreamnet").preprocessing.normalise
    with torch.no_grad():
        mine, others = (
            taught.maps(normal(pictures))[FORMS].square().mean()
            for pictures in (album.cut(24, draw), strangers(album, 24, draw))
        )
    assert float(mine / others) > 4  # 6.7 found; 2.1 where none was learned


def test_every_motif_can_be_dreamed(taught: DreamNet) -> None:
    """None is silent everywhere, and none louder than the others, in the pictures."""
    normal = load_network("dreamnet").preprocessing.normalise
    cuts = rings().cut(48, np.random.default_rng(2))
    with torch.no_grad():
        maps = taught.maps(normal(cuts))
    for own in OWN:
        loud = maps[own].square().mean((0, 2, 3)).sqrt()
        assert loud.shape == (6,) and float(loud.min()) > 0.8 and float(loud.max()) < 1.25


def test_a_network_that_was_taught_before_gets_new_layers_in_their_place(taught: DreamNet) -> None:
    again = with_own_layers(taught, 9)
    assert [layer.channels for layer in again.config.layers if layer.name in OWN] == [9, 9]
    assert len(again.config.layers) == len(taught.config.layers)


def test_what_was_learned_before_is_no_example_of_nothing(
    taught: DreamNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old network's dreams are: of its layers, not of the motifs that give way.

    Private: which layer is dreamed is seen nowhere else, and most of the time none is.
    """
    named: list[str] = []
    where = "livedream.learn.study"
    monkeypatch.setattr(f"{where}._of_channels", lambda name, chosen: named.append(name))
    monkeypatch.setattr(f"{where}.Study._dreamed", lambda self, rgb, objective: rgb)
    study = Study(
        taught, load_network("dreamnet").preprocessing, rings(),
        random=np.random.default_rng(0), lessons=replace(FEW, dreams=480, turns=1),
    )  # fmt: skip
    study.taught(lambda share: None)
    assert len(named) >= 5
    assert set(named) <= {layer.name for layer in base().config.layers}
