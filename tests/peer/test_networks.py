"""Against others: torchvision's own modules, and real weights in files."""

import io
import random
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from livedream.dream.networks.building import random_module
from livedream.dream.networks.graph import LayerGraph
from livedream.dream.networks.network import Network, load_network
from livedream.dream.networks.registry import find_spec, registry
from livedream.dream.objectives.binding import bind

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
WEIGHTS = SHARED / "weights"
PICTURES = SHARED / "images" / "imagenet-samples-256px.zip"
TORCHVISION = [name for name, spec in registry().items() if spec.weights]

needs_weights = pytest.mark.skipif(not WEIGHTS.is_dir(), reason=f"{WEIGHTS} is not here")
needs_pictures = pytest.mark.skipif(not PICTURES.is_file(), reason=f"{PICTURES} is not here")


def hooked(module: nn.Module, picture: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The plain module's output and every submodule's, as they were before anything in place."""
    seen: dict[str, Tensor] = {}
    handles = []
    for name, part in module.named_modules():

        def note(_: nn.Module, __: object, output: Tensor, name: str = name) -> None:
            seen[name] = output.clone()

        handles.append(part.register_forward_hook(note))
    with torch.no_grad():
        output = module(picture)
    for handle in handles:
        handle.remove()
    return output, seen


@pytest.mark.parametrize("name", TORCHVISION)
def test_a_folded_and_cut_network_equals_torchvision_s(name: str) -> None:
    spec = find_spec(name)
    plain = random_module(spec, seed=4).eval()
    draw = torch.Generator().manual_seed(5)
    for part in plain.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean = 0.2 * torch.randn(part.num_features, generator=draw)
            part.running_var = 0.5 + torch.rand(part.num_features, generator=draw)
            part.weight.data = 0.5 + torch.rand(part.num_features, generator=draw)
            part.bias.data = 0.2 * torch.randn(part.num_features, generator=draw)
    normed = any(isinstance(part, nn.BatchNorm2d) for part in plain.modules())
    picture = torch.randn(1, 3, spec.minimum_size, spec.minimum_size + 14, generator=draw)
    wanted_scores, wanted = hooked(plain, picture)

    graph = LayerGraph(plain)
    assert not [n for n in graph.graph.nodes if isinstance(graph.module_of(n), nn.BatchNorm2d)]
    with torch.no_grad():
        scores = graph.whole()(picture)
        assert (scores - wanted_scores).abs().max() < 1e-3 * wanted_scores.abs().max()
        # A convolution before a norm is, once folded, what the norm gave.
        names = [
            layer
            for layer in graph.outputs
            if layer in wanted
            and not (normed and isinstance(plain.get_submodule(layer), nn.Conv2d))
        ]
        found = graph.cut(names)(picture)
    assert len(names) > 25
    for layer, activation in zip(names, found, strict=True):
        error = (activation - wanted[layer]).abs().max() / wanted[layer].abs().max()
        assert error < 1e-3, layer


# VGG-19 would take seconds to show what VGG-16 shows.
@pytest.mark.parametrize("name", [name for name in TORCHVISION if name != "vgg19"])
def test_classes_can_be_dreamed_from_the_minimum_size_up(name: str) -> None:
    network = load_network(name, random_seed=1)
    bound = bind("class:goldfish", network)
    cut = network.truncated(bound.layers)
    for extra in (0, 37):
        size = network.minimum_size
        x = torch.rand(1, 3, size, size + extra, requires_grad=True)
        found = cut(network.preprocessing.normalise(x))
        (gradient,) = torch.autograd.grad(found, x, grad_outputs=bound.grad_outputs(found))
        assert gradient.abs().max() > 0 and bool(gradient.isfinite().all())


@cache
def drawn(count: int) -> list[tuple[int, np.ndarray]]:
    """Class index and picture (H, W, 3) uint8 RGB, the same ones every time."""
    with zipfile.ZipFile(PICTURES) as archive:
        names = sorted(n for n in archive.namelist() if n.endswith((".jpg", ".jpeg", ".JPEG")))
        assert len(names) == 1000
        chosen = random.Random(20).sample(range(1000), count)
        return [(index, _read(archive.read(names[index]))) for index in chosen]


def _read(coded: bytes) -> np.ndarray:
    bgr = cv2.imdecode(np.frombuffer(io.BytesIO(coded).getbuffer(), np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def batches(count: int, size: int) -> Iterator[tuple[list[int], Tensor]]:
    """Short side scaled to 256 px, the middle cut out, ten at a time."""
    found = []
    for index, rgb in drawn(count):
        scale = 256 / min(rgb.shape[:2])
        width, height = round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)
        scaled = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
        top, left = (height - size) // 2, (width - size) // 2
        found.append((index, scaled[top : top + size, left : left + size]))
    for start in range(0, count, 10):
        part = found[start : start + 10]
        stacked = np.stack([rgb for _, rgb in part])
        yield [i for i, _ in part], torch.from_numpy(stacked).permute(0, 3, 1, 2).float() / 255


def top1(network: Network, count: int, size: int, *, first: int = 0) -> float:
    """Share of the pictures that are classified right; first: the index of ImageNet's class 0."""
    hits = 0
    with torch.no_grad():
        for wanted, pictures in batches(count, size):
            best = network.module(network.preprocessing.normalise(pictures)).argmax(1)
            hits += sum(b == w + first for b, w in zip(best.tolist(), wanted, strict=True))
    return hits / count


@pytest.fixture(scope="module")
def squeezenet() -> Network:
    return load_network(weights=WEIGHTS / "squeezenet1_0-imagenet-caffe.safetensors")


@pytest.mark.slow
@needs_weights
@needs_pictures
def test_a_real_network_from_a_file_classifies(squeezenet: Network) -> None:
    found = top1(squeezenet, 250, 227)
    print(f"SqueezeNet 1.0, top-1 on 250 pictures: {found:.1%}")
    assert found > 0.55


@needs_weights
@needs_pictures
def test_and_so_does_one_with_a_background_class() -> None:
    network = load_network(weights=WEIGHTS / "mobilenet_v2-imagenet.safetensors")
    assert network.class_index("tench") == 1
    found = top1(network, 40, 224, first=1)
    print(f"MobileNet v2, top-1 on 40 pictures: {found:.1%}")
    assert found > 0.6


@needs_weights
@needs_pictures
@pytest.mark.parametrize("text", ["fire8", "fire6:5-9", "class:goldfish", "fire8 + 0.5*fire4"])
def test_and_dreams(squeezenet: Network, text: str) -> None:
    _, rgb = drawn(250)[0]
    picture = torch.from_numpy(cv2.resize(rgb, (160, 120))).permute(2, 0, 1)[None].float() / 255
    bound = bind(text, squeezenet)
    cut = squeezenet.truncated(bound.layers)
    x, responses = picture, []
    for _ in range(4):
        x = x.detach().requires_grad_()
        found = cut(squeezenet.preprocessing.normalise(x))
        responses.append(float(bound.response(found)))
        (gradient,) = torch.autograd.grad(found, x, grad_outputs=bound.grad_outputs(found))
        x = (x + gradient / gradient.abs().mean() * 1.5 / 255).clamp(0, 1)
    assert responses == sorted(responses) and responses[-1] > responses[0]


@needs_weights
@pytest.mark.parametrize(
    ("file", "labels", "classes", "index", "bird"),
    [
        ("squeezenet1_0-imagenet-caffe", None, 1000, 1, "goldfish"),
        ("mobilenet_v2-imagenet", None, 1001, 2, "goldfish"),
        ("mobilenet_v2-inat-birds", "inat-birds-labels.txt", 965, 1, "limpkin"),
        ("mobilenet_v2-inat-insects", "inat-insects-labels.txt", 1022, 2, "elfin skimmer"),
    ],
)
def test_all_four_files_load(
    file: str, labels: str | None, classes: int, index: int, bird: str
) -> None:
    path = WEIGHTS / f"{file}.safetensors"
    network = load_network(weights=path, labels=WEIGHTS / labels if labels else None)
    assert network.class_count == len(network.classes) == classes
    assert network.class_index(bird) == index
    (activation,) = network.truncated([network.default_objective])(torch.zeros(1, 3, 64, 64))
    assert bool(activation.isfinite().all())
