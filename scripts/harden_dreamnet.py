"""Fine-tune a dreamnet against an adversary: ``python scripts/harden_dreamnet.py --help``.

Its dreams become cleaner, and grow where the picture has their shape; layers, classes and what is
dreamed by default stay (`dreamnet_training.hardening`). It learns from pictures in folders named as
WordNet numbers its classes (``n02814860``), and from samples whose file names begin so.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dreamnet_training.hardening import Hardening, HardeningSettings, Lessons, soft_labels
from dreamnet_training.pictures import load_pictures
from dreamnet_training.robust import Progress, class_folders, labelled, square
from dreamnet_training.teachers import load_teacher

from livedream.dream.networks.dreamnet import load_dreamnet, read_metadata, save_dreamnet
from livedream.dream.networks.words import imagenet_numbers

DECODED = "decoded-pictures"
SAMPLE_PX = 192


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    usual = HardeningSettings
    add("--start", type=Path, required=True, help="a dreamnet of ImageNet's classes, .safetensors")
    add("--pictures", type=Path, action="append", required=True, help="folder or zip; repeatable")
    add("--samples", type=Path, help="folder or zip")
    add("--teacher", type=Path, action="append", default=[], help="weights; repeatable")
    add("--minutes", type=float, default=34.0)
    add("--distance", type=float, default=usual.distance, help="an adversary's reach")
    add("--tries", type=int, default=usual.tries, help="its steps")
    add("--batch", type=int, default=usual.batch)
    add("--learning-rate", type=float, default=usual.learning_rate)
    add("--size", type=int, default=64, help="side of the pictures as they are kept, px")
    add("--licence", help="default: that of --start")
    add("--work", type=Path, required=True, help="checkpoint; decoded pictures lie beside it")
    add("--output", type=Path, required=True, help="the network's .safetensors")
    add("--threads", type=int, default=2)
    add("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Train as the command line says."""
    asked = arguments_of()
    torch.manual_seed(asked.seed)
    torch.set_num_threads(asked.threads)
    asked.work.mkdir(parents=True, exist_ok=True)
    settings = HardeningSettings(
        asked.minutes,
        batch=asked.batch,
        distance=asked.distance,
        tries=asked.tries,
        learning_rate=asked.learning_rate,
    )
    net, said, numbers = load_dreamnet(asked.start), read_metadata(asked.start), imagenet_numbers()
    teachers = [load_teacher(path, []) for path in asked.teacher]
    cache = asked.work.parent / DECODED
    sets = [load_pictures(path, cache) for path in asked.pictures]
    folders = [folder for folder in class_folders(sets) if folder in numbers]
    if not folders:
        sys.exit(f"{asked.pictures[0]}: no folder is named by a WordNet number, such as n02814860")
    found = labelled(sets, folders, asked.size)
    classes = torch.tensor([numbers[folder] for folder in folders])[found.classes]
    count = net.config.num_classes
    lessons = Lessons(found.pictures, soft_labels(found.pictures, classes, teachers, count))
    samples = None
    if asked.samples:
        every = load_pictures(asked.samples, cache)
        known = {at: numbers.get(Path(name).name[:9]) for at, name in enumerate(every.names)}
        chosen = [at for at, number in known.items() if number is not None]
        pictures = torch.stack([square(every.picture(at), SAMPLE_PX) for at in chosen])
        own = torch.tensor([known[at] for at in chosen])
        samples = Lessons(pictures, soft_labels(pictures, own, teachers, count))
    training = Hardening(net, settings)

    def keep() -> None:
        torch.save(training.state_dict(), asked.work / "checkpoint.pt")

    def seen(progress: Progress) -> None:
        print(json.dumps({"gone": round(progress.gone, 4), "steps": progress.steps,
                          "loss": round(progress.loss, 4)}), flush=True)  # fmt: skip
        keep()

    training.run(lessons, samples, np.random.default_rng(asked.seed), seen)
    keep()
    notes = {key: value for key, value in said.items() if key not in ("architecture", "config")}
    if asked.licence:
        notes["licence"] = asked.licence
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    save_dreamnet(training.averaged(), asked.output, notes)


if __name__ == "__main__":
    main()
