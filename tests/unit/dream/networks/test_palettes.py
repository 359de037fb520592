"""The colours of what words name."""

import runpy
import zipfile
from importlib import resources
from pathlib import Path

import numpy as np

from livedream.dream.networks.palettes import palette_of
from livedream.dream.networks.words import imagenet_classes, vocabulary


def find(word: str) -> tuple[int, ...]:
    return vocabulary(imagenet_classes()).find(word)


def test_every_class_has_colours_that_can_be() -> None:
    palettes = [palette_of([[number]]) for number in range(1000)]
    means = np.stack([palette.mean for palette in palettes])
    assert ((means >= 0) & (means <= 1)).all() and (means.std(0) > 0.1).all()
    spreads = np.linalg.eigvalsh(np.stack([palette.mixing for palette in palettes]))
    assert spreads[:, 2].min() > 0.05 and spreads[:, 2].max() < 0.7
    assert np.median(spreads[:, 0]) > 0.015, "few are grey"


def test_they_are_those_of_the_thing() -> None:
    red, green, blue = palette_of([find("lobster")]).mean
    assert red > 1.1 * green and red > 1.4 * blue
    red, green, blue = palette_of([find("broccoli")]).mean
    assert green > 1.05 * red and green > 1.1 * blue


def test_of_several_things_each_has_its_own_somewhere() -> None:
    """Along the line from the one to the other colours are spread further than those of either."""
    things = [find("lobster"), find("geyser")]
    both = palette_of(things)
    alone = [palette_of([thing]) for thing in things]
    assert np.allclose(both.mean, (alone[0].mean + alone[1].mean) / 2, atol=1e-5)
    line = alone[1].mean - alone[0].mean
    line /= np.linalg.norm(line)
    along = [np.linalg.norm(line @ one.mixing) for one in (both, *alone)]
    assert along[0] > np.sqrt(np.mean(np.square(along[1:])))


def test_the_table_is_that_of_the_photographs(shared: Path) -> None:
    archive = shared / "images" / "imagenet-samples-256px.zip"
    script = runpy.run_path(str(Path(__file__).parents[4] / "scripts" / "make_palettes.py"))
    decoded, line_of = script["decoded"], script["line_of"]
    text = resources.files("livedream.dream.networks") / "palettes.tsv"
    lines = text.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1000
    with zipfile.ZipFile(archive) as opened:
        names = sorted(name for name in opened.namelist() if name.endswith(".jpg"))
        for number in range(0, 1000, 111):
            found = np.array(line_of(decoded(opened.read(names[number]))).split("\t"), float)
            wanted = np.array(lines[number].split("\t"), float)
            assert np.allclose(found, wanted, atol=2, rtol=0.02), names[number]  # decoders differ
