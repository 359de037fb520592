"""A layer laid over its source is the dream, whatever both are and however it is laid."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from livedream.core.frame import Picture
from livedream.present.layer import dream_layer

PICTURES = arrays(np.uint8, (3, 5, 3))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Picture, Picture]:
    """A source and a dream of it: anything, or one that adds little."""
    source = draw(PICTURES)
    if draw(st.booleans()):
        return source, draw(PICTURES)
    little = draw(arrays(np.int16, (3, 5, 3), elements=st.integers(-4, 4)))
    return source, np.clip(source + little, 0, 255).astype(np.uint8)


def over(source: Picture, layer: Picture) -> np.ndarray:
    """The composite as real numbers."""
    alpha = layer[:, :, 3:] / 255
    return source * (1 - alpha) + layer[:, :, :3] * alpha


@given(pairs())
@settings(max_examples=300)
def test_the_composite_is_the_dream(pair: tuple[Picture, Picture]) -> None:
    source, dreamed = pair
    layer = dream_layer(source, dreamed)
    exact = over(source, layer)
    assert np.abs(exact - dreamed).max() <= 0.5
    assert np.array_equal(np.rint(exact), dreamed)


@given(pairs())
@settings(max_examples=300)
def test_bytes_are_within_one(pair: tuple[Picture, Picture]) -> None:
    """As programs do that reckon in bytes: cut off, or with each part rounded by itself."""
    source, dreamed = pair
    layer = dream_layer(source, dreamed).astype(int)
    alpha = layer[:, :, 3:]
    cut_off = (source * (255 - alpha) + layer[:, :, :3] * alpha) // 255
    in_parts = np.rint(source * (255 - alpha) / 255) + np.rint(layer[:, :, :3] * alpha / 255)
    for composite in (cut_off, in_parts):
        assert np.abs(composite - dreamed).max() <= 1


@given(pairs())
@settings(max_examples=300)
def test_alpha_is_the_smallest(pair: tuple[Picture, Picture]) -> None:
    source, dreamed = (picture.astype(int) for picture in pair)
    alpha = dream_layer(*pair)[:, :, 3:].astype(int)
    assert np.array_equal(alpha[:, :, 0] == 0, (source == dreamed).all(2))
    less = np.maximum(alpha - 1, 1)
    needed = source + (dreamed - source) * 255 / less  # the colour, with one step of alpha less
    out_of_range = ((needed < 0) | (needed > 255)).any(2)
    assert out_of_range[alpha[:, :, 0] > 1].all()


def test_every_pair_of_values() -> None:
    source, dreamed = np.mgrid[0:256, 0:256].astype(np.uint8)[:, :, :, None].repeat(3, 3)
    assert np.array_equal(np.rint(over(source, dream_layer(source, dreamed))), dreamed)


@given(pairs())
@settings(max_examples=300)
def test_a_soft_alpha_is_as_exact(pair: tuple[Picture, Picture]) -> None:
    source, dreamed = pair
    layer = dream_layer(source, dreamed, soft=True)
    assert (layer[:, :, 3] >= dream_layer(source, dreamed)[:, :, 3]).all()
    assert np.array_equal(np.rint(over(source, layer)), dreamed)
