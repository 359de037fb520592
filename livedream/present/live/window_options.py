"""What a window is to be: `window?fullscreen=1&display=1&mirror=1&turn=90&gamma=1.2`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livedream.core.errors import SettingsError
from livedream.present.live.address import parse_address
from livedream.present.live.placement import FITS, Placement

RENDERERS: Final = ("auto", "gpu", "cpu")


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """display: counts from 0.  hud: shown from the start.  width, height: px of the window when
    it is not fullscreen, 0 for a size that fits picture and display.

    placement: None takes what was kept for the display.  renderer: "auto" lets the graphics card
    scale where there is one.  settings_folder: where placements are kept, None for the user's.
    """

    fullscreen: bool = False
    display: int = 0
    hud: bool = True
    width: int = 0
    height: int = 0
    title: str = "livedream"
    placement: Placement | None = None
    renderer: str = "auto"
    settings_folder: Path | None = None


_PLACING: Final = ("fit", "turn", "mirror", "gamma", "brightness")


def window_options(text: str, *, fullscreen: bool = False, display: int = 0) -> WindowOptions:
    """The options in `window` or `window?...`; the other arguments where it does not say.

    Raises SettingsError for an option that is not known or makes no sense.
    """
    address = parse_address(text)
    if address.scheme != "window" or address.rest:
        raise SettingsError(f"output {text!r} found, window or window?option=value wanted")
    size = address.word("size", "")
    width, cross, height = size.partition("x")
    if size and not (cross and width.isdigit() and height.isdigit() and int(width) * int(height)):
        raise address.wrong("size", "WIDTHxHEIGHT")
    given = any(name in address.options for name in _PLACING)
    placement = Placement(
        fit=address.word("fit", "contain", FITS),
        turn=int(address.word("turn", "0", ("0", "90", "180", "270"))),
        mirror=address.flag("mirror", False),
        gamma=address.number("gamma", 1.0, 0.2, 5.0),
        brightness=address.number("brightness", 1.0, 0.2, 5.0),
    )
    options = WindowOptions(
        fullscreen=address.flag("fullscreen", fullscreen),
        display=int(address.number("display", display, 0, 63)),
        hud=address.flag("hud", True),
        width=int(width or 0),
        height=int(height or 0),
        placement=placement if given else None,
        renderer=address.word("renderer", "auto", RENDERERS),
    )
    address.finish()
    return options
