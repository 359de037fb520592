"""Measure a DreamNet: ``python scripts/evaluate_dreamnet.py --help``.

Prints and writes as JSON: how far its dreams raise its teachers' responses beside the teachers' own
dreams and noise; whether a judge sees animals in them, and how many kinds; whether classes can be
dreamed; the same with few steps, beside SqueezeNet; the cost. Held-out pictures are those that
``train_dreamnet.py`` kept from training.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dreamnet_training import measures
from dreamnet_training.card import write_figures
from dreamnet_training.cost import compare_times, cost_by_layer, parity
from dreamnet_training.objectives import VARIETY, DreamNetObjectives, draw_layers
from dreamnet_training.pictures import held_out, load_pictures
from dreamnet_training.recipes import Recipe, load_recipe
from dreamnet_training.sheets import BatchObjective
from dreamnet_training.teachers import Teacher, load_teacher

from livedream.dream.networks.dreamnet import load_dreamnet, read_metadata
from livedream.learn.album import clouds

KINDS = {"birds": measures.BIRDS, "arthropods": measures.ARTHROPODS, "animals": measures.ANIMALS}
SIZE_PX = 256  # about the pictures' own size
CLASS_ITERATIONS = 20
BESIDE_LAYERS = ["features.4", "features.10", "features.12"]
"""SqueezeNet's layers that are dreamed beside the network: those that taught dreamnet."""


@dataclass(frozen=True)
class Subject:
    """The network under test, its teachers, the judge and the pictures they meet.

    towards: by a teacher's index, the objective that is dreamed to raise that teacher's response.
    """

    objectives: DreamNetObjectives
    recipe: Recipe
    objective: dict[str, float]
    objective_text: str
    towards: dict[int, str]
    teachers: list[Teacher]
    scales: list[dict[str, Tensor]]
    judge: Teacher
    kind: frozenset[int]
    pictures: Tensor
    beside: Teacher | None


def parse_objective(text: str) -> dict[str, float]:
    """``"0.5*eyes+creatures"`` as ``{"eyes": 0.5, "creatures": 1.0}``: its layers, for what is
    evaluated is how they follow their teachers'. Classes that wander are left out."""
    weights: dict[str, float] = {}
    for term in text.replace(" ", "").split("+"):
        weight, star, layer = term.rpartition("*")
        if not layer.startswith("classes"):
            weights[layer] = float(weight) if star else 1.0
    return weights


def agreement(subject: Subject, iterations: int) -> dict[str, Any]:
    """Figures 1 and 5: each teacher's rise under the student's dreams of that teacher's layers,
    under its own, under noise, under the dreams of the network beside, if there is one, under the
    student's dreams of one objective (that given for this teacher, or else the network's own if it
    holds a layer that this teacher taught), and of the network's own with variety."""
    result: dict[str, Any] = {}
    for index, (teacher, scales) in enumerate(zip(subject.teachers, subject.scales, strict=True)):
        layers = {r.name: 1.0 for r in subject.recipe.layers if r.teacher == index}
        pictures = subject.pictures
        student = measures.dreams(subject.objectives.of_layers(layers), pictures, iterations, 1)
        own = measures.dreams(measures.teacher_objective(teacher, scales), pictures, iterations, 1)
        noise = measures.same_spectrum(pictures, student, 1)
        by_student, by_self, by_noise = (
            measures.rises(teacher, scales, pictures, after) for after in (student, own, noise)
        )
        result[subject.recipe.teachers[index]] = {
            "student": by_student,
            "own": by_self,
            "noise": by_noise,
            "ratio": round(by_student["all"] / by_self["all"], 3),
        }
        text = subject.towards.get(index, subject.objective_text)
        if layers.keys() & parse_objective(text).keys():
            objectives = (
                subject.objectives.of_layers(parse_objective(text)),
                subject.objectives.of_layers(subject.objective, VARIETY),
            )
            by_objective, by_default = (
                measures.rises(
                    teacher, scales, pictures, measures.dreams(objective, pictures, iterations, 1)
                )
                for objective in objectives
            )
            result[subject.recipe.teachers[index]] |= {
                "objective": by_objective,
                "objective_ratio": round(by_objective["all"] / by_self["all"], 3),
                "objective_text": text,
                "default": by_default,
                "default_ratio": round(by_default["all"] / by_self["all"], 3),
            }
        if subject.beside is not None and subject.beside.name != teacher.name:
            other = measures.dreams(_comparison_objective(subject), pictures, iterations, 1)
            result[subject.recipe.teachers[index]]["beside"] = measures.rises(
                teacher, scales, pictures, other
            )
    return result


def _comparison_objective(subject: Subject) -> BatchObjective:
    """The dream of the network beside: its layers, divided by their scales, as a teacher's."""
    assert subject.beside is not None
    scales = measures.layer_scales(subject.beside, subject.pictures)
    return measures.teacher_objective(subject.beside, scales)


def creatures(subject: Subject, iterations: int) -> dict[str, Any]:
    """Figures 2, 3 and 5: what the judge sees before, with noise, in the student's dreams as they
    are by default and in the last teacher's."""
    pictures, kind = subject.pictures, subject.kind
    before = measures.look(subject.judge, pictures)
    empty = before.without(kind)
    objectives = {
        "student": subject.objectives.of_layers(subject.objective, VARIETY),
        "teacher": measures.teacher_objective(subject.teachers[-1], subject.scales[-1]),
    }
    if len(subject.teachers) > 1:
        objectives["first teacher"] = measures.teacher_objective(
            subject.teachers[0], subject.scales[0]
        )
    if subject.beside is not None and all(
        subject.beside.name != teacher.name for teacher in subject.teachers
    ):
        objectives["SqueezeNet"] = _comparison_objective(subject)
    result: dict[str, Any] = {"before": {"share": before.share(kind), "empty": len(empty)}}
    for name, objective in objectives.items():
        dreamed = measures.dreams(objective, pictures, iterations, 2)
        seen = measures.look(subject.judge, dreamed)
        result[name] = {
            "share": seen.share(kind),
            "share_where_none_was": round(seen.share(kind, empty), 3),
            "distinct": seen.distinct(kind),
            "distinct_of_all": seen.distinct(frozenset(range(1000))),
        }
        if name == "student":
            noise = measures.look(subject.judge, measures.same_spectrum(pictures, dreamed, 2))
            result["noise"] = {
                "share": noise.share(kind),
                "share_where_none_was": round(noise.share(kind, empty), 3),
            }
    return result


def classes(subject: Subject, count: int) -> dict[str, Any]:
    """Figure 4: classes drawn by a fixed seed, dreamed from clouds and from noise in 40 steps (2
    octaves x 20): of how many the teacher's probability rises above a half within these steps, and
    of how many it is there after the last; beside them, classes that nobody dreamed."""
    generator = np.random.default_rng(5)
    wanted = [
        int(c) for c in generator.permutation(subject.objectives.net.config.num_classes)[:count]
    ]
    noise = generator.normal(0.5, 0.08, (count, 3, SIZE_PX, SIZE_PX)).clip(0, 1)
    starts = {
        "clouds": clouds(count, SIZE_PX, SIZE_PX, generator),
        "noise": torch.from_numpy(noise).float(),
    }
    dreams = {
        name: measures.class_dreams(
            subject.objectives, subject.teachers[-1], wanted, start, CLASS_ITERATIONS
        )
        for name, start in starts.items()
    }
    likely = {name: (dream.wanted, dream.others) for name, dream in dreams.items()}
    mine, other = zip(*likely.values(), strict=True)
    likely["either"] = (torch.maximum(*mine), torch.maximum(*other))
    return {"count": count, "steps": 2 * CLASS_ITERATIONS} | {
        name: {
            "within": _share_seen(found.amax(dim=1)),
            "after": _share_seen(found[:, -1]),
            "median_after": float(found[:, -1].median()),
            "not_dreamed_within": _share_seen(others.amax(dim=1)),
        }
        for name, (found, others) in likely.items()
    }


def _share_seen(likely: Tensor) -> float:
    """How many of these probabilities are above measures.SEEN, of 1."""
    return float((likely > measures.SEEN).float().mean())


def cost(subject: Subject, threads: int) -> dict[str, Any]:
    """Figure 6, the agreement of bf16 with fp32, and the gradient's share near Nyquist."""
    net, layers = subject.objectives.net, [layer.name for layer in subject.recipe.layers]
    some = subject.pictures[:4]
    nyquist = {
        name: measures.nyquist_share(subject.objectives.of_layers({name: 1.0}), some)
        for name in layers
    }
    for teacher, scales in zip(subject.teachers, subject.scales, strict=True):
        for name, scale in scales.items():
            objective = measures.teacher_objective(teacher, {name: scale})
            nyquist[f"teacher {teacher.name} {name}"] = measures.nyquist_share(objective, some)
    return {
        "multiply_adds_per_pixel": cost_by_layer(net),
        "milliseconds_480x270": compare_times(net, layers[-1], threads),
        "bf16_gradient_correlation": parity(net, layers, subject.objectives.normalised(some)),
        "gradient_share_near_nyquist": {k: round(v, 4) for k, v in nyquist.items()},
    }


def _loaded(path: Path, layers: list[str], background: int | None = None) -> Teacher:
    """A teacher in bf16."""
    teacher = load_teacher(path, layers, background)
    quick: Teacher = teacher.to(torch.bfloat16, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return quick


def _subject(arguments: argparse.Namespace) -> Subject:
    metadata = read_metadata(arguments.network)
    recipe = load_recipe(arguments.recipe)
    labels = arguments.labels.read_text(encoding="utf-8").split("\n") if arguments.labels else []
    rows = [line for line in labels if line.strip()]
    background = next((i for i, line in enumerate(rows) if line.endswith("background")), None)
    teachers = [
        _loaded(path, [r.teacher_layer for r in recipe.layers if r.teacher == index], background)
        for index, path in enumerate(arguments.teacher)
    ]
    judge = _loaded(arguments.judge, ["features.1"])
    pictures = load_pictures(arguments.pictures, arguments.cache)
    hidden = sorted(held_out(pictures, arguments.hold_out))
    # Evenly over the set: its pictures are ordered by kind.
    count = min(arguments.count, len(hidden))
    chosen = [hidden[i * len(hidden) // count] for i in range(count)]
    crops = measures.centre_crops(pictures, chosen, SIZE_PX)
    text: str = arguments.objective or metadata["default_objective"]
    net = load_dreamnet(arguments.network).to(memory_format=torch.channels_last)
    return Subject(
        objectives=DreamNetObjectives(net, metadata["mean"], metadata["std"]),
        recipe=recipe,
        objective=parse_objective(text),
        objective_text=text,
        towards={index: text for index, text in enumerate(arguments.toward) if text},
        teachers=teachers,
        scales=[measures.layer_scales(teacher, crops) for teacher in teachers],
        judge=judge,
        kind=KINDS[arguments.kind],
        pictures=crops,
        beside=None if arguments.beside is None else _loaded(arguments.beside, BESIDE_LAYERS),
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("network", type=Path, help="the .safetensors to measure")
    add("--recipe", default="dreamnet")
    add("--teacher", type=Path, action="append", required=True, help="in the recipe's order")
    add("--labels", type=Path, help="the teacher's labels, to find its background class")
    add("--judge", type=Path, required=True, help="an ImageNet mobilenet_v2 weights file")
    add("--beside", type=Path, help="a squeezenet1_0 weights file to dream beside it")
    add("--kind", choices=sorted(KINDS), default="animals", help="what the judge looks for")
    add("--pictures", type=Path, required=True, help="the set whose held-out part is used")
    add("--cache", type=Path, required=True, help="folder for decoded pictures")
    add("--count", type=int, default=100, help="pictures")
    add("--hold-out", type=int, default=100, help="as in training")
    add("--classes", type=int, default=50)
    add("--objective", help="instead of the network's own")
    add("--toward", action="append", default=[], help="for each teacher, '' for the network's own")
    add("--only", choices=["agreement", "creatures", "few", "classes", "cost"], action="append")
    add("--threads", type=int, default=2)
    add("--sheet", type=Path, help="draw every layer from clouds and noise")
    add("--json", type=Path, help="write the figures here; parts measured before are kept")
    add("--card", type=Path, help="a model card whose figures are replaced")
    return parser.parse_args()


def rounded(value: Any) -> Any:
    """The same with every float rounded to four digits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def main() -> None:
    """Measure and print, as the command line says."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    subject = _subject(arguments)
    parts: dict[str, Any] = {
        "agreement": lambda: agreement(subject, 6),
        "creatures": lambda: creatures(subject, 6),
        "few": lambda: {"agreement": agreement(subject, 2), "creatures": creatures(subject, 2)},
        "classes": lambda: classes(subject, arguments.classes),
        "cost": lambda: cost(subject, arguments.threads),
    }
    digest = hashlib.sha256(arguments.network.read_bytes()).hexdigest()
    found = {
        "network": arguments.network.name,
        "sha256": digest,
        "objective": subject.objective_text,
        "variety": VARIETY,
        "kind": arguments.kind,
        "pictures": len(subject.pictures),
    }
    if arguments.json and arguments.json.is_file():
        before = json.loads(arguments.json.read_text())
        if all(before.get(key) == value for key, value in found.items()):
            found = before
    for name in arguments.only or parts:
        started = time.monotonic()
        found[name] = rounded(parts[name]())
        print(json.dumps({name: found[name]}, indent=1), flush=True)
        print(f"# {name}: {time.monotonic() - started:.0f} s", flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    if arguments.card:
        write_figures(arguments.card, found)
    if arguments.sheet:
        draw_layers(subject.objectives, arguments.sheet)


if __name__ == "__main__":
    main()
