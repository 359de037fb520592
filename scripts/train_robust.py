"""Train a network whose classes are seen in its dreams: ``python scripts/train_robust.py --help``.

It learns from pictures that lie in a folder for each class, in folders or zip files, by adversarial
training (`dreamnet_training.robust`). Folders named as WordNet numbers things (``n02814860``) get
ImageNet's names and order, others keep their own names. The finished network is a .safetensors
file, as ``livedream networks add`` takes it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dreamnet_training.pictures import load_pictures
from dreamnet_training.recipes import IMAGENET_MEAN, IMAGENET_STD
from dreamnet_training.robust import (
    Progress,
    RobustSettings,
    RobustTraining,
    accuracy,
    class_folders,
    held_out,
    labelled,
)

from livedream.dream.networks.dreamnet import DreamNet, DreamNetConfig, LayerConfig, save_dreamnet
from livedream.dream.networks.words import imagenet_classes, imagenet_numbers

LAYERS = {
    LayerConfig("patterns", 2, 3, 256): "rings, windows, arches",
    LayerConfig("parts", 3, 3, 384): "eyes, wheels, walls, plumes",
    LayerConfig("things", 3, 6, 512): "forms of things, roofs and bodies",
}
# Wider and deeper than dreamnet: what is attacked must be learned with more.
SHAPE = DreamNetConfig(
    layers=tuple(LAYERS),
    num_classes=0,
    widths=(32, 64, 128, 256),
    blocks=(0, 1, 3, 6),
    bottlenecks=(16, 32, 64, 128),
)
DECODED = "decoded-pictures"


def named(folders: Sequence[str]) -> dict[str, str]:
    """What the classes of these folders are called, in order: ImageNet's by their numbers."""
    numbers = imagenet_numbers()
    known = [folder for folder in folders if folder in numbers]
    if len(known) > len(folders) / 2:  # others, such as val, are no classes
        ordered = sorted(known, key=lambda folder: numbers[folder])
        return {folder: imagenet_classes()[numbers[folder]] for folder in ordered}
    return {folder: folder.replace("_", " ") for folder in folders}


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--pictures", type=Path, action="append", required=True, help="folder or zip; repeatable")
    add("--hold-out", type=int, default=1000, help="pictures that stay unseen, to report on")
    add("--minutes", type=float, default=75.0)
    add("--distance", type=float, default=RobustSettings.distance, help="an adversary's reach")
    add("--tries", type=int, default=RobustSettings.tries, help="its steps")
    add("--learning-rate", type=float, default=RobustSettings.learning_rate)
    add("--final-rate", type=float, default=RobustSettings.final_rate, help="what is left of it")
    add("--mixed", type=float, default=RobustSettings.mixed, help="share of batches of two classes")
    add("--least-cut", type=float, default=RobustSettings.least_cut, help="of a picture's side")
    add("--objective", default="patterns+parts+things", help="what the network dreams by default")
    add("--licence", default="see the model card")
    add("--start", type=Path, help="a checkpoint.pt of such a run to begin from")
    add("--work", type=Path, required=True, help="checkpoint, log; decoded pictures lie beside it")
    add("--output", type=Path, required=True, help="the network's .safetensors")
    add("--threads", type=int, default=2)
    add("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Train as the command line says."""
    asked = arguments_of()
    torch.manual_seed(asked.seed)
    torch.set_num_threads(asked.threads)
    random = np.random.default_rng(asked.seed)
    asked.work.mkdir(parents=True, exist_ok=True)
    settings = RobustSettings(
        asked.minutes,
        distance=asked.distance,
        tries=asked.tries,
        learning_rate=asked.learning_rate,
        final_rate=asked.final_rate,
        mixed=asked.mixed,
        least_cut=asked.least_cut,
    )
    if asked.start:  # it knows something already
        settings = replace(settings, small_share=0, rise=0, average=0.999)
    sets = [load_pictures(path, asked.work.parent / DECODED) for path in asked.pictures]
    classes = named(class_folders(sets))
    lessons, unseen = held_out(labelled(sets, list(classes), settings.size_px), asked.hold_out)
    net = DreamNet(replace(SHAPE, num_classes=len(classes)))
    training = RobustTraining(net, settings)
    if asked.start:
        training.load_state_dict(torch.load(asked.start, weights_only=True))

    def keep() -> None:
        torch.save(training.state_dict(), asked.work / "checkpoint.pt")

    def seen(progress: Progress) -> None:
        print(progress.as_json(), flush=True)
        keep()

    training.run(lessons, random, seen)
    keep()
    plain, attacked = accuracy(training, unseen)
    print(json.dumps({"recognised": plain, "recognised when attacked": attacked}), flush=True)
    said = {
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "layers": {layer.name: shown for layer, shown in LAYERS.items()},
        "default_objective": asked.objective,
        "classes": list(classes.values()),
        "licence": asked.licence,
    }
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    save_dreamnet(training.averaged(), asked.output, said)


if __name__ == "__main__":
    main()
