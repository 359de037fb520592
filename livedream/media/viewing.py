"""How the frames of a stream become the pictures that a player shows: for files and live alike.

A `View` is made from a stream's first frame. It knows the colours (matrix, range, high dynamic
range), where chroma lies, which way up the picture is, and what the user should be told.
`squared` says how large a picture is once its pixels are square.
"""

from fractions import Fraction

import av

from livedream.core.frame import ColourTags, Picture
from livedream.media.colour import BT709, has_alpha, is_rgb, tags_of, to_rgb
from livedream.media.hdr import HDR_TRANSFERS, ToneMap
from livedream.media.orientation import Orientation, orientation_of
from livedream.media.siting import Siting

_BT2020_PRIMARIES = 9
_MOST_ASPECT = 8  # of a pixel's sides (heuristic): twice what the widest anamorphic lens needs


class View:
    """Turns decoded frames into (H, W, 3) uint8 RGB, upright, in the colours of `colour`.

    first: the stream's first frame; later ones of another size are scaled to its.  codec:
    FFmpeg's name of the decoder.  transparent: the file says so, though the frames do not.
    orientation: None for the first frame's own.
    width, height: of the pictures.  colour: their tags.  notes: one line for each thing done.
    resized: whether a frame was of another size.
    Raises SourceError for colours that cannot be converted.
    """

    def __init__(
        self, first: av.VideoFrame, codec: str, *, transparent: bool = False,
        orientation: Orientation | None = None,
    ) -> None:  # fmt: skip
        self._stored = (first.width, first.height)
        self._orientation = orientation or orientation_of(first)
        self._tags = tags_of(first)
        self._siting = None if is_rgb(first) else Siting(first, codec)
        self._tone_map: ToneMap | None = None
        notes = []
        if transparent or has_alpha(first):
            notes.append("transparency is dropped")
        if self._tags.transfer in HDR_TRANSFERS:
            wide = self._tags.primaries == _BT2020_PRIMARIES
            self._tone_map = ToneMap(self._tags.transfer, wide=wide)
            notes.append("high dynamic range is tone-mapped to BT.709 (BT.2390)")
        self.width, self.height = self._orientation.size(*self._stored)
        self.colour: ColourTags = self._tags if self._tone_map is None else BT709
        self.notes = tuple(notes)
        self.resized = False

    def __call__(self, frame: av.VideoFrame) -> Picture:
        self.resized |= (frame.width, frame.height) != self._stored
        if self._siting is not None and not is_rgb(frame):
            frame = self._siting(frame)
        if self._tone_map is None:
            return self._orientation(to_rgb(frame, self._tags, self._stored))
        return self._orientation(self._tone_map(to_rgb(frame, self._tags, self._stored, "rgb48le")))

    def aspect(self, stored: Fraction | None) -> Fraction:
        """The sample aspect ratio of the pictures; stored: the stream's, None where unknown.

        One that no camera makes is damage, and taken for square.
        """
        if stored is None or not 1 / _MOST_ASPECT <= stored <= _MOST_ASPECT:
            return Fraction(1)
        return self._orientation.aspect(stored)


def squared(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """How large a picture is when its pixels are made square: the short side grows, so that no
    detail is lost.  aspect: its sample aspect ratio, pixels that are wider than tall above 1."""
    if aspect >= 1:
        return round(width * aspect), height
    return width, round(height / aspect)
