"""Keep a dream's colours natural: little green against magenta.

In photographs colours differ mostly in brightness, then from blue to amber, and least from green
to magenta: by 0.12 of brightness's deviation, in fine detail by 0.08. A network's gradient knows no
such measure and draws acid fringes and specks. Damping what nature hardly has is what a
decorrelated colour space does for a picture made by ascent (Olah, Mordvintsev and Schubert,
"Feature visualization", 2017), here on the one axis where it shows. Figures:
docs/decisions/tint.md.
"""

from torch import Tensor

from livedream.dream.level import Figure, is_number


def tinted(added: Tensor, tint: Figure) -> Tensor:
    """An addition with so much of its green and magenta, in place.

    added: (1, 3, h, w) float32, RGB.  tint: the share that stays; 1: as it is.
    """
    if is_number(tint, 1.0):
        return added
    red, green, blue = added[0]
    excess = green.mul(2.0).sub_(red).sub_(blue).mul_((1.0 - tint) / 6.0)
    red.add_(excess)
    blue.add_(excess)
    green.sub_(excess, alpha=2.0)
    return added
