"""What happens to the dreamed picture, beside the dream itself: declared like its parameters."""

from dataclasses import dataclass

from livedream.core.settings import check_all, declare

__all__ = ["GradeSettings"]


@dataclass(frozen=True, kw_only=True)
class GradeSettings:
    """How the picture is shown and how the dream travels. Raises SettingsError out of range."""

    mix: float = declare(
        1.0, "how much of the dream is seen; 0: the camera alone", minimum=0.0, maximum=1.0,
        glide_s=0.2, group="look",
    )  # fmt: skip
    hue: float = declare(
        0.0, "the colours turned around the colour wheel", unit="degrees", minimum=-180.0,
        maximum=180.0, glide_s=0.3, group="look",
    )  # fmt: skip
    saturation: float = declare(
        1.0, "strength of the colours; 0: gray", minimum=0.0, maximum=3.0, glide_s=0.3,
        group="look", soft_maximum=2.0,
    )  # fmt: skip
    brightness: float = declare(
        1.0, "brightness of the picture; 0: black", minimum=0.0, maximum=2.0, glide_s=0.3,
        group="look",
    )  # fmt: skip
    contrast: float = declare(
        1.0, "contrast around middle gray", minimum=0.0, maximum=2.0, glide_s=0.3, group="look"
    )
    zoom: float = declare(
        1.0, "factor per second at which the dream travels into the picture, below 1 outwards",
        minimum=0.25, maximum=4.0, glide_s=0.5, group="travel", logarithmic=True,
        soft_minimum=0.5, soft_maximum=2.0,
    )  # fmt: skip
    rotation: float = declare(
        0.0, "turning of the dream, clockwise", unit="degrees per s", minimum=-180.0,
        maximum=180.0, glide_s=0.5, group="travel", soft_minimum=-45.0, soft_maximum=45.0,
    )  # fmt: skip
    drift_x: float = declare(
        0.0, "drift of the dream to the right", unit="picture widths per s", minimum=-2.0,
        maximum=2.0, glide_s=0.5, group="travel", soft_minimum=-0.5, soft_maximum=0.5,
    )  # fmt: skip
    drift_y: float = declare(
        0.0, "drift of the dream downwards", unit="picture widths per s", minimum=-2.0,
        maximum=2.0, glide_s=0.5, group="travel", soft_minimum=-0.5, soft_maximum=0.5,
    )  # fmt: skip
    mirror: bool = declare(False, "the picture as in a mirror", group="look")
    freeze: bool = declare(False, "the picture stands still", group="actions")
    blackout: bool = declare(False, "the picture goes to black, within half a second",
                             group="actions")  # fmt: skip

    def __post_init__(self) -> None:
        check_all(self)
