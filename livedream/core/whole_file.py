"""A file that comes to be whole or not at all, and the names of what is written beside it."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def whole_file(path: Path, ending: str = ".part", *, lasting: bool = False) -> Iterator[Path]:
    """A name beside `path` to write to; what was written takes the place of `path` at the end.

    After an error what was written is gone, and `path` is as it was.
    lasting: after a power cut, too, it is one or the other; costs a wait for the disk.
    """
    unfinished = beside(path, ending)
    try:
        yield unfinished
        if lasting:
            with unfinished.open("r+b") as file:
                os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def beside(path: Path, ending: str, *, hidden: bool = True) -> Path:
    """A name beside `path` for what belongs to it, the same each time: .NAME.ENDING.

    Where that is longer than the file system takes, the name is cut, and told from others by its
    digest.
    """
    name = f"{'.' * hidden}{path.name}{ending}"
    most = longest_name(path.parent)
    if len(os.fsencode(name)) > most:
        digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]
        rest = f"~{digest}{ending}"
        cut = os.fsencode(name)[: most - len(rest)]
        name = cut.decode("utf-8", "ignore") + rest
    return path.with_name(name)


def longest_name(folder: Path) -> int:
    """In bytes: what the file system says, 255 where it does not."""
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # Windows has no such call
        return 255
