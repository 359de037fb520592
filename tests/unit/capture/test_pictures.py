"""Pictures: still ones, folders and numbered series."""

import struct
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from heif_made import write_grid
from PIL import Image, PngImagePlugin

from livedream.capture import open_source
from livedream.capture.pictures import pillow_image, read_picture
from livedream.core.errors import SourceError
from livedream.core.frame import Picture

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def flat(colour: tuple[int, ...], width: int = 8, height: int = 6) -> Picture:
    return np.full((height, width, 3), colour, dtype=np.uint8)


def save(path: Path, rgb: Picture) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = cv2.imencode(path.suffix, rgb[..., ::-1])[1]
    path.write_bytes(encoded.tobytes())
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm"])
@pytest.mark.parametrize("colour", COLOURS.values(), ids=COLOURS)
def test_red_is_red(tmp_path: Path, suffix: str, colour: tuple[int, int, int]) -> None:
    path = save(tmp_path / f"färbe{suffix}", flat(colour))
    assert np.array_equal(read_picture(path), flat(colour))


def test_sixteen_bits_and_grey_and_alpha_become_eight_bit_rgb(tmp_path: Path) -> None:
    deep, grey, clear = (tmp_path / n for n in ("deep.png", "grey.png", "clear.png"))
    deep.write_bytes(cv2.imencode(".png", np.full((3, 4, 3), 0x8000, np.uint16))[1].tobytes())
    grey.write_bytes(cv2.imencode(".png", np.full((3, 4), 77, np.uint8))[1].tobytes())
    clear.write_bytes(cv2.imencode(".png", np.full((3, 4, 4), 99, np.uint8))[1].tobytes())
    assert np.array_equal(read_picture(deep), flat((128,) * 3, 4, 3))
    assert np.array_equal(read_picture(grey), flat((77,) * 3, 4, 3))
    assert np.array_equal(read_picture(clear), flat((99,) * 3, 4, 3))
    with open_source(clear) as source:
        assert source.info.notes == ("transparency is dropped",)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:, :16] = 255
    jpeg = cv2.imencode(".jpg", upright)[1].tobytes()
    # One IFD with one entry: tag 0x0112 (orientation), SHORT, 6 = turn 90 degrees clockwise.
    tiff = b"MM\x00*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    exif = b"Exif\x00\x00" + tiff
    path = tmp_path / "turned.jpg"
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:])
    turned = read_picture(path)
    assert turned.shape == (32, 16, 3)
    assert turned[:16].mean() > 250
    assert turned[16:].mean() < 5


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("text.png", b"", "it is empty; save or copy it again"),
        ("text.png", b"not a picture at all", "it is damaged, incomplete or too large; save or"),
        ("text.txt", b"not a picture at all", r"use \.png, "),
    ],
)
def test_what_is_no_picture_is_one_clear_line(
    tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=rf"{name} is not a readable picture: {why}"):
        read_picture(path)


def test_libraries_print_nothing_of_their_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    torn, odd = save(tmp_path / "torn.png", noise), tmp_path / "odd.png"
    torn.write_bytes(torn.read_bytes()[:-100])
    Image.fromarray(noise).save(odd, icc_profile=b"no profile")
    with pytest.raises(SourceError, match=r"torn\.png is not a readable picture: it is damaged"):
        read_picture(torn)
    assert np.array_equal(read_picture(odd), noise)
    assert capfd.readouterr() == ("", "")


def test_a_png_may_have_a_large_profile_and_long_texts(tmp_path: Path) -> None:
    path, text = tmp_path / "a.png", PngImagePlugin.PngInfo()
    text.add_itxt("workflow", "x" * (3 << 20), zip=True)
    profile = np.random.default_rng(0).bytes(2 << 20)
    Image.fromarray(flat((1, 2, 3))).save(path, icc_profile=profile, pnginfo=text)
    assert np.array_equal(read_picture(path), flat((1, 2, 3)))


def test_a_png_whose_comment_is_damaged_is_read(tmp_path: Path) -> None:
    path, text = tmp_path / "a.png", PngImagePlugin.PngInfo()
    text.add_text("Comment", "made by nobody")
    Image.fromarray(flat((1, 2, 3))).save(path, pnginfo=text)
    path.write_bytes(path.read_bytes().replace(b"nobody", b"noBody"))
    assert np.array_equal(read_picture(path), flat((1, 2, 3)))


def test_sixteen_bits_of_grey_keep_the_upper_eight(tmp_path: Path) -> None:
    deep = np.arange(0, 1 << 16, 97, dtype=np.uint16).reshape(4, -1)
    (tmp_path / "a.png").write_bytes(cv2.imencode(".png", deep)[1].tobytes())
    assert np.array_equal(read_picture(tmp_path / "a.png")[..., 0], deep >> 8)


@pytest.mark.parametrize("suffix", [".avif", ".heic"])
def test_a_phone_s_picture_that_is_damaged_is_one_clear_line(tmp_path: Path, suffix: str) -> None:
    if suffix == ".heic":
        pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    path = write_grid(tmp_path / f"a{suffix}", flat(COLOURS["red"], 128, 64), columns=1)
    head, _, coded = path.read_bytes().partition(b"mdat")
    path.write_bytes(head + b"mdat" + bytes(len(coded)))
    with pytest.raises(SourceError, match="not a readable picture"):
        read_picture(path)


def claiming(path: Path, width: int, height: int) -> Path:
    """A PNG that says that it is so large, and holds four pixels."""
    Image.new("RGBA", (2, 2)).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)
    return path


def test_pictures_are_as_large_as_opencv_takes_them(tmp_path: Path) -> None:
    with pillow_image(claiming(tmp_path / "panorama.png", 20_000, 10_000)) as image:
        assert image.size == (20_000, 10_000) and image.has_transparency_data
    with pytest.raises(SourceError, match="not a readable picture"):
        read_picture(claiming(tmp_path / "larger.png", 1 << 16, 1 << 15))


def test_a_missing_picture_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        open_source(tmp_path / "nowhere.png")


def test_a_still_picture_is_one_frame(tmp_path: Path) -> None:
    with open_source(save(tmp_path / "still.png", flat((1, 2, 3)))) as source:
        frames = list(source)
    assert source.info.frames == 1
    assert source.info.path is None
    assert [f.pts for f in frames] == [0]
    assert np.array_equal(frames[0].rgb, flat((1, 2, 3)))


def test_a_folder_is_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 9, 2, 1):
        save(tmp_path / f"shot{number}.png", flat((number, 0, 0)))
    (tmp_path / "notes.txt").write_text("not a picture")
    with open_source(tmp_path, fps=Fraction(12)) as source:
        frames = list(source)
    assert [int(f.rgb[0, 0, 0]) for f in frames] == [1, 2, 9, 10]
    assert source.info.rate == 12
    assert [f.time_s for f in frames] == pytest.approx([0, 1 / 12, 2 / 12, 3 / 12])


def test_a_pattern_takes_its_numbers_and_closes_gaps(tmp_path: Path) -> None:
    for number in (3, 4, 7, 100_000):
        save(tmp_path / f"a.{number:05d}.png", flat((number % 200, 0, 0)))
    save(tmp_path / "a.12.png", flat((12, 0, 0)))
    save(tmp_path / "b.00005.png", flat((5, 0, 0)))
    with open_source(f"{tmp_path}/a.%05d.png") as source:
        frames = list(source)
    assert [int(f.rgb[0, 0, 0]) for f in frames] == [3, 4, 7, 0]
    assert [f.pts for f in frames] == [0, 1, 2, 3]
    assert source.info.frames == 4


def test_ranges_and_skips_count_in_time(tmp_path: Path) -> None:
    for number in range(10):
        save(tmp_path / f"{number}.png", flat((number, 0, 0)))
    with open_source(tmp_path, fps=Fraction(10), start_s=0.25, end_s=0.8, skip=2) as source:
        frames = list(source)
    assert (source.info.frames, source.info.begins_s) == (5, 0.3)  # of the fourth picture
    assert [int(f.rgb[0, 0, 0]) for f in frames] == [5, 6, 7]
    assert [f.index for f in frames] == [2, 3, 4]


def test_odd_ones_out_are_scaled_or_passed_over_and_counted(tmp_path: Path) -> None:
    save(tmp_path / "1.png", flat((1, 1, 1), 8, 6))
    save(tmp_path / "2.png", flat((2, 2, 2), 4, 4))
    (tmp_path / "3.png").write_bytes(b"broken")
    with open_source(tmp_path) as source:
        frames = list(source)
        notes = source.info.notes
    assert [f.rgb.shape for f in frames] == [(6, 8, 3), (6, 8, 3)]
    assert any("scaled" in note for note in notes)
    assert "files that are no readable pictures, skipped: 1 (3.png)" in notes


@pytest.mark.parametrize("content", [b"", b"broken"])
def test_a_broken_file_is_passed_over_wherever_it_is(tmp_path: Path, content: bytes) -> None:
    for number in range(1, 5):
        save(tmp_path / f"{number}.png", flat((number, 1, 1)))
    for name in ("0.png", "2b.png", "5.png", "6.png"):
        (tmp_path / name).write_bytes(content)
    with open_source(tmp_path) as source:
        frames = list(source)
        skipped = "files that are no readable pictures, skipped: 4 (0.png, 2b.png, 5.png, ...)"
        assert skipped in source.info.notes
        assert (source.info.width, source.info.height) == (8, 6)
    assert [int(f.rgb[0, 0, 0]) for f in frames] == [1, 2, 3, 4]
    assert [(f.pts, f.index) for f in frames] == [(i, i) for i in range(4)]
    with open_source(tmp_path, skip=2) as source:
        assert [(int(f.rgb[0, 0, 0]), f.index) for f in source] == [(3, 2), (4, 3)]


def test_a_folder_of_broken_files_says_so(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"")
    with pytest.raises(SourceError, match=r"0\.png is not a readable picture"):
        open_source(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".avif"])
def test_what_transparency_covered_has_its_own_colour(tmp_path: Path, suffix: str) -> None:
    rgba = np.full((60, 90, 4), 200, np.uint8)
    rgba[..., 3] = np.linspace(1, 255, 90).astype(np.uint8)
    path = tmp_path / f"clear{suffix}"
    lossless = {".webp": {"lossless": True}, ".avif": {"quality": 100}}.get(suffix, {})
    Image.fromarray(rgba).save(path, **lossless)
    assert np.abs(read_picture(path).astype(int) - 200).max() <= 1
    with open_source(path) as source:
        assert source.info.notes == ("transparency is dropped",)


@pytest.mark.parametrize("suffix", [".avif", ".heic"])
@pytest.mark.parametrize(
    "how",
    [
        {"columns": 1},
        {"columns": 2, "rows": 2},
        {"turns": 1},
        {"turns": 3, "columns": 1},
        {"mirror": 0},
        {"turns": 1, "mirror": 1},
    ],
    ids=str,
)
def test_the_whole_picture_of_a_phone_upright(
    tmp_path: Path, suffix: str, how: dict[str, int]
) -> None:
    if suffix == ".heic":
        pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    rgb = np.zeros((128, 256, 3), np.uint8)
    rgb[..., 0] = np.linspace(0, 255, 256)
    rgb[..., 1] = np.linspace(0, 255, 128)[:, None]
    path = write_grid(tmp_path / f"IMG_0001{suffix}", rgb, **how)
    wanted = np.rot90(rgb, how.get("turns", 0))
    if "mirror" in how:
        wanted = np.flip(wanted, how["mirror"])
    with open_source(path) as source:
        (frame,) = source
    with open_source(tmp_path) as source:
        (of_folder,) = source
    assert frame.rgb.shape == wanted.shape
    assert np.abs(frame.rgb.astype(int) - wanted).mean() < 1.5
    assert np.array_equal(of_folder.rgb, frame.rgb)


def test_a_heic_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = write_grid(tmp_path / "a.heic", np.zeros((128, 256, 3), np.uint8))
    for what in (path, tmp_path):
        with pytest.raises(SourceError, match=r'a\.heic is a HEIC .*pip install "livedream\[heic'):
            open_source(what)


def test_an_avif_in_high_dynamic_range_is_tone_mapped(tmp_path: Path) -> None:
    rgb = np.full((64, 128, 3), 128, np.uint8)
    path = write_grid(tmp_path / "a.avif", rgb, columns=1, transfer=16, turns=1)
    with open_source(path) as source:
        (frame,) = source
        assert source.info.notes == ("high dynamic range is tone-mapped to BT.709 (BT.2390)",)
    assert frame.rgb.shape == (128, 64, 3)
    # Code 128 in PQ is 94 cd/m2, and 203 become white: (94 / 203) ** (1 / 2.4) is 185 of 255.
    assert abs(float(frame.rgb.mean()) - 185) < 6


def test_a_heic_of_one_piece_needs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    rgb = np.full((64, 128, 3), 200, np.uint8)
    with open_source(write_grid(tmp_path / "a.heic", rgb, columns=1, turns=3)) as source:
        (frame,) = source
    assert frame.rgb.shape == (128, 64, 3)
    assert np.abs(frame.rgb.astype(int) - 200).max() <= 2


def test_a_name_that_no_file_can_have_is_one_clear_line(tmp_path: Path) -> None:
    for name in ("x" * 300 + ".mp4", "x" * 300 + ".png", "x" * 300):
        with pytest.raises(SourceError, match=r"too long|cannot be read"):
            open_source(tmp_path / name)


def test_empty_folders_and_patterns_say_what_to_check(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="contains no pictures"):
        open_source(tmp_path)
    with pytest.raises(SourceError, match="no file matches"):
        open_source(tmp_path / "frames" / "%05d.png")
    save(tmp_path / "one.png", flat((0, 0, 0)))
    with pytest.raises(SourceError, match="no picture in the range"):
        open_source(tmp_path, start_s=3)
    with pytest.raises(SourceError, match="greater than 0"):
        open_source(tmp_path, fps=Fraction(0))
