"""Picture files: PNG, JPEG, WebP and TIFF, whole or not there at all.

PNG and JPEG have a place for a comment, and the settings that made the picture go there.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from PIL import Image, PngImagePlugin

from livedream.capture.pictures import UNREADABLE, pillow_image
from livedream.core.errors import SinkError, SourceError, os_reason
from livedream.core.frame import Picture
from livedream.core.whole_file import whole_file
from livedream.media.containers import no_alpha
from livedream.media.destination import cannot, check_destination
from livedream.media.tags import MARKER

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
DEFAULT_QUALITY: Final = 92.0  # heuristic: no blocks to be seen in a dream's fine lines

_FORMATS: Final = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
_MOST_BYTES: Final = 65533  # of a JPEG comment


def check_picture(
    path: Path, *, sources: Iterable[Path | None] = (), overwrite: bool = False
) -> None:
    """Raise SinkError when no picture can or must be made at `path`, before any work is done.

    sources: as for `check_destination`.
    """
    if path.suffix.lower() not in SUFFIXES:
        found = path.suffix or "no suffix"
        raise SinkError(f"{path}: must end in {', '.join(SUFFIXES)} (got {found})")
    check_destination(path, sources=sources, overwrite=overwrite)


def check_alpha(path: Path) -> None:
    """Raise SinkError where pictures of that kind have none."""
    if _FORMATS.get(path.suffix.lower()) == "JPEG":
        raise no_alpha(path.suffix.lower())


def write_picture(
    path: Path,
    rgb: Picture,
    *,
    settings: str = "",
    quality: float = DEFAULT_QUALITY,
    overwrite: bool = True,
) -> None:
    """Write a picture; a file that was there stays until the new one is whole.

    rgb: (H, W, 3) uint8 RGB, or (H, W, 4) with straight alpha.
    settings: what it was made with, as JSON; kept by PNG and JPEG.  quality: of JPEG and WebP, 0 to
    100.  Raises SinkError when it cannot be written.
    """
    check_picture(path, overwrite=overwrite)
    kind = _FORMATS.get(path.suffix.lower(), "TIFF")
    level = round(min(100.0, max(0.0, quality)))
    options: dict[str, Any] = {"quality": level} if kind in ("JPEG", "WEBP") else {}
    comment = MARKER + settings.encode("ascii", "backslashreplace").decode() if settings else ""
    if comment and kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Comment", comment)
    elif comment and kind == "JPEG" and len(comment) <= _MOST_BYTES:
        options["comment"] = comment
    try:
        with whole_file(path) as unfinished:
            Image.fromarray(rgb).save(unfinished, kind, **options)
    except ValueError as error:
        height, width = rgb.shape[:2]
        suffix = path.suffix.lower()
        raise SinkError(f"{path}: {width}x{height} does not fit a {suffix}; use .png") from error
    except OSError as error:
        raise cannot(path, error) from error


def read_settings(path: Path) -> str | None:
    """The settings that a PNG or JPEG file was made with; None where it has none.

    Raises SourceError when it cannot be read.
    """
    try:
        with pillow_image(path) as image:
            comment = image.info.get("Comment") or image.info.get("comment") or b""
    except OSError as error:
        if error.errno is None:  # Pillow's own: torn, or no picture
            return None
        raise SourceError(f"{path} cannot be read ({os_reason(error)})") from error
    except UNREADABLE:
        return None
    text = comment.decode("ascii", "replace") if isinstance(comment, bytes) else str(comment)
    return text.removeprefix(MARKER) if text.startswith(MARKER) else None
