"""The training loop: on-policy distillation of teachers into a DreamNet."""

from __future__ import annotations

import copy
import json
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.feature_extraction import create_feature_extractor

from livedream.dream.networks.dreamnet import DreamNet

from .dreaming import (
    CLASS_MAP,
    DreamPool,
    Goals,
    Rows,
    ascend,
    draw_goals,
    goal_objective,
    shifted,
    smoothed,
)
from .losses import Match, Prepared, Target, class_loss, layer_error, middle
from .matching import TOGETHER, match_loss, prepare_match
from .optimizer import Optimizer
from .painting import Painted
from .pictures import Batches
from .recipes import IMAGENET_MEAN, IMAGENET_STD
from .settings import TrainingSettings
from .silu import quicken
from .teachers import LOGITS, Teacher

ROWS = 8
"""On CUDA dreams of classes are matched by multiples of so many: each new number of pictures costs
cuDNN seconds."""


class Distillation:
    """Student, teachers, targets and optimizer of one run; ``step`` is one update."""

    def __init__(
        self,
        *,
        student: DreamNet,
        teachers: Sequence[Teacher],
        targets: Sequence[Target],
        batches: Batches,
        settings: TrainingSettings,
        generator: np.random.Generator,
        painted: Painted | None = None,
    ) -> None:
        device = torch.device(settings.device)
        # mypy's stubs know Module.to without memory_format.
        self.student: DreamNet = student.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.teachers: list[Teacher] = [
            t.to(device, torch.bfloat16, memory_format=torch.channels_last)  # type: ignore[call-overload]
            for t in teachers
        ]
        self.targets = list(targets)
        self.strides = {c.name: 2 ** (c.stage + 1) for c in student.config.layers}
        self.batches = batches
        self.painted = painted
        self.settings = settings
        # As many of the dreams as start afresh in one step, hardly ever more.
        self._spare = max(1, settings.dreams // 4)
        count = settings.batch - settings.dreams + self._spare
        self._stream = batches.stream(count, settings.size_px, device, settings.workers)
        self.mean = torch.tensor(IMAGENET_MEAN, device=device)[None, :, None, None]
        self.std = torch.tensor(IMAGENET_STD, device=device)[None, :, None, None]
        self.generator = generator
        self.device = device
        quicken(self.student)
        self.optimizer = Optimizer(student.parameters(), settings.weight_decay)
        self.scales: dict[str, Tensor] = {}
        self.pool: DreamPool | None = None
        together = [
            tuple(target.layer for target in self.targets if target.teacher == index)
            for index in range(len(self.teachers))
        ]
        # Traced here: see run.
        self.extractors = {
            names: create_feature_extractor(self.student, {name: name for name in names})
            for names in [*((name,) for name in self.strides), (CLASS_MAP,), *together]
        }
        self.average: DreamNet = copy.deepcopy(self.student)
        self.updates = 0
        self.renew_dreamer()
        self.step_count = 0
        self.elapsed_s = 0.0

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16)

    def renew_dreamer(self) -> None:
        """The one that dreams is the averaged student, folded, in bf16."""
        plain = self.average.folded().requires_grad_(False)
        self.dreamer: DreamNet = plain.to(torch.bfloat16, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def normalised(self, rgb: Tensor) -> Tensor:
        return ((rgb - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def _target_of(self, maps: list[dict[str, Tensor]], target: Target, cells: int) -> Tensor:
        """The teacher's layer on the student's grid, divided by its deviation on pictures."""
        value = maps[target.teacher][target.teacher_layer]
        ratio = round(value.shape[2] / cells)
        if ratio > 1:
            value = functional.avg_pool2d(value, ratio, ratio)
        value = value[:, :, :cells, :cells]
        if value.shape[2:] != (cells, cells):
            value = functional.interpolate(
                value.float(), (cells, cells), mode="bilinear", align_corners=False
            )
        scale = self.scales.get(target.layer)
        value = middle(value)
        value = value if scale is None else value / scale
        return value.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)

    def _targets_of(self, rgb: Tensor) -> tuple[dict[str, Tensor], list[Tensor]]:
        maps = [teacher(rgb) for teacher in self.teachers]
        layers = {
            t.layer: self._target_of(maps, t, rgb.shape[2] // self.strides[t.layer])
            for t in self.targets
        }
        return layers, [found[LOGITS].float() for found in maps]

    @torch.no_grad()
    def measure_scales(self, pictures: int = 384) -> None:
        """Per-channel deviation of every target on pictures (kept above a tenth of the median)."""
        sums: dict[str, list[Tensor]] = {}
        for _ in range(max(1, pictures // self.settings.batch)):
            rgb = next(self._stream)
            for layer, value in self._targets_of(rgb)[0].items():
                sums.setdefault(layer, []).append(value.float().square().mean(dim=(0, 2, 3)))
        for layer, found in sums.items():
            rms = torch.stack(found).mean(dim=0).sqrt()
            rms = rms.clamp(min=float(rms.median()) * 0.1)
            self.scales[layer] = rms[None, :, None, None]

    def draw_goals(self, count: int) -> Goals:
        """New goals for ``count`` dreams."""
        classes, share = self.student.config.num_classes, self.settings.class_share
        # Where no class is matched, there is no teacher's gradient to follow.
        taught = 0.5 if self.settings.match_classes else 0.0
        return draw_goals(count, self.targets, classes, share, self.generator, taught_share=taught)

    def dream(self, pictures: Tensor, goals: Goals) -> Tensor:
        """One to three more steps, towards their goals, for a batch out of the pool."""
        rng = self.generator
        size = torch.from_numpy(rng.uniform(1, 6, (len(pictures), 1, 1, 1))).float() / 255
        size[torch.from_numpy(goals.taught)] = 0
        size = size.to(pictures.device)
        widths = {layer.name: layer.channels for layer in self.student.config.layers}
        masks = {
            target.layer: goals.channels(index, widths[target.layer]).to(self.device)
            for index, target in enumerate(self.targets)
            if goals.layers[:, index].any()
        }
        for _ in range(int(rng.integers(1, 4))):
            dy, dx = (int(v) for v in rng.integers(-8, 9, 2))
            gradient = ascend(
                torch.roll(pictures, (dy, dx), (2, 3)),
                lambda x: goal_objective(
                    self.dreamer.maps(self.normalised(x).bfloat16()), goals, masks
                ),
            )
            gradient = torch.roll(gradient, (-dy, -dx), (2, 3))
            pictures = (pictures + size * gradient).clamp(0, 1)
        return pictures

    def _paintings(self) -> Callable[[Rows], Tensor] | None:
        painted = self.painted
        if painted is None:
            return None
        return lambda classes: painted.draw(classes, self.settings.size_px, self.generator)

    def pictures(self) -> tuple[Tensor, tuple[Match, ...]]:
        """Pictures, dreams out of the pool, and gradients of some of both.

        Some of the dreams that are matched go on by the teacher's gradient, for the next visit.
        """
        settings, rng = self.settings, self.generator
        spare, fresh = next(self._stream).tensor_split([self._spare])
        if self.pool is None:
            count = math.ceil(settings.pool / (len(spare) + len(fresh)))
            start = torch.cat([next(self._stream) for _ in range(count)])[: settings.pool]
            self.pool = DreamPool(start, self.draw_goals, rng, painted=self._paintings())
        chosen, pictures, goals = self.pool.take(settings.dreams, spare)
        dreamed = self.pool.put(chosen, self.dream(pictures, goals))
        both = torch.cat([fresh, dreamed])
        # Gradients of photographs and of dreams; for classes, of dreams of classes first of all.
        half, few = settings.match // 2, settings.match_classes // 4
        kind = TOGETHER if rng.random() < settings.match_together else "layer"
        rows = np.arange(min(settings.match - half, len(goals)))
        rows_of_classes = np.flatnonzero(goals.classes >= 0)[: settings.match_classes - few]
        if self.device.type == "cuda":
            count = len(rows_of_classes)
            rows_of_classes = rows_of_classes[: count // ROWS * ROWS or count]
        matches = []
        for photos, chosen_rows, what in (
            (half, rows, kind),
            (few, rows_of_classes, CLASS_MAP),
        ):
            if not photos + len(chosen_rows):
                continue
            dreams = dreamed[torch.from_numpy(chosen_rows)]
            rgb = torch.cat([fresh[len(fresh) - photos :], dreams])
            wanted = np.concatenate([np.full(photos, -1), goals.classes[chosen_rows]])
            match = prepare_match(
                rgb,
                what,
                wanted,
                teachers=self.teachers,
                targets=self.targets,
                scales=self.scales,
                generator=rng,
                shifts=settings.match_shifts,
            )
            matches.append(match)
            if not len(chosen_rows):  # photographs alone: no dream to go on
                continue
            prefetch = match.gradient[photos:]
            if what == CLASS_MAP:  # paints; plain, it would show the student noise
                prefetch = smoothed(prefetch)
            prefetch = prefetch / (prefetch.abs().mean(dim=(1, 2, 3), keepdim=True) + 1e-12)
            follow = torch.from_numpy(rng.uniform(2, 8, (len(prefetch), 1, 1, 1))).float() / 255
            goes = goals.taught[chosen_rows]
            if what != CLASS_MAP:  # half of the others follow as well
                goes = ~goes & (goals.classes[chosen_rows] < 0) & (rng.random(len(goes)) < 0.5)
            follow[torch.from_numpy(~goes)] = 0
            followed = (dreams + follow.to(dreams.device) * prefetch).clamp(0, 1)
            self.pool.put(chosen[chosen_rows], followed)
        return shifted(both, rng), tuple(matches)

    def rate(self, progress: float) -> float:
        """The learning rate at ``progress`` in [0, 1]: a linear rise, then half a cosine."""
        warm = self.settings.warm_up
        if progress < warm:
            return self.settings.learning_rate * (0.05 + 0.95 * progress / warm)
        turn = (progress - warm) / (1 - warm)
        return self.settings.learning_rate * (0.5 + 0.5 * math.cos(math.pi * min(1.0, turn)))

    def prepare(self) -> Prepared:
        """The next batch and what the teachers say of it."""
        torch.set_num_threads(self.settings.threads)
        torch.set_flush_denormal(True)  # a setting of the thread
        rgb, matches = self.pictures()
        with torch.no_grad():
            layers, logits = self._targets_of(rgb)
            cells = rgb.shape[2] // 16
            temperature = self.settings.temperature
            by_cell = [
                functional.interpolate(
                    (value / temperature).softmax(1), (cells, cells), mode="nearest"
                )
                for value in logits
            ]
            whole = [(value.mean(dim=(2, 3)) / temperature).softmax(1) for value in logits]
        return Prepared(
            rgb, matches, layers, torch.stack(by_cell).mean(dim=0), torch.stack(whole).mean(dim=0)
        )

    def learn(self, prepared: Prepared, progress: float) -> dict[str, Tensor]:
        """One update; returns the losses, on the device: to read one means to wait for it."""
        raw: dict[str, Tensor] = {}
        hooks = [
            self.student.get_submodule(f"{t.layer}.0").register_forward_hook(
                lambda _module, _inputs, output, name=t.layer: raw.__setitem__(name, output)
            )
            for t in self.targets
        ]
        with torch.autocast(self.device.type, torch.bfloat16):
            maps = self.student.maps(self.normalised(prepared.rgb))
        for hook in hooks:
            hook.remove()
        loss = self.settings.class_weight * class_loss(
            maps[CLASS_MAP].float(), prepared, self.settings.temperature
        )
        losses = {CLASS_MAP: loss}
        ends, grad_outputs = [loss], [torch.ones_like(loss)]
        for match in prepared.matches:
            name = TOGETHER if len(match.masks) > 1 else next(iter(match.masks))
            away = match_loss(match, self.extractors, self.normalised)
            losses[f"match {name}"] = away
            ends.append(away)
            grad_outputs.append(torch.full_like(away, self.settings.match_weight))
        for name, target in prepared.layers.items():
            prediction = middle(raw[name])
            with torch.no_grad():  # the gradient of the mean square, cheap in bf16
                error = layer_error(prediction.detach(), target)
                losses[name] = error.float().square().mean()
                grad_outputs.append(error * (2 / error.numel()))
            ends.append(prediction)
        self.optimizer.zero_grad()
        torch.autograd.backward(ends, grad_outputs)
        nn.utils.clip_grad_norm_(self.student.parameters(), 8.0)
        self.optimizer.step(self.rate(progress))
        self._follow()
        return {name: value.detach() for name, value in losses.items()}

    @torch.no_grad()
    def _follow(self) -> None:
        """Moves the average towards the student: what is saved, and dreams, is the average."""
        self.updates += 1
        weight = max(1 - self.settings.average, 9 / (10 + self.updates))
        student, average = self.student.state_dict(), self.average.state_dict()
        floating = [key for key, value in student.items() if value.is_floating_point()]
        torch._foreach_lerp_([average[k] for k in floating], [student[k] for k in floating], weight)

    def run(self, log: Path, checkpoint: Callable[[Distillation, bool], None]) -> None:
        """Trains to the end of the schedule; ``checkpoint(self, done)`` is called now and then."""
        settings = self.settings
        torch.set_num_threads(settings.threads)
        torch.set_flush_denormal(True)
        if not self.scales:
            self.measure_scales()
        self.student.train()
        started = time.monotonic() - self.elapsed_s
        last = time.monotonic()
        sums: dict[str, list[Tensor]] = {}
        kept: deque[Prepared] = deque(maxlen=settings.kept)
        choices = np.random.default_rng(self.step_count)
        with ThreadPoolExecutor(max_workers=1) as prefetch:
            future = prefetch.submit(self.prepare)
            while True:
                self.elapsed_s = time.monotonic() - started
                progress = max(
                    self.elapsed_s / (settings.minutes * 60), self.step_count / settings.steps
                )
                prepared = future.result()
                if progress >= 1:
                    break
                if self.step_count % settings.refresh_every == 0:
                    self.renew_dreamer()
                future = prefetch.submit(self.prepare)
                for name, value in self.learn(prepared, progress).items():
                    sums.setdefault(name, []).append(value)
                self.step_count += 1
                for _ in range(min(settings.reuse - 1, len(kept))):
                    self.learn(kept[int(choices.integers(len(kept)))], progress)
                kept.append(prepared)
                if self.step_count % 25 == 0:
                    self._report(log, self.rate(progress), sums)
                    sums = {}
                if time.monotonic() - last > settings.checkpoint_minutes * 60:
                    # Sheets trace the network, and while torch.fx traces, no other thread may run
                    # a module: it would be taken for a part of what is traced.
                    wait([future])
                    checkpoint(self, False)
                    last = time.monotonic()
        checkpoint(self, True)

    def _report(self, log: Path, rate: float, losses: dict[str, list[Tensor]]) -> None:
        entry = {
            "step": self.step_count,
            "elapsed_s": round(self.elapsed_s, 1),
            "rate": round(rate, 6),
            "losses": {n: round(float(torch.stack(v).mean()), 4) for n, v in losses.items()},
        }
        with log.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        print(json.dumps(entry), flush=True)
