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

from dreamnet_training.hardening import (
    TEACHER_PX,
    Hardening,
    HardeningSettings,
    Lessons,
    recognised,
    soft_labels,
)
from dreamnet_training.pictures import PictureSet, load_pictures
from dreamnet_training.robust import (
    Labelled,
    Progress,
    class_folders,
    held_out,
    labelled,
    square,
)
from dreamnet_training.teachers import Teacher, load_teacher

from livedream.dream.networks.dreamnet import load_dreamnet, read_metadata, save_dreamnet
from livedream.dream.networks.words import imagenet_numbers

DECODED = "decoded-pictures"
SAMPLE_PX = 192  # side of the samples as they are kept, and as teachers see them


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    usual = HardeningSettings
    add("--start", type=Path, required=True, help="a dreamnet of ImageNet's classes, .safetensors")
    add("--pictures", type=Path, action="append", required=True, help="folder or zip; repeatable")
    add("--samples", type=Path, help="folder or zip")
    add("--hold-out", type=int, default=800, help="pictures that stay unseen, to report on")
    add("--teacher", type=Path, action="append", default=[], help="weights; repeatable")
    add("--minutes", type=float, default=34.0)
    add("--share", type=float, default=0.5, help="of the way from the weights before to the new")
    add("--distance", type=float, default=usual.distance, help="an adversary's reach")
    add("--tries", type=int, default=usual.tries, help="its steps")
    add("--batch", type=int, default=usual.batch)
    add("--learning-rate", type=float, default=usual.learning_rate)
    add("--size", type=int, default=usual.size_px, help="side of the pictures that it learns, px")
    add("--kept-size", type=int, default=64, help="side of --pictures as they are kept, px")
    add("--licence", help="default: that of --start")
    add("--work", type=Path, required=True, help="checkpoint; decoded pictures lie beside it")
    add("--output", type=Path, required=True, help="the network's .safetensors")
    add("--threads", type=int, default=2)
    add("--seed", type=int, default=0)
    return parser.parse_args()


def from_folders(sets: list[PictureSet], size: int) -> Labelled:
    """The pictures in folders with WordNet numbers, and their classes among ImageNet's."""
    numbers = imagenet_numbers()
    folders = [folder for folder in class_folders(sets) if folder in numbers]
    if not folders:
        sys.exit("--pictures: no folder is named by a WordNet number, such as n02814860")
    found = labelled(sets, folders, size)
    return Labelled(
        found.pictures, torch.tensor([numbers[folder] for folder in folders])[found.classes]
    )


def from_names(pictures: PictureSet, size: int) -> Labelled:
    """The pictures whose names begin with WordNet numbers, and their classes among ImageNet's."""
    numbers = imagenet_numbers()
    known = {at: Path(name).name[:9] for at, name in enumerate(pictures.names)}
    known = {at: number for at, number in known.items() if number in numbers}
    if not known:
        sys.exit("--samples: no file's name begins with a WordNet number, such as n02814860.jpg")
    squares = torch.stack([square(pictures.picture(at), size) for at in known])
    return Labelled(squares, torch.tensor([numbers[number] for number in known.values()]))


def teachers_of(paths: list[Path], count: int) -> list[Teacher]:
    """The networks in these files, of which each has to have ``count`` classes."""
    teachers = [load_teacher(path, []) for path in paths]
    for path, teacher in zip(paths, teachers, strict=True):
        if teacher.num_classes != count:
            sys.exit(f"{path}: a teacher must have {count} classes (found {teacher.num_classes})")
    return teachers


def main() -> None:
    """Train as the command line says."""
    asked = arguments_of()
    torch.manual_seed(asked.seed)
    torch.set_num_threads(asked.threads)
    asked.work.mkdir(parents=True, exist_ok=True)
    settings = HardeningSettings(
        asked.minutes,
        batch=asked.batch,
        size_px=asked.size,
        distance=asked.distance,
        tries=asked.tries,
        learning_rate=asked.learning_rate,
    )
    net, said = load_dreamnet(asked.start), read_metadata(asked.start)
    count = len(imagenet_numbers())
    if net.config.num_classes != count:
        has = net.config.num_classes
        sys.exit(f"{asked.start}: a network of ImageNet's {count} classes is wanted (found {has})")
    teachers = teachers_of(asked.teacher, count)

    def lessons_of(some: Labelled, teacher_px: int) -> Lessons:
        targets = soft_labels(some.pictures, some.classes, teachers, count, teacher_px)
        return Lessons(some.pictures, targets)

    cache = asked.work.parent / DECODED
    sets = [load_pictures(path, cache) for path in asked.pictures]
    learned, unseen = (
        lessons_of(some, TEACHER_PX)
        for some in held_out(from_folders(sets, asked.kept_size), asked.hold_out)
    )
    samples = None
    if asked.samples:
        found = from_names(load_pictures(asked.samples, cache), SAMPLE_PX)
        samples = lessons_of(found, SAMPLE_PX)
    training = Hardening(net, settings)

    def keep() -> None:
        torch.save(training.state_dict(), asked.work / "checkpoint.pt")

    def seen(progress: Progress) -> None:
        print(progress.as_json(), flush=True)
        keep()

    training.run(learned, samples, np.random.default_rng(asked.seed), seen)
    keep()
    plain, attacked = recognised(training, unseen, asked.share)
    print(json.dumps({"recognised": plain, "recognised when attacked": attacked}), flush=True)
    notes = {key: value for key, value in said.items() if key not in ("architecture", "config")}
    if asked.licence:
        notes["licence"] = asked.licence
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    save_dreamnet(training.averaged(asked.share), asked.output, notes)


if __name__ == "__main__":
    main()
