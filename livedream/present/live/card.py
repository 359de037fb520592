"""The test card, by which displays are aligned: one grid over the whole picture, so that where two
displays overlap both draw the same lines, and marks of each display's own.
"""

from typing import Final

import cv2
import numpy as np

from livedream.core.frame import Picture
from livedream.present.live.placement import Four

_CELLS: Final = 16  # of the grid across the whole picture
_BARS: Final = (  # the bars of EBU, white to black, at full strength
    (255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0),
    (255, 0, 255), (255, 0, 0), (0, 0, 255), (0, 0, 0),
)  # fmt: skip
_GROUND: Final = (24, 26, 30)
_LINE: Final = (150, 155, 160)
_WHITE: Final = (255, 255, 255)
_OWN: Final = ((94, 200, 190), (255, 176, 84), (200, 130, 255), (120, 200, 90))  # by display
_FONT: Final = cv2.FONT_HERSHEY_DUPLEX
_MOST_ACROSS: Final = 0.94  # of the display's width, that a line may take


def draw_card(
    size: tuple[int, int], crop: Four, shape: float, number: int, words: tuple[str, ...]
) -> Picture:
    """A display's card: size[1] x size[0] px of the part `crop` of the picture, (H, W, 3).

    shape: the whole picture's width by its height.  number: of the display on the wall, for its
    colour.  words: lines about the display.
    """
    card = np.full((size[1], size[0], 3), _GROUND, np.uint8)
    thick = max(1, round(size[1] / 400))
    _draw_grid(card, crop, shape, thick)
    own = _OWN[number % len(_OWN)]
    width, height = size
    middle = width // 2, height // 2
    for part in (0.2, 0.45):
        cv2.circle(card, middle, round(part * height), own, 2 * thick, cv2.LINE_AA)
    cv2.line(card, (middle[0], 0), (middle[0], height), own, thick)
    cv2.line(card, (0, middle[1]), (width, middle[1]), own, thick)
    arm = round(0.09 * height)
    for x, right in ((0, 1), (width - 1, -1)):
        for y, down in ((0, 1), (height - 1, -1)):
            cv2.line(card, (x, y), (x + right * arm, y), _WHITE, 6 * thick)
            cv2.line(card, (x, y), (x, y + down * arm), _WHITE, 6 * thick)
            cv2.circle(card, (x + right * arm, y + down * arm), arm // 3, own, thick, cv2.LINE_AA)
    left, right = round(0.25 * width), round(0.75 * width)
    _draw_bars(card[round(0.70 * height) : round(0.80 * height), left:right])
    ramp = card[round(0.80 * height) : round(0.86 * height), left:right]
    ramp[:] = np.linspace(0, 255, ramp.shape[1]).round().astype(np.uint8)[:, None]
    for row, line in enumerate(words):
        scale = height / 360 * (1.0 if row == 0 else 0.6)
        (across, high), _ = cv2.getTextSize(line, _FONT, scale, thick)
        if across > _MOST_ACROSS * width:  # a display that stands upright
            scale *= _MOST_ACROSS * width / across
            (across, high), _ = cv2.getTextSize(line, _FONT, scale, thick)
        y = round((0.22 + 0.1 * row) * height)
        begin = (width - across) // 2
        around = round(0.02 * height)
        card[y - high - around : y + around, max(0, begin - around) : begin + across + around] = 0
        cv2.putText(card, line, (begin, y), _FONT, scale, _WHITE, thick, cv2.LINE_AA)
    return card


def _draw_grid(card: Picture, crop: Four, shape: float, thick: int) -> None:
    """Square cells over the whole picture, and circles in them: the same wherever it is seen."""
    height, width = card.shape[:2]
    left, top, across, down = crop
    fine = 4  # places between pixels, in bits
    pitch_y = shape / _CELLS
    cell = width / across / _CELLS, height / down * pitch_y
    begin = -left * width / across, (0.5 - pitch_y * (_CELLS // 2) - top) * height / down
    for i in range(_CELLS + 1):
        x = round((begin[0] + i * cell[0]) * 2**fine)
        y = round((begin[1] + i * cell[1]) * 2**fine)
        far = 1 << 20
        strong = thick * (2 if i % 4 == 0 else 1)
        cv2.line(card, (x, -far), (x, far), _LINE, strong, cv2.LINE_AA, fine)
        cv2.line(card, (-far, y), (far, y), _LINE, strong, cv2.LINE_AA, fine)
    for i in range(0, _CELLS + 1, 4):
        for j in range(0, _CELLS + 1, 4):
            middle = tuple(
                round((b + k * c) * 2**fine) for b, k, c in zip(begin, (i, j), cell, strict=True)
            )
            axes = tuple(round(2 * c * 2**fine) for c in cell)
            cv2.ellipse(card, middle, axes, 0, 0, 360, _LINE, thick, cv2.LINE_AA, fine)


def _draw_bars(area: Picture) -> None:
    for number, colour in enumerate(_BARS):
        begin, end = (round(area.shape[1] * (number + k) / len(_BARS)) for k in (0, 1))
        area[:, begin:end] = colour
