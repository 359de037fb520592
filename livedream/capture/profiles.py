"""ICC profiles: pictures whose colours are not sRGB, brought to it.

Phones write Display P3, cameras Adobe RGB, Macs the profile of their screen, and scanners and
printers' pictures have their own. Without a profile, a picture is sRGB.
"""

import io
from functools import lru_cache
from typing import Final

import numpy as np
from PIL import Image, ImageCms

_MODES: Final = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # Pillow's, by ICC's names of spaces
_LEAST: Final = 2  # 8-bit steps: less than the many profiles differ that call themselves sRGB
_GRID: Final = range(0, 256, 15)  # of each channel; with the darks, where curves differ most


def to_srgb(image: Image.Image) -> ImageCms.ImageCmsTransform | None:
    """What brings the colours of an opened picture to sRGB; its input mode is RGB, L or CMYK.

    None where they are sRGB: it has no profile, one of sRGB, or one that is broken.
    """
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not profile:
        return None
    return _transform(profile, "CMYK" if image.mode == "CMYK" else Image.getmodebase(image.mode))


@lru_cache(maxsize=8)  # the pictures of a series have one profile
def _transform(profile: bytes, base: str) -> ImageCms.ImageCmsTransform | None:
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODES.get(own.profile.xcolor_space.strip())
        fits = base != "CMYK" if mode == "RGB" else mode == base  # grey may have either
        if mode is None or not fits:
            return None
        found = ImageCms.buildTransform(
            own,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (OSError, ValueError, ImageCms.PyCMSError):
        return None
    if mode == "CMYK":
        return found
    # By what it does: many profiles are sRGB's, and of those that name it some are linear.
    red, green, blue = np.meshgrid(_GRID, _GRID, _GRID) if mode == "RGB" else [np.arange(256)] * 3
    colours = np.stack([red.ravel(), green.ravel(), blue.ravel()], -1)[None].astype(np.uint8)
    shown = ImageCms.applyTransform(Image.fromarray(colours).convert(mode), found)
    assert shown is not None  # only where it is done in place
    return found if np.abs(np.asarray(shown).astype(int) - colours).max() > _LEAST else None
