"""What a step launches, counted without a device."""

import gpu_kernels
import pytest
import torch

from livedream.dream.engines.fused import open_kernels
from livedream.dream.networks.network import Network

CPU = torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="kernels run on the CUDA device instead")
def test_our_kernels_leave_pytorch_the_convolutions(
    dreamnet: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("triton", reason="Triton is not installed: it comes with PyTorch for CUDA")
    kernels = open_kernels(CPU)
    monkeypatch.setattr(kernels, "launch", lambda *_, **__: None)  # counted, not run
    plain, ours = (
        gpu_kernels.launches(
            gpu_kernels.step_of(dreamnet, "creatures", CPU, kernels=kernels, size=(96, 64))[0], CPU
        )
        for kernels in (False, True)
    )
    assert plain["convolution"] == plain["bias"] == ours["convolution"] == 29
    own = {name: count for name, count in ours.items() if name.startswith("_")}
    assert own == {"_see": 1, "_activate": 29, "_activate_back": 29, "_energies": 1,
                   "_layer_gain": 1, "_scale": 1, "_measure": 1, "_climb": 1}  # fmt: skip
    assert set(ours) - set(own) == {"convolution", "convolution_backward", "add"}
    assert (sum(plain.values()), sum(ours.values())) == (225, 130)  # as the docs say
