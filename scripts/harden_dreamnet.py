"""Fine-tune a dreamnet against an adversary: ``python scripts/harden_dreamnet.py --help``.

Its dreams become cleaner, and grow where the picture has their shape; layers, classes and what is
dreamed by default stay (`dreamnet_training.hardening`). A network of ImageNet's classes learns from
pictures in folders named as WordNet numbers them (``n02814860``), and from samples whose file names
begin so; any other from all pictures, of which it goes on saying what it says.
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
    add("--start", type=Path, required=True, help="a dreamnet, .safetensors")
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


def all_of(sets: list[PictureSet], size: int) -> Lessons:
    """Every picture, of which the network has to go on saying what it says."""
    squares = [
        square(pictures.picture(index), size) for pictures in sets for index in range(len(pictures))
    ]
    return Lessons(torch.stack(squares))


def lessons_of(some: Labelled, teachers: list[Teacher], count: int, teacher_px: int) -> Lessons:
    """Labelled pictures, and what labels and teachers say of them."""
    targets = soft_labels(some.pictures, some.classes, teachers, count, teacher_px)
    return Lessons(some.pictures, targets)


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
    net, notes = load_dreamnet(asked.start), read_metadata(asked.start)
    count = net.config.num_classes
    labels = count == len(imagenet_numbers())
    if asked.teacher and not labels:
        sys.exit(f"--teacher: for networks of ImageNet's classes (found one of {count})")
    teachers = teachers_of(asked.teacher, count)
    cache = asked.work.parent / DECODED
    sets = [load_pictures(path, cache) for path in asked.pictures]
    samples = [load_pictures(asked.samples, cache)] if asked.samples else []
    shown: Lessons | None = None
    if labels:
        learned, unseen = (
            lessons_of(some, teachers, count, TEACHER_PX)
            for some in held_out(from_folders(sets, asked.kept_size), asked.hold_out)
        )
        if samples:
            shown = lessons_of(from_names(samples[0], SAMPLE_PX), teachers, count, SAMPLE_PX)
    else:
        learned, unseen = held_out(all_of(sets, asked.kept_size), asked.hold_out)
        shown = all_of(samples, SAMPLE_PX) if samples else None
    training = Hardening(net, settings)

    def keep() -> None:
        torch.save(training.state_dict(), asked.work / "checkpoint.pt")

    def seen(progress: Progress) -> None:
        print(progress.as_json(), flush=True)
        keep()

    training.run(learned, shown, np.random.default_rng(asked.seed), seen)
    keep()
    plain, attacked = recognised(training, unseen)
    print(json.dumps({"recognised": plain, "recognised when attacked": attacked}), flush=True)
    notes = {key: value for key, value in notes.items() if key not in ("architecture", "config")}
    if asked.licence:
        notes["licence"] = asked.licence
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    save_dreamnet(training.averaged(asked.share), asked.output, notes)


if __name__ == "__main__":
    main()
