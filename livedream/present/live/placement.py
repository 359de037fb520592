"""Where a picture lies in a window: its part, fitted, mirrored, turned, by a mesh, with soft edges.

Convention. Points are a mesh's (`mesh.Points`): in fractions of the window in a `Placement`, in px
of the window elsewhere.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.errors import SettingsError
from livedream.core.parameters import refused
from livedream.core.user_folders import checked_name
from livedream.present.live.mesh import SIDES, Points, even_points, is_mesh

FITS: Final = ("contain", "cover", "stretch")
WHOLE: Final = (0.0, 0.0, 1.0, 1.0)
HARD: Final = (0.0, 0.0, 0.0, 0.0)

Mesh = tuple[tuple[tuple[float, float], ...], ...]
Four = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Placement:
    """How the picture is to lie.

    fit: "contain" shows all of it, "cover" fills the window, "stretch" does both.
    turn: clockwise, 0, 90, 180 or 270 degrees.  mirror: left and right, before the turn.
    gamma: above 1 lifts the shadows.  brightness: a factor.
    mesh: rows of points as fractions of the window, 2, 3, 5 or 9 a side; None where it is fitted.
    crop: the part that is shown: left, top, width, height, as fractions of the picture; None for
    the display's share of a wall, which is all of it where there is one display.
    edges: soft edges, left, top, right, bottom, as fractions of what is shown; None for those where
    displays of a wall overlap.  edge_gamma: of the projector, by which two edges add up to one.
    mask: a picture in the user's `masks` by its name, white where the window shows; "" for none.
    """

    fit: str = "contain"
    turn: int = 0
    mirror: bool = False
    gamma: float = 1.0
    brightness: float = 1.0
    mesh: Mesh | None = None
    crop: Four | None = None
    edges: Four | None = None
    edge_gamma: float = 2.2
    mask: str = ""

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise refused("fit", "one of " + ", ".join(FITS), repr(self.fit))
        if self.turn not in (0, 90, 180, 270):
            raise refused("turn", "0, 90, 180 or 270", self.turn)
        for name in ("gamma", "brightness", "edge_gamma"):
            if not 0.2 <= (found := getattr(self, name)) <= 5:
                raise refused(name, "0.2 to 5", f"{found:g}")
        if self.mesh is not None:
            sides = {len(row) for row in self.mesh}
            if sides != {len(self.mesh)} or len(self.mesh) not in SIDES:
                raise refused(
                    "mesh", "2, 3, 5 or 9 rows of as many points", f"{len(self.mesh)} rows"
                )
            if not _is_mesh(self.mesh):
                raise SettingsError("mesh: must have its points in order; these cross or fold it")
        if self.crop is not None:
            left, top, width, height = self.crop
            spans = (left, width), (top, height)
            if not all(a >= 0 and b >= 0.01 and a + b <= 1 + 1e-9 for a, b in spans):
                raise refused("crop", "left,top,width,height inside 0 to 1", _words(self.crop))
        if self.edges is not None:
            left, top, right, bottom = self.edges
            facing = (left, right), (top, bottom)
            if not all(a >= 0 and b >= 0 and a + b <= 1 for a, b in facing):
                raise refused(
                    "edges", "left,top,right,bottom, two facing ones up to 1", _words(self.edges)
                )
        if self.mask:
            checked_name(self.mask)


@lru_cache(maxsize=64)  # of one that is moved, each place is asked for again and again
def _is_mesh(mesh: Mesh) -> bool:
    return is_mesh(np.array(mesh))


def _words(four: Four) -> str:
    return ",".join(f"{value:g}" for value in four)


def seen_points(
    placement: Placement, picture: tuple[float, float], window: tuple[int, int]
) -> Points:
    """The mesh as it is seen in the window, px, whichever way round the picture is.

    picture: (w, h) px of what is shown of it, which may end between two.  window: (w, h) px.
    """
    size = np.array(window, np.float64)
    if placement.mesh is not None:
        return np.array(placement.mesh) * size
    width, height = picture if placement.turn in (0, 180) else picture[::-1]
    scales = window[0] / width, window[1] / height
    if placement.fit == "stretch":
        shown = size
    else:
        scale = min(scales) if placement.fit == "contain" else max(scales)
        shown = np.round(np.array([width, height]) * scale)
    return even_points(2) * shown + np.floor((size - shown) / 2)


def own_points(
    placement: Placement, picture: tuple[float, float], window: tuple[int, int]
) -> Points:
    """`seen_points` in the picture's own order: where its own top left goes comes first."""
    points = np.rot90(seen_points(placement, picture, window), placement.turn // 90)
    return points[:, ::-1] if placement.mirror else points


def tone_table(placement: Placement) -> NDArray[np.uint8] | None:
    """(256,) codes to codes, None where nothing changes."""
    if placement.gamma == 1 and placement.brightness == 1:
        return None
    codes = np.clip(np.arange(256) / 255 * placement.brightness, 0, 1) ** (1 / placement.gamma)
    return cast(NDArray[np.uint8], np.round(codes * 255).astype(np.uint8))


def softened(edges: Four, gamma: float, places: NDArray[np.float32]) -> NDArray[np.float32]:
    """What codes are multiplied by at places in the picture, (2, h, w): (h, w) in [0, 1].

    Across an edge light rises as 3t^2 - 2t^3, whose two facing ones add up to one everywhere and
    begin and end without a crease; a projector whose light is its code to the power of `gamma` is
    sent the root of it.
    """
    light = np.ones(places.shape[1:], np.float32)
    for way in (0, 1):
        at = places[way]
        for width, distance in ((edges[way], at), (edges[way + 2], 1 - at)):
            if width > 0:
                t = np.clip(distance / np.float32(width), 0, 1)
                light *= t * t * (3 - 2 * t)
    return cast(NDArray[np.float32], cv2.pow(light, 1 / gamma))
