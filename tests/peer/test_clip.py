"""CLIP against open_clip's own code, with random weights in a small model of the same kind."""

import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from gradients import cosine
from torch import Tensor, nn

from livedream.core.errors import NetworkError, ObjectiveError, WeightsError
from livedream.dream.engines.base import EngineSpec
from livedream.dream.engines.eager import EagerEngine
from livedream.dream.networks import registry as registry_module
from livedream.dream.networks.network import Network, load_network
from livedream.dream.networks.registry import find_spec
from livedream.dream.objectives.binding import added_up, bind
from livedream.dream.objectives.prompt import parse_prompt
from livedream.dream.objectives.whole_terms import TextPart

open_clip = pytest.importorskip("open_clip", reason="wants the extra clip")

SIDE = 96  # px: three places a side behind the deepest layer
SMALL = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": SIDE, "layers": [1, 2, 1, 1], "width": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
}


@pytest.fixture(scope="module")
def peer() -> Any:
    """open_clip's own model; each block adds something, as a trained one's do."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = open_clip.CLIP(**SMALL).eval().requires_grad_(False)
        for name, weight in model.visual.named_parameters():
            if name.endswith("bn3.weight"):
                weight.uniform_(0.5, 1.5)
    return model


@pytest.fixture(scope="module")
def archive(peer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TorchScript archive, as OpenAI published theirs."""
    path = tmp_path_factory.mktemp("clip") / "RN50.pt"
    root = nn.Module()
    for name, tensor in (*peer.state_dict().items(), ("input_resolution", torch.tensor(SIDE))):
        *outer, last = name.split(".")
        place = root
        for part in outer:
            if not hasattr(place, part):
                place.add_module(part, nn.Module())
            place = place.get_submodule(part)
        place.register_buffer(last, tensor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript has no future
        torch.jit.script(root).save(str(path))  # type: ignore[no-untyped-call]
    return path


@pytest.fixture(scope="module")
def network(archive: Path) -> Network:
    with pytest.MonkeyPatch.context() as patch:
        own = replace(find_spec("clip"), url="", file=str(archive), sha256=None)
        patch.setattr(registry_module, "shipped_networks", lambda: {"clip": own})
        return load_network("clip")


def noise(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(2))


def test_pictures_and_sentences_become_the_same_vectors(peer: Any, network: Network) -> None:
    picture = noise(SIDE, SIDE)
    normal = network.preprocessing.normalise(picture)
    torch.testing.assert_close(
        network.module(normal), peer.encode_image(normal), atol=1e-4, rtol=1e-3
    )
    (text,) = peer.encode_text(open_clip.tokenize(["an owl made of moss"]), normalize=True)
    assert network.encode_text is not None
    torch.testing.assert_close(
        network.encode_text("an owl made of moss"), text, atol=1e-3, rtol=0.05
    )


@pytest.mark.parametrize("size", [(SIDE, SIDE), (160, 224)])
def test_a_picture_goes_where_the_cosine_grows(
    size: tuple[int, int], peer: Any, network: Network
) -> None:
    sentence, picture = "a cathedral of moss", noise(*size)
    found = gradient(network, f'text("{sentence}")', picture)
    text = peer.encode_text(open_clip.tokenize([sentence]), normalize=True)
    x = picture.clone().requires_grad_()
    normal = network.preprocessing.normalise(x)
    vector = peer.encode_image(normal) if size == (SIDE, SIDE) else network.module(normal)
    (wanted,) = torch.autograd.grad(torch.cosine_similarity(vector, text).sum(), x)
    assert cosine(found, wanted) > 0.999
    assert nearness(network, picture + 0.01 * found / found.abs().max(), sentence) > nearness(
        network, picture, sentence
    )


def gradient(network: Network, objective: str, picture: Tensor) -> Tensor:
    bound = bind(objective, network)
    return EagerEngine(EngineSpec(network, bound, torch.device("cpu"), torch.float32)).gradient(
        picture
    )


def nearness(network: Network, picture: Tensor, sentence: str) -> float:
    bound = bind(f'text("{sentence}")', network)
    return float(bound.response((network.module(network.preprocessing.normalise(picture)),)))


def test_the_vector_of_pieces_is_that_of_the_picture(network: Network) -> None:
    bound = bind('text("fog") - 0.5*text("fire")', network)
    vectors = network.module(network.preprocessing.normalise(noise(SIDE, SIDE)))
    (whole,) = bound.grad_outputs((vectors,))
    pieces = added_up(bound.measure((vectors,), 0.25), bound.measure((vectors,), 0.75))
    (part,) = bound.grad_outputs((vectors,), pieces)
    torch.testing.assert_close(part, whole)


def test_words_of_a_prompt_are_sentences_here(network: Network) -> None:
    (word,), (sentence,) = (
        bind(text, network).parts[0]
        for text in (str(parse_prompt('"a red fox"')), 'text("a red fox")')
    )
    assert isinstance(word, TextPart) and isinstance(sentence, TextPart)
    assert torch.equal(word.sentence, sentence.sentence)


def test_its_layers_are_dreamed_like_any_others(network: Network) -> None:
    assert network.layers[network.resolve("layer3")].stride == 16
    assert gradient(network, "layer3 + layer2.0.conv2:3", noise(64, 96)).abs().max() > 0


@pytest.mark.parametrize(
    ("objective", "complaint"),
    [
        ('text("fog")@left', "a sentence is of the whole picture; say where with --where"),
        ("class:dog", "class 'dog': this network has no classes"),
        ("classes", "clip has no classes"),
    ],
)
def test_what_it_cannot_dream_is_refused(objective: str, complaint: str, network: Network) -> None:
    with pytest.raises(ObjectiveError, match=complaint):
        bind(objective, network)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.pt"
    torch.save({"fc.weight": torch.zeros(3, 3)}, other)
    with pytest.raises(WeightsError, match="not those of CLIP"):
        load_network("clip", weights=other)


def test_weights_that_the_library_refuses_without_a_word_are_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(tensors: object) -> None:
        raise AssertionError

    monkeypatch.setattr("open_clip.model.build_model_from_openai_state_dict", refused)
    other = tmp_path / "other.pt"
    torch.save({"fc.weight": torch.zeros(3, 3)}, other)
    with pytest.raises(WeightsError, match=r"not those of CLIP \(AssertionError\)$"):
        load_network("clip", weights=other)


def test_without_open_clip_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(NetworkError, match=r'pip install "livedream\[clip\]"'):
        load_network("clip", random_seed=1)
