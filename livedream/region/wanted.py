"""Which regions the settings and an objective name, and whether their files are there."""

from collections.abc import Sequence
from dataclasses import dataclass

from livedream.core.errors import RegionError, WeightsError, reason
from livedream.core.settings import DreamSettings
from livedream.region import fixed
from livedream.region.films import check_film, is_film
from livedream.region.segmentation import class_segmentation, onnx_segmentation
from livedream.region.text import parse_region
from livedream.region.value import CLASSES, Region, leaves


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which planes, and how.

    where: of the whole dream, None: everywhere.  terms: of the objective's terms.
    feather: px of the picture.  threshold: of scores, 0 to 1.  half_life: of planes, s.
    hold: s that what has moved counts as moving.
    """

    where: Region | None
    terms: tuple[Region | None, ...]
    feather: float
    threshold: float
    half_life: float
    hold: float


def wanted_of(
    settings: DreamSettings,
    terms: Sequence[Region | None],
    *,
    live: bool = False,
    before: Wanted | None = None,
) -> Wanted | None:
    """What the settings and an objective's terms ask for; None where no region is named.

    live: see `check_files`.  before: what was wanted until now; its files are not looked for again.
    Raises RegionError where `where` does not parse, or a file cannot be read.
    """
    where = parse_region(settings.where) if settings.where.strip() else None
    if where is None and not any(terms):
        return None
    known = () if before is None else (before.where, *before.terms)
    for region in (where, *terms):
        if region is not None and region not in known:
            check_files(region, live=live)
    return Wanted(
        where, tuple(terms), settings.feather, settings.threshold, settings.region_half_life,
        settings.hold,
    )  # fmt: skip


def check_files(region: Region, *, live: bool) -> None:
    """Raise RegionError for a file that cannot be read. live: whether masks may be live sources."""
    for leaf in leaves(region):
        try:
            if leaf.name == "mask" and is_film(leaf.path):
                check_film(leaf.path, live=live)
            elif leaf.name == "mask":
                fixed.read_mask(leaf.path)
            elif leaf.name == "network":
                onnx_segmentation(leaf.path)
            elif leaf.name in (*CLASSES, "background"):
                class_segmentation()
        except (OSError, WeightsError) as error:  # SourceError, or a name that no file can have
            text = str(region)
            raise RegionError(reason(error), text=text, position=text.find(str(leaf))) from error
