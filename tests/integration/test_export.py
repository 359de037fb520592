"""`livedream export`, and the example that dreams with what it writes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from livedream.cli import main
from livedream.cli.export import LEFT_OUT
from livedream.core.device import resident
from livedream.core.errors import SettingsError
from livedream.core.frame import Picture
from livedream.core.parameters import declared
from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Ascent
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import bind
from livedream.jobs.export import Exported, export_steps

onnx = pytest.importorskip("onnx", reason="the export extra is not installed")
pytest.importorskip("onnxscript", reason="the export extra is not installed")
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "dream_without_torch.py"
SMALL = DreamSettings(size="128x96", octaves=2, objective="strokes")


@pytest.fixture(scope="module")
def files(dreamnet: Network, tmp_path_factory: pytest.TempPathFactory) -> list[Exported]:
    return export_steps(SMALL, tmp_path_factory.mktemp("export") / "dream.onnx", dreamnet)


def test_at_the_border_it_dreams_as_the_ascent_does(
    files: list[Exported], dreamnet: Network, texture: Picture
) -> None:
    import onnxruntime

    settings = SMALL.replace(octaves=1, iterations=3, engine="torch", variety=0.0, focus=0.0)
    ascent = Ascent(
        dreamnet, bind("strokes", dreamnet), settings, torch.device("cpu"), torch.float32
    )
    picture = torch.from_numpy(resized(texture)).permute(2, 0, 1)[None].float() / 255
    with resident():  # PyTorch's own resizing, as in the file, and not OpenCV's
        wanted = ascent.addition(picture, np.random.default_rng(7)).numpy()
    session = onnxruntime.InferenceSession(files[1].path, providers=["CPUExecutionProvider"])
    draw, dreamed = np.random.default_rng(7), picture.numpy()
    for _ in range(settings.iterations):
        shift = draw.integers(0, settings.jitter + 1, 2)
        (dreamed,) = session.run(None, {
            "picture": dreamed, "step_size": np.array([1.5], np.float32), "shift": shift,
            "weights": np.ones(1, np.float32), "variety": np.zeros(1, np.float32),
            "focus": np.zeros(1, np.float32),
        })  # fmt: skip
    different = np.abs(dreamed - picture.numpy() - wanted) * 255
    border = np.ones(different.shape[2:], bool)
    border[4:-4, 4:-4] = False
    assert different[..., border].max() < 0.1  # 8-bit steps
    assert different.max() < 0.1


def python_without_torch(tmp_path: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    wall = tmp_path / "wall"
    wall.mkdir(exist_ok=True)
    for name in ("torch", "livedream"):
        (wall / f"{name}.py").write_text(f"raise ImportError('{name} is not to be had here')\n")
    env = {**os.environ, "PYTHONPATH": str(wall)}
    return subprocess.run(
        [sys.executable, *words], env=env, capture_output=True, text=True, check=False
    )


def test_one_file_for_each_octave(files: list[Exported]) -> None:
    assert [(f.path.name, f.width, f.height) for f in files] == [
        ("dream-1.onnx", 91, 69), ("dream-2.onnx", 128, 96),
    ]  # fmt: skip
    model = onnx.load(files[1].path)
    shapes = {
        port.name: [side.dim_value for side in port.type.tensor_type.shape.dim]
        for port in [*model.graph.input, *model.graph.output]
    }
    assert shapes == {
        "picture": [1, 3, 96, 128], "step_size": [1], "shift": [2], "weights": [1],
        "variety": [1], "focus": [1],
        "dreamed": [1, 3, 96, 128],
    }  # fmt: skip
    notes = {entry.key: entry.value for entry in model.metadata_props}
    assert notes["livedream.objective"] == "strokes" and notes["livedream.margins"] == "[16, 16]"
    assert all(port.doc_string for port in [*model.graph.input, *model.graph.output])


@pytest.mark.parametrize("objective", ["eyes@left", "guide(eyes, synthetic:clouds)"])
def test_what_has_its_place_or_time_is_refused(
    dreamnet: Network, tmp_path: Path, objective: str
) -> None:
    with pytest.raises(SettingsError, match=r"an exported step has no (regions|guides that move)"):
        export_steps(SMALL.replace(objective=objective), tmp_path / "dream.onnx", dreamnet)
    assert not list(tmp_path.iterdir())


def test_a_file_says_nothing_of_the_machine_it_was_made_on(files: list[Exported]) -> None:
    content = files[0].path.read_bytes()
    for path in (Path(__file__).resolve().parents[2], Path(torch.__file__).parent, Path.home()):
        assert str(path).encode() not in content


def test_the_example_dreams_without_torch(
    files: list[Exported], texture: Picture, dreamnet: Network, tmp_path: Path
) -> None:
    source, result = tmp_path / "in.npy", tmp_path / "out.npy"
    np.save(source, texture)
    assert "not to be had" in python_without_torch(tmp_path, "-c", "import torch").stderr
    paths = [str(file.path) for file in files]
    ran = python_without_torch(tmp_path, str(EXAMPLE), str(source), *paths, str(result))
    assert ran.returncode == 0, ran.stderr
    dreamed = np.load(result)
    assert dreamed.shape == (96, 128, 3) and dreamed.dtype == np.uint8
    before, after = (response(dreamnet, rgb) for rgb in (resized(texture), dreamed))
    assert after > 2 * before


def response(network: Network, rgb: Picture) -> float:
    objective = bind("strokes", network)
    picture = torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None] / 255.0
    normal = network.preprocessing.normalise(picture)
    return float(objective.response(network.truncated(objective.layers)(normal)))


def resized(rgb: Picture) -> Picture:
    import cv2

    return np.asarray(cv2.resize(rgb, (128, 96), interpolation=cv2.INTER_AREA), np.uint8)


def test_what_the_command_line_leaves_out_is_declared() -> None:
    assert set(LEFT_OUT) < {parameter.name for parameter in declared(DreamSettings)}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-o", "dream.pt"], "must end in .onnx"),
        (["-o", "taken.onnx", "--octaves", "1"], "exists"),
        (["--size", "source"], "360p"),
        (["--size", "32x32", "--octaves", "1", "--jitter", "8"], "at least 64"),
        (["--precision", "bf16"], "fp16"),
        (["--objective", "nolayer"], "nolayer"),
        (["--prompt", "snow owll"], "at character 6 of 'snow owll'"),
        (["--prompt", "owl@left", "--size", "96x64", "--octaves", "1"], "leave out @left"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_what_cannot_be_exported_is_told(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.onnx").write_bytes(b"mine")
    assert main(["export", *words]) == 2
    error = capsys.readouterr().err
    assert told in error.splitlines()[0]
    assert (tmp_path / "taken.onnx").read_bytes() == b"mine"


def test_without_the_extra_its_command_is_told(
    dreamnet: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ValueError, match=r'pip install "livedream\[export\]"'):
        export_steps(SMALL, tmp_path / "dream.onnx", dreamnet)
