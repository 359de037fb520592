"""The limiter, judged by the meter and by a count of its own."""

import time
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from livedream.core.frame import Picture
from livedream.present.live.flash import FlashLimiter
from livedream.present.live.flash_meter import FlashMeter, cells_of

FPS = 25
WHITE = np.full((180, 320, 3), 255, np.uint8)
BLACK = np.zeros_like(WHITE)
RED = WHITE * np.array([1, 0, 0], np.uint8)
GREEN = (WHITE * np.array([0, 0.5, 0])).astype(np.uint8)


def flashing(first: Picture, second: Picture, hertz: float) -> Callable[[int], Picture]:
    return lambda index: first if int(index / FPS * 2 * hertz) % 2 else second


def limited(
    picture: Callable[[int], Picture], seconds: float = 4
) -> tuple[FlashLimiter, list[Picture]]:
    limiter = FlashLimiter()
    out = [limiter.apply(picture(i), i / FPS) for i in range(round(seconds * FPS))]
    return limiter, out


def flashes_of_the_mean(pictures: list[Picture]) -> int:
    """The largest number of flashes in any second, of the whole picture's mean luminance.

    Written anew from the definition: turning points, and pairs of opposing changes between them.
    """
    table = (np.arange(256) / 255) ** 2.2
    light = [float((table[p] @ np.array([0.2126, 0.7152, 0.0722])).mean()) for p in pictures]
    turns: list[tuple[int, int]] = []  # (picture, direction) of each change that counts
    low = high = light[0]
    direction = 0
    for index, now in enumerate(light):
        low, high = min(low, now), max(high, now)
        if direction <= 0 and now - low >= 0.1 and low < 0.8:
            turns.append((index, 1))
            direction, high = 1, now
        elif direction >= 0 and high - now >= 0.1 and now < 0.8:
            turns.append((index, -1))
            direction, low = -1, now
    seconds = [sum(begin <= i < begin + FPS for i, _ in turns) for begin in range(len(light))]
    return max(seconds, default=0) // 2


@pytest.mark.parametrize("hertz", [4, 5, 8, 10, 12.5])
def test_black_and_white(hertz: float) -> None:
    source = flashing(WHITE, BLACK, hertz)
    limiter, out = limited(source)
    assert flashes_of_the_mean([source(i) for i in range(4 * FPS)]) >= 4
    assert limiter.most_before == pytest.approx(hertz, abs=1)
    assert limiter.most <= 3
    assert flashes_of_the_mean(out) <= 3
    assert limiter.flashes <= 3  # after the first second nothing flashes any more
    assert limiter.damping


def test_what_does_not_flash_is_not_touched(texture: Picture) -> None:
    moving = [np.roll(texture, 3 * i, axis=1) for i in range(50)]
    limiter, out = limited(lambda i: moving[i % 50], seconds=2)
    assert all(a is b for a, b in zip(out, moving, strict=True))
    assert limiter.flashes == limiter.flashes_before == 0


def test_two_flashes_a_second_are_allowed() -> None:
    source = flashing(WHITE, BLACK, 2)
    limiter, out = limited(source)
    assert all(out[i] is source(i) for i in range(len(out)))
    assert limiter.flashes == limiter.flashes_before == pytest.approx(7, abs=1)


def test_a_cut_is_no_flash(texture: Picture) -> None:
    limiter, out = limited(lambda i: texture if i < 25 else WHITE, seconds=2)
    assert out[30] is WHITE
    assert limiter.flashes_before == 0


@pytest.mark.parametrize(("share", "counts"), [(0.35, True), (0.2, False)])
def test_only_a_quarter_of_the_picture_counts(share: float, counts: bool, texture: Picture) -> None:
    def source(index: int) -> Picture:
        picture = texture // 2
        picture[:, : round(share * picture.shape[1])] = flashing(WHITE, BLACK, 8)(index)[:1, :1]
        return picture

    limiter, out = limited(source)
    assert (limiter.flashes_before > 0) == counts
    assert limiter.most <= 3
    if counts:  # damped where it flashes, untouched where it does not
        still = (slice(None), slice(200, None))
        difference = np.abs(out[-1][still].astype(int) - (texture // 2)[still])
        assert difference.mean() < 4
        assert flashes_of_the_mean([p[:, :80] for p in out]) <= 3


def test_the_drawing_stays_while_it_is_damped(texture: Picture) -> None:
    dim = texture // 4
    limiter, out = limited(flashing(texture, dim, 10))
    assert limiter.most_before >= 9
    assert limiter.most <= 3
    found, drawn = (cv2.Laplacian(p, cv2.CV_32F).ravel() for p in (out[-1], texture))
    assert np.corrcoef(found, drawn)[0, 1] > 0.8


def test_opposite_halves_count_too() -> None:
    left, right = BLACK.copy(), WHITE.copy()
    left[:, :160], right[:, :160] = 255, 0
    limiter, out = limited(flashing(left, right, 6))
    assert limiter.most_before > 3
    assert limiter.most <= 3
    assert flashes_of_the_mean([p[:, :160] for p in out]) <= 3


def test_red() -> None:
    """Red and a green of the same luminance: no general flash, but a red one."""
    light = [cells_of(p)[0].mean() for p in (RED, GREEN)]
    assert abs(light[0] - light[1]) < 0.1
    limiter, _ = limited(flashing(RED, GREEN, 8))
    assert limiter.most_before == pytest.approx(8, abs=1)
    assert limiter.most <= 3


def test_damping_ends_when_the_flashing_does(texture: Picture) -> None:
    source = flashing(WHITE, BLACK, 10)
    limiter, out = limited(lambda i: source(i) if i < 75 else texture, seconds=8)
    assert limiter.most <= 3
    assert out[-1] is texture


def test_irregular_clock_and_changing_size(texture: Picture) -> None:
    rng = np.random.default_rng(1)
    limiter, now = FlashLimiter(), 0.0
    for index in range(200):
        now += rng.choice([0.0, 0.01, 0.04, 0.3])
        picture = (WHITE, BLACK, texture)[rng.integers(3)]
        shape = (64, 36) if index > 100 else (320, 180)
        out = limiter.apply(cv2.resize(picture, shape), now)
        assert out.shape == (shape[1], shape[0], 3)
        assert out.dtype == np.uint8
    assert limiter.most <= 3 < limiter.most_before


def test_meter_counts_pairs() -> None:
    meter = FlashMeter()
    levels = [0.2, 0.5, 0.2, 0.5, 0.2]  # up, down, up, down: two flashes
    for index, level in enumerate(levels):
        meter.update(np.full((18, 32), level, np.float32), index / 10)
    assert (meter.flashes, meter.most) == (2, 2)


@pytest.mark.parametrize(("low", "high"), [(0.2, 0.29), (0.82, 0.99)])
def test_meter_leaves_out_the_small_and_the_bright(low: float, high: float) -> None:
    meter = FlashMeter()
    for index in range(20):
        meter.update(np.full((18, 32), (low, high)[index % 2], np.float32), index / 10)
    assert meter.flashes == 0


def test_it_is_quick(texture: Picture) -> None:
    """The budget is 1 ms of processor time at 640x360; slow machines are given five."""
    picture = cv2.resize(texture, (640, 360))
    limiter, best = FlashLimiter(), 1.0
    for index in range(60):
        begin = time.thread_time()
        limiter.apply(picture, index / FPS)
        best = min(best, time.thread_time() - begin)
    assert best < 0.005
