"""What was done in OBS, and which preset goes with which scene: `obs.toml` in the user's folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from livedream.core.errors import SettingsError
from livedream.core.user_folders import own_folder, toml_table, toml_text, write_whole


@dataclass(slots=True)
class ObsChanges:
    """What was done in a scene collection of OBS.

    made: whether the source there is ours.  offsets: each microphone's sync offset before, ms.
    """

    made: bool = False
    offsets: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.made or bool(self.offsets)


@dataclass(slots=True)
class ObsNotes:
    """changes: by scene collection, since sources of one name are others in each.  scenes: presets
    by scene."""

    path: Path
    changes: dict[str, ObsChanges] = field(default_factory=dict)
    scenes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | None = None) -> "ObsNotes":
        path = path or own_folder() / "obs.toml"
        if not path.is_file():
            return cls(path)
        try:
            found = toml_table(path.read_text(encoding="utf-8-sig"))
            changes = {
                str(collection): ObsChanges(
                    bool(one.get("made", False)),
                    {str(k): int(v) for k, v in dict(one.get("offsets", {})).items()},
                )
                for collection, one in dict(found.get("collections", {})).items()
            }
            scenes = {str(k): str(v) for k, v in dict(found.get("scenes", {})).items()}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise SettingsError(f"obs: {path} cannot be read ({error})") from error
        return cls(path, changes, scenes)

    def note(
        self, collection: str, *, made: bool = False, offsets: Mapping[str, int] | None = None
    ) -> None:
        """Write down what was done, beside what the file says by now: `livedream obs` may have
        written to it meanwhile."""
        now = self.read(self.path)
        before = now.changes.get(collection, ObsChanges())
        self.changes, self.scenes = now.changes, now.scenes
        new = {name: ms for name, ms in (offsets or {}).items() if name not in before.offsets}
        self.changes[collection] = ObsChanges(made or before.made, before.offsets | new)
        self.write()

    def write(self) -> None:
        lines = ["[scenes]"]
        lines += [f"{toml_text(scene)} = {toml_text(to)}" for scene, to in self.scenes.items()]
        for collection, one in self.changes.items():
            table = f"collections.{toml_text(collection)}"
            lines += ["", f"[{table}]", f"made = {str(one.made).lower()}"]
            lines += ["", f"[{table}.offsets]"]
            lines += [f"{toml_text(name)} = {ms}" for name, ms in one.offsets.items()]
        write_whole(self.path, "\n".join(lines) + "\n")
