"""The dream's parameters, each declared once.

`DreamSettings` is frozen and checked at construction. The command line, the metadata in rendered
files and the documentation are made from the same declarations (`core/parameters`).
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from livedream.core.errors import SettingsError
from livedream.core.parameters import Parameter, check_all, declare, refused

FLOWS = ("dis", "dis-fast", "dis-ultrafast", "farneback", "raft-small", "raft-large", "none")
DEVICES = ("auto", "cuda", "mps", "cpu")
PRECISIONS = ("auto", "fp16", "bf16", "fp32")
ENGINES = ("auto", "torch", "openvino", "cuda")
DREAMED = ("network", "objective", "prompt")  # what each says depends on the others


DEINTERLACE = Parameter(
    "deinterlace", str, "auto", "how to treat interlaced video; auto: one frame from each pair of "
    "fields; fields: a frame from each field, 50 from 25; off: as it is, with combing",
    choices=("auto", "fields", "off"), live=False, group="files",
)  # fmt: skip
WARM_UP = Parameter(
    "warm_up", float, 1.0, "how long the first frame of each scene, at the start and after every "
    "cut, is dreamed before it is shown, so that the scene opens with its full dream; 0: the dream "
    "builds up on screen",
    unit="s", minimum=0.0, maximum=60.0, live=False, group="files", soft_maximum=5.0,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DreamSettings:
    """Everything that shapes a dream. Raises SettingsError for a value out of range."""

    network: str = declare(
        "",
        "which network dreams (see `livedream networks`), or A+B: two in turns; empty: dreamnet, "
        "the one your weights are for, or dreamnet+dreamnet-things for a prompt of words that both "
        "know",
        ramp_s=2.0, group="network",
    )  # fmt: skip
    weights: str = declare(
        "", "your own network: a .safetensors file or a PyTorch state dict",
        live=False, group="network",
    )  # fmt: skip
    preprocess: str = declare(
        "", 'how your own network expects colours, if its file does not say: "RGB, (x-0.5)/0.5"',
        live=False, group="network", advanced=True,
    )  # fmt: skip
    labels: str = declare(
        "", "names for the classes of your own network: a text file, one name per line",
        live=False, group="network", advanced=True,
    )  # fmt: skip
    objective: str = declare(
        "", "what to dream: a layer, channels, a class or a sum of them; empty: the network's own",
        ramp_s=1.5, group="network",
    )  # fmt: skip
    prompt: str = declare(
        "",
        "what to dream, in words: owl in autumn leaves; -word drives away from it (see `livedream "
        "find`); empty: the objective",
        ramp_s=1.5,
    )  # fmt: skip
    size: str = declare(
        "360p", "resolution of the dream: 270p, 480x270 or source; more is slower",
        group="detail",
    )  # fmt: skip
    strength: float = declare(
        14.0, "how strong the dream is (its root mean square, in 8-bit steps)",
        minimum=0.0, maximum=100.0, ramp_s=0.4, soft_maximum=48.0,
    )  # fmt: skip
    half_life: float = declare(
        0.8,
        "how long the dream lingers: half of it fades in this time; 0: every frame starts afresh",
        unit="s", minimum=0.0, maximum=3600.0, ramp_s=0.4, soft_maximum=10.0,
    )  # fmt: skip
    rise: float = declare(
        0.4,
        "how long the dream takes to build up, at the start and after a cut; in a film the warm-up "
        "counts towards it",
        unit="s", minimum=0.0, maximum=60.0, soft_maximum=5.0,
    )  # fmt: skip
    motif: float = declare(
        0.4,
        "size of the largest motifs, as a fraction of the picture's shorter side; it determines "
        "how many octaves are dreamed",
        minimum=0.01, maximum=2.0, group="detail", soft_minimum=0.2, logarithmic=True,
    )  # fmt: skip
    octave_scale: float = declare(
        1.4, "how much smaller each octave is than the one before; motif decides where they end",
        minimum=1.05, maximum=4.0, group="detail", ramp_s=0.4, soft_maximum=2.0, advanced=True,
    )  # fmt: skip
    octaves: int = declare(
        0, "a fixed number of octaves, whatever the size; 0: as many as motif needs",
        minimum=0, maximum=16, group="detail", soft_maximum=8, advanced=True, zero_apart=True,
    )  # fmt: skip
    iterations: int = declare(
        1, "gradient ascent steps per octave; more: richer and slower",
        minimum=1, maximum=200, group="detail", soft_maximum=12,
    )  # fmt: skip
    momentum: float = declare(
        0.06,
        "how long the dream keeps growing in one direction (half-life): steadier, and much less "
        "work, as octaves take turns; 0: every frame is dreamed on its own, in all octaves",
        unit="s", minimum=0.0, maximum=2.0, group="detail", ramp_s=0.4, soft_maximum=0.3,
        advanced=True,
    )  # fmt: skip
    step_size: float = declare(
        1.5, "size of each ascent step, in 8-bit steps; larger: coarser and bolder",
        minimum=0.01, maximum=50.0, group="detail", ramp_s=0.4, soft_minimum=0.1, soft_maximum=8.0,
        advanced=True,
    )  # fmt: skip
    jitter: int = declare(
        16, "each ascent step is shifted at random by up to this much; hides the network's grid",
        unit="px", minimum=0, maximum=512, group="detail", soft_maximum=64, advanced=True,
    )  # fmt: skip
    smoothing: float = declare(
        0.0, "softer, rounder shapes, through a Gaussian blur of the gradient",
        unit="px", minimum=0.0, maximum=32.0, group="detail", ramp_s=0.4, soft_maximum=4.0,
        advanced=True,
    )  # fmt: skip
    laplacian: int = declare(
        2, "balances coarse and fine shapes, with this many levels of a Laplacian pyramid: fuller "
        "bodies, fewer fine lines in skies and on walls; 0: off",
        minimum=0, maximum=8, group="detail", soft_maximum=6, advanced=True,
    )  # fmt: skip
    spread: float = declare(
        0.5, "how evenly the dream fills the picture; 0: only where it is strongest, 1: everywhere",
        minimum=0.0, maximum=1.0, ramp_s=0.4,
    )  # fmt: skip
    variety: float = declare(
        0.5,
        "how many different motifs appear; 0: the strongest take over, 1: all have an equal share",
        minimum=0.0, maximum=1.0, ramp_s=0.4,
    )  # fmt: skip
    focus: float = declare(
        1.0,
        "how much the dream keeps to what the network sees: whole animals and emptier skies; "
        "0: curves wherever nothing is, 2: only what is clearest",
        minimum=0.0, maximum=2.0, ramp_s=0.4,
    )  # fmt: skip
    wander: float = declare(
        30.0,
        "how long before other kinds of animals (or whatever the objective's `classes` are) "
        "replace the current ones; 0: never",
        unit="s", minimum=0.0, maximum=86400.0, soft_maximum=300.0, zero_apart=True,
    )  # fmt: skip
    clean: float = declare(
        0.9,
        "how clean sky, walls and other flat areas stay: no net of fine lines, fewer dots; "
        "0: everything is drawn",
        minimum=0.0, maximum=1.0, ramp_s=0.4,
    )  # fmt: skip
    headroom: float = declare(
        1.5,
        "how far highlights are dimmed under the dream, as a multiple of its strength: animals in "
        "a bright sky or on a white wall get bodies instead of outlines; 0: not at all",
        minimum=0.0, maximum=4.0, ramp_s=0.4, soft_maximum=2.0,
    )  # fmt: skip
    tint: float = declare(
        0.4,
        "how much green and magenta the dream brings; a little keeps fur and feathers natural; "
        "1: as the network draws them, 2: acid",
        minimum=0.0, maximum=2.0, ramp_s=0.4,
    )  # fmt: skip
    tile: int = declare(
        1024,
        "side of the tiles in which a picture of more than twice their area is dreamed; smaller: "
        "less memory",
        unit="px", minimum=128, maximum=65536, live=False, group="machine", advanced=True,
    )  # fmt: skip
    keep_colours: bool = declare(False, "keep the picture's colours, dream in brightness only")
    where: str = declare(
        "",
        "the region to dream in: moving, still, dark, left, key(#00ff00), mask(file), ... "
        "combined with &, | and !; the rest stays as it is; empty: everywhere",
        group="where",
    )  # fmt: skip
    feather: float = declare(
        16.0, "how wide a region's soft edge is", unit="px", minimum=0.0, maximum=1000.0,
        group="where", ramp_s=0.4, soft_maximum=100.0,
    )  # fmt: skip
    threshold: float = declare(
        0.5,
        "how clearly a place must be dark, moving, ... to belong to the region; lower: more does",
        minimum=0.0, maximum=1.0, group="where", ramp_s=0.4,
    )  # fmt: skip
    hold: float = declare(
        1.0, "how long what has moved still counts as moving, in the regions moving and still",
        unit="s", minimum=0.0, maximum=600.0, group="where", ramp_s=0.4, soft_maximum=10.0,
    )  # fmt: skip
    region_half_life: float = declare(
        0.15,
        "how slowly regions follow the picture (half-life, along the motion); more: steadier edges",
        unit="s", minimum=0.0, maximum=60.0, group="where", ramp_s=0.4, soft_maximum=2.0,
        advanced=True,
    )  # fmt: skip
    flow: str = declare(
        "dis", f"how motion is found (optical flow): {', '.join(FLOWS)}, or an .onnx file; "
        "none: the dream stays where it is",
        live=False, group="motion", advanced=True,
    )  # fmt: skip
    flow_size: str = declare(
        "360p", "resolution at which motion is found: 360p or 640x360",
        group="motion", advanced=True,
    )  # fmt: skip
    seed: int = declare(
        0, "random seed: the same number gives the same dream, another one a different dream",
        minimum=0, maximum=2**31 - 1, live=False, group="machine", advanced=True,
    )  # fmt: skip
    device: str = declare(
        "auto",
        "what computes the dream: an NVIDIA card (cuda), a Mac's chip (mps) or the processor "
        "(cpu); auto: the fastest available",
        choices=DEVICES, live=False, group="machine", advanced=True,
    )  # fmt: skip
    precision: str = declare(
        "auto",
        "numerical precision: fp16 and bf16 are faster; auto: fp16 on CUDA, bf16 on CPUs "
        "that support it, else fp32",
        choices=PRECISIONS, live=False, group="machine", advanced=True,
    )  # fmt: skip
    engine: str = declare(
        "auto",
        "software that computes the dream: PyTorch (torch), OpenVINO or CUDA graphs (cuda); "
        "auto: the fastest for device and network",
        choices=ENGINES, removed=("direct", "onnx"), live=False, group="machine", advanced=True,
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_all(self)
        if self.flow not in FLOWS and not self.flow.endswith(".onnx"):
            wanted = f"one of {', '.join(FLOWS)} or an .onnx file"
            raise refused("flow", wanted, repr(self.flow))
        for name in ("size", "flow_size"):
            parse_size(getattr(self, name), 640, 360, name=name)

    def replace(self, **changes: Any) -> Self:
        return dataclasses.replace(self, **changes)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The settings in `text`, or in its entry "settings", which rendered files have.

        Names it does not know are an error, missing ones the default.
        """
        try:
            found = json.loads(text)
        except ValueError as error:
            raise SettingsError(f"settings: not JSON ({error})") from error
        found = found.get("settings", found) if isinstance(found, dict) else found
        if not isinstance(found, dict):
            raise refused("settings", "a JSON object", type(found).__name__)
        return cls.from_mapping(found)

    @classmethod
    def from_mapping(cls, found: Mapping[str, Any]) -> Self:
        if "mask" in found:  # before there were regions it was a parameter of its own
            found = dict(found)
            if mask := str(found.pop("mask")).replace('"', '""'):
                found["where"] = f'mask("{mask}")'
        unknown = sorted(set(found) - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise SettingsError(f"settings: unknown parameter {unknown[0]!r}")
        return cls(**found)


def parse_size(text: str, width: int, height: int, *, name: str = "size") -> tuple[int, int]:
    """(width, height) in px that `text` means for a picture of `width` x `height`.

    `270p`: the short side becomes 270 and the shape stays; `480x270`: exactly that;
    `source`: the picture's own size. Raises SettingsError for anything else.
    """
    if text == "source":
        return width, height
    if match := re.fullmatch(r"(\d{1,5})p", text):
        short = int(match[1])
        if short:
            ratio = short / min(width, height)
            return max(1, round(width * ratio)), max(1, round(height * ratio))
    if match := re.fullmatch(r"(\d{1,5})x(\d{1,5})", text):
        size = int(match[1]), int(match[2])
        if min(size) > 0:
            return size
    raise refused(name, "270p, 480x270 or source", repr(text))


def dream_size(text: str, width: int, height: int) -> tuple[int, int]:
    """`parse_size`, but never larger than the picture: what a frame is dreamed at."""
    wanted = parse_size(text, width, height)
    return min(wanted[0], width), min(wanted[1], height)
