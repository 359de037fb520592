"""Learn a network from a folder of pictures: a weights file, a sheet of what it dreams, a card."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from livedream.core.device import choose_device
from livedream.core.errors import NetworkError, SinkError
from livedream.core.settings import DreamSettings
from livedream.core.version import __version__
from livedream.core.whole_file import whole_file
from livedream.dream.networks.dreamnet import (
    DreamNet,
    load_dreamnet,
    read_metadata,
    save_dreamnet,
)
from livedream.dream.networks.network import load_network
from livedream.dream.networks.registry import (
    DEFAULT_NETWORK,
    DREAMNET,
    find_spec,
    own_networks,
    own_networks_folder,
    shipped_networks,
)
from livedream.dream.networks.weights import locate_weights
from livedream.dream.own_networks import (
    check_network,
    check_new_name,
    note_network,
    unlist_network,
)
from livedream.jobs.layer_sheet import SheetPlan, draw_rows, whole_sheet
from livedream.learn.album import Album, read_album
from livedream.learn.study import FORMS, OWN, TEXTURES, Lessons, Study
from livedream.media.destination import cannot, check_destination
from livedream.present.picture import write_picture

SUFFIX: Final = ".safetensors"
_NOTES: Final = {TEXTURES: "what the pictures are made of", FORMS: "what is in the pictures"}


@dataclass(frozen=True, kw_only=True)
class LearnJob:
    """folder: of pictures.  name: of the network.  output: a .safetensors file, which is written
    and put into no list; None: among the user's networks, into every list.  start: the network
    that it begins as.  device: see `choose_device`."""

    folder: Path
    name: str
    output: Path | None = None
    start: str = DEFAULT_NETWORK
    device: str = "auto"
    seed: int = 0
    overwrite: bool = False

    def __post_init__(self) -> None:
        DreamSettings(seed=self.seed)  # its sheet is dreamed with it; raises

    @property
    def file(self) -> Path:
        """The weights file."""
        return self.output or own_networks_folder() / f"{self.name}{SUFFIX}"

    @property
    def sheet(self) -> Path:
        """What its layers dream, as a picture."""
        return self.file.with_suffix(".png")

    @property
    def card(self) -> Path:
        """What it is and was made from, in words."""
        return self.file.with_suffix(".md")


@dataclass(frozen=True, slots=True)
class LearnReport:
    """pictures: that were learned from.  skipped: a line for each that could not be used."""

    pictures: int
    skipped: tuple[str, ...]
    seconds: float


def learn(
    job: LearnJob, watch: Callable[[str, float], None] = lambda what, share: None
) -> LearnReport:
    """Teach a network what is in a folder of pictures.

    watch: told what is being done, and the share of it that is.
    Raises SourceError for the folder, SettingsError for the name, SinkError for what cannot be
    written, NetworkError for a start of another architecture.
    """
    begun_s = time.monotonic()
    _check(job)
    device = choose_device(job.device)
    album = read_album(job.folder, lambda done, total: watch("reading pictures", done / total))
    source = locate_weights(find_spec(job.start))
    study = Study(
        load_dreamnet(source),
        load_network(job.start).preprocessing,
        album,
        random=np.random.default_rng(job.seed),
        device=device,
    )
    net = study.taught(lambda share: watch("learning", share))
    said = _account(job, album, read_metadata(source))
    if job.output is None:
        unlist_network(job.name)
    _write(job.file, lambda path: save_dreamnet(net, path, said))
    card = _card(job, album, net, study.lessons)
    _write(job.card, lambda path: path.write_text(card, encoding="utf-8"))
    if job.output is None:
        note_network(job.name, check_network(job.file))
    rows = []
    network = load_network(job.start, weights=job.file)
    for row in draw_rows(network, SheetPlan(layers=OWN, seed=job.seed, device=job.device)):
        rows.append(row)
        watch("drawing what it dreams", len(rows) / len(OWN))
    write_picture(job.sheet, whole_sheet(rows), overwrite=True)
    return LearnReport(len(album.pictures), tuple(album.skipped), time.monotonic() - begun_s)


def _check(job: LearnJob) -> None:
    """Find out before any work is done what would fail after it."""
    if find_spec(job.start).builder != DREAMNET:
        raise NetworkError(
            f"network: {job.start} cannot be taught; must be dreamnet, dreamnet-birds, "
            "dreamnet-insects or one of your own"
        )
    if job.output is None:
        found, broken = own_networks()
        yours = {*found, *broken} - shipped_networks().keys()
        if not (job.overwrite and job.name in yours):
            check_new_name(job.name)
        try:
            own_networks_folder().mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot(own_networks_folder(), error) from error
    elif job.output.suffix != SUFFIX:
        raise SinkError(f"{job.output}: must end in {SUFFIX}")
    elif job.output.parent.resolve().is_relative_to(job.folder.resolve()):
        # Its sheet could replace one of the pictures, and would be one of them the next time.
        raise SinkError(f"{job.output} lies among the pictures: choose another folder")
    for path in (job.file, job.card, job.sheet):
        # Without an output what lies there is left over from one that was removed or interrupted.
        check_destination(path, overwrite=job.overwrite or job.output is None)


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Whole or not at all. Raises SinkError when it cannot be written."""
    try:
        with whole_file(path, lasting=True) as unfinished:
            write(unfinished)
    except OSError as error:
        raise cannot(path, error) from error


def _account(job: LearnJob, album: Album, start: dict[str, object]) -> dict[str, object]:
    """What the file says of itself: words and numbers alone, nothing of the pictures."""
    layers = start.get("layers")
    notes = dict(layers) if isinstance(layers, dict) else {}
    said = {key: value for key, value in start.items() if key not in ("architecture", "config")}
    return {
        **said,
        "layers": {**notes, **_NOTES},
        "default_objective": "+".join(OWN),
        "summary": f"taught {len(album.pictures)} pictures, from {job.start}",
        "licence": f"yours, as far as the pictures are; from {job.start}: {start.get('licence')}",
    }


def _card(job: LearnJob, album: Album, net: DreamNet, lessons: Lessons) -> str:
    layers = {layer.name: layer.channels for layer in net.config.layers}
    rows = "\n".join(f"| `{own}` | {layers[own]} | {_NOTES[own]} |" for own in OWN)
    return f"""# {job.name}

A network that dreams of {len(album.pictures)} pictures, made by livedream {__version__}.

| | |
| --- | --- |
| file | `{job.file.name}`, fp16, dreamnet's architecture |
| began as | `{job.start}`, whose layers and classes it still has |
| looked at | {lessons.cuts} cuts of the pictures, {album.cut_px} px each; seed {job.seed} |
| pictures skipped | {len(album.skipped)} |

![What its own layers dream, from noise]({job.sheet.name})

| layer | motifs | shows |
| --- | --- | --- |
{rows}

Dreamed unless told otherwise: `{"+".join(OWN)}`. One motif alone: `{FORMS}:0`.

No picture is in the file, nor a small copy of one. But what it dreams resembles the pictures: give
it to nobody who must not know what is in them.
"""
