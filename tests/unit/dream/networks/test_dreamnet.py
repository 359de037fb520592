"""DreamNet: folding changes nothing, any size goes in, layers are cheap, smooth and climbable."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from livedream.dream.networks.dreamnet import (
    CLASS_MAP,
    DreamNet,
    DreamNetConfig,
    LayerConfig,
    load_dreamnet,
    read_metadata,
)
from livedream.dream.networks.registry import WORDS_NETWORK

MODELS = Path(__file__).resolve().parents[4] / "models"
NETWORKS = sorted(MODELS.glob("dreamnet*.safetensors"))
MOST_MULTIPLY_ADDS = 6000
MOST_MULTIPLY_ADDS_OF_WORDS = 16_000
MOST_BYTES = 5_000_000

SMALL = DreamNetConfig(
    layers=(LayerConfig("strokes", 1, 0, 8), LayerConfig("eyes", 3, 1, 12)),
    num_classes=5,
    widths=(4, 6, 8, 10),
    blocks=(0, 0, 1, 1),
    bottlenecks=(2, 2, 4, 4),
)


def small_network(seed: int = 0) -> DreamNet:
    """A network with batch norm whose statistics are not the trivial ones."""
    torch.manual_seed(seed)
    net = DreamNet(SMALL)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return net.eval()


def multiply_adds_per_pixel(net: nn.Module, side_px: int) -> float:
    total = 0

    def count(module: nn.Conv2d, _inputs: object, output: Tensor) -> None:
        nonlocal total
        total += output.numel() * module.kernel_size[0] * module.kernel_size[1] * module.in_channels

    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with torch.no_grad():
        net(torch.zeros(1, 3, side_px, side_px))
    return total / side_px**2


def normalised_noise(path: Path, height: int, width: int, seed: int = 0) -> Tensor:
    """Soft noise around middle grey, as the network wants it."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=generator)
    rgb = nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
    values = read_metadata(path)
    mean, std = (torch.tensor(values[k])[None, :, None, None] for k in ("mean", "std"))
    return (rgb - mean) / std


def input_gradient(net: nn.Module, layer: str, x: Tensor) -> Tensor:
    x = x.clone().requires_grad_(True)
    value = create_feature_extractor(net, {layer: layer})(x)[layer]
    (gradient,) = torch.autograd.grad(value, x, value.detach())
    return gradient.float()


class TestArchitecture:
    def test_folding_keeps_every_map(self) -> None:
        net = small_network()
        x = torch.randn(2, 3, 70, 90)
        with torch.no_grad():
            before, after = net.maps(x), net.folded().maps(x)
        assert not any(isinstance(m, nn.BatchNorm2d) for m in net.folded().modules())
        for name, value in before.items():
            torch.testing.assert_close(after[name], value, atol=1e-5, rtol=1e-4)

    def test_layers_are_top_level_and_in_order(self) -> None:
        names = [name for name, _ in small_network().named_children()]
        assert names == ["stages", "strokes", "eyes", CLASS_MAP]

    @pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 127), (270, 480)])
    def test_any_size(self, height: int, width: int) -> None:
        net = small_network().folded()
        maps = net.maps(torch.zeros(1, 3, height, width))
        assert maps["strokes"].shape == (1, 8, height // 2 // 2, width // 2 // 2)
        assert maps["eyes"].shape == (1, 12, height // 16, width // 16)
        assert net(torch.zeros(1, 3, height, width)).shape == (1, 5)

    def test_logits_are_the_mean_of_the_class_map(self) -> None:
        net = small_network().folded()
        x = torch.randn(2, 3, 80, 80)
        torch.testing.assert_close(net(x), net.maps(x)[CLASS_MAP].mean(dim=(2, 3)))

    def test_a_layer_that_is_not_there(self) -> None:
        with pytest.raises(ValueError, match="asked for block 2"):
            DreamNetConfig(layers=(LayerConfig("x", 0, 2, 4),), num_classes=2)

    def test_every_pixel_takes_part_equally(self) -> None:
        """The pattern that strided convolutions leave: with constant weights and no activation,
        the input gradient of a sum must be flat (a kernel of 3 at stride 2 fails this)."""
        net = small_network().folded()
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.constant_(module.weight, 0.01)
                nn.init.constant_(module.bias, 0.0)
            if hasattr(module, "act"):
                module.act = nn.Identity()
        x = torch.ones(1, 3, 256, 256, requires_grad=True)
        (gradient,) = torch.autograd.grad(net.maps(x)["eyes"].sum(), x)
        middle = gradient[0, 0, 96:160, 96:160]
        assert float(middle.max() / middle.min()) == pytest.approx(1.0, abs=1e-4)


class TestFile:
    def test_written_and_read_back(self, tmp_path: Path) -> None:
        net = small_network().folded()
        path = tmp_path / "net.safetensors"
        values = {"architecture": "dreamnet", "config": asdict(net.config)}
        state = {k: v.half() for k, v in net.state_dict().items()}
        save_file(state, path, {"livedream": json.dumps(values)})
        x = torch.randn(1, 3, 64, 64)
        torch.testing.assert_close(load_dreamnet(path)(x), net(x), atol=1e-2, rtol=1e-2)

    def test_another_file(self, tmp_path: Path) -> None:
        path = tmp_path / "other.safetensors"
        save_file({"x": torch.zeros(1)}, path)
        with pytest.raises(ValueError, match="is it a DreamNet"):
            load_dreamnet(path)

    def test_weights_of_another_shape(self, tmp_path: Path) -> None:
        net = small_network().folded()
        path = tmp_path / "net.safetensors"
        values = {"architecture": "dreamnet", "config": asdict(net.config) | {"num_classes": 6}}
        save_file(net.state_dict(), path, {"livedream": json.dumps(values)})
        with pytest.raises(ValueError, match="do not match the configuration"):
            load_dreamnet(path)


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
class TestShipped:
    def test_metadata_fits_the_network(self, path: Path) -> None:
        net, values = load_dreamnet(path), read_metadata(path)
        names = [layer.name for layer in net.config.layers]
        assert list(values["layers"]) == names
        assert 3 <= len(names) <= 8
        assert len(values["classes"]) == net.config.num_classes
        assert any(name in values["default_objective"] for name in names)
        assert values["licence"]

    def test_small_and_cheap(self, path: Path) -> None:
        net = load_dreamnet(path)
        assert path.stat().st_size <= MOST_BYTES
        most = MOST_MULTIPLY_ADDS_OF_WORDS if path.stem == WORDS_NETWORK else MOST_MULTIPLY_ADDS
        for name in [layer.name for layer in net.config.layers] + [CLASS_MAP]:
            extractor = create_feature_extractor(load_dreamnet(path), {name: name})
            assert multiply_adds_per_pixel(extractor, 64) <= most, name

    def test_bf16_dreams_as_fp32(self, path: Path) -> None:
        x = normalised_noise(path, 96, 128)
        for layer in load_dreamnet(path).config.layers:
            full = input_gradient(load_dreamnet(path), layer.name, x)
            half = input_gradient(load_dreamnet(path).bfloat16(), layer.name, x.bfloat16())
            both = torch.stack([full.flatten(), half.flatten()])
            assert float(torch.corrcoef(both)[0, 1]) > 0.99, layer.name

    def test_fp16_does_not_overflow(self, path: Path) -> None:
        """Every map stays far below fp16's 65,504 for the strongest inputs."""
        extremes = torch.cat([torch.full((1, 3, 64, 64), v) for v in (-2.2, 2.7)])
        noise = torch.randn(2, 3, 64, 64).sign() * 2.4
        with torch.no_grad():
            for name, value in load_dreamnet(path).maps(torch.cat([extremes, noise])).items():
                assert float(value.abs().max()) < 5000, name

    def test_response_rises(self, path: Path) -> None:
        """Three normalised steps raise every layer, as a whole and for one channel."""
        start = normalised_noise(path, 96, 96)
        for layer in load_dreamnet(path).config.layers:
            extractor = create_feature_extractor(load_dreamnet(path), {layer.name: "out"})
            with torch.no_grad():
                strongest = int(extractor(start)["out"].mean(dim=(0, 2, 3)).argmax())
            for channels in (slice(None), slice(strongest, strongest + 1)):
                x, responses = start, []
                for _ in range(4):
                    x = x.detach().requires_grad_(True)
                    value = extractor(x)["out"][:, channels]
                    responses.append(float(value.detach().square().mean()))
                    (gradient,) = torch.autograd.grad(value, x, value.detach())
                    # A quarter of 1/255: more overshoots a channel that noise all but saturates
                    # (dreamnet-birds, plumage).
                    x = x + 0.005 * gradient / gradient.abs().mean()
                assert responses == sorted(responses), layer.name
                assert responses[-1] > responses[0], layer.name
