"""The endless zoom: what is shown is fed back through a warp, and dreams on as it comes nearer.

Two layers travel together. The residual is the video engine's: the newest dream, its level held
by the closed loop. What fades from it with its half-life does not vanish, as over a video, but
sinks into the picture below, which has nothing else to live on; that picture's colour, contrast
and sharpness are held (see `livedream.dream.statistics`).
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import count
from pathlib import Path

import cv2
import torch
from torch import Tensor

from livedream.core.closing import Closeable
from livedream.core.defaults import ZOOM
from livedream.core.errors import SettingsError
from livedream.core.frame import Frame, Picture, SourceInfo
from livedream.core.parameters import refused
from livedream.core.prefetch import AsyncWriter
from livedream.core.settings import DreamSettings
from livedream.core.shrink import fitted
from livedream.dream.dreamer import Dream, Dreamer
from livedream.dream.networks.network import Network
from livedream.dream.statistics import StatisticsLock
from livedream.jobs.checkpoint import files_of, identity
from livedream.jobs.image import start_of
from livedream.jobs.report import FilmOutput, RenderReport, Watcher, made_at_once, write_dreams
from livedream.media.colour import BT709
from livedream.media.tags import SETTINGS
from livedream.present import check_sink, make_sink
from livedream.present.video import VideoOptions
from livedream.warp.travel import Travel, move


class ZoomSource(Closeable):
    """Frames of a zoom, as a source: made when asked for, the last one where the next begins.

    start: (H, W, 3) uint8, dreamed at the size that the dreamer's settings say.
    frames: how many, None for ever.  Raises SettingsError for an objective with regions.
    """

    def __init__(
        self,
        dreamer: Dreamer,
        start: Picture,
        travel: Travel | None = None,
        rate: Fraction = Fraction(25),
        frames: int | None = None,
    ) -> None:
        if regions := dreamer.objective.regions:
            raise SettingsError(f"objective: a zoom has no regions; leave out @{regions[0]}")
        self.dreamer = dreamer
        self.travel = travel or Travel()
        self._frames = frames
        self._picture = dreamer.picture(dreamer.ground(start))
        self._statistics = StatisticsLock(self._picture)
        height, width = self._picture.shape[2:]
        self.info = _info(width, height, rate, frames)

    def __iter__(self) -> Iterator[Frame]:
        for dream in self.dreams():
            yield dream.frame

    def dreams(self) -> Iterator[Dream]:
        """Like iterating, with each frame's figures; its source is what it was dreamed on."""
        for index in count() if self._frames is None else range(self._frames):
            yield self._step(index)

    def _step(self, index: int) -> Dream:
        dreamer, time_base = self.dreamer, self.info.time_base
        seconds = float(time_base)
        dreamer.state.time_s = index * seconds
        with dreamer.timer.stage("warp"):
            carried = self._travelled(seconds) if index else dreamer.fade(self._picture, seconds)
            below = self._picture
        with dreamer.timer.stage("dream"):
            levelled = dreamer.grow(below, carried)
            figures = levelled.figures(carried)
        with dreamer.timer.stage("compose"):
            shown = [_bytes(below), _bytes(below + levelled.residual)]
        source, frame = (Frame(rgb, index, time_base, index, 1) for rgb in shown)
        level, gain, flicker = figures.tolist()
        return Dream(source, frame, level, gain, flicker, dreamer.state)

    def _travelled(self, seconds: float) -> Tensor:
        """Both layers one frame further, what fades from the upper one going into the lower.

        Returns the upper one, carried.
        """
        shown = move(self._picture, self.travel, seconds)
        residual = self.dreamer.travel(self.travel, seconds)
        assert residual is not None
        shown.add_(residual)
        carried = self.dreamer.fade(shown, seconds)
        shown = self._statistics.steer(shown, seconds).clamp_(0.0, 1.0)
        self._picture = shown.sub_(carried)
        return carried

    def close(self) -> None:
        """Nothing is held open."""


@dataclass(frozen=True, kw_only=True)
class ZoomJob:
    """What to zoom into, how, and where to.

    source: a picture, `noise`, or whatever `open_source` takes, of which the first frame counts;
    it is shown at the size that the settings dream at.  codec, quality: see `open_sink`.
    """

    source: str
    output: Path
    settings: DreamSettings = ZOOM
    travel: Travel = field(default_factory=Travel)
    seconds: float = 20.0
    rate: Fraction = Fraction(25)
    codec: str | None = None
    quality: float = 80.0
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= 86400:
            raise refused("seconds", "more than 0, at most 86400", f"{self.seconds:g}")
        if self.settings.where:
            raise refused("where", "empty in a zoom", repr(self.settings.where))

    @property
    def frames(self) -> int:
        return max(1, round(self.seconds * self.rate))

    def identity(self) -> str:
        """Everything the frames depend on, as JSON: written into the file."""
        travel = self.travel
        return identity(
            self.settings, self.source, zoom=travel.zoom, rotation=travel.rotation,
            drift=travel.drift, rate=str(self.rate),
        )  # fmt: skip


def render_zoom(
    job: ZoomJob, network: Network | None = None, watch: Watcher | None = None
) -> RenderReport:
    """Write a zoom into a video, a GIF or a series of pictures.

    network: one loaded before; None: the one that the settings name.  watch: called with every
    dream.
    Raises SourceError, SinkError, SettingsError and what `Dreamer` raises. On KeyboardInterrupt
    the file is finished, and the interrupt raised again.
    """
    settings = job.settings
    start, files, notes = start_of(job.source, settings.size, settings.seed, settings.prompt)
    start = _even(start)
    files = (*files, *files_of(job.settings))
    options = VideoOptions(job.codec, job.quality, metadata={SETTINGS: job.identity()})
    height, width = start.shape[:2]
    wanted = replace(_info(width, height, job.rate, job.frames), files=files)
    check_sink(job.output, wanted, options, overwrite=job.overwrite)
    dreamer = Dreamer(job.settings, network)
    source = ZoomSource(dreamer, start, job.travel, job.rate, job.frames)
    width, height = source.info.width, source.info.height
    report = RenderReport.of(job.source, job.output, dreamer, width, height)
    info = replace(source.info, files=files)
    start_s = time.monotonic()
    dreams = made_at_once(source.dreams())
    sink = make_sink(job.output, info, options, overwrite=job.overwrite)
    with AsyncWriter(sink, dreamer.timer) as writer:
        write_dreams(
            dreams, [FilmOutput(writer)], report, dreamer, watch,
            whole_when_stopped=True, start_s=start_s,
        )  # fmt: skip
    report.notes += [*notes, *sink.notes]
    return report


def _info(width: int, height: int, rate: Fraction, frames: int | None) -> SourceInfo:
    return SourceInfo(
        name="zoom", width=width, height=height, rate=rate, time_base=1 / rate,
        frames=frames, colour=BT709,
    )  # fmt: skip


def _even(rgb: Picture) -> Picture:
    """With even sides, as most players want them."""
    height, width = (max(2, side // 2 * 2) for side in rgb.shape[:2])
    return fitted(rgb, width, height, cv2.INTER_LINEAR)


def _bytes(picture: Tensor) -> Picture:
    """(1, 3, H, W) as (H, W, 3) uint8."""
    steps = (picture[0] * 255.0).add_(0.5).clamp_(0.0, 255.0).to(torch.uint8)
    return steps.permute(1, 2, 0).contiguous().cpu().numpy()
