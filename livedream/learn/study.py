"""What a network is taught of somebody's pictures: two layers more, textures and forms.

The trunk of a trained DreamNet stays as it is, for its gradient is what draws. Each new layer has
a channel for every motif that recurs in the pictures: the old network's features, cell by cell, are
put into kinds by k-means, and a softmax regression on the trunk learns to tell each kind from the
others and from `none`. What is none has to come from the pictures and the network itself: clouds,
cuts whose patches are shuffled, cuts whose phases are, and the old network's own dreams of what the
pictures do not look like. Last the layers are balanced, so that each motif can be dreamed anywhere.

Why so, and what did worse: docs/decisions/learn.md.

Convention
    As in `livedream.learn.album`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from livedream.dream.networks.dreamnet import CLASS_MAP, DreamNet, LayerConfig
from livedream.dream.networks.preprocessing import Preprocessing
from livedream.learn.album import Album, strangers
from livedream.learn.motifs import find_motifs, motif_of

TEXTURES: Final = "textures"
FORMS: Final = "forms"
OWN: Final = (TEXTURES, FORMS)
_BATCH: Final = 32
_UNLIKE: Final = 0.9  # of the classes, those that the pictures look like least
_DREAM_STEPS: Final = 20
_DREAM_STEP: Final = 3.0  # 8-bit steps a step, of the mean
_RATE: Final = 1e-2
_CELLS: Final = 2048  # in a batch of the regression


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """How much is looked at; all heuristic, measured in docs/decisions/learn.md.

    cuts: of the pictures.  none: strangers.  dreams: of the old network.  motifs: channels of each
    layer, at most one for two pictures.  turns: of the regression.  awake: share of cells without
    a motif in which it nevertheless answers, for what is silent everywhere cannot be dreamed.
    """

    cuts: int = 512
    none: int = 256
    dreams: int = 256
    motifs: int = 48
    turns: int = 300
    awake: float = 0.1


class Study:
    """One album and the old network that looks at it.

    base: without batch norm, in evaluation mode; it is moved to the device.
    """

    def __init__(
        self,
        base: DreamNet,
        preprocessing: Preprocessing,
        album: Album,
        *,
        random: np.random.Generator,
        device: torch.device | str = "cpu",
        lessons: Lessons | None = None,
    ) -> None:
        self.lessons = lessons or Lessons()
        device = torch.device(device)
        self._album, self._random, self._device = album, random, device
        self._preprocessing = preprocessing
        # mypy's stubs know Module.to without memory_format.
        self._base: DreamNet = base.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def taught(self, watch: Callable[[float], None] = lambda share: None) -> DreamNet:
        """The network with its own layers, on the CPU.  watch: told the share that is done."""
        lessons = self.lessons
        cuts = self._album.cut(lessons.cuts, self._random)
        seen = self._features(self._base, cuts, self._sources())
        motifs = min(lessons.motifs, max(4, len(self._album.pictures) // 2))
        net: DreamNet = with_own_layers(self._base, motifs).to(self._device)
        strange = strangers(self._album, lessons.none, self._random)
        watch(0.1)
        dreams = self._dreams(lambda share: watch(0.1 + 0.7 * share))
        trunk = self._trunk_features(net, torch.cat([cuts, strange, dreams]))
        for number, (own, source) in enumerate(zip(OWN, self._sources(), strict=True)):
            kinds = motif_of(seen[source], find_motifs(seen[source], motifs, self._random))
            answers = torch.zeros(len(trunk[own]), *kinds.shape[1:], dtype=torch.long)
            answers[: len(cuts)] = 1 + kinds
            self._regress(_projection(net, own), trunk[own], answers)
            mine, others = trunk[own][: len(cuts)], trunk[own][len(cuts) : -len(dreams)]
            self._balance(_projection(net, own), mine, others)
            watch(0.8 + 0.1 * (number + 1))
        return net.cpu().eval().requires_grad_(False)

    @property
    def _old_layers(self) -> list[LayerConfig]:
        """Those that stay: what an earlier lesson added gives way to this one's."""
        return [one for one in self._base.config.layers if one.name not in OWN]

    def _sources(self) -> tuple[str, ...]:
        """The old layers whose features are put into kinds: the deepest beneath each own one."""
        layers = sorted(self._old_layers, key=lambda one: (one.stage, one.block))
        found = []
        for own in OWN:
            below = [one for one in layers if (one.stage, one.block) <= _place(self._base, own)]
            found.append((below or layers)[-1].name)
        return tuple(found)

    def _maps(self, net: DreamNet, rgb: Tensor) -> dict[str, Tensor]:
        x = self._preprocessing.normalise(rgb.to(self._device))
        return net.maps(x.contiguous(memory_format=torch.channels_last))

    @torch.no_grad()
    def _features(self, net: DreamNet, rgb: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """(N, C, h, w) of these layers, on the CPU."""
        found: dict[str, list[Tensor]] = {name: [] for name in names}
        for piece in torch.split(rgb, _BATCH):
            maps = self._maps(net, piece)
            for name in names:
                found[name].append(maps[name].cpu())
        return {name: torch.cat(pieces) for name, pieces in found.items()}

    def _trunk_features(self, net: DreamNet, rgb: Tensor) -> dict[str, Tensor]:
        """What the own layers project, (N, C, h, w)."""
        layers = {own: net.get_submodule(own) for own in OWN}
        for own in OWN:
            net.add_module(own, nn.Identity())
        found = self._features(net, rgb, OWN)
        for own, layer in layers.items():
            net.add_module(own, layer)
        return found

    def _dreams(self, watch: Callable[[float], None]) -> Tensor:
        """Dreams of the old network, on strangers: of classes that the pictures do not look like,
        and, of one in four batches, of a tenth of a layer's channels."""
        some = self._features(self._base, self._album.cut(128, self._random), (CLASS_MAP,))
        likely = some[CLASS_MAP].mean((2, 3)).softmax(1).mean(0)
        unlike = likely.argsort()[: max(1, int(_UNLIKE * len(likely)))]
        layers = self._old_layers
        layers = layers[len(layers) // 2 :]
        dreams = []
        grounds = strangers(self._album, self.lessons.dreams, self._random)
        pieces = torch.split(grounds, _BATCH // 2)
        for number, x in enumerate(pieces):
            if number % 4:
                classes = unlike[torch.from_numpy(self._random.integers(0, len(unlike), len(x)))]
                dreams.append(self._dreamed(x, _of_classes(classes)))
            else:
                layer = layers[int(self._random.integers(len(layers)))]
                chosen = self._random.random((len(x), layer.channels, 1, 1)) < 0.1
                dreams.append(self._dreamed(x, _of_channels(layer.name, chosen)))
            watch((number + 1) / len(pieces))
        return torch.cat(dreams)

    def _dreamed(self, rgb: Tensor, objective: Callable[[dict[str, Tensor]], Tensor]) -> Tensor:
        rgb = rgb.to(self._device)
        for _ in range(_DREAM_STEPS):
            dy, dx = (int(one) for one in self._random.integers(-8, 9, 2))
            x = torch.roll(rgb, (dy, dx), (2, 3)).requires_grad_(True)
            (gradient,) = torch.autograd.grad(objective(self._maps(self._base, x)), x)
            gradient = torch.roll(gradient, (-dy, -dx), (2, 3))
            size = gradient.abs().mean((1, 2, 3), keepdim=True) + 1e-12
            rgb = (rgb + _DREAM_STEP / 255 * gradient / size).clamp(0, 1)
        return rgb.cpu()

    def _regress(self, layer: nn.Conv2d, features: Tensor, answers: Tensor) -> None:
        """Softmax regression of each cell's motif; `none`'s score is zero."""
        x, y = features.permute(0, 2, 3, 1).flatten(0, 2), answers.flatten()
        optimizer = torch.optim.AdamW(layer.parameters(), lr=_RATE)
        for turn in range(self.lessons.turns):
            rows = torch.from_numpy(self._random.integers(0, len(y), _CELLS))
            scores = layer(x[rows, :, None, None].to(self._device)).flatten(1)
            loss = functional.cross_entropy(
                functional.pad(scores, (1, 0)), y[rows].to(self._device)
            )
            optimizer.param_groups[0]["lr"] = _RATE * (1 - turn / self.lessons.turns)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()

    @torch.no_grad()
    def _balance(self, layer: nn.Conv2d, mine: Tensor, others: Tensor) -> None:
        """Each motif awake in the same share of the strangers' cells, and all of them equally loud,
        by root mean square, in the pictures."""
        cells = [layer(one.to(self._device)).transpose(0, 1).flatten(1) for one in (mine, others)]
        order = int((1 - self.lessons.awake) * (cells[1].shape[1] - 1))
        lift = -cells[1].sort(dim=1).values[:, order]
        loud = (cells[0] + lift[:, None]).clamp_min(0).square().mean(1).sqrt().clamp_min(1e-3)
        assert layer.bias is not None
        layer.bias.add_(lift).div_(loud)
        layer.weight.div_(loud[:, None, None, None])


def with_own_layers(base: DreamNet, motifs: int) -> DreamNet:
    """A copy of a network with textures and forms, `motifs` channels each, all zero; those that it
    has already are replaced."""
    layers = [one for one in base.config.layers if one.name not in OWN]
    layers += [LayerConfig(own, *_place(base, own), motifs) for own in OWN]
    net = DreamNet(replace(base.config, layers=tuple(layers)))
    for own in OWN:
        for parameter in _projection(net, own).parameters():
            nn.init.zeros_(parameter)
    kept = {k: v for k, v in base.state_dict().items() if k.partition(".")[0] not in OWN}
    net.load_state_dict({**net.state_dict(), **kept})
    return net


def _place(base: DreamNet, own: str) -> tuple[int, int]:
    """Stage and block: forms at the very end, textures after a third of the last stage's blocks."""
    last = len(base.config.blocks) - 1
    blocks = base.config.blocks[last]
    return last, blocks if own == FORMS else blocks // 3


def _projection(net: DreamNet, own: str) -> nn.Conv2d:
    layer = net.get_submodule(f"{own}.0")
    assert isinstance(layer, nn.Conv2d)
    return layer


def _of_classes(classes: Tensor) -> Callable[[dict[str, Tensor]], Tensor]:
    """The log probability of a class for each picture, summed."""
    rows = torch.arange(len(classes))
    return lambda maps: maps[CLASS_MAP].mean((2, 3)).log_softmax(1)[rows, classes].sum()


def _of_channels(
    name: str, chosen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> Callable[[dict[str, Tensor]], Tensor]:
    """Some channels' squares, (N, C, 1, 1) for each picture, summed."""
    mask = torch.from_numpy(chosen)
    return lambda maps: (maps[name] * mask.to(maps[name])).square().sum()
