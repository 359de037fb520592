"""What outputs are called, and where they go: the same for every command."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from livedream.core.errors import SettingsError


def output_of(
    wanted: str | None, source: str, *, suffixes: Sequence[str], what: str = "dream",
    inputs: int = 1,
) -> Path:  # fmt: skip
    """Where what is made of `source` goes: `wanted`, into it as NAME.dream.mp4 if a folder, or
    ./NAME.dream.mp4.

    suffixes: the source's own if it is one of them; else the first.  what: in place of "dream".
    inputs: of so many sources; several need a folder.  Raises SettingsError, SinkError.
    """
    from livedream.media.destination import check_name

    suffix = Path(source).suffix.lower()
    name = f"{stem_of(source)}.{what}{suffix if suffix in suffixes else suffixes[0]}"
    if wanted is None:
        return Path(name)
    path = Path(wanted)
    check_name(path)
    if not _is_folder(wanted, inputs):
        return path
    if inputs > 1 and path.suffix and not path.is_dir():
        raise SettingsError(f"several inputs and one output file {wanted!r}; give a folder")
    return path / name


def make_folder_of(wanted: str | None, inputs: int = 1) -> None:
    """Make the folder that is wanted, if one is. Raises SinkError where that cannot be."""
    from livedream.media.destination import make_folder

    if wanted is not None and _is_folder(wanted, inputs):
        make_folder(Path(wanted))


@contextmanager
def folder_for_a_while(wanted: str | None, inputs: int = 1) -> Iterator[None]:
    """`make_folder_of`, for a block in which nothing is written there: what it made goes again."""
    path = Path(wanted or ".")
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        make_folder_of(wanted, inputs)
        yield
    finally:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def stem_of(source: str) -> str:
    """A file name for what is made of `source`: `noise`, `synthetic-clouds`, or the file's own."""
    from livedream.capture.pictures import stem_of_pattern
    from livedream.capture.synthetic import is_synthetic

    if is_synthetic(source):
        return source.partition("?")[0].replace(":", "-")
    return stem_of_pattern(Path(source)) or "dream"


def _is_folder(wanted: str, inputs: int) -> bool:
    return inputs > 1 or wanted.endswith(("/", os.sep)) or Path(wanted).is_dir()
