"""Checksums of the embedded networks in ``models/registry.toml``: compare them, or write them.

``python scripts/register_weights.py`` prints SHA-256 and size of every weights file that lies under
``models/`` and exits with 1 when the registry says otherwise; with ``--write`` it corrects the
registry. Nobody copies a checksum by hand.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tomllib
from pathlib import Path

MODELS = Path(__file__).resolve().parents[1] / "models"


def stated_lines(path: Path) -> dict[str, str]:
    """The registry's lines about a weights file, by field, as they should read."""
    content = path.read_bytes()
    return {
        "file": f'file = "{path.name}"',
        "sha256": f'sha256 = "{hashlib.sha256(content).hexdigest()}"',
        "size_mb": f"size_mb = {len(content) / 1e6:.1f}",
    }


def corrected(registry: str, models: Path) -> str:
    """The registry's text with checksum and size of every embedded file that is there.

    A table's ``file`` line is followed by its checksum; all else stays as it stands. Raises
    ValueError for an entry that states no size.
    """
    for name, entry in tomllib.loads(registry)["networks"].items():
        path = models / entry.get("file", "")
        if not path.is_file():
            continue
        table = re.search(rf"^\[networks\.{re.escape(name)}\]\n(?:[^\[\n].*\n)*", registry, re.M)
        if table is None or "size_mb" not in entry:
            raise ValueError(f"{name}: wanted a table with a size_mb in the registry")
        wanted = stated_lines(path)
        lines = [line for line in table[0].splitlines() if not line.startswith("sha256 ")]
        lines = [wanted["size_mb"] if line.startswith("size_mb ") else line for line in lines]
        lines.insert(lines.index(wanted["file"]) + 1, wanted["sha256"])
        registry = registry.replace(table[0], "\n".join(lines) + "\n")
    return registry


def main() -> int:
    """Compare or write, as the command line says; 1 when they differ and nothing was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="correct models/registry.toml")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of the registry")
    arguments = parser.parse_args()
    path = arguments.models / "registry.toml"
    before = path.read_text(encoding="utf-8")
    after = corrected(before, arguments.models)
    for name, entry in tomllib.loads(after)["networks"].items():
        if (arguments.models / entry.get("file", "")).is_file():
            print(f"{entry['sha256']}  {entry['size_mb']} MB  {name}")
    if before == after:
        return 0
    if not arguments.write:
        print(f"{path.name} states otherwise: run with --write", file=sys.stderr)
        return 1
    path.write_text(after, encoding="utf-8")
    print(f"{path.name} written")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
