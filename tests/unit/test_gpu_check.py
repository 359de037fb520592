"""`scripts/gpu_check` on a machine that has next to nothing."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

ROOT = Path(__file__).resolve().parents[2]
SPARE = (
    "av", "rich", "safetensors", "onnx", "onnxruntime", "torchvision", "pytest", "platformdirs",
)  # fmt: skip


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_it_says_so_in_one_line(tmp_path: Path) -> None:
    for name in SPARE:
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} is not to be had here')\n")
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    words = [sys.executable, str(ROOT / "scripts" / "gpu_check.py"), "--json", "none.json"]
    ran = subprocess.run(words, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 2 and ran.stdout == ""
    assert ran.stderr.splitlines() == [
        "gpu_check: no CUDA device found, one is needed: nothing was checked"
    ]
    assert not (tmp_path / "none.json").exists()


def test_the_measurements_import_nothing_that_may_be_missing(tmp_path: Path) -> None:
    # Packages that look missing, as they would to importlib.
    script = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'scripts')!r}]\n"
        f"missing = {SPARE!r}\n"
        "class Wall:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in missing: raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Wall())\n"
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda n, *a: None if n in missing else real(n, *a)\n"
        "from safetensors_reader import stand_in\n"
        "assert stand_in()\n"
        "import torch, gpu_measures as m\n"
        "net = m.network_of('dreamnet')\n"
        "a = m.ascent_with(net, 'strokes', 'torch', torch.float32, torch.device('cpu'))\n"
        "print(a.response(torch.full((1, 3, 64, 64), 0.5)) > 0, m.network_of('googlenet'))\n"
        "import gpu_stages as s\n"
        "found = s.stages(torch.device('cpu'), small=True)\n"
        "print(*(f\"{row['stage']}:{row['ms'] > 0}\" for row in found))\n"
        "(walk,) = s.resident_walk(torch.device('cpu'), small=True)\n"
        "print(walk['repeats'], walk['fps'] > 0)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "LIVEDREAM_HOME": str(tmp_path)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert "True None" in lines and lines[-1] == "True True"
    stages = "upload picture carry 2 steps at 96x64 spread level compose download"
    assert any(line.replace(":True", "") == stages for line in lines)


def test_the_stand_in_reads_what_the_package_reads() -> None:
    path = ROOT / "models" / "dreamnet.safetensors"
    own = runpy.run_path(str(ROOT / "scripts" / "safetensors_reader.py"))["safe_open"]
    with safe_open(path, framework="pt") as wanted, own(path) as found:
        assert found.metadata() == wanted.metadata()
        names = sorted(wanted.keys())
        assert sorted(found.keys()) == names
        for name in names:
            assert torch.equal(found.get_tensor(name), wanted.get_tensor(name))
