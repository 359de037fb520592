"""The dream's parameters, each declared once.

`DreamSettings` is frozen and checked at construction. The command line, the metadata in rendered
files and the documentation are made from the same declarations (`declared`).
One file, long as it is: it is the one list of what can be set.
"""

import dataclasses
import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self, cast

from livedream.core.errors import SettingsError

FLOWS = ("dis", "dis-fast", "dis-ultrafast", "farneback", "raft-small", "raft-large", "none")
DEVICES = ("auto", "cuda", "mps", "cpu")
PRECISIONS = ("auto", "fp16", "bf16", "fp32")
ENGINES = ("auto", "torch", "openvino", "cuda")
_REMOVED_ENGINES = ("direct", "onnx")


@dataclass(frozen=True, slots=True)
class Grammar:
    """What a text may be, where that is more than a few choices.

    read: a text as it is usually written; raises ValueError for one that may not be.
    wanted, metavar: for errors and help.  offered: those that a slider steps through.
    """

    read: Callable[[str], str]
    wanted: str
    metavar: str
    offered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declaration: what a parameter is called, what it may be, and what it is for.

    kind: int, float, str or bool.  minimum, maximum: inclusive, None where unbounded.
    choices: the only values allowed, empty for any.  unit: "" for none.
    grammar: of a text, None for any.
    soft_minimum, soft_maximum: the part of the range that a slider covers, where it is less.
    logarithmic: a slider's middle is the geometric mean.  live: may change while running.
    ramp_s: time constant with which a running dream follows a change; 0: at once.
    group: its heading on a panel.  advanced: for engineers, listed after the others.
    """

    name: str
    kind: type
    default: Any
    help: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    grammar: Grammar | None = None
    ramp_s: float = 0.0
    live: bool = True
    group: str = "dream"
    soft_minimum: float | None = None
    soft_maximum: float | None = None
    logarithmic: bool = False
    advanced: bool = False

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    def check(self, value: Any) -> Any:
        """`value` as this parameter's kind. Raises SettingsError when it may not be."""
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if self.name == "engine" and value in _REMOVED_ENGINES:
            raise SettingsError(f"engine: {value} was removed; use auto, torch, openvino or cuda")
        wrong_kind = type(value) is not self.kind
        if wrong_kind or (self.choices and value not in self.choices):
            raise refused(self.name, self.wanted(), repr(value))
        if self.grammar is not None:
            try:
                return self.grammar.read(value)
            except ValueError as error:
                raise refused(self.name, self.wanted(), repr(value[:40])) from error
        if isinstance(value, int | float) and self.kind is not bool:
            low = -float("inf") if self.minimum is None else self.minimum
            high = float("inf") if self.maximum is None else self.maximum
            if not low <= value <= high:
                raise refused(self.name, self.wanted(), f"{value:g}")
        return value

    def read(self, value: Any) -> Any:
        """`check` for what controllers send: 3.0 for 3, and 1 for yes."""
        if self.kind is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        if self.kind is bool and not isinstance(value, bool) and value in (0, 1):
            value = bool(value)
        return self.check(value)

    @property
    def has_unit(self) -> bool:
        """Whether a slider can stand for it: numbers, switches and what is offered, but no text."""
        return self.kind is not str or bool(self.offered)

    @property
    def can_be_modulated(self) -> bool:
        return self.has_unit and self.grammar is None

    @property
    def offered(self) -> tuple[str, ...]:
        """The texts that a slider steps through; others may be allowed as well."""
        return self.choices or (self.grammar.offered if self.grammar else ())

    def span(self) -> tuple[float, float]:
        """What a slider covers: the soft limits, else the range. For numbers only."""
        low = self.minimum if self.soft_minimum is None else self.soft_minimum
        high = self.maximum if self.soft_maximum is None else self.soft_maximum
        low = 0.0 if low is None else low
        return low, low + 1.0 if high is None else high

    def to_unit(self, value: Any) -> float:
        """Where `value` stands on a slider from 0 to 1; 0 for a text that is not offered."""
        if value in self.offered:
            return self.offered.index(value) / max(1, len(self.offered) - 1)
        if self.kind is str:
            return 0.0
        if self.kind is bool:
            return float(value)
        low, high = self.span()
        share = _logarithm(value, low, high) if self.logarithmic else (value - low) / (high - low)
        return min(1.0, max(0.0, share))

    def from_unit(self, unit: float) -> Any:
        """The value at `unit` of a slider, clamped to 0..1. Raises SettingsError for text."""
        if not self.has_unit:
            raise SettingsError(f"{self.name}: must be {self.wanted()}, which no slider can set")
        if math.isnan(unit):
            raise refused(self.name, "0 to 1", "nan")
        unit = min(1.0, max(0.0, unit))
        if self.offered:
            return self.offered[round(unit * (len(self.offered) - 1))]
        if self.kind is bool:
            return unit >= 0.5
        low, high = self.span()
        if self.logarithmic:
            return self.clamp(low * (high / low) ** unit)
        return self.clamp(low + (high - low) * unit)

    def moved(self, value: Any, offset: float) -> Any:
        """`value` moved by `offset` of a slider's length, clamped to the range; text stays."""
        if self.choices or self.kind is bool:
            return self.from_unit(self.to_unit(value) + offset)
        if self.kind is str:
            return value
        low, high = self.span()
        if self.logarithmic:
            # Bounded before it is raised: an offset of hundreds would overflow.
            return self.clamp(value * (high / low) ** min(64.0, max(-64.0, offset)))
        return self.clamp(value + (high - low) * offset)

    def clamp(self, value: float) -> Any:
        """The nearest value that a number may have."""
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        clamped = min(high, max(low, value))
        return round(clamped) if self.kind is int else clamped

    def wanted(self) -> str:
        """The range in words, for help and errors: `0 to 60 s`, `a whole number from 1 to 12`."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind is bool:
            return "yes or no"
        if self.grammar is not None:
            return self.grammar.wanted
        if self.kind is str:
            return "text"
        low, high = (f"{x:.15g}" if x is not None else "" for x in (self.minimum, self.maximum))
        span = f"{low} to {high}" if high else f"at least {low}"
        noun = "a whole number " + "from " * bool(high) if self.kind is int else ""
        return f"{noun}{span} {self.unit}".strip()


def refused(name: str, must_be: str, got: object) -> SettingsError:
    """`strength: must be 0 to 100 (got 500)`."""
    return SettingsError(f"{name}: must be {must_be} (got {got})")


def as_number(value: Any, name: str) -> float:
    """A number that came from outside. Raises SettingsError for anything else, nan and infinity."""
    if isinstance(value, bool | int | float) and abs(value) <= sys.float_info.max:
        return float(value)
    raise refused(name, "a number", repr(str(value)[:40]))


def _logarithm(value: float, low: float, high: float) -> float:
    return math.log(max(value, low) / low) / math.log(high / low)


DEINTERLACE = Parameter(
    "deinterlace", str, "auto", "interlaced video; auto: one frame from the two fields of each; "
    "fields: a frame from each field, 50 from 25; off: as it is, with its combs",
    choices=("auto", "fields", "off"), live=False, group="files",
)  # fmt: skip


def declare(default: Any, help: str, **more: Any) -> Any:
    return dataclasses.field(default=default, metadata={"help": help, **more})


@dataclass(frozen=True, kw_only=True)
class DreamSettings:
    """Everything that shapes a dream. Raises SettingsError for a value out of range."""

    network: str = declare(
        "",
        "which network dreams (see `livedream networks`); empty: dreamnet, or that of your weights",
        ramp_s=2.0, group="network",
    )  # fmt: skip
    weights: str = declare(
        "", "a network of your own: its file, .safetensors or a state dict of PyTorch",
        live=False, group="network",
    )  # fmt: skip
    preprocess: str = declare(
        "", 'how your own network wants its colours, if its file does not say: "RGB, (x-0.5)/0.5"',
        live=False, group="network", advanced=True,
    )  # fmt: skip
    labels: str = declare(
        "", "what the classes of your own network are called: a text file, one name per line",
        live=False, group="network", advanced=True,
    )  # fmt: skip
    objective: str = declare(
        "", "what to dream: a layer, channels, a class or a sum of them; empty: the network's own",
        ramp_s=1.5, group="network",
    )  # fmt: skip
    prompt: str = declare(
        "",
        "what to dream, in words: owl in autumn leaves; -word drives away (see `livedream find`); "
        "empty: the objective",
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
        0.4, "how long the dream takes to build up, at the start and after a cut",
        unit="s", minimum=0.0, maximum=60.0, soft_maximum=5.0,
    )  # fmt: skip
    motif: float = declare(
        0.4,
        "how large the largest motifs are, as a fraction of the picture's shorter side, whatever "
        "its size; how many octaves are dreamed follows from it",
        minimum=0.01, maximum=2.0, group="detail", soft_minimum=0.2, logarithmic=True,
    )  # fmt: skip
    octave_scale: float = declare(
        1.4, "how much smaller each octave is than the one before; motif says where they end",
        minimum=1.05, maximum=4.0, group="detail", ramp_s=0.4, soft_maximum=2.0, advanced=True,
    )  # fmt: skip
    octaves: int = declare(
        0, "a fixed number of octaves, whatever the size; 0: as many as motif asks for",
        minimum=0, maximum=16, group="detail", soft_maximum=8, advanced=True,
    )  # fmt: skip
    iterations: int = declare(
        1, "gradient ascent steps per octave; more: richer and slower",
        minimum=1, maximum=200, group="detail", soft_maximum=12,
    )  # fmt: skip
    momentum: float = declare(
        0.06,
        "how long the dream keeps growing the same way (half-life): steadier, and much less work, "
        "as octaves take turns; 0: every frame is dreamed on its own, in all octaves",
        unit="s", minimum=0.0, maximum=2.0, group="detail", ramp_s=0.4, soft_maximum=0.3,
        advanced=True,
    )  # fmt: skip
    step_size: float = declare(
        1.5, "how far each step of the ascent goes, in 8-bit steps; larger: coarser and bolder",
        minimum=0.01, maximum=50.0, group="detail", ramp_s=0.4, soft_minimum=0.1, soft_maximum=8.0,
        advanced=True,
    )  # fmt: skip
    jitter: int = declare(
        16, "each ascent step is shifted at random by up to this; hides the network's grid",
        unit="px", minimum=0, maximum=512, group="detail", soft_maximum=64, advanced=True,
    )  # fmt: skip
    smoothing: float = declare(
        0.0, "softer, rounder shapes, by a Gaussian blur of the gradient",
        unit="px", minimum=0.0, maximum=32.0, group="detail", ramp_s=0.4, soft_maximum=4.0,
        advanced=True,
    )  # fmt: skip
    laplacian: int = declare(
        0, "balances coarse and fine shapes, by so many levels of a Laplacian pyramid; 0: off",
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
    wander: float = declare(
        30.0,
        "how long before other kinds of animals (or whatever the objective's `classes` are) take "
        "the place of those that are there; 0: never",
        unit="s", minimum=0.0, maximum=86400.0, soft_maximum=300.0,
    )  # fmt: skip
    clean: float = declare(
        0.9,
        "how clean sky, walls and other flat places stay: no net of fine lines, fewer dots; "
        "0: everything is drawn",
        minimum=0.0, maximum=1.0, ramp_s=0.4,
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
        "the region that is dreamed, the rest stays as it is: moving, still, dark, left, "
        "key(#00ff00), mask(file), ... joined by &, | and !; empty: everywhere",
        group="where",
    )  # fmt: skip
    feather: float = declare(
        16.0, "how wide the edge of a region is", unit="px", minimum=0.0, maximum=1000.0,
        group="where", ramp_s=0.4, soft_maximum=100.0,
    )  # fmt: skip
    threshold: float = declare(
        0.5,
        "how surely a place must be dark, moving, ... to belong to such a region; lower: more does",
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
        0, "where chance begins: the same number gives the same dream, another one another",
        minimum=0, maximum=2**31 - 1, live=False, group="machine", advanced=True,
    )  # fmt: skip
    device: str = declare(
        "auto",
        "what computes the dream: an NVIDIA card (cuda), a Mac's chip (mps) or the processor "
        "(cpu); auto: the quickest there is",
        choices=DEVICES, live=False, group="machine", advanced=True,
    )  # fmt: skip
    precision: str = declare(
        "auto",
        "how exactly it is computed: fp16 and bf16 are quicker; auto: fp16 on CUDA, bf16 on CPUs "
        "that support it, else fp32",
        choices=PRECISIONS, live=False, group="machine", advanced=True,
    )  # fmt: skip
    engine: str = declare(
        "auto",
        "by which software the dream is computed: PyTorch (torch), OpenVINO or CUDA graphs (cuda); "
        "auto: the quickest for device and network",
        choices=ENGINES, live=False, group="machine", advanced=True,
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


@cache
def declared(cls: type[Any]) -> tuple[Parameter, ...]:
    """Every parameter of a settings dataclass, in the order of its declaration."""
    return tuple(
        Parameter(
            name=field.name, kind=cast(type, field.type), default=field.default, **field.metadata
        )
        for field in dataclasses.fields(cls)
    )


def check_all(settings: Any) -> None:
    """Check every field of a frozen settings dataclass against its declaration, in place."""
    for parameter in declared(settings.__class__):
        checked = parameter.check(getattr(settings, parameter.name))
        object.__setattr__(settings, parameter.name, checked)


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
