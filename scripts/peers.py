"""The other DeepDreams that `compare_peer.py` knows: how to run them as they are.

Nothing of theirs is here. What they would download (weights) is made at random instead, of the
right shape, and handed to them where they look for it.
"""

import contextlib
import importlib.util
import os
import runpy
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision import models
from torchvision.models import optical_flow
from torchvision.models.googlenet import GoogLeNet

from livedream.dream.networks.building import fill_randomly

__all__ = ["PEERS", "Peer", "Prepared"]


@dataclass(frozen=True)
class Prepared:
    """A frame ready to be dreamed.

    sizes: (width, height) of each octave in the order climbed, as often as it is climbed.
    evaluations: gradients in each.  weights: the network's, for livedream.  dream: the frame once;
    returns how many gradients were evaluated.
    """

    sizes: list[tuple[int, int]]
    evaluations: int
    weights: Path
    dream: Callable[[], int]


class Peer:
    """A checkout of another's. network, objective: in livedream's words what it dreams.

    sign: the file it is known by.  marks: how the line begins that it prints for each frame.
    """

    name: ClassVar[str]
    sign: ClassVar[str]
    marks: ClassVar[tuple[str, ...]]
    network: ClassVar[str]
    objective: ClassVar[str]
    recommendation: ClassVar[str]
    modules: ClassVar[tuple[str, ...]] = ()

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        sys.path.insert(0, str(checkout))

    @classmethod
    def is_at(cls, checkout: Path) -> bool:
        return (checkout / cls.sign).is_file()

    def missing(self) -> str:
        """Packages that it imports and that are not here."""
        return " ".join(name for name in self.modules if importlib.util.find_spec(name) is None)

    def prepare(self, rgb: NDArray[np.uint8], evaluations: int, folder: Path) -> Prepared:
        raise NotImplementedError

    def run_recommended(self, folder: Path) -> None:
        """Dream folder/clip.npy, printing a line for each frame."""
        raise NotImplementedError


class DeepdreamVideoPytorch(Peer):
    """jeremicna's: a dreamer built anew for each frame, RAFT, octaves climbed twice."""

    name = "deepdream-video-pytorch"
    sign = "video_dream.py"
    marks = ("Processing frame", "Cleaning up")
    network = "googlenet"
    objective = "inception4c"
    recommendation = "-num_iterations 1, else its defaults: bvlc GoogLeNet, RAFT"
    passes = 2  # its `dream` climbs all octaves, and then the whole of it stands there once more

    def prepare(self, rgb: NDArray[np.uint8], evaluations: int, folder: Path) -> Prepared:
        weights = random_weights(_its_googlenet(), folder / "googlenet-1378be20.pth")
        source, result = folder / "frame.png", folder / "dream.png"
        cv2.imwrite(str(source), rgb[:, :, ::-1])
        with quiet(), patch.object(models, "googlenet", lambda **_: _its_googlenet()):
            import dreamer

            words = ["-num_iterations", "1", "-octave_iter", str(evaluations - 1), "-gpu", "c"]
            words += ["-model_file", str(weights), "-dream_layers", "inception4c"]
            words += ["-image_size", str(max(rgb.shape))]
            theirs = dreamer.DeepDreamer(words)
            octaves = dreamer.octave_calc(
                rgb.shape[:2], theirs.params.octave_scale, theirs.params.num_octaves
            )

        def dream() -> int:
            with quiet(), counted() as count:
                theirs.dream(str(source), str(result))
            return count[0]

        sizes = [(width, height) for height, width in octaves] * self.passes
        return Prepared(sizes, evaluations, weights, dream)

    def run_recommended(self, folder: Path) -> None:
        real = optical_flow.raft_large
        optical_flow.raft_large = lambda **more: real(**{**more, "weights": None})
        from neural_dream.models.googlenet.bvlc_googlenet import BVLC_GOOGLENET

        weights = random_weights(BVLC_GOOGLENET(), folder / "bvlc_googlenet.pth")
        clip = np.load(folder / "clip.npy")
        height, width = clip.shape[1:3]
        writer = cv2.VideoWriter(
            str(folder / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25, (width, height)
        )
        for rgb in clip:
            writer.write(rgb[:, :, ::-1])
        writer.release()
        device = "0" if torch.cuda.is_available() else "c"
        sys.argv = [
            "video_dream.py", "-content_video", "clip.mp4", "-output_video", "dream.mp4",
            "-num_iterations", "1", "-model_file", str(weights), "-gpu", device,
        ]  # fmt: skip
        runpy.run_path(str(self.checkout / self.sign), run_name="__main__")


def _its_googlenet() -> nn.Module:
    """torchvision's as it was when theirs was written: what they list has no dropout in it."""
    network = GoogLeNet(aux_logits=True, transform_input=False, init_weights=False)
    for head in (network.aux1, network.aux2):
        del head.dropout  # serves training only
    found: nn.Module = network
    return found


class PytorchDeepdream(Peer):
    """gordicaleksa's: each frame by itself, blended with the last."""

    name = "pytorch-deepdream"
    sign = "utils/video_utils.py"
    marks = ("Processing frame", "Done")
    network = "vgg16"
    objective = "relu4_3"
    recommendation = "its defaults: VGG16 relu4_3, 4 octaves of 1.8, 10 evaluations each"
    modules = ("imageio", "matplotlib", "scipy")

    def _load(self, folder: Path) -> tuple[Any, Path]:
        """Its module and the weights that it was given instead of downloaded ones."""
        plain = models.vgg16(weights=None, init_weights=False)
        weights = random_weights(plain, folder / "vgg16.pth")
        with quiet():
            import deepdream
        real: Callable[..., nn.Module] = deepdream.utils.fetch_and_prepare_model

        def fetch(*words: Any) -> nn.Module:
            with patch.object(models, "vgg16", lambda **_: plain):
                return real(*words)

        deepdream.utils.fetch_and_prepare_model = fetch
        return deepdream, weights

    def _config(self, **more: Any) -> dict[str, Any]:
        """What its command line has as defaults."""
        return {
            "model_name": "VGG16_EXPERIMENTAL", "pretrained_weights": "IMAGENET",
            "layers_to_use": ["relu4_3"], "pyramid_size": 4, "pyramid_ratio": 1.8, "lr": 0.09,
            "num_gradient_ascent_iterations": 10, "spatial_shift_size": 32, "use_noise": False,
            "smoothing_coefficient": 0.5, "should_display": False, **more,
        }  # fmt: skip

    def prepare(self, rgb: NDArray[np.uint8], evaluations: int, folder: Path) -> Prepared:
        deepdream, weights = self._load(folder)
        # Its network that ends at the layer: livedream's does, too.
        config = self._config(model_name="VGG16", num_gradient_ascent_iterations=evaluations)
        shapes = [
            deepdream.utils.get_new_shape(config, rgb.shape[:2], level)
            for level in range(config["pyramid_size"])
        ]
        frame = rgb.astype(np.float32) / 255

        def dream() -> int:
            with quiet(), counted() as count:
                deepdream.deep_dream_static_image(config, frame)
            return count[0]

        sizes = [(int(width), int(height)) for height, width in shapes]
        return Prepared(sizes, evaluations, weights, dream)

    def run_recommended(self, folder: Path) -> None:
        """The loop of its `deep_dream_video` without the ffmpeg around it."""
        deepdream, _ = self._load(folder)
        config, last = self._config(dump_dir=str(folder / "out")), None
        for number, rgb in enumerate(np.load(folder / "clip.npy")):
            print(f"Processing frame {number}", flush=True)
            frame = rgb.astype(np.float32) / 255
            if last is not None:
                frame = deepdream.utils.linear_blend(last, frame, 0.85)
            last = deepdream.deep_dream_static_image(config, frame)
            deepdream.utils.save_and_maybe_display_image(config, last, name_modifier=number)
        print("Done", flush=True)


def random_weights(network: nn.Module, path: Path) -> Path:
    """A state dict of the network's shape."""
    fill_randomly(network, seed=0)
    torch.save(network.state_dict(), path)
    return path


@contextlib.contextmanager
def counted() -> Iterator[list[int]]:
    """How often somebody goes backward, at one place of the list."""
    count = [0]
    real: Callable[..., Any] = torch.Tensor.backward

    def backward(*args: Any, **more: Any) -> Any:
        count[0] += 1
        return real(*args, **more)

    torch.Tensor.backward = backward  # type: ignore[method-assign]
    try:
        yield count
    finally:
        torch.Tensor.backward = real  # type: ignore[method-assign]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """They print a lot."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


PEERS: list[type[Peer]] = [DeepdreamVideoPytorch, PytorchDeepdream]
