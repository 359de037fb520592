"""What a render needs to go on with after it was stopped, kept beside its output.

A checkpoint is the state after some number of frames, as plain arrays in a safetensors file. The
output may hold fewer frames than the newest checkpoint has seen, so the last few are kept, and
the newest one that the output has caught up with is taken. Before the first frame comes one without
a state: a video that was killed does not say what it was made with. Each is written beside its name
and renamed: one that can be seen is whole.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livedream.capture import open_source
from livedream.core.errors import (
    LivedreamError,
    SinkError,
    SourceError,
    os_reason,
    writing_advice,
)
from livedream.core.settings import DreamSettings
from livedream.core.version import __version__
from livedream.core.whole_file import beside, whole_file
from livedream.dream.objectives.prompt import dreamed
from livedream.dream.objectives.text import parse_objective
from livedream.dream.objectives.value import GuideTarget, Term
from livedream.region.text import parse_region
from livedream.region.value import Leaf, leaves

_KEPT = 4  # with one a second, this covers a file that is three seconds behind
_EVERY_S: Final = 1.0  # running time between two; a resumed render repeats about this much
_SUFFIX = ".safetensors"
_WEIGHTS: Final = (".safetensors", ".pt", ".pth", ".onnx", ".txt")  # and labels: read whole
BESIDE: Final = "files"
MANIFEST: Final = "film.json"  # in the same folder: a film that many workers render


def identity(settings: DreamSettings, source: str, **more: Any) -> str:
    """Everything that a dream's pictures depend on, as JSON: written into the file's metadata.

    more: what the job has beside settings and source.
    """
    own = {"version": __version__, "settings": json.loads(settings.to_json())}
    return json.dumps({**own, "source": Path(source).name, **more}, sort_keys=True)


def extent(source: str) -> dict[str, int]:
    """What tells a source from another one of its name: its bytes, or files of a series.

    Not its time, which copies do not keep. Nothing where it is made up, or not seen by a worker.
    """
    from livedream.capture.pictures import in_folder, is_series, matching
    from livedream.capture.synthetic import is_synthetic

    path = Path(source)
    with suppress(OSError):
        if is_synthetic(source):
            return {}
        if path.is_dir():
            return {"source_files": len(in_folder(path))}
        if is_series(path):
            return {"source_files": len(dict(matching(path)))}
        return {"source_bytes": path.stat().st_size}
    return {}


def _terms_of(settings: DreamSettings) -> tuple[Term, ...]:
    text = dreamed(settings.prompt, settings.objective, "")
    return parse_objective(text).terms if text.strip() else ()


def leaves_of(settings: DreamSettings) -> Iterator[Leaf]:
    """What the regions of `where` and of the objective's terms are made of."""
    regions = [term.region for term in _terms_of(settings) if term.region is not None]
    if settings.where.strip():
        regions.append(parse_region(settings.where))
    for region in regions:
        yield from leaves(region)


def _seen_beside(settings: DreamSettings) -> Iterator[str]:
    """The paths of masks and guides."""
    from livedream.region.painting import kept_file  # which takes OpenCV

    for leaf in leaves_of(settings):
        if leaf.name == "mask":
            yield leaf.path
        elif leaf.name == "painted":
            yield str(kept_file())
    for term in _terms_of(settings):
        if isinstance(term.target, GuideTarget) and isinstance(term.target.picture, str):
            yield term.target.picture


def files_of(settings: DreamSettings) -> Iterator[Path]:
    """The files that a dream reads besides its source: masks and guides."""
    for path in _seen_beside(settings):
        with suppress(SourceError), open_source(path) as source:  # what is wrong others say
            yield from source.info.all_files


def _read_beside(settings: DreamSettings) -> Iterator[str]:
    """Masks and guides, weights and whatever else is named by a path."""
    yield from _seen_beside(settings)
    yield from (leaf.path for leaf in leaves_of(settings) if leaf.name == "network")
    yield from filter(None, (settings.weights, settings.labels))
    if settings.flow.endswith(".onnx"):
        yield settings.flow


def digest_beside(every: Iterable[DreamSettings]) -> str:
    """What tells the files that dreams read beside their source, and networks of the user's own,
    from others of the same names; "" where there are none.

    Films, folders and pictures that are masks or guides count by their `extent`, or their bytes.
    """
    from livedream.dream.networks.registry import in_turns, registry

    found: list[str] = []
    with suppress(LivedreamError):  # what is wrong others say
        for settings in every:
            found += (_digest_of(path) for path in _read_beside(settings))
            for name in in_turns(settings.network):
                if (spec := registry().get(name)) is not None and spec.own:
                    found.append(spec.sha256 or "")
    return hashlib.sha256(" ".join(found).encode()).hexdigest()[:12] if found else ""


def _digest_of(path: str) -> str:
    from livedream.capture.pictures import SUFFIXES

    one = Path(path)
    with suppress(OSError):
        if one.suffix.lower() in (*SUFFIXES, *_WEIGHTS):
            found = one.stat()
            return _sha256_of(one, found.st_mtime_ns, found.st_size)
    return json.dumps(extent(path))


@lru_cache(maxsize=64)  # of each piece of a film
def _sha256_of(path: Path, mtime_ns: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a render after `index` frames, that is before the frame of that index.

    state: named arrays; none before the first frame.  settings: of the render, as text.
    """

    index: int
    state: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    settings: str = "{}"


class Checkpoints:
    """The checkpoints of one output, in the folder `<output>.livedream-state` beside it."""

    def __init__(self, output: Path) -> None:
        name = output.name or output.resolve().name
        self.folder = beside(output.parent / name, ".livedream-state", hidden=False)
        self._saved_s = time.monotonic()

    def due(self) -> bool:
        """Whether it is time for the next one."""
        return time.monotonic() - self._saved_s > _EVERY_S

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint, and of the older ones the first and the last few.

        Raises SinkError when there is no room for it; older ones stay.
        """
        self._saved_s = time.monotonic()
        write_checkpoint(self.folder / f"{checkpoint.index:012d}{_SUFFIX}", checkpoint)
        for old in self._paths()[1:-_KEPT]:
            old.unlink(missing_ok=True)

    def newest(self, most_frames: int | None = None) -> Checkpoint | None:
        """The latest checkpoint that has seen at most `most_frames`; None where there is none.

        One that cannot be read is passed over.
        """
        for path in reversed(self._paths()):
            if most_frames is None or int(path.stem) <= most_frames:
                checkpoint = read_checkpoint(path)
                if checkpoint is not None:
                    return checkpoint
        return None

    @property
    def settings(self) -> str | None:
        """What the unfinished render was begun with; None where nothing tells."""
        found = self.newest()
        return None if found is None else found.settings

    def forget(self, frames: int) -> None:
        """Delete those that have seen more than so many frames: others will come in their place."""
        for path in self._paths():
            if int(path.stem) > frames:
                path.unlink(missing_ok=True)

    @property
    def by_workers(self) -> bool:
        """Whether an unfinished render by several workers is kept here."""
        return (self.folder / MANIFEST).exists()

    def remove(self) -> None:
        """Delete them: the render is finished, or begins anew."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _paths(self) -> list[Path]:
        return sorted(p for p in self.folder.glob(f"*{_SUFFIX}") if p.stem.isdigit())


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint whole. Raises SinkError when there is no room for it."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    arrays = {name: np.asarray(a, order="C") for name, a in checkpoint.state.items()}
    try:
        path.parent.mkdir(exist_ok=True)
        with whole_file(path) as unfinished:
            save_file(arrays, str(unfinished), metadata={"settings": checkpoint.settings})
    except (OSError, SafetensorError) as error:
        raise SinkError(
            f"{path} cannot be written ({os_reason(error)}): {writing_advice(error)}"
        ) from error


def read_checkpoint(path: Path) -> Checkpoint | None:
    """The one in the file, None where it cannot be read. Its index is what the name begins with."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            settings = (file.metadata() or {})["settings"]
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return Checkpoint(int(path.name.partition(".")[0]), state, settings)
    except (SafetensorError, OSError, KeyError, ValueError):
        return None
