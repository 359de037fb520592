"""Makes `livedream/dream/networks/palettes.tsv`: the colours of ImageNet's thousand classes.

    python scripts/make_palettes.py ../shared/images/imagenet-samples-256px.zip

The archive holds one photograph of each class, whose names sort by WordNet id, as the classes do.
What a line of the table means stands in `networks/palettes.py`.
"""

import argparse
import zipfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

TABLE = Path(__file__).resolve().parents[1] / "livedream" / "dream" / "networks" / "palettes.tsv"
SIDE_PX = 256  # of the shorter side
BLUR_PX = 4.0  # heuristic: the colours of things and their surroundings, not of hairs


def line_of(rgb: NDArray[np.uint8]) -> str:
    """A photograph's line of the table. rgb: (h, w, 3) of at least a few pixels."""
    scale = SIDE_PX / min(rgb.shape[:2])
    shrunk = cv2.resize(
        rgb.astype(np.float32), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
    )
    colours = cv2.GaussianBlur(shrunk, (0, 0), BLUR_PX).reshape(-1, 3)
    spread = np.cov(colours.T)[np.triu_indices(3)]
    return "\t".join(f"{number:.0f}" for number in (*colours.mean(0), *spread))


def decoded(jpeg: bytes) -> NDArray[np.uint8]:
    found = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    return np.asarray(found, np.uint8)


def lines(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        names = sorted(name for name in opened.namelist() if name.lower().endswith(".jpg"))
        return [line_of(decoded(opened.read(name))) for name in names]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    TABLE.write_text("\n".join(lines(parser.parse_args().archive)) + "\n", encoding="utf-8")
