"""Networks of the user's own: checked, copied into a folder of theirs, listed with all others.

Only dreamnet's architecture, and only safetensors: nothing in such a file is ever unpickled. Others
are dreamed with `--network NAME --weights FILE`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from safetensors import SafetensorError

from livedream.core.downloads import file_sha256
from livedream.core.errors import (
    LivedreamError,
    NetworkError,
    SettingsError,
    WeightsError,
    os_reason,
    reason,
)
from livedream.core.user_folders import checked_name, toml_text, write_whole
from livedream.dream.networks.dreamnet import read_metadata
from livedream.dream.networks.network import load_network
from livedream.dream.networks.registry import own_networks, own_networks_folder, registry
from livedream.dream.objectives.binding import bind

_LARGEST: Final = 64 << 20  # bytes; dreamnet has 2.5 million
# What a file raises that claims to be what it is not: its JSON may say anything.
_WRONG: Final = (
    LivedreamError, SafetensorError, ArithmeticError, AttributeError, LookupError, OSError,
    RuntimeError, TypeError, ValueError,
)  # fmt: skip


def check_new_name(name: str) -> str:
    """The name of a network that there is not yet. Raises SettingsError for any other."""
    checked_name(name)
    if name in own_networks()[0] or (own_networks_folder() / f"{name}.toml").exists():
        raise SettingsError(
            f"name: you have a network {name} already; choose another name, or "
            f"'livedream networks remove {name}' first"
        )
    if name in registry():
        raise SettingsError(f"name: {name} is one of livedream's own networks; choose another")
    return name


def add_network(file: Path, name: str) -> Path:
    """Copy a weights file among the user's networks and note its checksum; returns the copy.

    Raises SettingsError when the name is taken or nothing can be written, WeightsError when the
    file is no network of dreamnet's architecture, whole and finite.
    """
    check_new_name(name)
    said = check_network(file)
    path = own_networks_folder() / f"{name}.safetensors"
    write_whole(path, file.read_bytes())
    note_network(name, said)
    return path


def note_network(name: str, said: Mapping[str, object]) -> None:
    """Put a weights file that lies in the user's folder into every list, with its checksum.

    said: what `check_network` found in it.  Raises SettingsError when that cannot be written.
    """
    path = own_networks_folder() / f"{name}.safetensors"
    entry = {
        "sha256": file_sha256(path),
        "summary": str(said.get("summary", "one of your own")),
        "licence": str(said.get("licence", "not stated")),
    }
    lines = [f"{key} = {toml_text(value)}" for key, value in entry.items()]
    lines.append(f"size_mb = {path.stat().st_size / 1e6:.1f}")
    write_whole(path.with_suffix(".toml"), "\n".join(lines) + "\n")


def unlist_network(name: str) -> None:
    """Take a network out of every list, before its weights are replaced: new ones would not load
    by the checksum of the old.  Raises SettingsError when that cannot be done."""
    path = own_networks_folder() / f"{name}.toml"
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"{path} cannot be deleted ({os_reason(error)})") from error


def remove_network(name: str) -> None:
    """Delete one of the user's own. Raises NetworkError for any other, SettingsError when it
    cannot be deleted."""
    found, broken = own_networks()
    if name not in found and name not in broken:
        if name in registry():
            raise NetworkError(f"network {name} is livedream's own and cannot be removed")
        yours = ", ".join([*found, *broken]) or "none"
        raise NetworkError(f"you have no network {name[:60]!r}; yours: {yours}")
    folder = own_networks_folder()
    try:
        for suffix in (".toml", ".safetensors", ".md", ".png"):
            (folder / f"{name}{suffix}").unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"{error.filename} cannot be deleted ({os_reason(error)})") from error


def check_network(file: Path) -> dict[str, object]:
    """What a weights file says of itself. Raises WeightsError when it is not one to be added."""
    if not file.is_file():
        raise WeightsError(f"weights {file}: no such file")
    if file.suffix != ".safetensors":
        raise WeightsError(f"weights {file}: must be a .safetensors file")
    if file.stat().st_size > _LARGEST:
        raise WeightsError(f"weights {file}: larger than {_LARGEST >> 20} MiB; too large a network")
    try:
        said = read_metadata(file)
        network = load_network("dreamnet", weights=file)
        bind(network.default_objective, network)
    except WeightsError:
        raise
    except _WRONG as error:
        raise WeightsError(f"weights {file}: no network to dream with ({reason(error)})") from error
    return said
