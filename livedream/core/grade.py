"""What happens to the dreamed picture, beside the dream itself: declared like its parameters."""

from dataclasses import dataclass
from typing import Final

from livedream.core.parameters import check_all, declare

MOMENTS: Final = ("freeze", "blackout")  # for a performer; no show begins with them


@dataclass(frozen=True, kw_only=True)
class GradeSettings:
    """How the picture is shown and how the dream travels. Raises SettingsError out of range."""

    mix: float = declare(
        1.0, "how much of the dream shows; 0: only the camera", minimum=0.0, maximum=1.0,
        ramp_s=0.2, group="grade",
    )  # fmt: skip
    hue: float = declare(
        0.0, "shifts all colours around the colour wheel", unit="degrees", minimum=-180.0,
        maximum=180.0, ramp_s=0.3, group="grade",
    )  # fmt: skip
    saturation: float = declare(
        1.0, "how vivid the colours are; 0: grey", minimum=0.0, maximum=3.0, ramp_s=0.3,
        group="grade", soft_maximum=2.0,
    )  # fmt: skip
    brightness: float = declare(
        1.0, "brightness of the picture; 0: black", minimum=0.0, maximum=2.0, ramp_s=0.3,
        group="grade",
    )  # fmt: skip
    contrast: float = declare(
        1.0, "contrast of the picture; 0: grey", minimum=0.0, maximum=2.0, ramp_s=0.3,
        group="grade",
    )  # fmt: skip
    zoom: float = declare(
        1.0, "zooms the dream, by this factor per second; above 1 inwards, below 1 outwards",
        minimum=0.25, maximum=4.0, ramp_s=0.5, group="travel", logarithmic=True,
        soft_minimum=0.5, soft_maximum=2.0,
    )  # fmt: skip
    rotation: float = declare(
        0.0, "rotates the dream, clockwise", unit="degrees/s", minimum=-180.0,
        maximum=180.0, ramp_s=0.5, group="travel", soft_minimum=-45.0, soft_maximum=45.0,
    )  # fmt: skip
    drift_x: float = declare(
        0.0, "moves the dream to the right", unit="widths/s", minimum=-2.0,
        maximum=2.0, ramp_s=0.5, group="travel", soft_minimum=-0.5, soft_maximum=0.5,
    )  # fmt: skip
    drift_y: float = declare(
        0.0, "moves the dream downwards", unit="widths/s", minimum=-2.0,
        maximum=2.0, ramp_s=0.5, group="travel", soft_minimum=-0.5, soft_maximum=0.5,
    )  # fmt: skip
    mirror: bool = declare(False, "mirrors the picture, left to right", group="grade")
    freeze: bool = declare(False, "freezes the picture", group="actions")
    blackout: bool = declare(False, "fades to black within half a second", group="actions")

    def __post_init__(self) -> None:
        check_all(self)
