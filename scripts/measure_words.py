"""How well a network's classes are seen in its dreams: ``python scripts/measure_words.py --help``.

Classes are drawn by a seed among ImageNet's that the network has, each is dreamed out of noise in
its colours, as `livedream image noise --prompt` does or as a film of the noise, and judges,
classifiers of ImageNet in torchvision's layouts, say what they see. Printed of each judge as a line
of JSON: in how many dreams the class is among its first five, and its median rank. A judge that
taught the network says which of two ways is better, not how good either is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dreamnet_training.teachers import LOGITS, Teacher, load_teacher

from livedream.core.defaults import ROUNDS, STILL_FROM_NOISE
from livedream.core.frame import Frame, Picture
from livedream.core.settings import WARM_UP, DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import Network, load_network
from livedream.dream.networks.palettes import palette_of
from livedream.dream.networks.words import among_imagenet
from livedream.jobs.image import dreamed, soft_noise

JUDGED_PX = 256
FRAME_S = Fraction(1, 30)
COLUMNS = 8


def drawn(network: Network, count: int, seed: int) -> dict[int, int]:
    """Classes of the network and which of ImageNet's they are, drawn by a seed.

    Raises ValueError where it has none of ImageNet's.
    """
    known = among_imagenet(network.classes)
    if not known:
        raise ValueError(f"{network.name} has no class of ImageNet's")
    chosen = np.random.default_rng(seed).choice(
        sorted(known), min(count, len(known)), replace=False
    )
    return {int(number): known[int(number)] for number in sorted(chosen)}


@torch.no_grad()
def rank(judge: Teacher, dream: Picture, number: int) -> int:
    """The place, from 1, of ImageNet's class of that number in what the judge sees."""
    picture = torch.from_numpy(dream).permute(2, 0, 1)[None].float() / 255
    shown = functional.interpolate(
        picture, (JUDGED_PX, JUDGED_PX), mode="bilinear", align_corners=False, antialias=True
    )
    seen: Tensor = judge(shown)[LOGITS].float().mean((2, 3))[0]
    return int((seen > seen[number]).sum()) + 1


def film_end(dreamer: Dreamer, noise: Picture, count: int) -> Picture:
    """The last of so many frames, all of them the same noise, as of a film's scene."""
    dreamer.warm_up_s = WARM_UP.default
    *_, last = dreamer.frames(Frame(noise, at, FRAME_S, at) for at in range(count))
    return last.rgb


def sheet(dreams: Sequence[Picture], names: Sequence[str]) -> Picture:
    """All of them in rows, each with its name."""
    tiles = []
    for dream, name in zip(dreams, names, strict=True):
        tile = cv2.copyMakeBorder(dream, 0, 24, 0, 0, cv2.BORDER_CONSTANT)
        place = (4, tile.shape[0] - 7)
        tiles.append(cv2.putText(tile, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255,) * 3, 1))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[at : at + COLUMNS]) for at in range(0, len(tiles), COLUMNS)]
    return np.vstack(rows)


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--network", help="a name of `livedream networks`")
    add("--weights", type=Path, help="a file instead")
    add("--judge", type=Path, action="append", default=[], help="weights; repeatable")
    add("--objective", default="class:{}", help="{} is the class's number")
    add(
        "--prompt",
        action="store_true",
        help="dream the class's name as a prompt instead, by whoever dreams it",
    )
    add("--count", type=int, default=20)
    add("--seed", type=int, default=3)
    add("--size", type=int, default=256, help="side of the dreams in pixels")
    add("--rounds", type=int, default=ROUNDS, help="of a still")
    add("--film", type=int, default=0, metavar="FRAMES", help="the last frame of such a film")
    add(
        "--strength",
        type=float,
        help="default: livedream's, of stills out of noise or films",
    )
    add("--sheet", type=Path, help="a picture of all dreams")
    return parser.parse_args()


def main() -> None:
    """Dream, ask and print, as the command line says."""
    asked = arguments_of()
    network = load_network(asked.network, weights=asked.weights)
    judges = [load_teacher(path, []) for path in asked.judge]
    try:
        classes = drawn(network, asked.count, asked.seed)
    except ValueError as error:
        sys.exit(str(error))
    settings = DreamSettings() if asked.film else STILL_FROM_NOISE
    if asked.strength is not None:
        settings = settings.replace(strength=asked.strength)
    dreams = []
    for seed, (number, imagenet) in enumerate(classes.items()):
        if asked.prompt:
            word = network.classes[number].split(",")[0]
            dreamer = Dreamer(settings.replace(prompt=f'"{word}"', seed=1))
        else:
            objective = asked.objective.format(number)
            named = {"objective": objective, "network": asked.network or ""}
            dreamer = Dreamer(settings.replace(**named, seed=1), network)
        noise = soft_noise(asked.size, asked.size, seed, palette_of([[imagenet]]))
        if asked.film:
            dreams.append(film_end(dreamer, noise, asked.film))
        else:
            dreams.append(dreamed(dreamer, noise, asked.rounds))
    for path, judge in zip(asked.judge, judges, strict=True):
        ranks = [rank(judge, dream, at) for dream, at in zip(dreams, classes.values(), strict=True)]
        first = sum(place <= 5 for place in ranks)
        found = {"judge": path.stem, "first five": first, "of": len(ranks),
                 "median rank": float(np.median(ranks))}  # fmt: skip
        print(json.dumps(found), flush=True)
    if asked.sheet:
        names = [network.classes[number].split(",")[0] for number in classes]
        cv2.imwrite(str(asked.sheet), cv2.cvtColor(sheet(dreams, names), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
