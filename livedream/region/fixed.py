"""Planes of regions that do not depend on the picture: rectangles, masks, what is painted.

The edge is a promise: what lies outside of such a region in the full-size picture stays as it is.
What is dreamed at a smaller size is scaled up by a bicubic kernel, which reaches two pixels far, so
the planes end that much and one pixel further in, and all feathering goes inwards.
"""

from functools import lru_cache, reduce
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.errors import SourceError
from livedream.core.snapshot import Mask
from livedream.flow import gray
from livedream.region.films import is_film, masked
from livedream.region.painting import kept_file
from livedream.region.value import Both, Leaf, Not, Region, leaves
from livedream.warp.remap import Plane

UNSEEN: Final = 1 / 256  # of a dream
_REACH_PX: Final = 3  # of the kernel, and one that the edge itself lies in


def is_fixed(region: Region) -> bool:
    """Whether no picture changes it."""
    return all(
        leaf.rectangle is not None
        or leaf.name == "painted"
        or (leaf.name == "mask" and not is_film(leaf.path))
        for leaf in leaves(region)
    )


def fixed_plane(
    region: Region, width: int, height: int, feather_px: float, painted: Mask | None = None, *,
    shared: bool = False,
) -> Plane:  # fmt: skip
    """(height, width): of a region that is fixed.

    feather_px: of this size.  painted: what is painted, None: what was kept of it.
    shared: its edges are another region's too: feathered to both sides, so that the two make one.
    """
    drawn = _drawn(region, width, height, painted, shared=shared)
    return feathered(drawn, feather_px) if shared else edged(drawn, feather_px)


def stamp(region: Region, painted: Mask | None) -> tuple[Mask, ...]:
    """What are others when one of the region's masks is."""
    masks = (_mask(leaf, painted) for leaf in leaves(region))
    return tuple(mask for mask in masks if mask is not None)


def _drawn(region: Region, width: int, height: int, painted: Mask | None, *, shared: bool) -> Plane:
    """With edges where they are; those within a region that is joined of others are none."""
    if isinstance(region, Leaf):
        mask = _mask(region, painted)
        if mask is not None:
            return shrunk_mask(mask.plane, width, height, shared=shared)
        return _rectangle(region, width, height)
    if isinstance(region, Not):
        mask = _mask(region.of, painted) if isinstance(region.of, Leaf) else None
        if mask is not None:
            return shrunk_mask(np.float32(1.0) - mask.plane, width, height, shared=shared)
        return np.float32(1.0) - _drawn(region.of, width, height, painted, shared=shared)
    join = np.minimum if isinstance(region, Both) else np.maximum
    drawn = (_drawn(part, width, height, painted, shared=shared) for part in region.parts)
    return reduce(join, drawn)


def _mask(leaf: Leaf, painted: Mask | None) -> Mask | None:
    """None for a rectangle."""
    if leaf.name == "mask":
        return read_mask(leaf.path)
    if leaf.name != "painted":
        return None
    return painted or kept_mask()


def kept_mask() -> Mask:
    """What was kept of what was painted. Raises SourceError where nothing was."""
    if not kept_file().is_file():
        raise SourceError(
            "painted: nothing was kept; paint on the panel of livedream live and press Keep"
        )
    return read_mask(str(kept_file()))


def _rectangle(leaf: Leaf, width: int, height: int) -> Plane:
    assert leaf.rectangle is not None
    x, y, across, down = leaf.rectangle
    columns, rows = _within(x, x + across, width), _within(y, y + down, height)
    return np.asarray(rows[:, None] & columns, np.float32)


def _within(begin: float, end: float, count: int) -> NDArray[np.bool_]:
    middles = (np.arange(count) + 0.5) / count
    return np.asarray((middles >= begin) & (middles < end))


def shrunk_mask(mask: Plane, width: int, height: int, *, shared: bool = False) -> Plane:
    """A mask at another size; a pixel that has any part of nothing is nothing, unless `shared`."""
    if mask.shape == (height, width):
        return mask
    plane = _resized(mask, width, height)
    if shared:
        return plane
    inside = _resized((mask > 0.0).astype(np.float32), width, height)
    return np.where(inside > 1.0 - 1e-4, plane, np.float32(0.0))


def _resized(plane: Plane, width: int, height: int) -> Plane:
    """First what shrinks, of which every pixel has a share, then what grows."""
    small = min(width, plane.shape[1]), min(height, plane.shape[0])
    plane = np.asarray(cv2.resize(plane, small, interpolation=cv2.INTER_AREA), np.float32)
    if small == (width, height):
        return plane
    return np.asarray(cv2.resize(plane, (width, height)), np.float32)


def read_mask(path: str) -> Mask:
    """From a picture of any size: white where to dream. Raises SourceError.

    The same object until the file has changed.
    """
    try:
        changed_ns = Path(path).stat().st_mtime_ns
    except OSError:
        changed_ns = 0  # what is wrong the reader says
    return _read_mask(path, changed_ns)


@lru_cache(maxsize=8)
def _read_mask(path: str, changed_ns: int) -> Mask:
    from livedream.capture.pictures import read_picture

    return Mask(masked(gray(read_picture(Path(path)))))


def feathered(plane: Plane, feather_px: float) -> Plane:
    """A plane with its edges feathered to both sides."""
    soft = cv2.blur(plane, (2 * round(feather_px) + 1,) * 2)
    # A running sum leaves traces of where it has been.
    _, soft = cv2.threshold(soft, UNSEEN, 0.0, cv2.THRESH_TOZERO)
    return np.asarray(np.minimum(soft, np.float32(1.0)), np.float32)


def edged(plane: Plane, feather_px: float) -> Plane:
    """A plane with its edges feathered and moved inwards."""
    whole = (plane > 0.0).astype(np.uint8)
    if whole.all():
        return plane
    # 1 in the outermost pixels inside.
    depth = np.asarray(cv2.distanceTransform(whole, cv2.DIST_L2, 5), np.float32) - _REACH_PX
    ramp = np.clip(depth / max(1.0, feather_px), 0.0, 1.0)
    return np.asarray(plane * (ramp * ramp * (3.0 - 2.0 * ramp)), np.float32)
