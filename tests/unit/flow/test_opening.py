"""Flow estimators by their name."""

import pytest
import torch

from livedream.core.errors import FlowError
from livedream.core.settings import FLOWS
from livedream.flow import ZeroFlow, open_flow
from livedream.flow.classic import DisFlow, FarnebackFlow
from livedream.flow.inverse_search import InverseSearch


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("none", ZeroFlow),
        ("dis", DisFlow),
        ("dis-fast", DisFlow),
        ("dis-ultrafast", DisFlow),
        ("farneback", FarnebackFlow),
    ],
)
def test_a_name_opens_its_estimator(name: str, kind: type) -> None:
    assert type(open_flow(name, device="cpu")) is kind and name in FLOWS


def test_every_name_of_the_settings_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """RAFT is only asked for here; its weights are a download."""
    opened: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "livedream.flow.raft.RaftFlow", lambda name, device: opened.append((name, device))
    )
    for name in FLOWS:
        open_flow(name, device="cpu")
    assert opened == [(name, "cpu") for name in FLOWS if name.startswith("raft-")]


def test_on_cuda_dis_is_our_own_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the faster presets OpenCV's stay: they are asked for by whoever wants those."""
    cuda = torch.device("cuda")
    monkeypatch.setattr("livedream.flow.choose_device", lambda name: cuda)
    monkeypatch.setattr("livedream.flow.device_estimator.DeviceEstimator", lambda flow: flow)
    found = open_flow("dis")
    assert isinstance(found, InverseSearch) and found.device == cuda
    assert type(open_flow("dis-fast")) is DisFlow
    opened: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "livedream.flow.raft.RaftFlow", lambda name, device: opened.append((name, device)) or opened
    )
    assert open_flow("raft-small") is opened and opened == [("raft-small", "auto")]


@pytest.mark.parametrize("name", ["not-here.onnx", "raft-small.onnx", "distilled.onnx"])
def test_a_file_name_opens_a_network(name: str) -> None:
    with pytest.raises(FlowError, match=f"flow {name}: no such file"):
        open_flow(name, device="cpu")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(FlowError, match="'spynet' is not known"):
        open_flow("spynet")
