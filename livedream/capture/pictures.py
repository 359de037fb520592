"""Still pictures, and folders or numbered series of them, as sources.

A series has no clock: its frames are `fps` apart. Pictures of another size than the first one are
scaled to it, files that are no pictures are passed over; `notes` counts both.
"""

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps, PngImagePlugin, UnidentifiedImageError

from livedream.capture.profiles import to_srgb
from livedream.core.closing import Closeable
from livedream.core.errors import SourceError, os_reason
from livedream.core.frame import ColourTags, Frame, Picture, SourceInfo
from livedream.core.shrink import fitted
from livedream.media.hdr import HDR_TRANSFERS
from livedream.media.timing import TimeRange

DEFAULT_FPS = Fraction(25)
HEIC = (".heic", ".heif", ".hif")  # as phones and cameras write them
SUFFIXES = (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", *HEIC,
            ".tif", ".tiff", ".bmp", ".jp2", ".ppm")  # fmt: skip
SRGB = ColourTags(1, 1, 1, False)  # what pictures become when they are written as video
DROPPED = "transparency is dropped"

_NUMBER = re.compile(r"%0?(\d{0,2})d")
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")  # its brands
_HEIF_HEAD = 16_384  # holds what a phone writes before the picture itself
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG_PROFILE = b"ICC_PROFILE\0"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# What Pillow and pillow_heif raise for what is damaged, or too large.
UNREADABLE = (
    OSError, ValueError, SyntaxError, EOFError, IndexError, RuntimeError, struct.error,
    Image.DecompressionBombError,
)  # fmt: skip
_MOST_NAMED = 3  # of the files that were passed over
_MOST_TEXT = 1 << 26  # bytes of a PNG's text or profile: Pillow's own limit for all of its text
_HALF_OF_MOST_PX = 1 << 29  # Pillow refuses twice as many: those that OpenCV refuses


def read_picture(path: str | Path) -> Picture:
    """A picture file as (H, W, 3) uint8 RGB.

    Turned as its EXIF orientation (HEIF and AVIF: irot and imir) says; 16 bits become 8, grey
    becomes RGB, and an ICC profile's colours sRGB. Transparency goes: what it covered has its own
    colour, in every format.
    Raises SourceError when there is no such file or it is no picture.
    """
    path = Path(path)
    try:
        # Through memory: OpenCV itself cannot open every path on Windows.
        content = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({os_reason(error)})") from error
    rgb: Picture | None = None
    try:
        rgb = _by_pillow(path, content)
        if rgb is None and content:
            bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
            if bgr is not None:
                rgb = cast(Picture, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    except SourceError:
        raise
    except (cv2.error, *UNREADABLE):
        pass
    if rgb is None:
        raise SourceError(f"{path} is not a readable picture: {_why(path, len(content))}")
    return rgb


def _why(path: Path, size: int) -> str:
    """Why a file of so many bytes is no picture, as far as that is known, and what to try."""
    if not is_picture(path):
        return f"use {', '.join(SUFFIXES)}"
    found = "it is damaged, incomplete or too large" if size else "it is empty"
    return f"{found}; save or copy it again"


def pillow_image(path: Path) -> Image.Image:
    """A picture file as Pillow opens it.

    Raises SourceError where HEIF wants a package that is not there, and what Pillow raises.
    """
    PngImagePlugin.MAX_TEXT_CHUNK = _MOST_TEXT
    Image.MAX_IMAGE_PIXELS = _HALF_OF_MOST_PX  # its own limit, 89 MP, is below many a panorama
    try:
        return Image.open(path)
    except UnidentifiedImageError:
        with path.open("rb") as file:
            start = file.read(12)
        if start[4:8] != b"ftyp" or start[8:12] not in _HEIF:
            raise
    check_heif(path)
    import pillow_heif

    opened: Image.Image = pillow_heif.open_heif(io.BytesIO(path.read_bytes())).to_pillow()
    return opened


def _by_pillow(path: Path, content: bytes) -> Picture | None:
    """A file that holds `content`, or None where OpenCV is to read it, which is quicker.

    OpenCV knows no profiles, reads no HEIF, lays transparent TIFFs on black, and lets libpng print
    its warnings.
    """
    heif, png = content[4:8] == b"ftyp", content.startswith(_PNG)
    profiled = _JPEG_PROFILE in content or content[30:34] == b"ICCP"  # WebP's first chunk
    if not (heif or png or profiled or content[:4] in _TIFF):
        return None
    try:
        image = pillow_image(path)
    except UNREADABLE:
        return None  # such as a wrong checksum before the picture: OpenCV reads on there
    with image:
        needed = heif or png or image.has_transparency_data or to_srgb(image) is not None
        return rgb_of(image) if needed else None


def check_heif(path: Path) -> None:
    """Raise SourceError where a package is missing that reads such a picture."""
    if not _has_heif():
        raise SourceError(f'{path} is a HEIC picture: to read it, pip install "livedream[heic]"')


def _has_heif() -> bool:
    try:
        import pillow_heif  # noqa: F401
    except ImportError:
        return False
    return True


def is_for_ffmpeg(path: Path) -> bool:
    """Whether a HEIF picture of one piece is better read as a film of one frame.

    An AVIF in high dynamic range, to be tone-mapped; a HEIC where nothing else is installed.
    """
    suffix = path.suffix.lower()
    if not (suffix == ".avif" or (suffix in HEIC and not _has_heif())) or not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(_HEIF_HEAD)
    if b"grid" in head:
        return False
    colours = head.find(b"colrnclx")  # then primaries and transfer, 16 bits each
    transfer = int.from_bytes(head[colours + 10 : colours + 12], "big")
    return suffix in HEIC or (colours >= 0 and transfer in HDR_TRANSFERS)


def rgb_of(image: Image.Image) -> Picture:
    """What Pillow has opened, upright, in sRGB, without its transparency, (H, W, 3) uint8."""
    upright = ImageOps.exif_transpose(image)
    transform = to_srgb(image)
    if transform is None:
        return _plain(upright)
    if upright.mode != "CMYK":
        upright = Image.fromarray(_plain(upright)).convert(transform.input_mode)
    return np.array(ImageCms.applyTransform(upright, transform))


def _plain(upright: Image.Image) -> Picture:
    """Its numbers as they are, as RGB."""
    if upright.mode.startswith("I"):  # grey of 16 bits, which Pillow would clip to 8
        grey = (np.asarray(upright) >> 8).astype(np.uint8)
        return cast(Picture, cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB))
    if upright.has_transparency_data:
        # By way of RGBA, not RGB: there it would be laid on black, or on its background.
        return np.ascontiguousarray(np.asarray(upright.convert("RGBA"))[..., :3])
    return np.array(upright.convert("RGB"))


def is_picture(path: Path) -> bool:
    """Whether the suffix is one of a still picture."""
    return path.suffix.lower() in SUFFIXES


def is_pattern(name: str) -> bool:
    """Whether a name stands for numbered pictures, such as %05d.png.

    It holds one %d, %5d or %05d, and ends as a picture does; any other percent sign is just that.
    """
    return len(_NUMBER.findall(name)) == 1 and is_picture(Path(name))


def numbered_name(pattern: str, number: int) -> str:
    """The name of one picture of a pattern; zeros fill its digits, as in FFmpeg."""
    return _NUMBER.sub(lambda found: f"{number:0{found.group(1) or 1}d}", pattern)


def stem_of_pattern(path: Path) -> str:
    """A file's own name without its suffix; of a pattern without its number, or its folder's."""
    if not is_pattern(path.name) or path.exists():
        return path.stem
    return _NUMBER.sub("", path.stem).strip(" ._-") or path.absolute().parent.name


def is_series(path: Path) -> bool:
    """Whether the path is a folder, or a pattern such as frames/%05d.png."""
    return path.is_dir() or (is_pattern(path.name) and not path.exists())


class PictureSource(Closeable):
    """The frames that picture files make, one after the other.

    paths: the files, in order; one of them is a still picture.  fps: frames per second.
    """

    def __init__(
        self,
        paths: list[Path],
        part: TimeRange | None = None,
        *,
        fps: Fraction | None = None,
        name: str | None = None,
    ) -> None:
        part = part or TimeRange()
        rate = DEFAULT_FPS if fps is None else fps
        if rate <= 0:
            raise SourceError(f"{rate} frames per second: must be greater than 0")
        first, last = part.ticks(1 / rate)
        self._paths = paths[first:last]
        if not self._paths:
            raise SourceError(f"{name or paths[0]} has no picture in {part}: choose another range")
        self._skip = part.skip
        self._passed_over: list[str] = []
        self._scaled = 0
        for path in self._paths:
            if path.suffix.lower() in HEIC:
                check_heif(path)
        shown, path = self._first()
        self._info = SourceInfo(
            name=name or path.name,
            width=shown.shape[1],
            height=shown.shape[0],
            rate=rate,
            time_base=1 / rate,
            frames=len(self._paths),
            files=tuple(paths),
            colour=SRGB,
            start_s=part.start_s,
            end_s=part.end_s,
            begins_s=float(first / rate),
            notes=(DROPPED,) if _has_alpha(path) else (),
        )

    def _first(self) -> tuple[Picture, Path]:
        """The first file that is a picture; the first reason where none is."""
        reasons = []
        for path in self._paths:
            try:
                return read_picture(path), path
            except SourceError as error:
                reasons.append(error)
        raise reasons[0]

    @property
    def info(self) -> SourceInfo:
        """What the pictures are; its notes grow while they are read."""
        lines = list(self._info.notes)
        if self._passed_over:
            count, named = len(self._passed_over), self._passed_over[:_MOST_NAMED]
            named += ["..."] * (count > _MOST_NAMED)
            which = f"{count} ({', '.join(named)})"
            lines.append(f"files that are no readable pictures, skipped: {which}")
        if self._scaled:
            lines.append(f"{self._scaled} pictures were scaled to the size of the first one")
        return replace(self._info, notes=tuple(lines))

    def __iter__(self) -> Iterator[Frame]:
        self._passed_over, self._scaled = [], 0
        index = -1
        for path in self._paths:
            try:
                rgb = read_picture(path)
            except SourceError:
                self._passed_over.append(path.name)
                continue
            index += 1
            if index < self._skip:
                continue
            shown = fitted(rgb, self._info.width, self._info.height)
            self._scaled += shown is not rgb
            yield Frame(shown, index, self._info.time_base, index, 1)

    def close(self) -> None:
        """Nothing is held open."""


def open_pictures(path: Path, part: TimeRange, fps: Fraction | None = None) -> PictureSource:
    """The source for a still picture, a folder of pictures or a pattern of numbered ones."""
    if not is_series(path):
        return PictureSource([path], part, fps=fps)
    if path.is_dir():
        paths = in_folder(path)
    else:
        paths = [file for _, file in sorted(dict(matching(path)).items())]
    if not paths:
        raise SourceError(f"no file matches {path}: check the folder and the number of digits")
    return PictureSource(paths, part, fps=fps, name=path.name)


def in_folder(folder: Path) -> list[Path]:
    """The pictures in a folder in natural order: 9 before 10. Raises SourceError without any."""
    found = [p for p in _listed(folder) if is_picture(p) and not p.name.startswith(".")]
    if not found:
        raise SourceError(f"{folder} contains no pictures: use {', '.join(SUFFIXES)}")
    return sorted(found, key=_natural)


def matching(pattern: Path, digits: int | None = None) -> Iterator[tuple[int, Path]]:
    """The files that a pattern such as frames/%05d.png matches, with their numbers.

    digits: at least so many; None: as many as the pattern says. 1.png and 01.png have one number.
    """
    before, least, after = _NUMBER.split(pattern.name)
    least = digits or int(least or 1)
    name = re.compile(rf"{re.escape(before)}(\d{{{least},}}){re.escape(after)}")
    listed = _listed(pattern.parent) if pattern.parent.is_dir() else ()
    yield from ((int(m.group(1)), path) for path in listed if (m := name.fullmatch(path.name)))


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:  # such as lost+found, which only the administrator may read
        raise SourceError(f"{folder} cannot be read ({os_reason(error)})") from error


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _has_alpha(path: Path) -> bool:
    try:
        with pillow_image(path) as image:
            return bool(image.has_transparency_data)
    except UNREADABLE:
        return False
