"""The figures of a training run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingSettings:
    """One run. Ends after ``minutes`` (the schedule follows the clock) or ``steps``.

    batch: pictures per step, ``dreams`` of them out of a pool of so many; size_px: side of the
    crops; class_share: part of the dreams that climb a class; class_weight: of the class map's loss
    (a layer's is 1); match: pictures whose input gradient is matched, with match_weight, for one
    random layer or, match_together of the time, all layers of one teacher; match_classes: pictures
    at most for which that of a class is; match_shifts: shifts of the picture over which the
    teacher's gradient is averaged; temperature: of the class map's divergence; refresh_every: steps
    between the copies of the student that dream; reuse: updates per prepared batch, the later ones
    drawn from the last ``kept`` batches; average: decay of the exponential average of the weights;
    threads: of each of the two halves of the loop (one prepares the next batch while the other
    learns from the last); workers: processes that draw pictures ahead, 0 for none.
    """

    minutes: float
    steps: int = 1_000_000
    batch: int = 64
    dreams: int = 28
    pool: int = 448
    size_px: int = 128
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    warm_up: float = 0.04
    class_share: float = 0.25
    class_weight: float = 0.3
    match: int = 12
    match_weight: float = 12.0
    match_together: float = 0.3
    match_classes: int = 4
    match_shifts: int = 3
    temperature: float = 2.0
    refresh_every: int = 16
    reuse: int = 2
    average: float = 0.996
    kept: int = 20
    checkpoint_minutes: float = 4.0
    device: str = "cpu"
    threads: int = 1
    workers: int = 0
