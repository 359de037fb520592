"""Networks ready for dreaming: loaded, frozen, folded, their layers known by every usual name.

Convention
    `Network.preprocessing.normalise` takes (N, 3, H, W) RGB in [0, 1]; `Network.module` and what
    `Network.truncated` gives take its result.  Activations are (N, C, h, w), logits (N, classes).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

from torch import Tensor, fx, nn

from livedream.core.errors import NetworkError, SettingsError, WeightsError
from livedream.core.suggest import closest
from livedream.dream.networks.building import (
    build_module,
    fill_randomly,
    module_without_weights,
    random_module,
)
from livedream.dream.networks.classes import find_class, no_rows, read_labels
from livedream.dream.networks.clip import CLIP, Encoder
from livedream.dream.networks.graph import LOGITS, LayerGraph
from livedream.dream.networks.layers import LayerInfo, LayerShape, measure_layers
from livedream.dream.networks.preprocessing import Preprocessing
from livedream.dream.networks.registry import DEFAULT_NETWORK, DREAMNET, NetworkSpec, find_spec
from livedream.dream.networks.weights import (
    WeightsMetadata,
    locate_weights,
    read_weights,
)
from livedream.dream.networks.words import layer_of, vocabulary

# What may lie between a layer and its classes, for nothing of it depends on the picture.
_AVERAGES = ("AdaptiveAvgPool2d", "adaptive_avg_pool2d", "Flatten", "flatten", "mean")


@dataclass(frozen=True, eq=False)
class Network:
    """A network, frozen, in evaluation mode, fp32, on the CPU, batch norm folded.

    classes: names in order, empty when unknown; class_count: how many there are in any case.
    minimum_size: px, of the shorter side it was tried with.  default_objective: text, see
    `livedream.dream.objectives.binding`.  aliases: the field's layer names to this network's.
    notes: what a layer shows, where its file says so.  classifier: the layer whose rows are the
    classes, "" without any.  encode_text: for a network that reads sentences: a vector that the
    network's own output is compared with.
    """

    name: str
    graph: LayerGraph = field(repr=False)
    preprocessing: Preprocessing
    classes: tuple[str, ...] = field(repr=False)
    class_count: int
    minimum_size: int
    default_objective: str
    licence: str
    aliases: Mapping[str, str] = field(default_factory=dict, repr=False)
    notes: Mapping[str, str] = field(default_factory=dict, repr=False)
    classifier: str = ""
    encode_text: Encoder | None = field(default=None, repr=False)

    @cached_property
    def module(self) -> nn.Module:
        """The whole network, normalised pictures to logits.  Shares the graph's weights."""
        return self.graph.whole()

    @cached_property
    def layers(self) -> Mapping[str, LayerShape]:
        """Every layer that can be dreamed, in order of execution."""
        return measure_layers(self.graph)

    def resolve(self, layer: str) -> str:
        """The network's own name for a layer given by it or by an alias; case does not count.

        Raises NetworkError with the closest names when there is no such layer, or when it gives
        nothing that has the shape of a picture.
        """
        canonical = self.graph.canonical
        known = {name: to for name, to in canonical.items() if to in self.layers}
        for alias, name in self.aliases.items():
            if canonical[name] in self.layers:
                known.setdefault(alias, canonical[name])
        lower = {alias.lower(): name for alias, name in reversed(known.items())}
        found = known.get(layer, lower.get(layer.lower()))
        if found is not None:
            return found
        if layer in self.graph.outputs:
            raise NetworkError(
                f"layer {layer!r} of {self.name} has no output of a picture's shape to dream with"
            )
        hint = closest(layer, known) or f"see 'livedream layers {self.name}'"
        raise NetworkError(f"no layer {layer!r} in {self.name}; {hint}")

    def truncated(self, layers: Sequence[str]) -> fx.GraphModule:
        """The network up to the deepest of the layers, normalised pictures to their activations.

        layers: names or aliases; ``LOGITS`` (see `networks.graph`) for the class scores.
        Gives a tuple in the order asked for.  It has its own copy of the weights it needs, so
        moving and casting it leaves this network as it was.
        """
        return self.graph.cut([name if name == LOGITS else self.resolve(name) for name in layers])

    def class_rows(self) -> tuple[str, Tensor]:
        """The layer that the classes are read from, and a row for each of them, (classes, C) fp32.

        A class's logit is its row times the layer's activation, averaged over all places, give or
        take a constant. Raises NetworkError where more than that lies in between.
        """
        if not self.classifier:
            raise NetworkError(f"{self.name} has no classes")
        named = {self.graph.outputs[name]: name for name in self.layers}
        node = self.graph.outputs[self.classifier]
        rows = self.graph.root.get_parameter(f"{self.classifier}.weight").detach().float()
        while node.all_input_nodes:
            node = node.all_input_nodes[0]
            if node in named and rows.shape[1] == self.layers[named[node]].channels:
                if rows.shape[2:].numel() == 1:
                    return named[node], rows.flatten(1)
                break
            module = self.graph.module_of(node)
            name = (
                type(module).__name__ if module else getattr(node.target, "__name__", node.target)
            )
            if name not in _AVERAGES:
                break
        raise no_rows(self.name)

    def class_index(self, wanted: str | int) -> int:
        """A class by number, name or synonym.  Raises NetworkError with the closest names."""
        return find_class(self.classes, self.class_count, wanted)

    def kind(self, word: str) -> tuple[int, ...]:
        """The classes that a word names or that are of its kind, see `Vocabulary.find`."""
        return vocabulary(self.classes).find(word, self.notes)

    def layer_of(self, word: str) -> str | None:
        """The layer that a word names where it names no class, see `words.layer_of`."""
        return layer_of(word, self.classes, self.notes)


def load_network(
    name: str | None = None,
    *,
    weights: Path | None = None,
    preprocess: str | None = None,
    labels: Path | None = None,
    random_seed: int | None = None,
) -> Network:
    """A registered network with its own weights, with a file's, or with random ones.

    name: see ``livedream networks``; None means what the weights file says, or dreamnet without
    one.  weights: ``.safetensors`` or a state dict saved by torch.  preprocess, labels: override
    what the file's metadata say, see `Preprocessing.parse` and `read_labels`.  random_seed:
    untrained weights, for tests and timing.  Raises NetworkError, WeightsError, SettingsError.
    """
    if weights is not None and random_seed is not None:
        raise SettingsError("give a weights file or a random seed, not both")
    if random_seed is not None:
        spec = find_spec(name or DEFAULT_NETWORK)
        return _random(spec, random_seed, preprocess, labels)
    if weights is not None:
        file = read_weights(weights)
        if name is None and file.architecture is None:
            raise WeightsError(
                f"weights {weights}: the file does not say which network it is for; name one"
            )
        spec = find_spec(name or file.architecture or DEFAULT_NETWORK)
        spec = replace(spec, licence=file.metadata.licence or "not stated")
    else:
        spec = find_spec(name or DEFAULT_NETWORK)
        file = read_weights(locate_weights(spec), scripted=spec.builder == CLIP)
    return _assemble(spec, build_module(spec, file), file.metadata, preprocess, labels)


def network_without_weights(name: str) -> Network:
    """A torchvision network without weights: to see its layers and names, not to run.

    Raises NetworkError; for livedream's own networks, whose layers their files tell, load them.
    """
    spec = find_spec(name)
    if spec.builder == DREAMNET:
        raise NetworkError(
            f"{name} cannot be shown without its weights: they say what its layers are"
        )
    return _assemble(spec, module_without_weights(spec), WeightsMetadata(), None, None)


def _random(spec: NetworkSpec, seed: int, preprocess: str | None, labels: Path | None) -> Network:
    if spec.builder != DREAMNET:
        return _assemble(spec, random_module(spec, seed), WeightsMetadata(), preprocess, labels)
    # Its shape is written in its file alone.
    file = read_weights(locate_weights(spec))
    module = build_module(spec, file)
    fill_randomly(module, seed)
    return _assemble(spec, module, file.metadata, preprocess, labels)


def _assemble(
    spec: NetworkSpec,
    module: nn.Module,
    metadata: WeightsMetadata,
    preprocess: str | None,
    labels: Path | None,
) -> Network:
    graph = LayerGraph(module)
    count = len(module.get_parameter(f"{spec.classifier}.weight")) if spec.classifier else 0
    if preprocess is not None:
        preprocessing = Preprocessing.parse(preprocess)
    else:
        preprocessing = metadata.preprocessing or Preprocessing.parse(spec.preprocess)
    return Network(
        name=spec.name,
        graph=graph,
        preprocessing=preprocessing,
        classes=_classes(spec, metadata, labels, count),
        class_count=count,
        minimum_size=spec.minimum_size,
        default_objective=metadata.default_objective or spec.objective,
        licence=spec.licence,
        aliases={alias: layer for alias, layer in spec.aliases.items() if layer in graph.outputs},
        notes=metadata.layers,
        classifier=spec.classifier,
        encode_text=getattr(module, "encode_text", None),
    )


def _classes(
    spec: NetworkSpec, metadata: WeightsMetadata, labels: Path | None, count: int
) -> tuple[str, ...]:
    """Names for all classes, or none: ImageNet's thousand where the count fits and no one says."""
    names = read_labels(labels) if labels is not None else metadata.classes
    if labels is not None and not spec.classifier:
        raise WeightsError(f"labels {labels}: {spec.name} has no classes to name")
    if names and len(names) != count:
        whose = f"labels {labels}" if labels is not None else f"{spec.name}'s weights file"
        raise WeightsError(f"{whose}: must have {count} class names (got {len(names)})")
    if not names and count in (1000, 1001):
        from torchvision.models import SqueezeNet1_0_Weights

        thousand = tuple(SqueezeNet1_0_Weights.IMAGENET1K_V1.meta["categories"])
        return thousand if count == 1000 else ("background", *thousand)
    return names


def describe_layers(network: Network) -> list[LayerInfo]:
    """Every layer that can be dreamed, blocks as well as what is in them, in order of execution."""
    canonical = network.graph.canonical
    return [
        LayerInfo(
            **asdict(shape),
            name=name,
            aliases=tuple(a for a, layer in network.aliases.items() if canonical[layer] == name),
            note=network.notes.get(name, ""),
        )
        for name, shape in network.layers.items()
    ]
