"""Tracing and cutting: what the graph gives is what the module gave."""

import threading

import pytest
import torch
from torch import nn

from livedream.dream.networks.graph import LOGITS, LayerGraph


class Block(nn.Module):
    """All that torchvision's networks do to make tracing interesting, in one place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(8, 8, 1)
        self.dropout = nn.Dropout(0.5)
        self.third = nn.Conv2d(8, 8, 1)
        self.fourth = nn.Conv2d(8, 8, 1)
        self.shared_norm = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.norm(self.conv(x)))
        y = nn.functional.relu(self.second(x), inplace=True)
        y += x
        y = self.dropout(y)
        z = self.shared_norm(self.third(y))
        z = self.shared_norm(self.fourth(z))
        z = self.relu(z)
        return self.fc(z.mean((2, 3)))


def network(seed: int = 0) -> Block:
    torch.manual_seed(seed)
    block = Block().eval()
    for norm in (block.norm, block.shared_norm):
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.2, 2)
        nn.init.uniform_(norm.weight, 0.5, 2)
        nn.init.uniform_(norm.bias, -1, 1)
    return block


@pytest.fixture
def picture() -> torch.Tensor:
    return torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def test_the_whole_graph_equals_the_module(picture: torch.Tensor) -> None:
    wanted = network()(picture)
    found = LayerGraph(network()).whole()(picture)
    torch.testing.assert_close(found, wanted)


def test_batch_norm_is_folded_but_where_it_is_shared() -> None:
    graph = LayerGraph(network())
    kept = {str(node.target) for node in graph.graph.nodes if node.op == "call_module"}
    assert "norm" not in kept and "dropout" not in kept
    assert {"conv", "shared_norm"} <= kept
    assert graph.canonical["norm"] == "conv"


def test_nothing_works_in_place(picture: torch.Tensor) -> None:
    before, after, second = LayerGraph(network()).cut(["norm", "relu", "second"])(picture)
    assert before.min() < 0 <= after.min() and second.min() < 0
    wanted = network()
    torch.testing.assert_close(before, wanted.norm(wanted.conv(picture)))


def test_a_cut_computes_no_more_than_it_needs(picture: torch.Tensor) -> None:
    cut = LayerGraph(network()).cut(["second", "conv"])
    assert {name for name, _ in cut.named_parameters()} == {
        "conv.weight",
        "conv.bias",
        "second.weight",
        "second.bias",
    }
    second, first = cut(picture)
    torch.testing.assert_close(second, cut.second(torch.relu(first)))


def test_a_cut_has_weights_of_its_own(picture: torch.Tensor) -> None:
    graph = LayerGraph(network())
    wanted = graph.whole()(picture)
    graph.cut([LOGITS]).to(torch.bfloat16)
    torch.testing.assert_close(graph.whole()(picture), wanted)


def test_no_weight_asks_for_a_gradient_and_the_picture_gets_one(picture: torch.Tensor) -> None:
    cut = LayerGraph(network()).cut(["second"])
    assert not any(weight.requires_grad for weight in cut.parameters())
    picture.requires_grad_()
    (activation,) = cut(picture)
    (gradient,) = torch.autograd.grad(activation, picture, torch.ones_like(activation))
    assert gradient.abs().sum() > 0


def test_tracing_leaves_other_threads_alone(picture: torch.Tensor) -> None:
    """While one network loads, another dreams on."""
    busy = LayerGraph(network()).whole()
    wanted = busy(picture)
    failures: list[BaseException] = []
    done = threading.Event()

    def dream() -> None:
        try:
            while not done.is_set():
                torch.testing.assert_close(busy(picture), wanted)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=dream)
    thread.start()
    for seed in range(20):
        LayerGraph(network(seed))
    done.set()
    thread.join()
    assert not failures
