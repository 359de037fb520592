"""Whether something can be written to a path, found out before any work is done."""

import os
from collections.abc import Iterable
from pathlib import Path

from livedream.core.errors import SinkError, os_reason
from livedream.core.whole_file import longest_name


def check_destination(
    path: Path,
    *,
    sources: Iterable[Path | None] = (),
    overwrite: bool = False,
    resume: bool = False,
) -> None:
    """Raise SinkError, saying what to do, when a file cannot or must not be made at `path`.

    sources: the files that are read meanwhile.  overwrite, resume: what is there may be replaced,
    or gone on with.
    """
    check_name(path)
    check_link(path)
    if path.is_dir():
        raise SinkError(f"{path} is a folder: add a file name, such as {path.name}.mp4")
    check_not_source([path], sources)
    if path.exists() and not (overwrite or resume):
        raise SinkError(f"{path} already exists: choose another name, or add --overwrite")
    check_folder(path.parent)


def check_not_source(paths: Iterable[Path], sources: Iterable[Path | None]) -> None:
    """Raise SinkError when a file that would be replaced is one that is read, by whatever name."""
    replaced = {found: path for path in paths if (found := _file_of(path)) is not None}
    for source in sources if replaced else ():
        file = None if source is None else _file_of(source)
        if file is not None and file in replaced:
            raise SinkError(f"{replaced[file]} is the source itself: choose another name")


def _file_of(path: Path) -> tuple[int, int] | None:
    """What is the same for every name of a file, links included; None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def check_folder(folder: Path) -> None:
    """Raise SinkError when no file can be made in the folder."""
    check_link(folder)
    if not folder.exists():
        raise SinkError(f"the folder {folder} does not exist: create it first")
    if not folder.is_dir():
        raise SinkError(f"{folder} is a file, not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SinkError(f"no permission to write to {folder}: choose another folder")


def make_folder(folder: Path) -> None:
    """With those above it. Raises SinkError where that cannot be."""
    check_link(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot(folder, error) from error


def check_link(path: Path) -> None:
    """Raise SinkError for a link to nothing: the system calls it both there and not there."""
    if path.is_symlink() and not path.exists():
        raise SinkError(
            f"{path} is a link to {path.readlink()}, which does not exist: "
            "remove the link, or choose another name"
        )


def check_name(path: Path) -> None:
    """Raise SinkError when the file system takes no name of that length."""
    found, most = len(os.fsencode(path.name)), longest_name(path.parent)
    if found > most:
        raise SinkError(
            f"{path.name[:30]}... is too long a name: at most {most} bytes (got {found}); "
            "give a shorter one"
        )


def cannot(path: Path, error: Exception) -> SinkError:
    """An error of the operating system or of FFmpeg while writing `path`, as a SinkError."""
    return SinkError(f"{path} cannot be written: {os_reason(error)}")
