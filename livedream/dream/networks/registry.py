"""The networks livedream knows: those of ``models/registry.toml``, then the user's own.

What a user has added lies in a folder of its own (`own_networks_folder`), a weights file and a TOML
file of the same name for each, which says what the weights' checksum is.

Nothing here imports torch: listing names and settings stays quick.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from livedream.core.errors import NetworkError, SettingsError
from livedream.core.suggest import closest
from livedream.core.user_folders import own_folder, read_toml_files, toml_table

DEFAULT_NETWORK: Final = "dreamnet"  # what dreams when none is named
WORDS_NETWORK: Final = "dreamnet-things"  # whose classes are best recognised in its dreams
DREAMNET: Final = "dreamnet"  # the builder of all that have its architecture
MOTIF_PX: Final = 103  # heuristic, by eye: of most networks
METADATA_KEY: Final = "livedream"  # of a JSON object in a safetensors file's metadata


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """One entry of the registry.

    builder: of torchvision.models, ``dreamnet`` or ``clip``.  arguments: for the builder.
    classifier: the layer whose rows are the classes, "" without any.  class_rows: whether these are
    directions in a layer that can be dreamed, as kinds need (`Network.class_rows`).  ignored:
    prefixes of weights that the network does without (training heads).
    weights: torchvision's name for them, or empty.
    url, sha256: where they are, the checksum None where none was published but in the URL.
    Torchvision knows its URLs, too, but takes seconds to be imported.
    file, sha256: weights in the models folder, or the user's where it is the user's `own`.
    size_mb: of the weights, 10^6 bytes.
    preprocess: see `Preprocessing.parse`.  minimum_size: px, of the picture's shorter side.
    motif_px: how large its largest motifs are at one size of the picture, by eye.
    aliases: the field's layer names, to ours.
    """

    name: str
    summary: str
    builder: str
    licence: str
    minimum_size: int
    size_mb: float
    motif_px: int = MOTIF_PX
    preprocess: str = ""
    objective: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    classifier: str = ""
    class_rows: bool = True
    ignored: tuple[str, ...] = ()
    weights: str = ""
    url: str = ""
    file: str = ""
    sha256: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    own: bool = False

    @property
    def file_path(self) -> Path:
        """Where `file` lies."""
        return (own_networks_folder() if self.own else models_folder()) / self.file


def models_folder() -> Path:
    """Where the registry and the embedded weights lie: in the wheel, or beside the package.

    Raises NetworkError when neither is there.
    """
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "models", package.parent / "models"):
        if (folder / "registry.toml").is_file():
            return folder
    raise NetworkError(
        f"no models folder in {package} or beside it; reinstall livedream to get it back"
    )


def own_networks_folder() -> Path:
    """Where the networks lie that the user has added."""
    return own_folder() / "networks"


def registry() -> Mapping[str, NetworkSpec]:
    """Every known network by name: in the registry's order, then the user's own."""
    return {**shipped_networks(), **own_networks()[0]}


def own_networks() -> tuple[Mapping[str, NetworkSpec], Mapping[str, str]]:
    """The user's own networks, and of those whose file is wrong the reason, both by name."""
    return read_toml_files(None, own_networks_folder(), _own_spec)


@cache
def shipped_networks() -> Mapping[str, NetworkSpec]:
    """Every network of ``models/registry.toml`` by name, in its order."""
    with (models_folder() / "registry.toml").open("rb") as file:
        tables = tomllib.load(file)
    shared = tables.get("aliases", {})
    return {name: _spec(name, table, shared) for name, table in tables["networks"].items()}


def motif_px(name: str) -> int:
    """`NetworkSpec.motif_px` of a network by name, the usual one where nobody has said another, and
    of two in turns."""
    spec = shipped_networks().get(name)
    return spec.motif_px if spec else MOTIF_PX


def in_turns(name: str) -> tuple[str, ...]:
    """The networks that dream by this name: two take turns in ``dreamnet+googlenet``.

    Raises NetworkError for more than two, and where one has no name.
    """
    names = tuple(one.strip() for one in name.split("+"))
    if len(names) > 2 or (len(names) > 1 and not all(names)):
        raise NetworkError(f"at most two networks dream in turns, A+B (got {name!r})")
    return names


def find_spec(name: str) -> NetworkSpec:
    """The entry of that name.  Raises NetworkError with the closest names otherwise."""
    known = registry()
    if name in known:
        return known[name]
    if len(in_turns(name)) > 1:
        raise NetworkError(f"one network is meant here, not two in turns (got {name!r})")
    hint = closest(name, known) or "see 'livedream networks' for all of them"
    raise NetworkError(f"no network {name!r}; {hint}")


def _own_spec(text: str, name: str, *, own: bool) -> NetworkSpec:
    """An entry for a network of the user's own: it has dreamnet's architecture."""
    if name in shipped_networks():
        raise SettingsError(f"network {name}: the name is livedream's own")
    try:
        said = toml_table(text)
    except SettingsError as error:
        raise SettingsError(f"network {name}: {error}") from error
    wrong = [key for key in ("sha256", "summary", "licence") if not isinstance(said.get(key), str)]
    if not isinstance(said.get("size_mb", 0), int | float):
        wrong.append("size_mb")
    if wrong or len(said["sha256"]) != 64:
        raise SettingsError(f"network {name}: {(wrong or ['sha256'])[0]} is missing or damaged")
    return NetworkSpec(
        name=name,
        summary=said["summary"],
        builder=DREAMNET,
        licence=said["licence"],
        minimum_size=64,
        size_mb=float(said.get("size_mb", 0)),
        classifier="class_map",
        file=f"{name}.safetensors",
        sha256=said["sha256"],
        own=own,
    )


def _spec(name: str, table: Mapping[str, Any], shared: Mapping[str, Any]) -> NetworkSpec:
    said = dict(table)
    groups = [shared[group] for group in said.pop("alias_groups", ())]
    groups.append(said.pop("aliases", []))
    said["ignored"] = tuple(said.get("ignored", ()))
    aliases = dict(pair for group in groups for rule in group for pair in _aliases(rule))
    return NetworkSpec(name=name, aliases=aliases, **said)


def _aliases(rule: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A rule's pairs: ``names`` written out once for each row of ``over``.

    A row fills the places ``{0}``, ``{1}``... of alias and layer; without ``over`` the names are
    taken as they are.
    """
    for row in rule.get("over", [[]]):
        for alias, layer in rule["names"].items():
            yield alias.format(*row), layer.format(*row)
