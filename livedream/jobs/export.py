"""Write the gradient step as ONNX files, one for each octave, for hosts without PyTorch.

See docs/export.md for what a host does with them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from livedream.core.errors import SettingsError
from livedream.core.settings import DreamSettings, parse_size
from livedream.dream.ascent import Ascent
from livedream.dream.dreamer import network_of
from livedream.dream.engines import EngineSpec
from livedream.dream.engines.onnx_export.step import StepShape, build_step
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import bind
from livedream.dream.objectives.prompt import as_written, dreamed
from livedream.media.destination import cannot, check_destination

# A size such as 360p stands for a picture of this shape.
_SCREEN: Final = (1920, 1080)


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written.  width, height: of its octave, px.  size_bytes: on the disk."""

    path: Path
    width: int
    height: int
    size_bytes: int


def export_steps(
    settings: DreamSettings,
    output: Path,
    network: Network | None = None,
    *,
    overwrite: bool = False,
) -> list[Exported]:
    """One file for each octave, the smallest first.

    output: of the only octave; with several, `dream.onnx` stands for `dream-1.onnx` (the smallest),
    `dream-2.onnx`...  Of the settings count network, weights, objective, prompt, variety, focus,
    size (360p of a wide screen), motif, octaves, octave_scale, jitter, smoothing, laplacian and
    precision (auto: fp32).
    Raises SettingsError, NetworkError or ObjectiveError for what has no step, SinkError for a place
    where nothing can be written.
    """
    if output.suffix != ".onnx":
        raise SettingsError(f"output {output}: must end in .onnx")
    if settings.size == "source":
        raise SettingsError("size: must be a fixed size, such as 360p or 480x270 (got source)")
    network = network or network_of(settings)
    wanted = dreamed(settings.prompt, settings.objective, network.default_objective)
    with as_written(settings.prompt):
        objective = bind(wanted, network)
    objective.variety.fill_(settings.variety)
    objective.focus.fill_(settings.focus)
    dtype = torch.float16 if settings.precision == "fp16" else torch.float32
    if settings.precision == "bf16":
        raise SettingsError("precision: must be fp32 or fp16 (got bf16): no runtime has it")
    spec = EngineSpec(network, objective, torch.device("cpu"), dtype)
    ascent = Ascent(network, objective, settings.replace(engine="torch"), spec.device, dtype)
    sizes = ascent.octave_sizes(*parse_size(settings.size, *_SCREEN))
    least = network.minimum_size
    if min(sizes[0]) + settings.jitter + 2 * ascent.edge_px < least:
        raise SettingsError(
            f"size: must be at least {least} px on the shorter side for {network.name} "
            f"(got {sizes[0][0]}x{sizes[0][1]})"
        )
    paths = [output]
    if len(sizes) > 1:
        digits = len(str(len(sizes)))
        numbers = range(1, len(sizes) + 1)
        paths = [output.with_stem(f"{output.stem}-{number:0{digits}}") for number in numbers]
    for path in paths:
        check_destination(path, overwrite=overwrite)
    written = []
    for path, (width, height) in zip(paths, sizes, strict=True):
        shift = settings.jitter, settings.jitter
        shape = StepShape(
            width, height, shift, settings.smoothing, settings.laplacian, ascent.edge_px
        )
        content = build_step(spec, shape).SerializeToString()
        try:
            path.write_bytes(content)
        except OSError as error:
            raise cannot(path, error) from error
        written.append(Exported(path, width, height, len(content)))
    return written
