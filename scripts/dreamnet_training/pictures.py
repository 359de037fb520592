"""Pictures to learn from: decoded once into one array on disk, cut and augmented in batches.

Convention
    Batches are ``(N, 3, S, S)`` float RGB in [0, 1]. Random choices come from the generator that is
    passed in, so a run is repeatable from its seed.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from livedream.learn.album import clouds

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
MAX_SHORT_SIDE_PX = 288
HOLD_OUT_SEED = 20240229

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class PictureSet:
    """Decoded pictures of any size, back to back in ``pixels``; ``shapes`` holds their (H, W)."""

    names: tuple[str, ...]
    shapes: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    pixels: Bytes

    def __len__(self) -> int:
        return len(self.names)

    def picture(self, index: int) -> Bytes:
        """The picture ``index`` as (H, W, 3) uint8 RGB."""
        height, width = (int(v) for v in self.shapes[index])
        start = int(self.offsets[index])
        return self.pixels[start : start + height * width * 3].reshape(height, width, 3)


def _encoded(source: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every picture in a folder or zip file, by name."""
    if source.is_dir():
        for path in sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES):
            yield str(path.relative_to(source)), path.read_bytes()
        return
    with zipfile.ZipFile(source) as archive:
        for name in sorted(archive.namelist()):
            if name.lower().endswith(SUFFIXES):
                yield name, archive.read(name)


def load_pictures(source: Path, cache: Path) -> PictureSet:
    """Every picture of a folder or zip file, short side at most MAX_SHORT_SIDE_PX.

    They are kept in ``cache``, a folder, so that the next run starts at once. Raises ValueError
    when there is none.
    """
    key = hashlib.sha256(str(source.resolve()).encode())
    for path in [source, *sorted(source.rglob("*"))]:  # of a folder also what is in it
        key.update(f"{path}:{path.stat().st_mtime_ns}".encode())
    stored_as = f"{source.stem}-{key.hexdigest()[:12]}"
    index, blob = (cache / f"{stored_as}{suffix}" for suffix in (".npz", ".npy"))
    if not index.exists():
        names, shapes, flat = [], [], []
        for name, data in _encoded(source):
            image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
            shrink = MAX_SHORT_SIDE_PX / min(image.size)
            if shrink < 1:
                size = (round(image.width * shrink), round(image.height * shrink))
                image = image.resize(size, Image.Resampling.LANCZOS)
            names.append(name)
            shapes.append((image.height, image.width))
            flat.append(np.asarray(image, dtype=np.uint8).reshape(-1))
        if not names:
            raise ValueError(f"{source}: no picture found, wanted {', '.join(SUFFIXES)}")
        cache.mkdir(parents=True, exist_ok=True)
        np.save(blob, np.concatenate(flat))
        np.savez(index, names=np.array(names), shapes=np.array(shapes, dtype=np.int64))
    stored = np.load(index)
    shapes_array: npt.NDArray[np.int64] = stored["shapes"]
    sizes = shapes_array.prod(axis=1) * 3
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)[:-1]])
    return PictureSet(
        tuple(str(n) for n in stored["names"]), shapes_array, offsets, np.load(blob, mmap_mode="r")
    )


def held_out(pictures: PictureSet, count: int = 100) -> frozenset[int]:
    """Indices of the pictures kept from training, always the same for the same set of names."""
    generator = np.random.default_rng(HOLD_OUT_SEED)
    return frozenset(int(i) for i in generator.permutation(len(pictures))[:count])


def crop(picture: Bytes, size: int, generator: np.random.Generator) -> Tensor:
    """A random square of a picture, resized to ``size``, flipped half of the time."""
    height, width = picture.shape[:2]
    short = min(height, width)
    # From the whole short side down to the size asked for, or to 60 % of a small picture.
    least = min(short, max(size * 0.75, short * 0.45))
    side = int(generator.uniform(least, short + 1))
    side = min(side, short)
    top = int(generator.integers(0, height - side + 1))
    left = int(generator.integers(0, width - side + 1))
    cut = picture[top : top + side, left : left + side].copy()
    if generator.random() < 0.5:
        cut = np.ascontiguousarray(cut[:, ::-1])
    tensor = torch.from_numpy(cut).permute(2, 0, 1)[None].float() / 255
    if side == size:
        return tensor
    return functional.interpolate(
        tensor, (size, size), mode="bilinear", align_corners=False, antialias=side > size
    )


class Batches:
    """Endless augmented batches from several sets, each set with its share of the batch."""

    def __init__(
        self,
        sets: Sequence[tuple[PictureSet, Sequence[int], float]],
        cloud_share: float,
        generator: np.random.Generator,
    ) -> None:
        total = sum(share for _, _, share in sets)
        self._sets = [(s, np.asarray(i), share / total) for s, i, share in sets]
        self._cloud_share = cloud_share
        self._generator = generator

    def reseed(self, seed: tuple[int, ...]) -> None:
        """Random choices from here on follow ``seed``."""
        self._generator = np.random.default_rng(seed)

    def stream(
        self, count: int, size: int, device: torch.device, workers: int = 0
    ) -> Iterator[Tensor]:
        """``draw`` without end, on a device; ``workers`` processes cut the pictures ahead, each
        with choices of its own."""
        crops = _Crops(self, count, size, int(self._generator.integers(2**31)))
        for cut in DataLoader(crops, batch_size=None, num_workers=workers):
            yield self._recolour(cut.to(device))

    def draw(self, count: int, size: int) -> Tensor:
        """``count`` pictures of ``size`` px, in [0, 1], in no order."""
        return self._recolour(self.crops(count, size))

    def crops(self, count: int, size: int) -> Tensor:
        """As ``draw``, in the pictures' own colours."""
        rng = self._generator
        shares = [share for _, _, share in self._sets]
        crops: list[Tensor] = []
        n_clouds = int(rng.binomial(count, self._cloud_share))
        if n_clouds:
            crops.append(clouds(n_clouds, size, size, rng))
        for which in rng.choice(len(self._sets), count - n_clouds, p=shares):
            pictures, indices, _ = self._sets[which]
            crops.append(crop(pictures.picture(int(rng.choice(indices))), size, rng))
        batch = torch.cat(crops)
        return batch[torch.from_numpy(rng.permutation(count))]

    def _recolour(self, batch: Tensor) -> Tensor:
        """Random brightness, contrast, saturation and, for an eighth of them, blur (heuristic)."""
        rng, n = self._generator, batch.shape[0]

        def draw(low: float, high: float, channels: int = 1) -> Tensor:
            return torch.from_numpy(rng.uniform(low, high, (n, channels, 1, 1))).to(batch)

        grey = batch.mean(dim=1, keepdim=True)
        batch = grey + (batch - grey) * draw(0.5, 1.4)
        level = batch.mean(dim=(1, 2, 3), keepdim=True)
        batch = level + (batch - level) * draw(0.6, 1.25) + draw(-0.12, 0.12)
        batch = batch * draw(0.9, 1.1, 3)
        soft = functional.interpolate(
            functional.avg_pool2d(batch, 3, 3),
            batch.shape[2:],
            mode="bilinear",
            align_corners=False,
        )
        blurred = torch.from_numpy(rng.random((n, 1, 1, 1)) < 0.125).to(batch.device)
        return torch.where(blurred, soft, batch).clamp(0, 1)


class _Crops(IterableDataset[Tensor]):
    """``Batches.crops`` without end; each process that draws ahead has choices of its own."""

    def __init__(self, batches: Batches, count: int, size: int, seed: int) -> None:
        self._batches, self._count, self._size, self._seed = batches, count, size, seed

    def __iter__(self) -> Iterator[Tensor]:
        if info := get_worker_info():
            self._batches.reseed((self._seed, info.id))
        while True:
            yield self._batches.crops(self._count, self._size)
