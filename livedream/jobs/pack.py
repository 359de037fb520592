"""A show to carry along: presets, programs, controller maps, displays, masks, guides and networks.

One zip file of what lies in the user's folder, and of the pictures that presets name, each with its
SHA-256. Taking it out executes nothing and writes nowhere else: every name is one of `_KINDS`, and
every file is read by whoever reads it in a show, before any is written.
"""

import hashlib
import io
import json
import lzma
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from livedream.capture.live.beside import is_live
from livedream.capture.synthetic import is_synthetic
from livedream.control.preset_files import paths_of, paths_of_prompt, with_paths
from livedream.control.presets import Preset, Presets, read_preset
from livedream.control.programs import read_program
from livedream.core.addresses import holds_secret
from livedream.core.errors import GrammarError, LivedreamError, SettingsError, os_reason, reason
from livedream.core.redact import redact
from livedream.core.user_folders import NAME, own_folder, toml_table, write_whole
from livedream.core.version import __version__
from livedream.core.whole_file import whole_file

MANIFEST: Final = "manifest.json"
# What may be in a pack, and what to call it; the same places as in the user's folder.
_KINDS: Final = {
    rf"presets/{NAME.pattern}\.toml": "preset",
    rf"programs/{NAME.pattern}\.toml": "program",
    rf"networks/{NAME.pattern}\.(?:safetensors|toml|md|png)": "network",
    rf"masks/{NAME.pattern}\.png": "mask",
    r"files/[0-9a-f]{12}-[\w-][\w.-]{0,99}": "file of a preset",
    r"midi\.toml": "MIDI map",
    r"displays\.json": "displays",
}
_PACKED: Final = re.compile(r"^[0-9a-f]{12}-(?=[\w-])")  # how the name of such a file begins
_LARGEST: Final = 2 << 30  # bytes, unpacked: a guide may be a film
# What reading a zip raises; a RuntimeError where it wants a password.
_DAMAGED: Final = (
    OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error,
    lzma.LZMAError,
)  # fmt: skip
_SMALL: Final = 1 << 20  # bytes, of what is text


@dataclass(frozen=True, slots=True)
class Change:
    """What a pack does to one file.  state: "new", "same" or "other"."""

    name: str
    kind: str
    state: str


def pack(path: Path, *, overwrite: bool = False) -> tuple[list[str], list[str]]:
    """Write all of the user's own into a zip file: the names in it, and notes on what is not.

    What `unpack` would refuse is left out.
    Raises SettingsError when it is there already, cannot be written, or there is nothing to pack.
    """
    if path.exists() and not overwrite:
        raise SettingsError(f"{path}: there is such a file already; --overwrite replaces it")
    home, notes = own_folder(), list[str]()
    found: dict[str, bytes | Path] = dict(_own_files(home, notes))
    presets = Presets()
    notes += [f"presets/{name}.toml: {why}; not packed" for name, why in presets.broken.items()]
    for preset in presets:
        if not preset.own:
            continue
        if any(map(holds_secret, paths_of(preset))):
            notes.append(
                f"preset {preset.name}: holds a password or key and is not packed; "
                "write {env:NAME} or {file:PATH} in its place"
            )
            continue
        carried = _carried(preset, found, notes)
        found[f"presets/{preset.name}.toml"] = carried.to_toml().encode()
    if not found:
        why = f" ({'; '.join(notes)})" if notes else ""
        raise SettingsError(f"pack: {home} holds nothing to pack{why}")
    try:
        with (
            whole_file(path, lasting=True) as unfinished,
            zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            sums = {name: _put(archive, name, found[name]) for name in sorted(found)}
            said = {"livedream": __version__, "files": sums}
            archive.writestr(MANIFEST, json.dumps(said, indent=1))
    except OSError as error:
        raise SettingsError(f"{path} cannot be written ({os_reason(error)})") from error
    return sorted(found), list(dict.fromkeys(map(redact, notes)))


def unpack(path: Path, *, write: bool, overwrite: bool = False) -> list[Change]:
    """What a pack changes in the user's folder; and have it so.

    overwrite: replace files that are other ones; else they stay.  Raises SettingsError, before
    anything is written, for a pack that is damaged or holds what has no place in one.
    """
    home = own_folder()
    with TemporaryDirectory(prefix="livedream-") as folder:
        new = Path(folder)
        names = _take_out(path, new)
        for name in names:
            if kind_of(name) == "preset":
                _settle(new / name, names, home)
        for name in names:
            _check(new, name, names)
        changes = [Change(name, kind_of(name), _state(home / name, new / name)) for name in names]
        if write:
            for change in changes:
                if change.state == "new" or (change.state == "other" and overwrite):
                    _move(new / change.name, home / change.name)
    return changes


def kind_of(name: str) -> str:
    """What a file of this name is in the user's folder, "" for nothing that belongs in a pack."""
    return next((kind for pattern, kind in _KINDS.items() if re.fullmatch(pattern, name)), "")


def _own_files(home: Path, notes: list[str]) -> dict[str, Path]:
    """What is the user's own, but presets, by its name in a pack; notes say what is left out."""
    found: dict[str, Path] = {}
    for file in sorted(home.rglob("*")) if home.is_dir() else ():
        name = file.relative_to(home).as_posix()
        kind = kind_of(name)
        if not file.is_file() or kind in ("preset", "file of a preset"):
            continue
        if kind and file.stat().st_size > _room(found):
            notes.append(f"{name}: larger than what is left of {_LARGEST >> 20} MiB; not packed")
        elif kind:
            found[name] = file
        elif re.fullmatch(r"(programs|networks|masks)/[^.][^/]*\.(toml|safetensors|png)", name):
            notes.append(f"{name}: its name must be 1 to 40 of a-z, 0-9 and -; not packed")
    while wrong := {name: why for name in found if (why := _wrong(home, name, list(found)))}:
        notes += [f"{why}; not packed" for why in wrong.values()]
        for name in wrong:  # without which others may be wrong: a network has two files
            del found[name]
    return found


def _room(found: dict[str, bytes | Path] | dict[str, Path]) -> int:
    """Bytes that a pack still has room for, besides its presets."""
    sizes = [one.stat().st_size if isinstance(one, Path) else len(one) for one in found.values()]
    return _LARGEST - _SMALL - sum(sizes)


def _wrong(folder: Path, name: str, names: list[str]) -> str:
    """What `unpack` would say of it, "" for nothing."""
    try:
        _check(folder, name, names)
    except SettingsError as error:
        return str(error)
    return ""


def _carried(preset: Preset, found: dict[str, bytes | Path], notes: list[str]) -> Preset:
    """A preset that names files by their places in a pack; these files are `found`, too."""

    def packed(text: str) -> str:
        if is_live(text) or is_synthetic(text):
            return text
        file = Path(text)
        own = _own_name(file)
        if kind_of(own) == "mask" and own in found:  # painted anew there, presets follow
            return own
        try:
            if not file.is_file():
                raise SettingsError("is not a file")
            plain = _PACKED.sub("", file.name)
            plain = re.sub(r"[^\w.-]", "_", plain, flags=re.ASCII)[-100:].lstrip(".")
            name = f"files/{_sha256(file)[:12]}-{plain}"
            if name not in found and file.stat().st_size > _room(found):
                raise SettingsError(f"is larger than what is left of {_LARGEST >> 20} MiB")
        except (SettingsError, OSError) as error:
            why = f"cannot be read ({os_reason(error)})" if isinstance(error, OSError) else error
            notes.append(f"preset {preset.name}: {text} {why} and is not packed")
            return text
        found[name] = file
        return name

    notes += [
        f"preset {preset.name}: {path}, in its prompt, is not packed"
        for path in paths_of_prompt(preset)
    ]
    return with_paths(preset, packed)


def _own_name(file: Path) -> str:
    """Its name in the user's folder, "" for one that lies elsewhere."""
    whole, home = file.absolute(), own_folder().absolute()
    return whole.relative_to(home).as_posix() if whole.is_relative_to(home) else ""


def _settle(file: Path, names: list[str], home: Path) -> None:
    """Have a preset name files where they will lie."""
    preset = _preset(file)
    try:
        settled = with_paths(preset, lambda text: str(home / text) if text in names else text)
    except GrammarError as error:
        raise SettingsError(f"preset {file.stem}: {error}") from error
    file.write_text(settled.to_toml(), encoding="utf-8")


def _put(archive: zipfile.ZipFile, name: str, content: bytes | Path) -> str:
    """Its SHA-256."""
    with _opened(content) as source, archive.open(name, "w", force_zip64=True) as packed:
        shutil.copyfileobj(source, packed)
    return _sha256(content)


def _sha256(content: bytes | Path) -> str:
    with _opened(content) as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _opened(content: bytes | Path) -> Any:
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def _take_out(path: Path, folder: Path) -> list[str]:
    """The pack's files in a folder of their own, all that the manifest names and no other."""
    try:
        with zipfile.ZipFile(path) as archive:
            said = json.loads(archive.read(_entry(archive, MANIFEST, _SMALL)))
            sums = dict(said["files"])
            names = [one.filename for one in archive.infolist() if one.filename != MANIFEST]
            if sorted(names) != sorted(sums):
                raise SettingsError(f"{path}: its files are not those of its manifest")
            room = _LARGEST
            for name in names:
                if not kind_of(name):
                    raise SettingsError(f"{path}: {name[:80]!r} has no place in a pack")
                entry = _entry(archive, name, room)
                room -= entry.file_size
                to = folder / name
                to.parent.mkdir(exist_ok=True)
                with archive.open(entry) as source, to.open("wb") as file:
                    shutil.copyfileobj(source, file)
                if _sha256(to) != sums[name]:
                    raise SettingsError(f"{path}: {name} is damaged (its SHA-256 is another)")
    except LivedreamError:
        raise
    except _DAMAGED as error:
        raise SettingsError(f"{path}: cannot be unpacked ({reason(error)})") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError(f"{path}: no pack of livedream's") from error
    return sorted(names)


def _entry(archive: zipfile.ZipFile, name: str, room: int) -> zipfile.ZipInfo:
    entry = archive.getinfo(name)
    if entry.file_size > room:
        raise SettingsError(f"{name}: larger than the {room >> 20} MiB that are left for it")
    return entry


def _check(folder: Path, name: str, names: list[str]) -> None:
    """Read a file as a show would.  names: of all in the pack.  Raises SettingsError."""
    readers: dict[str, Callable[[Path], object]] = {
        "program": lambda file: read_program(_text(file), file.stem),
        "MIDI map": _midi_map,
        "displays": _displays,
        "mask": _mask,
        "network": lambda file: _network(file, names),
    }
    read = readers.get(kind_of(name))
    if read is not None:
        try:
            read(folder / name)
        except (LivedreamError, OSError) as error:
            raise SettingsError(f"{name}: {reason(error)}") from error


def _preset(file: Path) -> Preset:
    """Checked but for its network, which may be in the same pack."""
    text = _text(file)
    try:
        found = toml_table(text)
    except SettingsError as error:
        raise SettingsError(f"preset {file.stem}: {error}") from error
    dream = found.get("dream")
    network = dream.get("network") if isinstance(dream, dict) else None
    if not isinstance(network, str) or not network:
        return read_preset(text, file.stem)
    without = re.sub(r"(?m)^network = .*$", "", text)
    preset = read_preset(without, file.stem)
    return replace(preset, values={**preset.values, "network": network})


def _network(file: Path, names: list[str]) -> None:
    from livedream.dream.own_networks import check_network

    if file.suffix == ".safetensors":
        check_network(file)
        if f"networks/{file.stem}.toml" not in names:
            raise SettingsError("the file that says what network it is is missing")
    elif file.suffix == ".toml":
        weights = file.with_suffix(".safetensors")
        said = toml_table(_text(file))
        if f"networks/{weights.name}" not in names or said.get("sha256") != _sha256(weights):
            raise SettingsError("is not of the weights beside it")


def _midi_map(file: Path) -> None:
    from livedream.control.midi import MidiMap

    _text(file)
    MidiMap(file)


def _displays(file: Path) -> None:
    from livedream.present.live.display_memory import parse_displays

    parse_displays(_text(file))


def _mask(file: Path) -> None:
    from livedream.capture.pictures import read_picture

    read_picture(str(file))


def _text(file: Path) -> str:
    if file.stat().st_size > _SMALL:
        raise SettingsError(f"{file.name}: larger than {_SMALL >> 20} MiB")
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file.name}: not text") from error


def _state(there: Path, new: Path) -> str:
    if not there.is_file():
        return "new"
    return "same" if _sha256(there) == _sha256(new) else "other"


def _move(new: Path, to: Path) -> None:
    if new.stat().st_size <= _SMALL:
        write_whole(to, new.read_bytes())
        return
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(to, lasting=True) as unfinished:
            shutil.copyfile(new, unfinished)
    except OSError as error:
        raise SettingsError(f"{to} cannot be written ({os_reason(error)})") from error
