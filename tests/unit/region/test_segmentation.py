"""Segmentation networks: files of the user's own, torchvision's, and what is believed of them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from livedream.control.catalogue import objective_check
from livedream.control.live_parameters import LiveParameters
from livedream.core.errors import RegionError, SettingsError
from livedream.core.frame import Motion, Picture
from livedream.core.settings import DreamSettings
from livedream.region import segmentation
from livedream.region.planes import PlaneReader
from livedream.region.segmentation import ClassSegmentation, OnnxSegmentation, believed
from livedream.region.text import parse_region
from livedream.region.value import CLASSES, Leaf
from livedream.region.wanted import Wanted, wanted_of
from livedream.warp.remap import Plane

GRAY = np.full((90, 160, 3), 128, np.uint8)


def red_network(path: Path, shape: tuple[Any, ...] = (1, 3, 36, 64), outputs: int = 1) -> str:
    """A file that finds what is red: the first of the channels it is given."""
    helper = pytest.importorskip("onnx").helper
    floats = 1  # onnx's own number for float32
    found = helper.make_tensor_value_info("found", floats, [1, outputs, *shape[2:]])
    nodes = [
        helper.make_node("Slice", ["picture", "begin", "end", "axis"], ["found"]),
    ]
    numbers = [
        helper.make_tensor(name, 7, [1], [value])
        for name, value in (("begin", 0), ("end", outputs), ("axis", 1))
    ]
    given = helper.make_tensor_value_info("picture", floats, list(shape))
    graph = helper.make_graph(nodes, "red", [given], [found], numbers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path.write_bytes(model.SerializeToString())
    return str(path)


@pytest.mark.parametrize("sides", [(36, 64), ("h", "w")])
def test_a_file_of_ones_own(tmp_path: Path, sides: tuple[Any, Any]) -> None:
    path = red_network(tmp_path / "red.onnx", (1, 3, *sides))
    half = np.zeros((90, 160, 3), np.uint8)
    half[:, 80:, 0] = 255
    wanted = wanted_of(DreamSettings(where=f"network({path})", feather=0.0), ())
    assert wanted is not None
    planes = PlaneReader().step(wanted, {}, half, None, size=(160, 90), seconds=0.04, fade=0.9)
    assert planes.grow is not None
    assert planes.grow[:, 90:].min() == 1 and planes.grow[:, :70].max() == 0


def test_what_is_no_number_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = OnnxSegmentation(red_network(tmp_path / "red.onnx"))
    nothing = np.full((1, 1, 36, 64), np.nan, np.float32)
    monkeypatch.setattr(network, "_session", SimpleNamespace(run=lambda *_: [nothing]))
    assert (network.score(GRAY) == 0.0).all()


def test_files_that_keep_no_convention(tmp_path: Path) -> None:
    wrong = red_network(tmp_path / "two.onnx", outputs=2)
    (tmp_path / "no.onnx").write_bytes(b"nothing")
    for path in (wrong, str(tmp_path / "no.onnx"), "nowhere.onnx"):
        with pytest.raises(RegionError, match=r"network .*onnx") as caught:
            wanted_of(DreamSettings(where=f"left & network({path})"), ())
        assert caught.value.position == 7


def test_a_file_that_opens_and_cannot_run_is_refused(tmp_path: Path) -> None:
    """Halved five times and back, as many are built: 144 rows become 160, beside the 144."""
    helper = pytest.importorskip("onnx").helper
    given, found = (
        helper.make_tensor_value_info(name, 1, [1, channels, "h", "w"])
        for name, channels in (("picture", 3), ("found", 1))
    )
    nodes = [
        helper.make_node(
            "MaxPool", ["picture"], ["small"], kernel_shape=[32, 32], strides=[32, 32], ceil_mode=1
        ),
        helper.make_node("Resize", ["small", "", "factors"], ["wide"]),
        helper.make_node("Concat", ["picture", "wide"], ["both"], axis=1),
        helper.make_node("ReduceMax", ["both", "channels"], ["found"]),
    ]
    numbers = [
        helper.make_tensor("factors", 1, [4], [1.0, 1.0, 32.0, 32.0]),
        helper.make_tensor("channels", 7, [1], [1]),
    ]
    graph = helper.make_graph(nodes, "stride", [given], [found], numbers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    (tmp_path / "stride.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(RegionError, match=r"stride\.onnx: fails at 256x144 px .*Concat") as caught:
        wanted_of(DreamSettings(where=f"network({tmp_path / 'stride.onnx'})"), ())
    assert "\n" not in str(caught.value)


def test_small_and_unsure_bodies_are_not_believed() -> None:
    score = np.zeros((90, 160), np.float32)
    score[20:60, 20:60] = 0.95
    score[10:80, 80:120] = 0.6
    score[5:9, 150:154] = 1.0
    found = believed(score)
    assert found[40, 40] == np.float32(0.95) and found[40, 100] == 0 and found[7, 152] == 0
    assert believed(score * (score > 0.9)).max() == np.float32(0.95)


def test_without_weights_there_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    segmentation.class_segmentation.cache_clear()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def offline(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with pytest.raises(RegionError) as caught:
        wanted_of(DreamSettings(where="person & left"), ())
    said = str(caught.value)
    assert "d234d4ea" in said and "use visitors" in said and "\n" not in said


@pytest.mark.parametrize("values", [{"where": "!person"}, {"objective": "eyes@dog"}])
def test_a_show_that_runs_downloads_nothing(
    values: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    segmentation.class_segmentation.cache_clear()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda *_, **__: pytest.fail("fetched"))
    check = objective_check(DreamSettings(), live=True, fetch=False)
    parameters = LiveParameters(DreamSettings(), check_objective=check)
    with pytest.raises(SettingsError, match=r"d234d4ea.*start one with --where person") as caught:
        parameters.apply(values)
    assert "\n" not in str(caught.value)


def test_torchvisions_network_tells_classes_apart() -> None:
    """Random weights: shapes and sums."""
    network = ClassSegmentation(seed=1)
    found = [network.score(GRAY, name) for name in CLASSES]
    assert len({plane.shape for plane in found}) == 1
    total = np.sum(found, 0)
    assert total.min() > 0 and total.max() < 1


def test_each_picture_is_looked_at_even_where_the_last_one_lay() -> None:
    network, draw = ClassSegmentation(seed=1), np.random.default_rng(1)
    for _ in range(4):  # a freed array's place, and so its id, is given to the next one
        rgb = draw.integers(0, 256, GRAY.shape, np.uint8)
        found = network.score(rgb, "person")
        assert np.array_equal(found, ClassSegmentation(seed=1).score(rgb, "person"))
        del rgb


def test_a_real_network_finds_the_juggler(shared: Path) -> None:
    network = OnnxSegmentation(str(shared / "weights" / "person-landscape.onnx"))
    film = cv2.VideoCapture(str(shared / "clips" / "juggle.mp4"))
    _, bgr = film.read()
    found = believed(network.score(np.ascontiguousarray(bgr[:, :, ::-1])))
    height, width = found.shape
    assert found[height // 3 : height // 2, int(0.53 * width) : int(0.58 * width)].mean() > 0.9
    assert found[:, : width // 3].max() < 0.5 and 0.02 < (found > 0.5).mean() < 0.3


class SlowNetwork(PlaneReader):
    """Answers at every fourth frame only, with `found`."""

    def __init__(self, found: Plane) -> None:
        super().__init__()
        self.found, self.asked = found, -1
        self._memory = dict[str, Plane]()

    def look(self, leaf: Leaf, rgb: Picture) -> Plane | None:
        self.asked += 1
        return None if self.asked % 4 else self.found

    def frame(self, motion: Motion | None = None) -> tuple[float, float]:
        """Where the region is in the middle of the left half and of the right one."""
        wanted = Wanted(parse_region("person"), (), 0.0, 0.5, half_life=0.15, hold=1.0)
        grow = self.step(
            wanted, self._memory, GRAY, motion, size=(160, 90), seconds=0.04, fade=0.9
        ).grow
        assert grow is not None
        return float(grow[45, 40]), float(grow[45, 120])


LEFT = np.repeat(np.array([[1.0, 0.0]], np.float32), 8, 1)


def test_a_slow_network_is_followed_within_the_half_life_and_one_answer() -> None:
    network = SlowNetwork(LEFT)
    for _ in range(41):
        found = network.frame()
    assert found == (1.0, 0.0)
    network.found, frames = 1 - LEFT, 0
    while found[1] < 0.5:
        found, frames = network.frame(), frames + 1
    assert frames * 0.04 <= 0.15 + 4 * 0.04
    for _ in range(12):
        found = network.frame()
    assert found == (0.0, 1.0)


def test_after_a_cut_a_slow_network_s_first_answer_counts_whole() -> None:
    cut = Motion(np.zeros((2, 9, 16), np.float32), np.ones((9, 16), np.float32), cut=True)
    network = SlowNetwork(LEFT)
    for _ in range(2):
        network.frame()
    assert network.frame(cut) == network.frame() == (0.0, 0.0)
    assert network.frame() == (1.0, 0.0)
