"""Somebody's pictures, kept small in memory, and cut into what a network is taught with.

Convention
    Cuts are ``(N, 3, S, S)`` float32 RGB in [0, 1]. Random choices come from the generator that is
    passed in, so that the same seed teaches the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from livedream.capture.pictures import in_folder, read_picture
from livedream.capture.sky import tileable_noise
from livedream.core.errors import SourceError
from livedream.core.frame import Picture
from livedream.core.shrink import fitted

FEWEST: Final = 10  # fewer show no kind of thing, only themselves (heuristic)
MOST: Final = 10_000
_BYTES: Final = 256 << 20  # of all pictures together
_SHORT_PX: Final = 224  # of a picture's shorter side, at most
_LEAST_PX: Final = 64  # dreamnet's own least size
_CUT_PX: Final = 128  # what dreamnet was taught with


@dataclass(frozen=True, eq=False)
class Album:
    """pictures: (H, W, 3) uint8 each.  skipped: what could not be used, a line for each."""

    pictures: Sequence[Picture]
    skipped: Sequence[str] = ()

    @property
    def cut_px(self) -> int:
        """The side of its cuts: 128 px, less where most pictures are smaller than that."""
        middle = float(np.median([min(one.shape[:2]) for one in self.pictures]))
        return int(np.clip(middle // 16 * 16, _LEAST_PX, _CUT_PX))

    def cut(self, count: int, random: np.random.Generator) -> Tensor:
        """Random squares of random pictures, from 45 % of the shorter side to all of it; half of
        them mirrored, brightness, contrast and colour a little changed (heuristic)."""
        size, cuts = self.cut_px, []
        for index in random.integers(0, len(self.pictures), count):
            picture = self.pictures[index]
            height, width = picture.shape[:2]
            short = min(height, width)
            side = int(random.uniform(min(short, max(0.45 * short, 0.75 * size)), short + 1))
            side = min(side, short)
            top, left = random.integers(0, height - side + 1), random.integers(0, width - side + 1)
            square = picture[top : top + side, left : left + side]
            cuts.append(_square(square[:, ::-1] if random.random() < 0.5 else square, size))
        return _recoloured(torch.stack(cuts), random)


def read_album(folder: Path, seen: Callable[[int, int], None] = lambda done, total: None) -> Album:
    """Every picture in a folder, those of its subfolders too, decoded once and shrunk.

    What is hidden, as programs keep small copies of pictures, is none of them.
    seen: told how many of how many are read.
    Raises SourceError when there is no such folder, or fewer than ten pictures in it.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder: must be one with pictures")
    below = sorted(path for path in folder.rglob("*") if path.is_dir())
    folders = [folder, *(path for path in below if not _is_hidden(path.relative_to(folder)))]
    paths: list[Path] = []
    skipped: list[str] = []
    for one in folders:
        try:
            paths += in_folder(one)
        except SourceError as error:
            if error.__cause__ is not None:  # not just without pictures: it cannot be read
                skipped.append(str(error))
    _enough(folder, len(paths), skipped[0] if skipped else "")
    if len(paths) > MOST:
        raise SourceError(f"{folder} has {len(paths)} pictures: must be at most {MOST}")
    short_px = int(min(_SHORT_PX, (_BYTES / len(paths) / 4.5) ** 0.5))  # 4.5: RGB, 3 to 2
    pictures: list[Picture] = []
    for done, path in enumerate(paths, 1):
        try:
            rgb = read_picture(path)
            if min(rgb.shape[:2]) < _LEAST_PX // 2:
                raise SourceError(f"{path} is {rgb.shape[1]}x{rgb.shape[0]} px, too small")
            pictures.append(_shrunk(rgb, short_px))
        except SourceError as error:
            skipped.append(str(error))
        seen(done, len(paths))
    _enough(folder, len(pictures), skipped[0] if skipped else "")
    return Album(pictures, skipped)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _enough(folder: Path, count: int, why: str = "") -> None:
    if count < FEWEST:
        also = f"; {why}" if why else ""
        raise SourceError(
            f"{folder} has {count} readable pictures: must be at least {FEWEST}, 30 and more are "
            f"better{also}"
        )


def _shrunk(rgb: Picture, short_px: int) -> Picture:
    height, width = rgb.shape[:2]
    # A panorama is cut to its middle: three times as long as high is as much as is looked at.
    long = 3 * min(height, width)
    top, left = max(0, (height - long) // 2), max(0, (width - long) // 2)
    rgb = rgb[top : top + long, left : left + long]
    height, width = rgb.shape[:2]
    scale = short_px / min(height, width)
    if scale >= 1:
        return np.ascontiguousarray(rgb)
    return fitted(np.ascontiguousarray(rgb), round(width * scale), round(height * scale))


def _square(rgb: Picture, size: int) -> Tensor:
    way = cv2.INTER_AREA if len(rgb) > size else cv2.INTER_CUBIC
    sized = cv2.resize(rgb, (size, size), interpolation=way)
    return torch.from_numpy(sized).permute(2, 0, 1).float() / 255


def _recoloured(cuts: Tensor, random: np.random.Generator) -> Tensor:
    def draw(low: float, high: float, channels: int = 1) -> Tensor:
        return torch.from_numpy(random.uniform(low, high, (len(cuts), channels, 1, 1))).float()

    grey = cuts.mean(1, keepdim=True)
    cuts = grey + (cuts - grey) * draw(0.7, 1.3)
    level = cuts.mean((1, 2, 3), keepdim=True)
    cuts = level + (cuts - level) * draw(0.7, 1.2) + draw(-0.1, 0.1)
    return (cuts * draw(0.94, 1.06, 3)).clamp(0, 1)


def strangers(album: Album, count: int, random: np.random.Generator) -> Tensor:
    """What is not in the pictures, though like them in all but that: a third clouds, a third cuts
    whose patches are shuffled, a third cuts whose phases are (their spectrum and colours stay)."""
    found = []
    for kind in random.integers(0, 3, count):
        if kind == 0:
            found.append(clouds(1, album.cut_px, album.cut_px, random)[0])
        else:
            cut = album.cut(1, random)[0]
            found.append(_shuffled(cut, random) if kind == 1 else _scrambled(cut, random))
    return torch.stack(found)


def clouds(count: int, height: int, width: int, random: np.random.Generator) -> Tensor:
    """Soft coloured 1/f noise, (N, 3, H, W) in [0, 1]; slope, contrast and colour as it comes."""
    return torch.stack([_cloud(height, width, random) for _ in range(count)])


def _cloud(height: int, width: int, random: np.random.Generator) -> Tensor:
    slope = random.uniform(0.9, 1.7)
    field = np.stack([tileable_noise(random, height, width, slope) for _ in range(3)])
    tint = random.uniform(0.1, 0.8)
    field = tint * field + (1 - tint) * field.mean(0) * np.sqrt(3)
    level = random.uniform(0.25, 0.75, (3, 1, 1)) * 0.6 + random.uniform(0.1, 0.3)
    painted = level + random.uniform(0.05, 0.25) * field
    return torch.from_numpy(painted.clip(0, 1)).float()


def _shuffled(cut: Tensor, random: np.random.Generator) -> Tensor:
    side = int(random.choice([8, 16, 32]))
    across = cut.shape[2] // side
    size = across * side
    patches = functional.unfold(cut[None, :, :size, :size], side, stride=side)
    order = torch.from_numpy(random.permutation(patches.shape[2]))
    mixed = functional.fold(patches[:, :, order], (size, size), side, stride=side)
    rest = cut.shape[2] - size
    return functional.pad(mixed, (0, rest, 0, rest), mode="replicate")[0]


def _scrambled(cut: Tensor, random: np.random.Generator) -> Tensor:
    """The same turn of phase for all three colours, as a noise's spectrum has it."""
    size = cut.shape[2]
    noise = torch.fft.rfft2(torch.from_numpy(random.standard_normal((size, size))).float())
    turn = noise / noise.abs().clamp_min(1e-6)
    turn[0, 0] = 1  # the mean stays
    scrambled: Tensor = torch.fft.irfft2(torch.fft.rfft2(cut) * turn, s=(size, size))
    return scrambled.clamp(0, 1)
