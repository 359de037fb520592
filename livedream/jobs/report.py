"""What comes of dreams: films that they are written into, and figures."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Self

from livedream.control.catalogue import own_objective
from livedream.core.device import precision_name
from livedream.core.frame import Picture
from livedream.core.prefetch import AsyncWriter
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dream, Dreamer
from livedream.dream.networks.registry import DEFAULT_NETWORK, in_turns
from livedream.dream.objectives.prompt import dreamed


@dataclass
class RenderReport:
    """Figures of a finished (or stopped) render, zoom or still, whose frames are rounds.

    empty_regions: frames in which the region, or all that the objective names, was empty.
    """

    source: str
    output: str
    width: int = 0
    height: int = 0
    frames: int = 0
    seconds: float = 0.0
    strength: float = 0.0
    flicker: float = 0.0
    empty_regions: int = 0
    stages_ms: dict[str, float] = field(default_factory=dict)
    device: str = ""
    precision: str = ""
    network: str = ""
    objective: str = ""
    complete: bool = False
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls, source: str, output: Path, dreamer: Dreamer, width: int, height: int, *,
        begins: DreamSettings | None = None,
    ) -> Self:  # fmt: skip
        """An empty one. width, height: of what is written, px.  begins: the settings of the first
        frame, whose network may be another; None: the dreamer's."""
        begins = begins or dreamer.settings
        network, own = dreamer.network_name, dreamer.own_objective
        if begins.network != dreamer.settings.network:
            network = begins.network or DEFAULT_NETWORK
            own = " / ".join(own_objective(name) for name in in_turns(network))
        return cls(
            source, str(output), width, height, device=str(dreamer.device),
            precision=precision_name(dreamer.dtype), network=network,
            objective=dreamed(begins.prompt, begins.objective, own),
        )  # fmt: skip

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.seconds > 0 else 0.0

    @property
    def region_notes(self) -> tuple[str, ...]:
        """What to know where no frame had a region: its strength of 0 does not tell why."""
        if not 0 < self.frames == self.empty_regions:
            return ()
        return ("the region was empty in every frame: nothing was dreamed",)

    def as_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "fps": self.fps}

    def count(self, dream: Dream, dreamer: Dreamer, seconds: float) -> None:
        """Add a frame. seconds: of running time since the first."""
        self.frames += 1
        share = 1 / self.frames
        self.strength += (dream.level - self.strength) * share
        self.flicker += (dream.flicker - self.flicker) * share
        self.empty_regions += dream.planes is not None and dream.planes.is_empty
        self.seconds = seconds
        spent = dreamer.timer.spent_s
        self.stages_ms = {name: 1000 * s / self.frames for name, s in spent.items()}


Watcher = Callable[[Dream, RenderReport], None]


@dataclass(frozen=True, slots=True)
class FilmOutput:
    """A film that comes of dreams.

    picture: what of a dream is written.  begun: how many frames are there already.
    """

    writer: AsyncWriter
    picture: Callable[[Dream], Picture] = lambda dream: dream.frame.rgb
    begun: int = 0

    def write(self, dream: Dream) -> None:
        if dream.frame.index >= self.begun:
            self.writer.write(replace(dream.frame, rgb=self.picture(dream)))


def made_at_once(dreams: Iterator[Dream]) -> Iterator[Dream]:
    """The same dreams, the first of them made at once: before a film that is there is replaced, as
    a flow, a network or a GPU's memory may be found wanting only then."""
    return chain(list(islice(dreams, 1)), dreams)


def write_dreams(
    dreams: Iterable[Dream],
    outputs: Sequence[FilmOutput],
    report: RenderReport,
    dreamer: Dreamer,
    watch: Watcher | None,
    *,
    whole_when_stopped: bool = False,
    start_s: float | None = None,
) -> None:
    """Write dreams until the last one, and count them.

    outputs: what is written of each.  whole_when_stopped: what a KeyboardInterrupt leaves is no
    part of something longer.  start_s: when dreaming began, on the monotonic clock, if not now.
    """
    start = time.monotonic() if start_s is None else start_s
    try:
        for dream in dreams:
            for output in outputs:
                output.write(dream)
            report.count(dream, dreamer, time.monotonic() - start)
            if watch is not None:
                watch(dream, report)
    except KeyboardInterrupt:
        for output in outputs:
            output.writer.close(complete=whole_when_stopped)
        raise
    report.complete = True
