"""The planes of frames: what is dreamed, what is kept, and that they neither shimmer nor lag."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from livedream.core.errors import RegionError, SourceError
from livedream.core.frame import Frame, Motion, Picture
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import Network
from livedream.region.fixed import shrunk_mask
from livedream.region.painting import Painting
from livedream.region.planes import PlaneReader, Planes
from livedream.region.text import parse_region
from livedream.region.value import cover_all
from livedream.region.wanted import Wanted, wanted_of
from livedream.warp.remap import Plane

SIZE = 160, 90
GRAY = np.full((90, 160, 3), 128, np.uint8)


def still(shape: tuple[int, int] = (45, 80), *, cut: bool = False) -> Motion:
    return Motion(np.zeros((2, *shape), np.float32), np.ones(shape, np.float32), cut)


class Regions:
    """The planes of one frame after the other."""

    def __init__(self, where: str, **more: Any) -> None:
        wanted = wanted_of(DreamSettings(where=where, **{"feather": 0.0, **more}), ())
        assert wanted is not None
        self._wanted, self.reader, self.memory = wanted, PlaneReader(), dict[str, Plane]()

    def step(
        self, rgb: Picture = GRAY, motion: Motion | None = None, *,
        seconds: float = 0.04, fade: float = 0.9, time_s: float = 0.0,
    ) -> Planes:  # fmt: skip
        return self.reader.step(
            self._wanted, self.memory, rgb, motion, size=SIZE, seconds=seconds, fade=fade,
            time_s=time_s,
        )  # fmt: skip


def grown(planes: Planes) -> Plane:
    assert planes.grow is not None
    return planes.grow


def kept(planes: Planes) -> Plane:
    assert planes.keep is not None
    return planes.keep


def test_without_a_region_there_are_no_planes() -> None:
    assert wanted_of(DreamSettings(), ()) is None
    assert wanted_of(DreamSettings(where=" "), (None, None)) is None


def test_rectangles_end_within_their_edges() -> None:
    left, rest = (grown(Regions(where).step()) for where in ("left", "!left"))
    assert (left[:, :76] == 1).all() and (left[:, 78:] == 0).all()
    assert (rest[:, 84:] == 1).all() and (rest[:, :82] == 0).all()


def test_feathering_goes_inwards() -> None:
    plane = grown(Regions("top", feather=10.0).step())
    assert (plane[43:] == 0).all() and (plane[:30] == 1).all()
    assert (np.diff(plane[28:45, 0]) <= 0).all()
    assert 0 < plane[38, 0] < 1


def test_regions_combine() -> None:
    assert grown(Regions("left & top").step())[20, 40] == 1
    assert grown(Regions("left & top").step())[70, 40] == 0
    assert grown(Regions("left | top").step())[20, 120] == 1
    assert grown(Regions("!(left | top)").step())[70, 120] == 1
    assert grown(Regions("!(left | top)").step())[20, 120] == 0


@pytest.mark.parametrize(
    ("where", "wanted"),
    [("dark", (1, 0, 0)), ("bright", (0, 0, 1)), ("!dark & !bright", (0, 1, 0)),
     ("key(#808080)", (0, 1, 0))],
)  # fmt: skip
def test_regions_by_brightness_and_colour(where: str, wanted: tuple[int, ...]) -> None:
    bands = GRAY.copy()
    bands[:30], bands[60:] = 20, 240
    found = grown(Regions(where).step(bands))
    assert found[[15, 45, 75], 80].tolist() == pytest.approx(wanted, abs=0.02)


def test_detail_and_smooth_places() -> None:
    half = GRAY.copy()
    down, across = np.mgrid[:90, :80] // 4
    half[:, :80] = 255 * ((down + across) % 2)[..., None]
    edges, smooth = (grown(Regions(where).step(half)) for where in ("edges", "smooth"))
    assert edges[20:70, 20:60].mean() > 0.9 and edges[:, 100:].max() < 0.05
    assert smooth == pytest.approx(1 - edges, abs=1e-6)


def test_the_threshold_moves_the_line() -> None:
    shade = np.repeat(np.linspace(0, 255, 160).astype(np.uint8)[None, :, None], 90, 0)
    shade = np.repeat(shade, 3, 2)
    shares = [grown(Regions("dark", threshold=t).step(shade)).mean() for t in (0.1, 0.5, 0.9)]
    assert shares[0] > shares[1] + 0.03 > shares[2] + 0.06


@pytest.mark.parametrize("threshold", [0.02, 0.1, 0.5, 0.9, 0.98, 1.0])
def test_what_is_certain_belongs_or_not_at_every_threshold(threshold: float) -> None:
    half = GRAY // 8
    half[:, 80:] = 255
    found = grown(Regions("bright", threshold=threshold).step(half))
    assert found[45, 150] > 0.95 and found[45, 10] < 0.05


def moving_square(at: int, step: int, camera: int = 0) -> tuple[Picture, Motion]:
    """A square that goes to the right by so many px, before a wall that does by so many."""
    rgb, flow = GRAY.copy(), np.zeros((2, 45, 80), np.float32)
    rgb[30:60, at : at + 30] = 200
    flow[0] = -camera / 2
    flow[0, 15:30, at // 2 : at // 2 + 15] = -step / 2
    return rgb, Motion(flow, np.ones((45, 80), np.float32))


@pytest.mark.parametrize("camera", [0, 4])
def test_moving_is_beside_the_camera(camera: int) -> None:
    """Whether the camera stands or pans, the square moves and the wall does not."""
    regions = Regions("moving", region_half_life=0.0, hold=0.0)
    moving = grown(regions.step(*moving_square(60, camera + 3, camera)))
    assert moving[40:50, 65:85].min() == 1
    assert moving[:20].max() == moving[:, :40].max() == 0
    still_ones = Regions("still", region_half_life=0.0, hold=0.0)
    assert grown(still_ones.step(*moving_square(60, camera + 3, camera))) == pytest.approx(
        1 - moving, abs=1e-6
    )


def test_what_has_moved_counts_as_moving_for_a_while() -> None:
    regions = Regions("moving", region_half_life=0.0, hold=1.0)
    regions.step(*moving_square(60, 3))
    rgb, _ = moving_square(60, 0)
    found = [grown(regions.step(rgb, still()))[45, 75] for _ in range(30)]
    assert found[15] == 1 and found[24] < 0.2 and found[26] == 0
    assert sorted(found, reverse=True) == found


@pytest.mark.parametrize("threshold", [0.05, 0.1, 0.9, 0.95])
def test_what_moves_is_held_and_let_go_at_every_threshold(threshold: float) -> None:
    regions = Regions("moving", region_half_life=0.0, hold=0.2, threshold=threshold)
    assert grown(regions.step(*moving_square(60, 12)))[45, 75] == 1
    rgb, _ = moving_square(60, 0)
    for _ in range(8):
        last = grown(regions.step(rgb, still()))
    assert last.max() == 0


def test_planes_are_smoothed_along_the_flow() -> None:
    """A dark square that flickers and moves: its plane moves with it and hardly flickers."""
    apart = {}
    for half_life in (0.0, 0.4):
        regions, changes = Regions("dark", region_half_life=half_life), []
        before = None
        for n in range(30):
            rgb = GRAY.copy()
            rgb[30:60, 20 + 2 * n : 60 + 2 * n] = 60 if n % 4 else 100
            flow = np.zeros((2, 45, 80), np.float32)
            flow[0] = -1.0
            found = grown(regions.step(rgb, Motion(flow, np.ones((45, 80), np.float32))))
            if n > 10 and half_life:
                assert found[45, 40 + 2 * n] > 0.5
            if before is not None and n > 10:
                changes.append(np.abs(found[:, 2:] - before[:, :-2]).mean())
            before = found
        apart[half_life] = float(np.mean(changes))
    assert apart[0.4] < 0.3 * apart[0.0]


def test_an_old_dream_fades_where_nothing_dreams_any_more() -> None:
    regions, black = Regions("dark", region_half_life=0.0), GRAY // 8
    assert kept(regions.step(black)).min() == 1
    found = [float(kept(regions.step(GRAY, still(), fade=0.5))[45, 80]) for _ in range(12)]
    assert found[0] == 1 and 0 < found[5] < 1 and found[-1] == 0
    assert grown(regions.step(GRAY, still())).max() == 0


def test_a_region_of_a_film_s_curve_lets_the_old_dream_fade(
    dreamnet: Network, texture: Picture
) -> None:
    settings = DreamSettings(size="45p", half_life=0.02, region_half_life=0.0, flow="none")
    dreamer, bright = Dreamer(settings, dreamnet), np.full_like(texture, 200)
    keeps = []
    for n, where in enumerate(["dark"] * 6 + ["", "dark"]):
        dreamer.adopt(settings.replace(where=where))
        planes = dreamer.step(Frame(bright, n, Fraction(1, 25), n)).planes
        keeps.append(None if planes is None else float(kept(planes).max()))
    assert keeps[5:] == [0.0, None, 1.0]


def test_a_fixed_part_is_never_left() -> None:
    regions, black = Regions("dark & left", region_half_life=0.0), GRAY // 8
    away = np.zeros((2, 45, 80), np.float32)
    away[0] = -4.0
    for _ in range(10):
        planes = regions.step(black, Motion(away, np.ones((45, 80), np.float32)))
    assert kept(planes)[:, 78:].max() == 0 and kept(planes)[:, :70].min() > 0


def test_a_cut_forgets() -> None:
    regions = Regions("dark", region_half_life=5.0)
    regions.step(GRAY // 8)
    assert grown(regions.step(GRAY, still(cut=True))).max() == 0


def test_a_mask_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), np.zeros((20, 30), np.uint8))
    regions = Regions(f"mask({path})")
    found = [grown(regions.step()).mean()]
    cv2.imwrite(str(path), np.full((20, 30), 128, np.uint8))
    os.utime(path, (1, 1))  # whatever the clock's grain
    found.append(grown(regions.step()).mean())
    assert found == pytest.approx([0, 128 / 255])


def test_a_mask_moves_by_time_and_begins_again(tmp_path: Path) -> None:
    """Three pictures, a stripe each, at 25 a second."""
    for n in range(3):
        drawn = np.zeros((90, 160), np.uint8)
        drawn[:, 50 * n : 50 * n + 50] = 255
        cv2.imwrite(str(tmp_path / f"{n:02d}.png"), drawn)
    regions = Regions(f"mask({tmp_path}/%02d.png)")
    middles = [
        grown(regions.step(time_s=time_s))[45, [25, 75, 125]].tolist()
        for time_s in (0.0, 0.041, 0.081, 0.121, 0.05, 0.36)
    ]
    assert [m.index(1.0) for m in middles] == [0, 1, 2, 0, 1, 0]
    assert all(sum(m) == 1 for m in middles)
    assert grown(Regions(f"!mask({tmp_path}/%02d.png)").step())[45, 25] == 0


@pytest.mark.parametrize(
    ("terms", "everywhere"),
    [
        ("moving still", True), ("dark !dark", True), ("!smooth edges !edges", True),
        ("moving left&top !(left&top)", True),
        ("moving dark", False), ("still !moving", False), ("dark dark&left", False),
    ],
)  # fmt: skip
def test_worlds_that_share_the_picture_have_no_seam(terms: str, everywhere: bool) -> None:
    """Where one begins and the other ends, both are half there: their sum dreams as ever."""
    regions = tuple(map(parse_region, terms.split()))
    assert cover_all(regions) is everywhere
    wanted = Wanted(None, regions, 8.0, 0.5, 0.0, 0.0)
    planes = PlaneReader().step(wanted, {}, GRAY, still(), size=SIZE, seconds=0.04, fade=0.9)
    assert (planes.grow is None) is (planes.keep is None) is everywhere
    assert planes.terms.keys() == set(regions)


def test_a_network_s_regions_that_share_the_picture_have_no_seam() -> None:
    assert cover_all(tuple(map(parse_region, ("!background", "!person"))))
    assert not cover_all(tuple(map(parse_region, ("background", "!person"))))


@pytest.mark.parametrize(
    "terms", ["left !left", "left right", "rect(0.3,0.2,0.3,0.5) !rect(0.3,0.2,0.3,0.5)",
              "mask({0}.png) !mask({0}.png)", "mask({0}/%02d.png) !mask({0}/%02d.png)",
              "bright&left !(bright&left)"],
)  # fmt: skip
def test_terms_of_drawn_regions_leave_nothing_between_them(terms: str, tmp_path: Path) -> None:
    drawn = np.zeros((181, 323), np.uint8)
    drawn[31:150, 57:201] = 255
    (tmp_path / "a").mkdir()
    for path in ("a.png", "a/00.png"):
        cv2.imwrite(str(tmp_path / path), drawn)
    regions = tuple(map(parse_region, terms.format(tmp_path / "a").split()))
    wanted = Wanted(None, regions, 8.0, 0.5, 0.0, 0.0)
    white = np.full_like(GRAY, 255)
    planes = PlaneReader().step(wanted, {}, white, still(), size=SIZE, seconds=0.04, fade=0.9)
    one, other = (planes.terms[region] for region in regions)
    assert (one + other).min() >= 0.95 and (one + other).max() <= 1.05
    assert one.max() > 0.95 and other.max() > 0.95


def test_what_is_painted_is_a_region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    painting = Painting()
    painting.begin(*SIZE)
    stroke = {"paint": [[0.25, 0.5], [0.75, 0.5]], "brush": 0.4, "begins": True}
    painting.do(stroke)
    regions = {text: Regions(text) for text in ("painted", "!painted", "painted & left")}
    planes = {}
    for text, one in regions.items():
        one.reader.painted = painting.painted
        planes[text] = grown(one.step())
    assert planes["painted"][45, 40] == planes["painted"][45, 120] == 1
    assert planes["painted"][10].max() == planes["painted"][:, 10].max() == 0
    assert planes["!painted"][45, 80] == 0 and planes["!painted"][10, 80] == 1
    assert planes["painted & left"][45, 40] == 1 and planes["painted & left"][45, 90] == 0
    one = regions["painted"]
    painting.do({"paint": [[0.25, 0.5]], "brush": 0.5, "erase": True})
    one.reader.painted = painting.painted
    erased = one.step()
    assert grown(erased)[45, 40] == 0 and grown(erased)[45, 110] == 1
    assert kept(erased)[45, 40] == 0  # at once: an eraser leaves nothing
    alone = Regions("painted")  # without anybody who paints
    with pytest.raises(SourceError, match="nothing was kept"):
        alone.step()
    painting.keep("painted")
    np.testing.assert_array_equal(grown(alone.step()), grown(erased))


@pytest.mark.parametrize("where", ["mask({})", "!mask({})"])
def test_ripples_around_a_mask_are_no_part_of_it(tmp_path: Path, where: str) -> None:
    """As JPEG and H.264 leave them around an edge."""
    clean = np.zeros((90, 160), np.uint8)
    clean[30:60, 50:110] = 255
    ripples = clean.copy()
    ripples[24:30, 50:110:3] = ripples[30:60:3, 44:50] = 6
    ripples[30:60:2, 50:110] = 251
    found = []
    for name, mask in (("clean", clean), ("ripples", ripples)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), mask)
        path = tmp_path / f"{name}.png"
        found.append(grown(Regions(where.format(path), feather=8.0).step()))
    np.testing.assert_array_equal(*found)
    assert (found[0] == 0).any() and found[0].max() == 1


@pytest.mark.parametrize(("width", "height"), [(640, 360), (640, 100), (5000, 100)])
def test_a_thin_black_line_of_a_mask_of_another_shape_stays(width: int, height: int) -> None:
    mask = np.ones((200, 4000), np.float32)
    mask[:, 2000:2002] = 0.0
    found = shrunk_mask(mask, width, height)
    assert found.shape == (height, width)
    assert (found.min(axis=1) == 0.0).all()


def test_a_mask_that_is_not_there() -> None:
    with pytest.raises(RegionError, match=r"nowhere\.png") as caught:
        wanted_of(DreamSettings(where="left & mask(nowhere.png)"), ())
    assert caught.value.position == 7


@pytest.mark.parametrize(
    ("where", "terms"), [("left & moving", ()), ("!still", ()), ("left", ("moving", "!moving"))]
)
def test_motion_that_no_flow_finds_is_refused(where: str, terms: tuple[str, ...]) -> None:
    regions = tuple(map(parse_region, terms))
    assert wanted_of(DreamSettings(where=where), regions) is not None
    with pytest.raises(RegionError, match="needs motion, which --flow none"):
        wanted_of(DreamSettings(where=where, flow="none"), regions)


@pytest.mark.parametrize("size", ["72p", "source"])
@pytest.mark.parametrize("where", ["rect(0.2,0.3,0.5,0.4)", "moving & left", "!mask({})"])
def test_outside_a_region_the_frame_is_untouched(
    dreamnet: Network, texture: Picture, tmp_path: Path, where: str, size: str
) -> None:
    drawn = np.full((180, 320), 255, np.uint8)
    drawn[54:126, 64:224] = 0
    cv2.imwrite(str(tmp_path / "mask.png"), drawn)
    where = where.format(tmp_path / "mask.png")
    settings = DreamSettings(where=where, size=size, flow="dis-fast", strength=40.0)
    dreamer = Dreamer(settings.replace(threshold=0.1), dreamnet)
    # What is dreamed is carried across the region's edge, to the right and down.
    frames = [
        Frame(np.roll(texture, (4 * n, 6 * n), (0, 1)), n, Fraction(1, 25), n) for n in range(6)
    ]
    apart = np.zeros((180, 320), int)
    for frame, dream in zip(frames, dreamer.frames(frames), strict=True):
        apart = np.maximum(apart, np.abs(dream.rgb.astype(int) - frame.rgb).max(2))
    inside = np.zeros_like(apart, bool)
    if "left" in where:
        inside[:, :160] = True
    else:
        inside[54:126, 64:224] = True
        assert (apart[70:110, 90:200] > 0).mean() > 0.8
    assert apart[~inside].max() == 0


def test_the_level_is_held_within_the_region(dreamnet: Network, texture: Picture) -> None:
    settings = DreamSettings(where="rect(0.25,0.25,0.5,0.5)", size="90p", rise=0.0, flow="none")
    dreamer = Dreamer(settings, dreamnet)
    for n in range(8):
        dream = dreamer.step(Frame(texture, n, Fraction(1, 25), n))
    apart = dream.frame.rgb.astype(float) - texture
    level = np.sqrt(np.square(apart[55:125, 90:230]).mean())
    assert dream.level == pytest.approx(14.0, rel=0.03)
    assert 11 < level < 19


def test_grey_in_a_mask_is_half_as_strong(
    dreamnet: Network, texture: Picture, tmp_path: Path
) -> None:
    """After many frames as well, and the same whether the mask is a picture or a film."""
    white = np.full((180, 320), 255, np.uint8)
    mask = white.copy()
    mask[:, 160:] = 128
    (tmp_path / "film").mkdir()
    levels = {}
    for path, shown in (("white.png", white), ("mask.png", mask), ("film/00.png", mask)):
        cv2.imwrite(str(tmp_path / path), shown)
        named = tmp_path / path.replace("00", "%02d")
        dreamer = Dreamer(DreamSettings(where=f"mask({named})", size="90p", rise=0.0), dreamnet)
        for n in range(60):
            dreamer.step(Frame(texture, n, Fraction(1, 25), n))
        assert dreamer.state.residual is not None
        left, right = dreamer.state.residual.square().mean((0, 1, 2)).chunk(2)
        levels[path] = float(right.mean() / left.mean()) ** 0.5
    # The picture's halves do not dream alike to begin with.
    assert levels["mask.png"] / levels["white.png"] == pytest.approx(0.5, abs=0.1)
    assert levels["mask.png"] == pytest.approx(levels["film/00.png"])


def test_what_is_carried_is_in_the_checkpoint(dreamnet: Network, texture: Picture) -> None:
    """Gone on with, the dream and its regions are as if it had never stopped."""
    settings = DreamSettings(where="moving | dark", size="90p", flow_size="90p", flow="dis-fast")
    frames = [
        Frame(np.roll(texture, 2 * n * (n % 3), 1), n, Fraction(1, 25), n) for n in range(7)
    ]  # fmt: skip
    first, second = Dreamer(settings, dreamnet), Dreamer(settings, dreamnet)
    whole = [dream.frame.rgb for dream in first.dreams(frames)]
    for dream in second.dreams(frames[:4]):
        assert dream.state is not None
    second.restore(dream.state.arrays())
    rest = [dream.frame.rgb for dream in second.dreams(frames[4:], before=frames[3])]
    assert np.array_equal(whole[4:], rest)


def test_numbered_pictures_have_the_rate_of_the_film_that_is_dreamed(tmp_path: Path) -> None:
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((8, 8), 60 * number, np.uint8))
    reader = PlaneReader()
    for rate, number in ((None, 2), (Fraction(10), 1), (Fraction(30), 3), (Fraction(10), 1)):
        reader.rate = rate  # of one film after the other, as a worker has them
        assert reader.mask(str(tmp_path), 0.1).mean() * 255 == pytest.approx(60 * number)
