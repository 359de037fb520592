"""Pictures with ICC profiles are sRGB once they are read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from profiles_made import ADOBE, ADOBE_GAMMA, grey_profile, print_profile, rgb_profile

from livedream.capture import open_source
from livedream.capture.pictures import read_picture
from livedream.core.frame import Picture

# sRGB, adapted to D50: the XYZ of red, green and blue, as rows.
SRGB = [[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]]


def colours() -> Picture:
    """(32, 48, 3): flat fields that sRGB has too."""
    few = np.random.default_rng(1).integers(70, 190, (4, 6, 3), dtype=np.uint8)
    return few.repeat(8, 0).repeat(8, 1)


def encoded(linear: Any) -> Any:
    low, high = 12.92 * linear, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return 255 * np.where(linear <= 0.0031308, low, high)


def in_srgb(rgb: Picture) -> Any:
    """Adobe RGB as sRGB, by its definition."""
    linear = (rgb / 255.0) ** ADOBE_GAMMA @ np.array(ADOBE) @ np.linalg.inv(np.array(SRGB))
    return encoded(np.clip(linear, 0, 1))


LOSSLESS: dict[str, dict[str, Any]] = {
    ".png": {},
    ".tif": {},
    ".webp": {"lossless": True},
    ".jpg": {"quality": 100, "subsampling": 0},
    ".avif": {"quality": 100, "subsampling": "4:4:4"},
}


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_a_profile_is_applied(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(colours()).save(path, icc_profile=rgb_profile(), **LOSSLESS[suffix])
    wanted = in_srgb(colours())
    assert np.abs(wanted - colours()).max() > 20
    with open_source(path) as source:
        (frame,) = source
    assert np.abs(frame.rgb - wanted).max() < 6


def test_a_heic_s_profile_is_applied(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    path, image = tmp_path / "a.heic", heif.from_pillow(Image.fromarray(colours()))
    image.info["icc_profile"] = rgb_profile()
    image.save(path, quality=100, chroma=444)
    assert np.abs(read_picture(path) - in_srgb(colours())).mean() < 2


def test_what_transparency_covered_has_a_profile_too(tmp_path: Path) -> None:
    clear = Image.fromarray(colours())
    clear.putalpha(0)
    clear.save(tmp_path / "a.png", icc_profile=rgb_profile())
    assert np.abs(read_picture(tmp_path / "a.png") - in_srgb(colours())).max() < 2


@pytest.mark.parametrize("deep", [False, True])
def test_a_grey_picture_s_profile_is_applied(tmp_path: Path, deep: bool) -> None:
    grey = np.arange(256, dtype=np.uint16).reshape(16, 16)
    image = Image.fromarray(grey << 8) if deep else Image.fromarray(grey.astype(np.uint8))
    image.save(tmp_path / "a.png", icc_profile=grey_profile(1.8))
    wanted = encoded((grey / 255.0) ** 1.8)
    assert np.abs(read_picture(tmp_path / "a.png") - wanted[..., None]).max() < 2


@pytest.mark.parametrize(
    "profile",
    [
        b"no profile",
        rgb_profile()[:200],
        grey_profile(1.8),  # of another kind of picture
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
    ],
    ids=["none", "torn", "grey", "sRGB", "Lab"],
)
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_one_that_is_broken_or_says_nothing_new_changes_nothing(
    tmp_path: Path, suffix: str, profile: bytes
) -> None:
    with_it, plain = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    Image.fromarray(colours()).save(with_it, icc_profile=profile)
    Image.fromarray(colours()).save(plain)
    assert np.array_equal(read_picture(with_it), read_picture(plain))


def test_a_picture_for_print_is_read_without_and_with_another_s_profile(tmp_path: Path) -> None:
    for name, how in (("a.jpg", {}), ("b.jpg", {"icc_profile": rgb_profile()})):
        Image.fromarray(colours()).convert("CMYK").save(tmp_path / name, quality=100, **how)
        assert np.abs(read_picture(tmp_path / name).astype(int) - colours()).mean() < 3


def test_a_picture_for_print_has_its_profile_applied(tmp_path: Path) -> None:
    inks = np.random.default_rng(2).integers(0, 256, (4, 64, 4), dtype=np.uint8)
    inks[..., 3] = np.arange(0, 256, 4)
    image = Image.frombytes("CMYK", (64, 4), inks.tobytes())
    image.save(tmp_path / "a.tif", icc_profile=print_profile())
    lightness = 100 * (1 - inks[..., 3] / 255.0)
    luminance = np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.3)
    assert np.abs(read_picture(tmp_path / "a.tif") - encoded(luminance)[..., None]).max() < 3
