"""Grading: neutral is nothing, gray stays gray, black is black."""

import numpy as np

from livedream.core.frame import Picture
from livedream.core.grade import GradeSettings
from livedream.present.grading import Grading, colour_matrix


def test_a_neutral_look_returns_the_picture_itself(texture: Picture) -> None:
    assert Grading().apply(texture, GradeSettings(), 0.04) is texture
    assert colour_matrix(GradeSettings()) is None


def test_gray_stays_gray_under_hue_and_saturation() -> None:
    gray = np.full((4, 4, 3), 97, np.uint8)
    found = Grading().apply(gray, GradeSettings(hue=120, saturation=2.5), 0.04)
    np.testing.assert_allclose(found, gray, atol=1)


def test_a_third_of_the_wheel_turns_red_to_a_green_as_dark() -> None:
    red = np.full((1, 1, 3), (255, 0, 0), np.uint8)
    found = Grading().apply(red, GradeSettings(hue=120), 0.04)[0, 0]
    assert found[1] > 2 * max(found[0], found[2])


def test_no_saturation_is_the_luma() -> None:
    colour = np.full((1, 1, 3), (200, 100, 50), np.uint8)
    found = Grading().apply(colour, GradeSettings(saturation=0.0), 0.04)[0, 0]
    assert set(found.tolist()) == {round(0.2126 * 200 + 0.7152 * 100 + 0.0722 * 50)}


def test_blackout_glides_to_black_and_back(texture: Picture) -> None:
    grading, dark, light = Grading(), GradeSettings(blackout=True), GradeSettings()
    means = [float(grading.apply(texture, dark, 0.1).mean()) for _ in range(6)]
    assert means[0] > means[1] > means[2] > 0
    assert means[-1] == 0.0
    for _ in range(6):
        found = grading.apply(texture, light, 0.1)
    assert found is texture


def test_mirror(texture: Picture) -> None:
    found = Grading().apply(texture, GradeSettings(mirror=True), 0.04)
    np.testing.assert_array_equal(found, texture[:, ::-1])
