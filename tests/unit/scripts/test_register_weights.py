"""Checksums in the registry: written from the files, everything else left as it stands."""

import hashlib
import tomllib
from pathlib import Path

import pytest
from register_weights import corrected

REGISTRY = """# a comment
[[aliases.x]]
names = { a = "b" }

[networks.own]
summary = "one"
file = "own.safetensors"
size_mb = 9.0
licence = "MIT"

[networks.absent]
file = "absent.safetensors"
size_mb = 1.0

[networks.fetched]
weights = "X.Y"
size_mb = 50.0
"""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "own.safetensors").write_bytes(b"w" * 2_345_678)
    return tmp_path


def test_checksum_and_size_are_those_of_the_file(models: Path) -> None:
    entry = tomllib.loads(corrected(REGISTRY, models))["networks"]["own"]
    assert entry["sha256"] == hashlib.sha256(b"w" * 2_345_678).hexdigest()
    assert entry["size_mb"] == 2.3
    assert (entry["summary"], entry["licence"]) == ("one", "MIT")


def test_all_else_stays(models: Path) -> None:
    after = corrected(REGISTRY, models)
    changed = set(after.splitlines()) ^ set(REGISTRY.splitlines())
    assert {line.split(" ")[0] for line in changed} == {"sha256", "size_mb"}
    assert after.index("sha256") < after.index("[networks.absent]")


def test_a_stale_checksum_is_replaced_and_a_true_one_stays(models: Path) -> None:
    once = corrected(REGISTRY, models)
    assert corrected(once, models) == once
    (models / "own.safetensors").write_bytes(b"other")
    twice = corrected(once, models)
    assert twice.count("sha256") == 1
    assert hashlib.sha256(b"other").hexdigest() in twice


def test_an_entry_without_a_size(models: Path) -> None:
    with pytest.raises(ValueError, match="own: wanted a table with a size_mb"):
        corrected(REGISTRY.replace("size_mb = 9.0\n", ""), models)
