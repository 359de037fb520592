"""Flow networks from ONNX files: what goes in, what comes out, and every declared difference.

The networks are one 1 x 1 convolution over both pictures, so that the flow tells what was fed.
"""

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from livedream.core.errors import FlowError, ShapeError
from livedream.core.frame import Picture
from livedream.flow.onnx import OnnxFlow, open_session
from livedream.flow.onnx_adapter import METADATA_KEY, FlowAdapter

Sides = tuple[int | str, int | str]
FIRST_RED, FIRST_BLUE, SECOND_RED = 0, 2, 3


def build(
    path: Path,
    *,
    names: Sequence[str] = ("current", "previous"),
    x: int = FIRST_RED,
    y: int = SECOND_RED,
    shift: tuple[float, float] = (0.0, 0.0),
    sides: Sides = ("h", "w"),
    channels: int = 3,
    pool: int = 1,
    blocks: int = 1,
    half: bool = False,
    metadata: dict[str, Any] | str | None = None,
) -> Path:
    """(x, y) of the flow = channels x and y of both pictures, one behind the other, plus shift.

    pool: the output's size is divided by it.  blocks: sides that are no multiple of it fail.
    """
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    weights = np.zeros((2, 6, 1, 1), np.float16 if half else np.float32)
    weights[0, x], weights[1, y] = (0.0, 0.0) if any(shift) else (1.0, 1.0)
    steps = [
        helper.make_node("Concat", list(names), ["both"], axis=1),
        helper.make_node("SpaceToDepth", ["both"], ["deep"], blocksize=blocks),
        helper.make_node("DepthToSpace", ["deep"], ["whole"], blocksize=blocks),
        helper.make_node("Conv", ["whole", "weights", "shift"], ["large"]),
        helper.make_node(
            "AveragePool", ["large"], ["flow"], kernel_shape=[pool] * 2, strides=[pool] * 2
        ),
    ]
    inputs = [helper.make_tensor_value_info(name, kind, [1, channels, *sides]) for name in names]
    outputs = [
        helper.make_tensor_value_info("both", kind, [1, 6, "a", "b"]),
        helper.make_tensor_value_info("flow", kind, [1, 2, "c", "d"]),
    ]
    constants = [
        numpy_helper.from_array(weights, "weights"),
        numpy_helper.from_array(np.array(shift, weights.dtype), "shift"),
    ]
    model = helper.make_model(
        helper.make_graph(steps, "probe", inputs, outputs, constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    if metadata is not None:
        text = metadata if isinstance(metadata, str) else json.dumps(metadata)
        helper.set_model_props(model, {METADATA_KEY: text})
    onnx.save(model, path)
    return path


@pytest.fixture
def probe(tmp_path: Path) -> Callable[..., Path]:
    return lambda **how: build(tmp_path / "probe.onnx", **how)


@pytest.fixture
def pair() -> tuple[Picture, Picture]:
    draw = np.random.default_rng(3)
    current, previous = (draw.integers(0, 256, (13, 22, 3), np.uint8) for _ in range(2))
    return current, previous


def unit(picture: Picture, channel: int = 0) -> NDArray[np.float64]:
    return picture[..., channel] / 255.0


def close(found: NDArray[np.float32], x: NDArray[Any], y: NDArray[Any], atol: float) -> None:
    assert found.dtype == np.float32 and found.shape == (2, *x.shape)
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, np.stack([x, y]), atol=atol)


Pair = tuple[Picture, Picture]
Probe = Callable[..., Path]


def test_the_convention(probe: Probe, pair: Pair) -> None:
    flow = OnnxFlow(probe(), "cpu")
    close(flow.estimate(*pair), unit(pair[0]), unit(pair[1]), 1e-6)
    assert flow.adapter == FlowAdapter() and flow.provider == "CPUExecutionProvider"


def test_a_constant_shift_comes_back(probe: Probe, pair: Pair) -> None:
    found = OnnxFlow(str(probe(shift=(3.0, -2.0))), "cpu").estimate(*pair)
    assert (found[0] == 3.0).all() and (found[1] == -2.0).all()


def test_the_inputs_names_count_not_their_order(probe: Probe, pair: Pair) -> None:
    flow = OnnxFlow(probe(names=("previous", "current")), "cpu")
    close(flow.estimate(*pair), unit(pair[1]), unit(pair[0]), 1e-6)


@pytest.mark.parametrize("direction", ["first-to-second", "second-to-first"])
def test_the_flow_starts_on_the_current_picture(probe: Probe, pair: Pair, direction: str) -> None:
    path = probe(names=("image1", "image2"), metadata={"direction": direction})
    first, second = pair if direction == "first-to-second" else pair[::-1]
    close(OnnxFlow(path, "cpu").estimate(*pair), unit(first), unit(second), 1e-6)


@pytest.mark.parametrize(
    ("pixels", "gain", "offset"), [("0..1", 1, 0), ("0..255", 255, 0), ("-1..1", 2, -1)]
)
def test_the_range(probe: Probe, pair: Pair, pixels: str, gain: float, offset: float) -> None:
    found = OnnxFlow(probe(metadata={"pixels": pixels}), "cpu").estimate(*pair)
    close(found, unit(pair[0]) * gain + offset, unit(pair[1]) * gain + offset, 1e-5 * gain)


def test_the_order_of_channels(probe: Probe, pair: Pair) -> None:
    path = probe(y=FIRST_BLUE, metadata={"channels": "BGR"})
    close(OnnxFlow(path, "cpu").estimate(*pair), unit(pair[0], 2), unit(pair[0], 0), 1e-6)


def test_both_pictures_in_one_input(probe: Probe, pair: Pair) -> None:
    path = probe(names=("pictures",), channels=6, metadata={"inputs": "one"})
    close(OnnxFlow(path, "cpu").estimate(*pair), unit(pair[0]), unit(pair[1]), 1e-6)


def test_half_precision(probe: Probe, pair: Pair) -> None:
    close(OnnxFlow(probe(half=True), "cpu").estimate(*pair), unit(pair[0]), unit(pair[1]), 1e-3)


def test_sides_are_padded_and_the_flow_cropped(probe: Probe, pair: Pair) -> None:
    path = probe(blocks=8, metadata={"multiple_px": 8})
    close(OnnxFlow(path, "cpu").estimate(*pair), unit(pair[0]), unit(pair[1]), 1e-6)


def test_a_network_that_fails_gets_one_line(
    probe: Probe, pair: Pair, capfd: pytest.CaptureFixture[str]
) -> None:
    """ONNX Runtime's own page about it is not shown."""
    flow = OnnxFlow(probe(blocks=8), "cpu")
    with pytest.raises(FlowError, match=r"22x13 px.*multiple_px") as caught:
        flow.estimate(*pair)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("side", "wanted"), [(1, 128), (129, 136), (136, 136), (128, 128)])
def test_what_a_side_is_padded_to(side: int, wanted: int) -> None:
    assert FlowAdapter(multiple_px=8, least_px=128).padded(side) == wanted


def test_a_size_that_the_graph_fixes(probe: Probe) -> None:
    """Twice as wide and half as high inside: the flow comes back in the picture's pixels."""
    ramp = np.tile(np.arange(40, dtype=np.uint8)[None, :, None] * 6, (20, 1, 3))
    found = OnnxFlow(probe(sides=(10, 80)), "cpu").estimate(ramp, np.full_like(ramp, 51))
    assert found.shape == (2, 20, 40)
    np.testing.assert_allclose(found[0], unit(ramp) / 2, atol=0.007)
    np.testing.assert_allclose(found[1], 0.2 * 2, atol=1e-5)


def test_one_side_fixed_the_other_padded(probe: Probe, pair: Pair) -> None:
    path = probe(sides=(26, "w"), blocks=2, shift=(3.0, 4.0), metadata={"multiple_px": 2})
    found = OnnxFlow(path, "cpu").estimate(*pair)
    assert found.shape == (2, 13, 22)
    assert (found[0] == 3.0).all() and (found[1] == 2.0).all()


@pytest.mark.parametrize("unit_px", [1.0, 4.0])
def test_an_output_at_a_quarter_of_the_size(probe: Probe, unit_px: float) -> None:
    pictures = [np.full((16, 24, 3), level, np.uint8) for level in (51, 102)]
    path = probe(pool=4, metadata={"unit_px": unit_px})
    found = OnnxFlow(path, "cpu").estimate(pictures[0], pictures[1])
    close(found, np.full((16, 24), 0.2 * unit_px), np.full((16, 24), 0.4 * unit_px), 1e-5)


def test_a_smaller_output_without_a_unit_is_ambiguous(probe: Probe) -> None:
    black = np.zeros((16, 24, 3), np.uint8)
    with pytest.raises(FlowError, match=r"6x4 of input 24x16: .*unit_px = 1 .*4 for"):
        OnnxFlow(probe(pool=4), "cpu").estimate(black, black)


@pytest.mark.parametrize("output", [1, -1, "flow"])
def test_the_output_by_index_or_name(probe: Probe, pair: Pair, output: int | str) -> None:
    flow = OnnxFlow(probe(metadata={"output": output}), "cpu")
    close(flow.estimate(*pair), unit(pair[0]), unit(pair[1]), 1e-6)


def test_outputs_that_are_no_flow(probe: Probe, pair: Pair) -> None:
    wrong = OnnxFlow(probe(metadata={"output": "both"}), "cpu")
    with pytest.raises(
        FlowError, match=r"output both must be \(1, 2, H, W\) \(got \(1, 6, 13, 22\)"
    ):
        wrong.estimate(*pair)
    for absent in (2, "depth"):
        with pytest.raises(FlowError, match="output must be one of both, flow"):
            OnnxFlow(probe(metadata={"output": absent}), "cpu")


def test_the_sidecar_speaks_where_the_file_is_silent(probe: Probe, pair: Pair) -> None:
    path = probe(names=("a", "b"))
    sidecar = path.with_name("probe.onnx.toml")
    sidecar.write_text('direction = "second-to-first"\n')
    close(OnnxFlow(path, "cpu").estimate(*pair), unit(pair[1]), unit(pair[0]), 1e-6)
    sidecar.write_text(sidecar.read_text(), encoding="utf-8-sig")  # as Windows' editors do
    assert OnnxFlow(path, "cpu").adapter.direction == "second-to-first"
    told = probe(names=("a", "b"), metadata={})
    close(OnnxFlow(told, "cpu").estimate(*pair), unit(pair[0]), unit(pair[1]), 1e-6)
    sidecar.write_text("direction = ")
    with pytest.raises(FlowError, match=r"probe\.onnx\.toml: its convention does not parse"):
        OnnxFlow(probe(names=("a", "b")), "cpu")


def test_other_names_have_to_be_explained(probe: Probe) -> None:
    with pytest.raises(FlowError, match=r"a, b are not current and previous.*\.onnx\.toml"):
        OnnxFlow(probe(names=("a", "b")), "cpu")


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ("{", "does not parse"),
        ("[1]", "must be an object of names (got list)"),
        ({"colour": "RGB"}, "must be some of direction, inputs"),
        ({"pixels": 255}, "pixels: must be 0..1 or 0..255 or -1..1 (got 255)"),
        ({"multiple_px": 0}, "multiple_px: must be a whole number"),
        ({"least_px": True}, "(got True)"),
        ({"unit_px": -1}, "unit_px: must be"),
        ({"output": 1.5}, "(got 1.5)"),
        ({"direction": ["first-to-second"]}, "direction"),
    ],
)
def test_conventions_that_make_no_sense(probe: Probe, told: Any, line: str) -> None:
    with pytest.raises(FlowError) as caught:
        OnnxFlow(probe(metadata=told), "cpu")
    assert line in str(caught.value) and "probe.onnx" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "how",
    [
        {"names": ("current", "previous"), "metadata": {"inputs": "one"}},
        {"names": ("pictures",), "channels": 6, "metadata": {}},
        {"names": ("a", "b", "c"), "channels": 2, "metadata": {}},
    ],
)
def test_inputs_that_fit_no_convention(probe: Probe, how: dict[str, Any]) -> None:
    with pytest.raises(FlowError, match=r"inputs must be (one|two) of \(1, [36], H, W\) float"):
        OnnxFlow(probe(**how), "cpu")


def test_files_that_are_no_network_get_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text, empty = tmp_path / "text.onnx", tmp_path / "empty.onnx"
    text.write_text("hello")
    empty.touch()
    for path in (text, empty, tmp_path / "absent.onnx", tmp_path):
        with pytest.raises(FlowError) as caught:
            OnnxFlow(path)
        assert str(path) in str(caught.value) and "--flow dis" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_pictures_of_two_sizes(probe: Probe, pair: Pair) -> None:
    with pytest.raises(ShapeError):
        OnnxFlow(probe(), "cpu").estimate(pair[0], pair[1][:-1])


def test_a_provider_that_fails_gives_way_to_the_next(
    probe: Probe, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As on a machine whose CUDA libraries ONNX Runtime cannot load: it raises, or keeps quiet."""
    import onnxruntime

    real = onnxruntime.InferenceSession
    wanted = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]

    def session(path: str, options: Any, providers: list[str]) -> Any:
        if providers[0] == wanted[0]:
            raise RuntimeError("no libnvinfer")
        return real(path, options, providers=wanted[2:])

    monkeypatch.setattr("livedream.flow.onnx.providers", lambda *_: wanted)
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    with caplog.at_level(logging.WARNING):
        assert open_session(probe()).get_providers() == wanted[2:]
    assert [record.message.split(": ")[1].split()[0] for record in caplog.records] == wanted[:2]


def test_without_a_gpu_nothing_is_said(
    probe: Probe,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert OnnxFlow(probe(), "auto").provider == "CPUExecutionProvider"
    assert not caplog.records and capfd.readouterr().err == ""
