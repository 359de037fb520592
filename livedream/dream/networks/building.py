"""From a registry entry and a state dict to a module; what does not fit is one line of error."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from livedream.core.errors import WeightsError
from livedream.dream.networks.clip import CLIP, load_clip, untrained_clip
from livedream.dream.networks.registry import DREAMNET, NetworkSpec
from livedream.dream.networks.weights import WeightsFile

# What comes of a configuration that may say anything.
_WRONG = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def build_module(spec: NetworkSpec, file: WeightsFile) -> nn.Module:
    """The network with a file's weights in fp32, as many classes as those have.

    Raises WeightsError when the weights are another network's, or are not finite.
    """
    for name, tensor in file.tensors.items():
        if not bool(torch.isfinite(tensor.float()).all()):
            raise WeightsError(f"weights {file.path}: {name} holds NaN or infinity")
    if spec.builder == DREAMNET:
        from livedream.dream.networks.dreamnet import load_dreamnet

        if file.path.suffix != ".safetensors":  # its metadata say how it is built
            raise WeightsError(
                f"weights {file.path}: those of {spec.name} must be a .safetensors file, as "
                "livedream learn and scripts/train_dreamnet.py write them"
            )
        try:
            return load_dreamnet(file.path)
        except _WRONG as error:
            reason = str(error).partition("\n")[0]
            raise WeightsError(f"weights {file.path}: no DreamNet ({reason})") from error
    if spec.builder == CLIP:
        return load_clip(file)
    tensors = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in file.tensors.items()
        if not name.startswith(spec.ignored or (" ",))
    }
    rows = tensors.get(f"{spec.classifier}.weight")
    module = module_without_weights(spec, classes=1000 if rows is None else rows.shape[0])
    _compare(spec, file, module.state_dict(), tensors)
    # What batch norm counted in training is not needed, and older files lack it.
    module.load_state_dict(tensors, strict=False, assign=True)
    for name, buffer in module.named_buffers():
        if buffer.is_meta:
            owner, _, last = name.rpartition(".")
            setattr(module.get_submodule(owner), last, torch.zeros((), dtype=torch.long))
    return module


def random_module(spec: NetworkSpec, seed: int) -> nn.Module:
    """The network untrained, 1000 classes, the same weights for the same seed."""
    if spec.builder == CLIP:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module: nn.Module = untrained_clip(**spec.arguments)
    else:
        module = module_without_weights(spec).to_empty(device="cpu")
    fill_randomly(module, seed)
    return module


def fill_randomly(module: nn.Module, seed: int) -> None:
    """He's initialisation, uniform: activations neither vanish nor explode on the way down.

    Source: He et al., "Delving Deep into Rectifiers", ICCV 2015, equation 10: variance 2 / fan-in.
    No global random state is touched.
    """
    random = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            bound = math.sqrt(6 / part.weight[0].numel())
            weight = torch.empty(part.weight.shape).uniform_(-bound, bound, generator=random)
            part.weight = nn.Parameter(weight, requires_grad=False)
            if part.bias is not None:
                part.bias = nn.Parameter(torch.zeros(part.bias.shape), requires_grad=False)
        elif isinstance(part, nn.BatchNorm2d):
            part.reset_running_stats()
            part.reset_parameters()


def module_without_weights(spec: NetworkSpec, *, classes: int = 1000) -> nn.Module:
    """An architecture of torchvision's or open_clip's without memory for its weights.

    They come from elsewhere, and torchvision's own initialisation takes seconds.
    """
    import torchvision.models

    with torch.device("meta"):
        if spec.builder == CLIP:
            return untrained_clip(**spec.arguments)
        builder = getattr(torchvision.models, spec.builder)
        module: nn.Module = builder(weights=None, num_classes=classes, **spec.arguments)
    return module


def _compare(
    spec: NetworkSpec,
    file: WeightsFile,
    wanted: Mapping[str, Tensor],
    found: Mapping[str, Tensor],
) -> None:
    def complain(what: str) -> WeightsError:
        said = file.architecture
        claim = f", and the file says {said}" if said not in (None, spec.name) else ""
        return WeightsError(f"weights {file.path}: not those of {spec.name}: {what}{claim}")

    missing = [n for n in wanted if n not in found and not n.endswith("num_batches_tracked")]
    extra = [name for name in found if name not in wanted]
    if missing or extra:
        raise complain(
            f"must be {len(wanted)} tensors ({_some(missing)} missing), "
            f"got {len(found)} ({_some(extra)} too many)"
        )
    for name, tensor in found.items():
        if tensor.shape != wanted[name].shape:
            sizes = f"{tuple(wanted[name].shape)} (got {tuple(tensor.shape)})"
            raise complain(f"{name} must have shape {sizes}")


def _some(names: list[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else "".join(names) or "none"
