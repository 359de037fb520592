"""What every package shares: a frame, its motion, what a source says about itself.

Convention. At the doors to the outside a picture is (H, W, 3) uint8 RGB. Inside it is a
float tensor (3, H, W) in [0, 1], or (1, 3, H, W) where a network needs the batch axis. Flow is
(2, H, W) float32 in pixels, (x, y), from the current frame to the previous one, so that
carrying something forward in time is a gather. Pixel centres lie at integer coordinates
(align_corners=True in grid_sample's words, OpenCV's own in remap). Time is an integer `pts`
and a rational `time_base` in seconds.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor  # whoever only reads or writes frames does not wait for torch

Picture = NDArray[np.uint8]  # (H, W, 3) RGB
FlowField = NDArray[np.float32]  # (2, H, W) px


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture and its time.

    rgb: (H, W, 3) uint8; (H, W, 4), with straight alpha, where its `SourceInfo` says so.
    pts * time_base is its time in seconds.  index counts from 0.
    duration: how long it is shown, in time_base units, 0 when unknown.
    """

    rgb: Picture
    pts: int
    time_base: Fraction
    index: int = 0
    duration: int = 0

    @property
    def time_s(self) -> float:
        return float(self.pts * self.time_base)


@dataclass(frozen=True, slots=True)
class Motion:
    """How a frame moved since the one before it.

    flow: (2, h, w) float32 px at the motion's own size, current to previous.
    visibility: (h, w) float32 in [0, 1]; 0 where the previous frame did not show this place.
    cut: nothing of the previous frame is left: the dream starts afresh.
    mirrored: what comes from beyond the border is the picture mirrored there; else nothing.
    """

    flow: FlowField
    visibility: NDArray[np.float32]
    cut: bool = False
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class DeviceMotion:
    """A `Motion` that stays on the device: reading a number of it would wait for the device.

    flow: (2, h, w) float32 px.  visibility: (h, w) float32 in [0, 1].  cut: () bool.
    Across a cut visibility is zero everywhere, so that nothing is carried without asking.
    """

    flow: "Tensor"
    visibility: "Tensor"
    cut: "Tensor"
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class ColourTags:
    """How a stream's numbers mean colours: FFmpeg's integers (H.273), 2 = unspecified.

    full_range: True for 0..255 (JPEG) range, False for 16..235 (MPEG).
    """

    space: int = 2
    primaries: int = 2
    transfer: int = 2
    full_range: bool = False


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source knows about itself before the first frame.

    width, height: of the frames it delivers, after rotation.  rate: frames per second, the
    average where it varies.  frames: an estimate of how many will come, None when endless or
    unknown.  path: the file, where there is one, so that a sink can copy sound and subtitles
    from it.  files: what else is read, such as pictures; no sink may replace one of them.
    start_s, end_s: the part of it, as asked for.  begins_s: where the frames' times begin in the
    film's own, 0 but for a part.  stream: the index of the one there that is dreamed.
    loops: how often an animation is shown, 0 for ever.
    immersive: 360-degree and stereo tags, as boxes (see `media.immersive`).
    notes: one line each for what is not carried along (alpha dropped, HDR tone-mapped).
    joints: where the file's clock jumps (see `media.joints`), closed up in the frames' times.
    orderly: as far as it was read, any part of it can be read alone (`open_source`'s `at`).
    alpha: frames have straight alpha as a fourth channel; for sinks, no source delivers it.
    """

    name: str
    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    frames: int | None = None
    path: Path | None = None
    files: tuple[Path, ...] = ()
    colour: ColourTags = field(default_factory=ColourTags)
    sample_aspect_ratio: Fraction = Fraction(1)
    start_s: float = 0.0
    end_s: float | None = None
    begins_s: float = 0.0
    stream: int | None = None
    loops: int = 0
    immersive: bytes = b""
    notes: tuple[str, ...] = ()
    joints: tuple[Any, ...] = ()
    orderly: bool = False
    alpha: bool = False

    @property
    def all_files(self) -> tuple[Path, ...]:
        """`files`, with `path`."""
        return self.files if self.path is None else (self.path, *self.files)
