"""Dreams of the kind that the library makes, and sheets of them to be looked at.

Convention
    Pictures are float RGB ``(N, 3, H, W)`` in [0, 1]. ``BatchObjective`` maps them to the maps
    that are ascended and their grad_outputs (half the sum of squares: the map itself). A step is
    the gradient over its mean absolute value, per picture; coarse octaves come first; the residual
    is held apart from the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional

BatchObjective = Callable[[Tensor], tuple[list[Tensor], list[Tensor]]]


@dataclass(frozen=True)
class SheetSettings:
    """octaves, octave_scale, iterations per octave, step_size (of 1), jitter in pixels;
    strength: root mean square that the residual gets in the end (of 1), None for as it comes."""

    octaves: int = 2
    octave_scale: float = 1.4
    iterations: int = 6
    step_size: float = 1.5 / 255
    jitter_px: int = 16
    strength: float | None = None


def held(residual: Tensor, rms: float) -> Tensor:
    """Each picture's residual scaled to this root mean square."""
    return residual * (rms / (residual.square().mean(dim=(1, 2, 3), keepdim=True).sqrt() + 1e-8))


def dream(
    objective: BatchObjective,
    picture: Tensor,
    settings: SheetSettings,
    generator: np.random.Generator,
    residual: Tensor | None = None,
    *,
    watch: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """The residual that a dream adds to pictures ``(N, 3, H, W)``, starting from ``residual``.

    ``watch`` is shown the residual after every step, as it would be if that step were the last, at
    the pictures' size and not yet held at a strength."""
    height, width = picture.shape[2:]
    resized = partial(functional.interpolate, mode="bilinear", align_corners=False, antialias=True)
    found = torch.zeros_like(picture) if residual is None else residual
    for octave in reversed(range(settings.octaves)):
        size = (
            max(64, round(height / settings.octave_scale**octave)),
            max(64, round(width / settings.octave_scale**octave)),
        )
        small = resized(picture, size)
        before = resized(found, size)
        now = before
        for _ in range(settings.iterations):
            reach = settings.jitter_px
            dy, dx = (int(v) for v in generator.integers(-reach, reach + 1, 2))
            x = torch.roll(small + now, (dy, dx), (2, 3)).requires_grad_(True)
            maps, grad_outputs = objective(x)
            (gradient,) = torch.autograd.grad(maps, x, grad_outputs)
            gradient = torch.roll(gradient.float(), (-dy, -dx), (2, 3))
            gradient = gradient / (gradient.abs().mean(dim=(1, 2, 3), keepdim=True) + 1e-12)
            now = (small + now + settings.step_size * gradient).clamp(0, 1) - small
            if watch is not None:
                watch(found + resized(now - before, (height, width)))
        change = resized(now - before, (height, width))
        found = found + change
    return found if settings.strength is None else held(found, settings.strength)


def long_dream(
    objective: BatchObjective,
    picture: Tensor,
    generator: np.random.Generator,
    *,
    frames: int = 25,
    strength: float = 14 / 255,
    decay: float = 0.98,
) -> Tensor:
    """The residual after ``frames`` video frames of a still camera: 2 octaves x 2 iterations each,
    the residual decayed and held at ``strength`` after every frame."""
    residual = torch.zeros_like(picture)
    per_frame = SheetSettings(octaves=2, iterations=2)
    for _ in range(frames):
        residual = dream(objective, picture, per_frame, generator, residual * decay)
        residual = held(residual, strength)
    return residual


def to_bytes(picture: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """(1, 3, H, W) in [0, 1] as (H, W, 3) uint8."""
    rounded = (picture[0].clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(rounded.permute(1, 2, 0).cpu().numpy())


def save_sheet(
    path: Path, rows: Sequence[Sequence[Tensor]], names: Sequence[str] = (), gap_px: int = 4
) -> None:
    """Rows of pictures of one size per row, as one PNG; ``names`` stand on the first row."""
    lines = []
    for row in rows:
        tiles = [np.pad(to_bytes(t), ((0, gap_px), (0, gap_px), (0, 0))) for t in row]
        lines.append(np.concatenate(tiles, axis=1))
    width = max(line.shape[1] for line in lines)
    lines = [np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0))) for line in lines]
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = Image.fromarray(np.concatenate(lines))
    pen, step = ImageDraw.Draw(sheet), rows[0][0].shape[3] + gap_px
    for column, name in enumerate(names):
        pen.text((column * step + 6, 4), name, fill="white", stroke_width=2, stroke_fill="black")
    # 256 dithered colours: half the size, the same to the eye.
    few = sheet.quantize(256)
    sheet.quantize(palette=few, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
