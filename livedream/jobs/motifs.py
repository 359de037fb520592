"""Small pictures of motifs: `python -m livedream.jobs.motifs NETWORK FOLDER LAYER[:CHANNEL]...`

Each is one soft cloud, dreamed until the motif is complete. Made in a process of its own, on the
CPU with one thread, so that a running dream hardly notices; a line is printed as each is done.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

WIDTH_PX: Final = 144
HEIGHT_PX: Final = 108
_ROUNDS: Final = 14  # heuristic: motifs are complete after about so many
_QUALITY: Final = 82  # JPEG; about 7 KB


def draw(network_name: str, folder: Path, motifs: Sequence[str]) -> None:
    """Draw each motif into `folder`. Raises NetworkError for what is not there."""
    import torch

    from livedream.core.settings import DreamSettings
    from livedream.core.shrink import fitted
    from livedream.dream.dreamer import Dreamer
    from livedream.dream.networks.network import load_network
    from livedream.jobs.image import dreamed, start_picture
    from livedream.panel.pictures import file_name
    from livedream.present.picture import write_picture

    torch.set_num_threads(1)
    network = load_network(network_name)
    # A picture below the network's least size is drawn at that, and scaled down at the end.
    least = max(1.0, network.minimum_size / HEIGHT_PX)
    width, height = round(WIDTH_PX * least), round(HEIGHT_PX * least)
    start = start_picture(f"synthetic:clouds?size={width}x{height}&fps=1&seconds=1&seed=4")
    folder.mkdir(parents=True, exist_ok=True)
    for motif in motifs:
        settings = DreamSettings(
            device="cpu", precision="fp32", size="source", objective=motif, strength=34.0,
            half_life=0.4, octaves=2, octave_scale=1.5, jitter=8, iterations=2, momentum=0.0,
            clean=0.0, tint=1.0, laplacian=0, headroom=0.0,  # the motif as it is
        )  # fmt: skip
        shown = fitted(dreamed(Dreamer(settings, network), start, _ROUNDS), WIDTH_PX, HEIGHT_PX)
        write_picture(folder / file_name(motif), shown, quality=_QUALITY)
        print(motif, flush=True)


def _main(arguments: list[str]) -> int:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["OMP_NUM_THREADS"] = "1"
    if hasattr(os, "nice"):
        os.nice(15)
    network, folder, *motifs = arguments
    draw(network, Path(folder), motifs)
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
