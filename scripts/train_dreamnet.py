"""Distil a network for dreaming: ``python scripts/train_dreamnet.py --help``.

The student learns to predict its teachers' layers and class map on photographs, on clouds and on
its own dreams of them, so that following the student's gradient leads where the teachers agree.
Any torchvision ``squeezenet1_0`` or ``mobilenet_v2`` weights file can teach, any folder or zip of
pictures will do. The run writes a checkpoint, a log (JSON lines), a sheet of dreams and the folded
network; it can be resumed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.models import SqueezeNet1_0_Weights

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dreamnet_training.balance import balance_layers
from dreamnet_training.loop import Distillation
from dreamnet_training.losses import Target
from dreamnet_training.objectives import DreamNetObjectives, draw_layers
from dreamnet_training.painting import Painted, paint_classes
from dreamnet_training.pictures import Batches, held_out, load_pictures
from dreamnet_training.recipes import IMAGENET_MEAN, IMAGENET_STD, Recipe, load_recipe
from dreamnet_training.settings import TrainingSettings
from dreamnet_training.teachers import Teacher, load_teacher

from livedream.dream.networks.dreamnet import (
    DreamNet,
    DreamNetConfig,
    load_dreamnet,
    save_dreamnet,
)

BACKGROUND = "background"
DECODED = "decoded-pictures"
BALANCE_PICTURES, BALANCE_SIZE_PX = 16, 160


@dataclass(frozen=True)
class Output:
    """Where the run's files go, and what is written into the network's metadata."""

    network: Path
    work: Path
    recipe: Recipe
    classes: tuple[str, ...]
    licence: str


def save_network(net: DreamNet, output: Output, path: Path) -> None:
    """The folded network as fp16 safetensors with its metadata."""
    said = {
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "layers": {layer.name: layer.description for layer in output.recipe.layers},
        "default_objective": output.recipe.default_objective,
        "classes": output.classes,
        "licence": output.licence,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_dreamnet(net, path, said)


def save_checkpoint(run: Distillation, output: Output, done: bool) -> None:
    """State for resuming, the network so far, and a sheet."""
    state = {
        "student": run.student.state_dict(),
        "average": run.average.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "scales": run.scales,
        "step": run.step_count,
        "updates": run.updates,
        "elapsed_s": run.elapsed_s,
        "generator": run.generator.bit_generator.state,
    }
    partial = output.work / "checkpoint.partial"
    torch.save(state, partial)
    partial.replace(output.work / "checkpoint.pt")
    save_network(run.average, output, output.work / "network.safetensors")
    objectives = DreamNetObjectives(run.average.folded().cpu(), IMAGENET_MEAN, IMAGENET_STD)
    draw_layers(objectives, output.work / f"sheet-{run.step_count:06d}.png", frames=6)
    if done:
        exponents = {layer.name: layer.balance for layer in output.recipe.layers}
        pictures = run.batches.draw(BALANCE_PICTURES, BALANCE_SIZE_PX)
        effective = balance_layers(objectives, pictures, exponents, run.generator)
        print(json.dumps({"effective_channels": effective}), flush=True)
        save_network(objectives.net, output, output.network)


def _labels(path: Path | None) -> list[str]:
    """Class labels: one per line ("12 Name (Common name)" or plain), or torchvision's ImageNet."""
    if path is None:
        return list(SqueezeNet1_0_Weights.IMAGENET1K_V1.meta["categories"])
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        number, _, label = line.strip().partition(" ")
        found.append(label if number.isdigit() else line.strip())
    return [label for label in found if label]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--recipe", default="dreamnet", help="dreamnet, dreamnet-birds, dreamnet-insects or a file")
    add("--teacher", type=Path, action="append", required=True, help="in the recipe's order")
    add("--pictures", action="append", required=True, help="PATH or PATH=SHARE of the batch")
    add("--hold-out", type=int, default=100, help="pictures of the first set that stay unseen")
    add("--labels", type=Path, help="class labels, one per line; without it ImageNet's")
    add("--licence", default="see the model card")
    add("--output", type=Path, required=True, help="the network's .safetensors")
    add(
        "--work",
        type=Path,
        required=True,
        help=f"checkpoints, log, sheets; decoded pictures lie beside it, in {DECODED}",
    )
    add("--minutes", type=float, default=60.0)
    add("--steps", type=int, default=1_000_000)
    add("--batch", type=int, default=64)
    add("--match", type=int, default=12, help="pictures per step whose layers' gradient is matched")
    add("--match-classes", type=int, default=4, help="the same for classes")
    add("--class-share", type=float, default=0.25, help="share of the dreams that climb a class")
    add("--match-together", type=float, default=0.3, help="how often all of a teacher's layers are")
    add("--match-shifts", type=int, default=3, help="shifts that a matched gradient is averaged of")
    add("--class-weight", type=float, default=0.3, help="of what the teacher says of classes")
    add("--temperature", type=float, default=2.0, help="at which classes are compared")
    add("--paint", type=int, default=0, help="pictures that the teachers paint of each class")
    add("--paint-share", type=float, default=2.0, help="their share of the batch")
    add("--size", type=int, default=128, help="side of the crops in pixels")
    add("--checkpoint-minutes", type=float, default=4.0)
    add("--reuse", type=int, default=2, help="updates per prepared batch")
    add("--learning-rate", type=float, default=4e-3)
    add("--device", default="cpu")
    add("--threads", type=int, default=1, help="of each half of the loop")
    add("--workers", type=int, default=0, help="processes that draw pictures ahead")
    add("--seed", type=int, default=1)
    add("--resume", action="store_true", help="go on from the checkpoint in --work")
    add(
        "--start",
        type=Path,
        help="a checkpoint.pt or a finished .safetensors whose matching weights the student gets",
    )
    add("--folded", action="store_true", help="train without batch norm: from a trained --start")
    return parser.parse_args()


def _batches(
    arguments: argparse.Namespace, generator: np.random.Generator, painted: Painted | None
) -> Batches:
    sets = []
    for position, text in enumerate(arguments.pictures):
        path, _, share = text.partition("=")
        pictures = load_pictures(Path(path), arguments.work.parent / DECODED)
        hidden = held_out(pictures, arguments.hold_out) if position == 0 else frozenset()
        indices = [i for i in range(len(pictures)) if i not in hidden]
        sets.append((pictures, indices, float(share or 1)))
    if painted is not None:
        every = list(range(len(painted.pictures)))
        sets.append((painted.pictures, every, arguments.paint_share))
    return Batches(sets, cloud_share=0.1, generator=generator)


def _painted(
    arguments: argparse.Namespace, teachers: Sequence[Teacher], generator: np.random.Generator
) -> Painted | None:
    """By all that have the last one's classes: painted once in a run, into ``--work``."""
    if not arguments.paint:
        return None
    path = arguments.work / f"painted-{arguments.paint}.zip"
    if not path.is_file():
        quick: list[Teacher] = [
            t.to(arguments.device, torch.bfloat16, memory_format=torch.channels_last)  # type: ignore[call-overload]
            for t in teachers
            if t.num_classes == teachers[-1].num_classes
        ]
        paint_classes(quick, arguments.paint, generator, path)
    return Painted(load_pictures(path, arguments.work.parent / DECODED))


def _starting_weights(start: Path, config: DreamNetConfig) -> dict[str, Tensor]:
    """Weights to start from, under the student's names: a checkpoint's or a finished network's.

    A layer of a finished network that sits where one of the student's layers sits, under another
    name but with as many channels, lends that one its projection: siblings name the same place
    after what their worlds show there.
    """
    if start.suffix != ".safetensors":
        state = torch.load(start, weights_only=False)
        found: dict[str, Tensor] = state.get("average", state["student"])
        return found
    net = load_dreamnet(start)
    found = dict(net.state_dict())
    own = {layer.name for layer in config.layers}
    for layer in config.layers:
        for other in net.config.layers:
            same = replace(other, name=layer.name) == layer
            if same and other.name not in own and f"{layer.name}.0.weight" not in found:
                for part in ("weight", "bias"):
                    found[f"{layer.name}.0.{part}"] = found[f"{other.name}.0.{part}"]
    return found


def student_of(config: DreamNetConfig, start: Path | None, *, folded: bool) -> DreamNet:
    """A student, with every weight of the start that has the same name and shape."""
    if start is None:
        return DreamNet(replace(config, norm=not folded))
    found = _starting_weights(start, config)
    was_folded = "stages.0.0.conv.bias" in found
    student = DreamNet(replace(config, norm=not was_folded))
    own = student.state_dict()
    fitting = {k: v for k, v in found.items() if k in own and own[k].shape == v.shape}
    own.update(fitting)
    student.load_state_dict(own)
    print(f"started from {start}: {len(fitting)} of {len(own)} tensors", flush=True)
    return student.folded().requires_grad_(True) if folded and not was_folded else student


def main() -> None:
    """Train as the command line says."""
    arguments = _arguments()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    generator = np.random.default_rng(arguments.seed)
    arguments.work.mkdir(parents=True, exist_ok=True)
    recipe = load_recipe(arguments.recipe)
    labels = _labels(arguments.labels)
    background = labels.index(BACKGROUND) if BACKGROUND in labels else None
    teachers = [
        load_teacher(
            path, [r.teacher_layer for r in recipe.layers if r.teacher == index], background
        )
        for index, path in enumerate(arguments.teacher)
    ]
    num_classes = teachers[-1].num_classes
    classes = tuple(label for label in labels if label != BACKGROUND)
    if len(classes) != num_classes:
        raise ValueError(f"{len(classes)} labels for {num_classes} classes")
    output = Output(arguments.output, arguments.work, recipe, classes, arguments.licence)
    dreams = round(arguments.batch * 0.44)
    settings = TrainingSettings(
        minutes=arguments.minutes,
        steps=arguments.steps,
        batch=arguments.batch,
        dreams=dreams,
        pool=16 * dreams,
        match=arguments.match,
        match_classes=arguments.match_classes,
        class_share=arguments.class_share,
        class_weight=arguments.class_weight,
        temperature=arguments.temperature,
        match_together=arguments.match_together,
        match_shifts=arguments.match_shifts,
        size_px=arguments.size,
        learning_rate=arguments.learning_rate,
        checkpoint_minutes=arguments.checkpoint_minutes,
        reuse=arguments.reuse,
        device=arguments.device,
        threads=arguments.threads,
        workers=arguments.workers,
    )
    painted = _painted(arguments, teachers, generator)
    student = student_of(recipe.config(num_classes), arguments.start, folded=arguments.folded)
    run = Distillation(
        student=student,
        teachers=teachers,
        targets=[Target(r.name, r.teacher, r.teacher_layer) for r in recipe.layers],
        batches=_batches(arguments, generator, painted),
        settings=settings,
        generator=generator,
        painted=painted,
    )
    if arguments.resume:
        state: dict[str, Any] = torch.load(arguments.work / "checkpoint.pt", weights_only=False)
        run.student.load_state_dict(state["student"])
        run.average.load_state_dict(state["average"])
        run.optimizer.load_state_dict(state["optimizer"])
        run.scales, run.step_count = state["scales"], state["step"]
        run.updates, run.elapsed_s = state["updates"], state["elapsed_s"]
        run.generator.bit_generator.state = state["generator"]
        run.renew_dreamer()
    run.run(arguments.work / "log.jsonl", lambda r, done: save_checkpoint(r, output, done))


if __name__ == "__main__":
    main()
