"""A sheet of a network's layers: what each, and its strongest channels, dreams out of noise.

One row a layer: first the layer as a whole, then the channels most active in that dream, each
dreamed by itself from the same noise.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor

from livedream.core.defaults import STILL
from livedream.core.errors import SettingsError
from livedream.core.frame import Picture
from livedream.core.parameters import refused
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import Network
from livedream.dream.objectives.value import Objective, channels, layer
from livedream.jobs.image import dreamed, soft_noise
from livedream.present.contact_sheet import contact_sheet

MOST_LAYERS: Final = 24  # heuristic: what can still be looked at as one picture
# A layer is shown with all the fine detail it has.
_SETTINGS: Final = STILL.replace(
    size="source", strength=28.0, motif=1.26, laplacian=0, headroom=0.0
)
_INACTIVE: Final = 0.03  # of the layer's mean square on noise; heuristic
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class SheetPlan:
    """What to draw.

    layers: names of the network, one row each.  channels: tiles beside the whole layer.
    width, height: of a tile in px.  rounds: how long each is dreamed (heuristic: motifs are
    complete after so many).  seed: of the noise and the dreams.  device: see `choose_device`.
    """

    layers: tuple[str, ...]
    channels: int = 6
    width: int = 224
    height: int = 160
    rounds: int = 16
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        if not 1 <= len(self.layers) <= MOST_LAYERS:
            raise SettingsError(
                f"layers: must be 1 to {MOST_LAYERS} on a sheet (got {len(self.layers)}); "
                "name some with --layer"
            )
        if not 0 <= self.channels <= 64:
            raise refused("channels", "0 to 64", self.channels)


@dataclass(frozen=True)
class LayerRow:
    """A layer's row.  channels: strongest first.  tiles: (H, W, 3) uint8, the whole layer first."""

    layer: str
    channels: tuple[int, ...]
    tiles: tuple[Picture, ...]


def draw_rows(network: Network, plan: SheetPlan) -> Iterator[LayerRow]:
    """Dream the rows one after the other.  Raises NetworkError for a layer that is not there."""
    names = [network.resolve(wanted) for wanted in plan.layers]
    least = network.minimum_size
    noise = soft_noise(max(least, plan.width), max(least, plan.height), plan.seed)
    for name in names:
        whole = _dreamed(network, layer(name), noise, plan)
        strong = strongest_channels(network, name, noise, whole, plan.channels)
        tiles = [_labelled(whole, name)]
        for channel in strong:
            shown = _dreamed(network, channels(name, channel), noise, plan)
            tiles.append(_labelled(shown, str(channel)))
        yield LayerRow(name, strong, tuple(tiles))


def whole_sheet(rows: Sequence[LayerRow]) -> Picture:
    """The rows as one picture; a row with fewer channels than another ends in grey."""
    columns = max(len(row.tiles) for row in rows)
    blank = np.full_like(rows[0].tiles[0], 16)
    tiles = [tile for row in rows for tile in (*row.tiles, *[blank] * (columns - len(row.tiles)))]
    return contact_sheet(tiles, columns)


def strongest_channels(
    network: Network, name: str, noise: Picture, dream: Picture, count: int
) -> tuple[int, ...]:
    """The channels with the largest mean square in the layer's dream, strongest first.

    noise, dream: (H, W, 3) uint8.  Channels that are all but inactive in the noise are left out:
    they have no gradient to ascend, and their tiles would stay noise.
    """
    before, after = (_activity(network, name, picture) for picture in (noise, dream))
    active = before >= _INACTIVE * before.mean()
    ranked = torch.where(active, after, -1.0).argsort(descending=True)
    return tuple(int(i) for i in ranked[: min(count, int(active.sum()))])


@torch.no_grad()
def _activity(network: Network, name: str, picture: Picture) -> Tensor:
    """(C,) the mean square of each channel of a layer on a picture."""
    rgb = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    (found,) = network.truncated([name])(network.preprocessing.normalise(rgb))
    activity: Tensor = found.square().mean(dim=(0, 2, 3))
    return activity


def _dreamed(network: Network, objective: Objective, noise: Picture, plan: SheetPlan) -> Picture:
    settings = _SETTINGS.replace(objective=str(objective), seed=plan.seed, device=plan.device)
    return dreamed(Dreamer(settings, network), noise, plan.rounds)


def _labelled(tile: Picture, text: str) -> Picture:
    """A copy with the text in its corner, white with a dark edge."""
    shown = tile.copy()
    for colour, width in ((_BLACK, 3), (_WHITE, 1)):
        cv2.putText(
            shown, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, width, cv2.LINE_AA
        )
    return shown
