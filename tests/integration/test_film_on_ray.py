"""What is wrong with Ray is said in one line."""

import os
import sys
from pathlib import Path

import pytest
from ports import free_tcp_port

from livedream.cli import main


def ends_in_one_line(capsys: pytest.CaptureFixture[str], *told: str) -> str:
    """What a command that cannot work says."""
    assert main(["render", *told]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_ray_that_is_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # an import of it fails
    monkeypatch.setattr(os, "environ", os.environ.copy())
    out = str(tmp_path / "out.mkv")
    said = ends_in_one_line(capsys, "synthetic:clouds", "-o", out, "--workers", "2")
    assert "pip install 'livedream[ray]'" in said


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nobody_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scheme: str
) -> None:
    address = f"{scheme}127.0.0.1:{free_tcp_port()}"
    out = str(tmp_path / "out.mkv")
    said = ends_in_one_line(capsys, "synthetic:clouds", "-o", out, "--cluster", address)
    assert f"--cluster {address}: no Ray cluster answers there" in said
