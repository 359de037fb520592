"""Numbered pictures: frames/%05d.png, or a folder that is filled with them.

Each picture is whole or not there, so a killed writer leaves all it wrote; what it left is gone
on with by counting the pictures from 0 up to the first that is missing.
"""

import os
from pathlib import Path

from livedream.capture.pictures import is_pattern, matching, numbered_name
from livedream.core.closing import Finalizable
from livedream.core.errors import SinkError
from livedream.core.frame import Frame, SourceInfo
from livedream.media.destination import cannot, check_folder, check_not_source
from livedream.media.tags import SETTINGS
from livedream.present.picture import SUFFIXES, check_alpha, read_settings, write_picture
from livedream.present.video import VideoOptions, check_music, loses_sound

_IN_A_FOLDER = "%06d.png"


def is_series(text: str | Path) -> bool:
    """Whether a destination is a folder (written with a slash, or there) or a pattern."""
    written_as_folder = str(text).endswith(("/", os.sep))
    path = Path(text)
    return written_as_folder or path.is_dir() or is_pattern(path.name)


def check_series(
    path: Path,
    info: SourceInfo,
    options: VideoOptions,
    *,
    overwrite: bool = False,
    resume: bool = False,
) -> dict[int, Path]:
    """Raise what `PictureSeriesSink` would; nothing is made. Returns the pictures there are."""
    pattern = _pattern_of(path)
    if pattern.suffix.lower() not in SUFFIXES:
        raise SinkError(f"{pattern.name} is not a picture: use {', '.join(SUFFIXES)}")
    if info.alpha:
        check_alpha(pattern)
    if options.codec is not None:
        raise SinkError(f"pictures have no codec: leave out --codec {options.codec}")
    check_music(options)
    folder = pattern.parent
    check_folder(folder if folder.exists() or folder.is_symlink() else folder.parent)
    found = list(matching(pattern, 1))
    check_not_source((picture for _, picture in found), info.all_files)
    there = dict(found)
    if there and not (overwrite or resume):
        raise SinkError(
            f"{there[min(there)]} and {len(there) - 1} more exist: "
            "choose another folder, or add --overwrite"
        )
    if there and resume and not overwrite:
        first = min(there)
        # A render begins at 0, and a PNG always says what it was made with.
        says = pattern.suffix.lower() == ".png" and SETTINGS in options.metadata
        if first or (says and read_settings(there[first]) is None):
            raise SinkError(
                f"--resume: {there[first]} is no beginning of a render: "
                "choose another folder, or add --overwrite"
            )
    return there


def first_picture(path: Path) -> Path | None:
    """The picture with the lowest number; None where there is none."""
    return min(matching(_pattern_of(path), 1), default=(0, None))[1]


def _pattern_of(path: Path) -> Path:
    return path if is_pattern(path.name) and not path.is_dir() else path / _IN_A_FOLDER


class PictureSeriesSink(Finalizable):
    """Writes every frame as a picture of its own, numbered from 0.

    path: a folder, which is made if it is not there, or a pattern such as frames/%05d.png.
    options: its quality is that of JPEG and WebP; a codec makes no sense here.
    Raises SinkError when nothing can be written there.
    """

    def __init__(
        self,
        path: Path,
        info: SourceInfo,
        options: VideoOptions | None = None,
        *,
        overwrite: bool = False,
        resume: bool = False,
    ) -> None:
        self._options = options or VideoOptions()
        self.path = _pattern_of(path)
        there = check_series(path, info, self._options, overwrite=overwrite, resume=resume)
        self.frames_written = 0
        try:
            self.path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise cannot(self.path.parent, error) from error
        if resume:
            self.frames_written = next(n for n in range(len(there) + 1) if n not in there)
        for number, picture in there.items():
            if number >= self.frames_written:
                picture.unlink(missing_ok=True)
        silent = loses_sound(info, self._options)
        self.notes = ("pictures cannot hold audio: .mkv can",) if silent else ()

    def write(self, frame: Frame) -> None:
        """Write the next picture.  Raises SinkError when the disk takes no more."""
        path = self.path.with_name(numbered_name(self.path.name, self.frames_written))
        settings = self._options.metadata.get(SETTINGS, "")
        write_picture(path, frame.rgb, settings=settings, quality=self._options.quality)
        self.frames_written += 1

    def close(self, *, complete: bool = True) -> None:
        """Nothing to finish: every picture is whole."""
