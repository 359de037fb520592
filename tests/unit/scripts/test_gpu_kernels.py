"""What a step launches, counted without a device."""

import gpu_kernels
import pytest
import torch

from livedream.dream.engines.fused import open_kernels
from livedream.flow.inverse_search import InverseSearch

CPU = torch.device("cpu")
BANDS = 32  # more launches with two bands


@pytest.mark.skipif(torch.cuda.is_available(), reason="kernels run on the CUDA device instead")
@pytest.mark.parametrize(
    ("name", "objective", "convolutions", "launches"),
    [
        ("dreamnet", "creatures", (29, 29), (243, 123)),
        ("googlenet", "inception4c", (33, 23), (283, 125)),
    ],
)
def test_our_kernels_leave_pytorch_the_convolutions(
    name: str, objective: str, convolutions: tuple[int, int], launches: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    pytest.importorskip("triton", reason="Triton is not installed: it comes with PyTorch for CUDA")
    assert open_kernels(CPU) is not None
    monkeypatch.setattr("livedream.core.kernels.launch", lambda *_, **__: None)  # counted, not run
    network = gpu_kernels.network_of(name)
    assert network is not None
    plain, ours = (
        gpu_kernels.launches(
            gpu_kernels.step_of(network, objective, CPU, kernels=kernels, size=(96, 64))[0], CPU
        )
        for kernels in (False, True)
    )
    assert (plain["convolution"], ours["convolution"]) == convolutions  # googlenet's 1x1 are joined
    own = {name: count for name, count in ours.items() if name.startswith("_")}
    assert own["_activate"] == own["_activate_back"] == convolutions[1]
    assert [name for name in ours if name not in own and not name.startswith("convolution")] == (
        [] if name == "dreamnet" else ["cat", "add"]
    )
    assert (sum(plain.values()), sum(ours.values())) == launches  # as the docs say
    step, _ = gpu_kernels.step_of(network, objective, CPU, kernels=True, size=(96, 64), laplacian=2)
    assert sum(gpu_kernels.launches(step, CPU).values()) == launches[1] + BANDS


def test_the_search_launches_what_the_docs_say(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton", reason="Triton is not installed: it comes with PyTorch for CUDA")
    from livedream.flow import search_kernels

    pictures, found = torch.zeros(2, 3, 360, 640), []
    for kernels in (None, search_kernels):
        search = InverseSearch(CPU, kernels)
        if kernels is None:
            search.both(pictures)  # makes what is made once per size
        else:
            monkeypatch.setattr("livedream.core.kernels.launch", lambda *_, **__: None)
        found.append(sum(gpu_kernels.launches(lambda: search.both(pictures), CPU).values()))  # noqa: B023
    assert found == [1701, 130]
