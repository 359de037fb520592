"""Networks that say what each place shows: of the user's own as ONNX, torchvision's by name.

Convention
    An .onnx file has one input, (1, 3, h, w) float32 RGB in [0, 1], and one output, (1, 1, h', w')
    in [0, 1]: how surely a place belongs to the region. Sides that the file leaves open are 256 x
    144.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from livedream.core.downloads import cached, obtain
from livedream.core.errors import WeightsError, reason
from livedream.core.frame import Picture
from livedream.core.shrink import shrunk
from livedream.region.value import CLASSES, Leaf
from livedream.warp.remap import Plane

_OPEN: Final = (144, 256)  # rows and columns where a file names none
_CLASSES_SIZE: Final = (320, 192)  # heuristic: width and height at which torchvision's looks
_URL: Final = "https://download.pytorch.org/models/lraspp_mobilenet_v3_large-d234d4ea.pth"
# What such networks see where there is nothing is small or unsure.  Heuristics.
_LEAST_SHARE: Final = 0.005  # of the picture
_SURE: Final = 0.75  # on average over a body


class OnnxSegmentation:
    """A file of the user's own.  Raises WeightsError for one that does not keep the convention."""

    def __init__(self, path: str) -> None:
        import onnxruntime

        if not Path(path).is_file():
            raise WeightsError(f"network {path}: no such file; give an .onnx file")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4  # fatal only: what fails is said in our own words
        try:
            self._session: Any = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
            (given,), (found,) = self._session.get_inputs(), self._session.get_outputs()
            _, channels, rows, columns = given.shape
            one = found.shape[1]
        except Exception as error:  # ONNX Runtime's own errors share no other root
            raise WeightsError(
                f"network {path}: must have one input (1, 3, h, w) and one output (1, 1, h, w) "
                f"({reason(error)[:120]}); see docs/regions.md"
            ) from error
        if channels != 3 or one != 1 or given.type != "tensor(float)":
            raise WeightsError(
                f"network {path}: must take (1, 3, h, w) float32 and give (1, 1, h, w) "
                f"(got {given.shape} {given.type} and {found.shape})"
            )
        rows, columns = (
            side if isinstance(side, int) else free
            for side, free in zip((rows, columns), _OPEN, strict=True)
        )
        self._path, self._name, self._size = path, given.name, (columns, rows)
        self.score(np.zeros((rows, columns, 3), np.uint8))  # some open and cannot run

    def score(self, rgb: Picture) -> Plane:
        """(h, w) in [0, 1], at the network's own size.  Raises WeightsError where it fails."""
        fed = shrunk(rgb, *self._size).transpose(2, 0, 1)[None].astype(np.float32) / 255
        try:
            (found,) = self._session.run(None, {self._name: fed})
        except Exception as error:  # ONNX Runtime's own errors share no other root
            width, height = self._size
            raise WeightsError(
                f"network {self._path}: fails at {width}x{height} px ({reason(error)[:120]}); "
                "export it with fixed sides that it can run at"
            ) from error
        if found.ndim != 4 or found.shape[:2] != (1, 1):
            raise WeightsError(
                f"network {self._path}: must give (1, 1, h, w) (got {found.shape}); "
                "see docs/regions.md"
            )
        # A NaN would stay in what is smoothed for good.
        return np.nan_to_num(np.clip(np.asarray(found[0, 0], np.float32), 0.0, 1.0), copy=False)


class ClassSegmentation:
    """torchvision's LRASPP on MobileNetV3 (Howard et al. 2019).

    seed: random weights instead of those that are fetched, for tests.
    Raises WeightsError where they cannot be had.
    """

    def __init__(self, *, seed: int | None = None) -> None:
        from torchvision.models.segmentation import lraspp_mobilenet_v3_large

        if seed is not None:
            torch.manual_seed(seed)
        network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)
        if seed is None:
            path = obtain(
                cached(_URL), "person", WeightsError, progress=False,
                otherwise="; before a fixed camera, use visitors",
            )  # fmt: skip
            network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
        self._network = network.eval().requires_grad_(False)
        self._mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
        self._std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        self._last: tuple[Picture, NDArray[np.float32]] | None = None

    @torch.no_grad()
    def score(self, rgb: Picture, name: str) -> Plane:
        """(h, w) in [0, 1] of a class, one of `CLASSES`."""
        last = self._last  # looked at once: another thread may put its own there
        if last is None or last[0] is not rgb:
            picture = torch.from_numpy(shrunk(rgb, *_CLASSES_SIZE)).permute(2, 0, 1).float() / 255
            found = self._network(((picture - self._mean) / self._std)[None])["out"]
            self._last = last = rgb, found[0].softmax(0).numpy()
        return np.asarray(last[1][CLASSES.index(name) + 1], np.float32)


@lru_cache(maxsize=4)
def onnx_segmentation(path: str) -> OnnxSegmentation:
    return OnnxSegmentation(path)


@lru_cache(maxsize=1)
def class_segmentation() -> ClassSegmentation:
    return ClassSegmentation()


def require_classes() -> None:
    """Raise WeightsError where the classes' weights would have to be downloaded."""
    weights = cached(_URL)
    if not weights.path.is_file():
        raise WeightsError(
            f"person and other classes: {weights.path} is not there, and nothing is downloaded "
            "while a show runs; start one with --where person, which downloads it"
        )


def network_score(leaf: Leaf, rgb: Picture) -> Plane:
    """(h, w) in [0, 1] of some size: how surely each place belongs to a network's region."""
    if leaf.name == "network":
        return believed(onnx_segmentation(leaf.path).score(rgb))
    return believed(class_segmentation().score(rgb, leaf.name))


def believed(score: Plane) -> Plane:
    """A score without what is too small or too unsure to be somebody."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((score > 0.5).astype(np.uint8))
    kept = np.zeros(count, np.float32)
    for number in range(1, count):
        if stats[number, cv2.CC_STAT_AREA] >= _LEAST_SHARE * score.size:
            kept[number] = score[labels == number].mean() >= _SURE
    if kept[1:].all():
        return score
    # What is around a body belongs to it as far as the network says.
    around = cv2.dilate(kept[labels], np.ones((5, 5), np.uint8))
    return np.asarray(score * np.asarray(around, np.float32), np.float32)
