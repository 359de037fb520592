"""Which regions the settings and an objective name, and whether their files are there."""

from collections.abc import Sequence
from dataclasses import dataclass

from livedream.core.errors import RegionError, SettingsError, WeightsError, reason
from livedream.core.settings import DreamSettings
from livedream.region import fixed
from livedream.region.films import check_film, is_film
from livedream.region.segmentation import (
    class_segmentation,
    onnx_segmentation,
    require_classes,
)
from livedream.region.text import parse_region
from livedream.region.value import CLASSES, MOTION, Region, leaves


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

    @property
    def moves(self) -> bool:
        """Whether a region depends on motion, which the first frame of a scene does not have."""
        named = (leaf for region in (self.where, *self.terms) if region for leaf in leaves(region))
        return any(leaf.name in MOTION for leaf in named)


def wanted_of(
    settings: DreamSettings,
    terms: Sequence[Region | None],
    *,
    live: bool = False,
    before: Wanted | None = None,
) -> Wanted | None:
    """What the settings and an objective's terms ask for; None where no region is named.

    live: see `check_region`.  before: what was wanted until now; it is not checked again.
    Raises RegionError where `where` does not parse, and as `check_region`.
    """
    where = parse_region(settings.where) if settings.where.strip() else None
    if where is None and not any(terms):
        return None
    known = () if before is None else (before.where, *before.terms)
    for region in (where, *terms):
        if region is not None and region not in known:
            # A show that is dreamed again brings what was painted along.
            check_region(region, live=live, flow=settings.flow, painted=True)
    return Wanted(
        where, tuple(terms), settings.feather, settings.threshold, settings.region_half_life,
        settings.hold,
    )  # fmt: skip


def check_region(
    region: Region, *, live: bool, flow: str = "", painted: bool = False, fetch: bool = True
) -> None:
    """Raise RegionError for a file that cannot be read, for motion that nothing finds, and for
    `painted` where nobody paints and nothing was kept.

    live: whether masks may be live sources, and there is a panel to paint on.  flow: what finds
    motion, "" where not known.  painted: whether there may be a mask for `painted` all the same.
    fetch: whether weights that are not there are downloaded; else they are refused.
    """
    for leaf in leaves(region):
        try:
            if leaf.name in MOTION and flow == "none":
                raise SettingsError(
                    f"{leaf} needs motion, which --flow none does not find; try dis"
                )
            if leaf.name == "mask" and is_film(leaf.path):
                check_film(leaf.path, live=live)
            elif leaf.name == "mask":
                fixed.read_mask(leaf.path)
            elif leaf.name == "painted" and not (live or painted):
                fixed.kept_mask()
            elif leaf.name == "network":
                onnx_segmentation(leaf.path)
            elif leaf.name in (*CLASSES, "background"):
                if not fetch:
                    require_classes()
                class_segmentation()
        except (OSError, SettingsError, WeightsError) as error:  # SourceError among them
            text = str(region)
            raise RegionError(reason(error), text=text, position=text.find(str(leaf))) from error
