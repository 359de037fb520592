"""Normalisation: what it computes, what it costs, how it is written."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from livedream.core.errors import SettingsError
from livedream.dream.networks.preprocessing import IMAGENET, Preprocessing

CAFFE = "BGR, 0..255, minus (104,117,123)"


def test_caffe_s_way_flips_and_scales() -> None:
    picture = torch.rand(2, 3, 4, 5)
    found = Preprocessing.parse(CAFFE).normalise(picture)
    red, green, blue = (255 * picture).unbind(1)
    wanted = torch.stack((blue - 104, green - 117, red - 123), 1)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


def test_torchvision_s_way() -> None:
    from torchvision.transforms.v2.functional import normalize

    picture = torch.rand(1, 3, 4, 5)
    wanted = normalize(picture, list(IMAGENET.mean), list(IMAGENET.std))
    torch.testing.assert_close(Preprocessing.parse("imagenet").normalise(picture), wanted)


@pytest.mark.parametrize(
    ("text", "mean", "std", "order", "scale"),
    [
        ("RGB, (x-0.5)/0.5", (0.5,) * 3, (0.5,) * 3, "RGB", 1),
        (CAFFE, (104, 117, 123), (1, 1, 1), "BGR", 255),
        ("0..255,rgb", (0, 0, 0), (1, 1, 1), "RGB", 255),
        ("BGR, (x - (1,2,3)) / (4,5,6)", (1, 2, 3), (4, 5, 6), "BGR", 1),
        ("RGB, mean (.1, .2, .3), std 2", (0.1, 0.2, 0.3), (2, 2, 2), "RGB", 1),
        ("minus 0.5, divided by 1e-1", (0.5,) * 3, (0.1,) * 3, "RGB", 1),
    ],
)
def test_texts(text: str, mean: tuple[float, ...], std: tuple[float, ...], order: str, scale: int):
    found = Preprocessing.parse(text)
    assert (found.mean, found.std) == (mean, std)
    assert (found.channel_order, found.scale) == (order, scale)


@pytest.mark.parametrize("text", ["", "CMYK", "RGB, minus (1,2)", "RGB (x-0.5)/0.5", "RGB,,"])
def test_what_cannot_be_read_is_quoted(text: str) -> None:
    with pytest.raises(SettingsError, match="cannot read"):
        Preprocessing.parse(text)


def test_a_deviation_of_zero_is_refused() -> None:
    with pytest.raises(SettingsError, match="must be positive"):
        Preprocessing.parse("(x-0.5)/0")


numbers = st.floats(-300, 300, allow_nan=False)
positive = st.floats(1e-3, 300)


@given(
    st.tuples(numbers, numbers, numbers),
    st.tuples(positive, positive, positive),
    st.sampled_from(["RGB", "BGR"]),
    st.sampled_from([1.0, 255.0]),
)
def test_its_text_reads_back(mean, std, order, scale) -> None:
    value = Preprocessing(mean, std, order, scale)
    assert Preprocessing.parse(str(value)) == value


def test_it_is_differentiable_and_keeps_the_type() -> None:
    picture = torch.rand(1, 3, 4, 4, requires_grad=True)
    found = Preprocessing.parse(CAFFE).normalise(picture)
    (gradient,) = torch.autograd.grad(found.sum(), picture)
    torch.testing.assert_close(gradient, torch.full_like(picture, 255))
    assert IMAGENET.normalise(torch.rand(1, 3, 2, 2, dtype=torch.bfloat16)).dtype is torch.bfloat16


def test_constants_are_made_once_and_survive_inference_mode() -> None:
    value = Preprocessing((0.1, 0.2, 0.3))
    with torch.inference_mode():
        value.normalise(torch.rand(1, 3, 2, 2))
    picture = torch.rand(1, 3, 2, 2, requires_grad=True)
    torch.autograd.grad(value.normalise(picture).sum(), picture)
    kind = torch.device("cpu"), torch.float32
    assert value.constants(*kind)[0] is value.constants(*kind)[0]
