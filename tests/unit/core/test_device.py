"""Where and in what precision: half only where the device is fast at it."""

import pytest
import torch

from livedream.core.device import choose_device, choose_dtype, precision_name
from livedream.core.errors import SettingsError

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


def test_cuda_gets_fp16_unless_the_network_is_wide() -> None:
    assert choose_dtype("auto", CUDA) == torch.float16
    assert choose_dtype("auto", CUDA, wide=True) == torch.bfloat16
    assert choose_dtype("auto", torch.device("mps")) == torch.float32


@pytest.mark.parametrize("fast", [True, False])
def test_a_cpu_gets_bf16_only_with_hardware_for_it(
    monkeypatch: pytest.MonkeyPatch, fast: bool
) -> None:
    for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, probe, lambda: fast, raising=False)
    assert choose_dtype("auto", CPU) == (torch.bfloat16 if fast else torch.float32)


@pytest.mark.parametrize("name", ["fp16", "bf16", "fp32"])
def test_what_is_asked_for_is_done(name: str) -> None:
    assert precision_name(choose_dtype(name, CPU)) == name


def test_a_device_that_is_not_there_is_one_line() -> None:
    assert choose_device("cpu") == CPU
    if not torch.cuda.is_available():
        with pytest.raises(SettingsError, match="cpu"):
            choose_device("cuda")
