"""What a film's pictures look like: turned, mirrored, of any pixel shape, matrix, range and chroma.

Films are made here, rendered without a dream, and looked at with PyAV alone. One file, long as it
is, since all of it shares the makers of such films.
"""

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.filter import Graph
from files_made import decoded, make_video, picture, with_matrix, write_frames
from files_made import frames as made_frames
from files_made import info as made_info
from numpy.typing import NDArray
from PIL import Image

from livedream.cli import main
from livedream.core.frame import Picture
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.jobs.image import start_picture
from livedream.jobs.render import RenderJob, render
from livedream.jobs.report import RenderReport
from livedream.present import open_sink

pytestmark = pytest.mark.slow  # many renders; `scripts/check` runs them

NO_DREAM = DreamSettings(  # by what computes it soonest
    size="64p", flow_size="64p", strength=0.0, flow="none", octaves=1, iterations=1,
    objective="strokes", engine="torch",
)  # fmt: skip
Render = Callable[..., RenderReport]


@pytest.fixture(scope="module")
def rendered() -> Render:
    """Renders a film, with nothing dreamed into it."""
    first = Dreamer(NO_DREAM)

    def run(
        source: Path | str, output: Path, stop_after: int | None = None, **more: Any
    ) -> RenderReport:
        def watch(dream: object, report: RenderReport) -> None:
            if report.frames == stop_after:
                raise KeyboardInterrupt

        job = RenderJob(source=str(source), output=output, settings=NO_DREAM, **more)
        return render(job, Dreamer(NO_DREAM, first.network, first.objective), watch=watch)

    return run


def pixels(path: Path) -> list[Picture]:
    return [rgb for _, rgb in decoded(path)]


def aspect(path: Path) -> Fraction | None:
    with av.open(str(path)) as container:
        return container.streams.video[0].sample_aspect_ratio


# --- which way up ---------------------------------------------------------------------------------


def as_shown(rgb: Picture, turn: tuple[int, int, int, int]) -> Picture:
    """Every pixel taken to where the matrix takes it: (a x + c y, b x + d y)."""
    a, b, c, d = turn
    y, x = np.mgrid[0 : rgb.shape[0], 0 : rgb.shape[1]]
    across, down = a * x + c * y, b * x + d * y
    across, down = across - across.min(), down - down.min()
    shown = np.zeros((down.max() + 1, across.max() + 1, 3), np.uint8)
    shown[down, across] = rgb
    return shown


TURNS = [(a, 0, 0, d) for a, d in product((1, -1), repeat=2)]
TURNS += [(0, b, c, 0) for b, c in product((1, -1), repeat=2)]


@pytest.mark.parametrize("turn", TURNS)
def test_turned_and_mirrored_films_are_as_players_show_them(
    tmp_path: Path, rendered: Render, turn: tuple[int, int, int, int]
) -> None:
    plain = make_video(tmp_path / "plain.mp4", options={"crf": "4"})
    rendered(with_matrix(plain, tmp_path / "turned.mp4", turn), tmp_path / "out.mkv", codec="ffv1")
    found, wanted = pixels(tmp_path / "out.mkv")[5], as_shown(pixels(plain)[5], turn)
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted).mean() < 6  # chroma of another decoder


# --- the shape of pixels --------------------------------------------------------------------------

WIDE = Fraction(64, 45)
KINDS = [
    ("mp4", "h264"), ("mp4", "hevc"), ("mp4", "av1"), ("mp4", "vp9"), ("mov", "h264"),
    ("mov", "prores"), ("mkv", "h264"), ("mkv", "hevc"), ("mkv", "av1"), ("mkv", "vp9"),
    ("mkv", "prores"), ("mkv", "ffv1"), ("webm", "vp9"), ("webm", "av1"), ("avi", "h264"),
    ("avi", "ffv1"), ("ts", "h264"),
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "codec"), KINDS)
@pytest.mark.parametrize("shape", [WIDE, Fraction(8, 9)])
def test_pixels_keep_their_shape_in_every_codec_and_container(
    tmp_path: Path, suffix: str, codec: str, shape: Fraction
) -> None:
    path = tmp_path / f"out.{suffix}"
    about = made_info(180, 144, sample_aspect_ratio=shape)
    write_frames(path, made_frames(4, 180, 144), about, codec=codec)
    assert aspect(path) == shape
    assert len(decoded(path)) == 4


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mov", "prores"), ("mp4", "h264"), ("mkv", "ffv1"), ("webm", "vp9")]
)
def test_they_do_while_the_file_grows_and_when_it_is_resumed(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    path = tmp_path / f"out.{suffix}"
    about = made_info(180, 144, sample_aspect_ratio=WIDE)
    given = made_frames(6, 180, 144)
    sink: Any = open_sink(path, about, codec=codec)
    for frame in given[:3]:
        sink.write(frame)
    sink.abandon()
    assert aspect(path) == WIDE
    for stop in (5, 6):  # on from a file that grew, then from one that was finished
        with open_sink(path, about, codec=codec, resume=True) as sink:
            for frame in given[sink.frames_written : stop]:
                sink.write(frame)
        assert aspect(path) == WIDE
    assert len(decoded(path)) == 6


def test_a_track_keeps_its_title_beside_the_shape_of_its_pixels(
    tmp_path: Path, rendered: Render
) -> None:
    film = tmp_path / "film.mkv"
    with av.open(str(film), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 180, 144, "yuv420p"
        stream.codec_context.sample_aspect_ratio = WIDE
        stream.metadata["title"] = "Überblick"
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(picture(index, 180, 144), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    rendered(film, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.streams.video[0].metadata["title"] == "Überblick"
        assert container.streams.video[0].sample_aspect_ratio == WIDE


@pytest.fixture
def dvd(tmp_path: Path) -> Path:
    """5:4 in samples, 16:9 on the screen."""
    return make_video(
        tmp_path / "dvd.mkv", size=(180, 144), context={"sample_aspect_ratio": WIDE}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("source", ((180, 144), WIDE)),
        ("72p", ((90, 72), WIDE)),
        ("160x90", ((160, 90), Fraction(1))),
        ("100x100", ((100, 100), Fraction(16, 9))),
    ],
)
def test_at_another_size_the_picture_on_the_screen_keeps_its_shape(
    tmp_path: Path, rendered: Render, dvd: Path, asked: str, shown: tuple[tuple[int, int], Fraction]
) -> None:
    size, shape = shown
    report = rendered(dvd, tmp_path / "out.mp4", picture_size=asked)
    assert aspect(tmp_path / "out.mp4") == shape
    assert pixels(tmp_path / "out.mp4")[0].shape[1::-1] == size
    assert any("square" in n or "in the shape" in n for n in report.notes) == (shape != WIDE)


@pytest.mark.parametrize("name", ["out.gif", "out.webp", "shots/%03d.png"])
def test_where_pixels_are_always_square_they_become_so(
    tmp_path: Path, rendered: Render, dvd: Path, name: str
) -> None:
    report = rendered(dvd, tmp_path / name)
    with Image.open(tmp_path / name.replace("%03d", "000")) as shown:
        assert shown.size == (256, 144)
    assert "pixels that are not square (64:45) become square: 256x144" in report.notes


def test_a_still_of_a_film_has_square_pixels(dvd: Path) -> None:
    assert start_picture(str(dvd)).shape == (144, 256, 3)
    assert start_picture(str(dvd), "72p").shape == (72, 128, 3)


# --- interlaced -----------------------------------------------------------------------------------


def moving(count: int, width: int, height: int) -> list[Picture]:
    """A bright bar that moves three pixels to the right each time."""
    x = np.arange(width)
    bar = [np.clip(120 - 12 * np.abs(x - 30 - 3 * i), 0, 120) + 60 for i in range(count)]
    return [np.repeat(np.tile(b, (height, 1))[..., None], 3, axis=2).astype(np.uint8) for b in bar]


def interlaced(path: Path, codec: str, field_first: str, size: tuple[int, int]) -> list[Picture]:
    """A film of 50 fields a second; the moments that its fields show."""
    moments = moving(24, *size)
    pix = "yuv411p" if codec == "dvvideo" else "yuv420p"
    graph = Graph()
    nodes = [
        graph.add("buffer", video_size=f"{size[0]}x{size[1]}", pix_fmt=pix, time_base="1/25"),
        graph.add("setfield", field_first), graph.add("buffersink"),
    ]  # fmt: skip
    graph.link_nodes(*nodes).configure()
    rate = Fraction(30000, 1001) if codec == "dvvideo" else Fraction(25)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=rate, options={"flags": "+ildct+ilme"})
        stream.width, stream.height, stream.pix_fmt = *size, pix
        if codec == "mpeg2video":
            stream.bit_rate = 8_000_000
        for index in range(12):
            woven = moments[2 * index].copy()
            later = 1 if field_first == "tff" else 0
            woven[later::2] = moments[2 * index + 1][later::2]
            plain = av.VideoFrame.from_ndarray(woven, format="rgb24").reformat(format=pix)
            graph.vpush(plain)
            both: Any = graph.vpull()
            both.pts, both.time_base, both.pict_type = index, 1 / rate, 0
            out.mux(stream.encode(both))
        out.mux(stream.encode(None))
    return moments


def combs(rgb: Picture) -> float:
    """How much neighbouring lines differ: upright bars have no reason to."""
    return float(np.abs(np.diff(rgb.astype(int), axis=0)).mean())


CAMERAS = [
    ("tv.ts", "mpeg2video", "tff", (192, 144)),
    ("camera.mp4", "libx264", "bff", (192, 144)),
    ("dv.avi", "dvvideo", "bff", (720, 480)),
]


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera[0])
def test_interlaced_film_is_deinterlaced(
    tmp_path: Path, rendered: Render, camera: tuple[str, str, str, tuple[int, int]]
) -> None:
    name, codec, first, size = camera
    film, out = tmp_path / name, tmp_path / "out.mkv"
    moments = interlaced(film, codec, first, size)
    source = decoded(film)
    report = rendered(film, out, codec="ffv1")
    assert sum("deinterlaced" in note for note in report.notes) == 1
    shown = decoded(out)
    assert len(shown) == len(source) == 12
    times = [float(t - shown[0][0]) for t, _ in shown]
    assert times == pytest.approx([float(t - source[0][0]) for t, _ in source], abs=0.001)
    for index, (_, rgb) in enumerate(shown[1:-1], 1):
        assert combs(rgb) < 0.4 * combs(source[index][1])
        error = [np.abs(rgb.astype(int) - m).mean() for m in moments]
        assert int(np.argmin(error)) == 2 * index  # the earlier of its two moments
    with av.open(str(out)) as container:
        assert not any(frame.interlaced_frame for frame in container.decode(video=0))


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera[0])
def test_a_frame_can_be_made_of_each_field(
    tmp_path: Path, rendered: Render, camera: tuple[str, str, str, tuple[int, int]]
) -> None:
    name, codec, first, size = camera
    film, out = tmp_path / name, tmp_path / "out.mkv"
    moments = interlaced(film, codec, first, size)
    rendered(film, out, codec="ffv1", deinterlace="fields")
    shown = decoded(out)
    assert len(shown) == 24
    step = float(shown[-1][0] - shown[0][0]) / 23
    assert step == pytest.approx(1001 / 60000 if codec == "dvvideo" else 0.02, abs=0.0001)
    for index, (time, rgb) in enumerate(shown):
        assert float(time - shown[0][0]) == pytest.approx(index * step, abs=0.0011)
        if 2 <= index < 22:
            error = [np.abs(rgb.astype(int) - m).mean() for m in moments]
            assert int(np.argmin(error)) == index
    with av.open(str(out)) as container:
        assert container.streams.video[0].average_rate == pytest.approx(1 / step, rel=0.02)


def test_on_request_interlaced_film_stays_as_it_is(tmp_path: Path, rendered: Render) -> None:
    film = tmp_path / "tv.ts"
    interlaced(film, "mpeg2video", "tff", (192, 144))
    report = rendered(film, tmp_path / "out.mkv", codec="ffv1", deinterlace="off")
    assert not any("interlaced" in note for note in report.notes)
    pairs = zip(pixels(film), pixels(tmp_path / "out.mkv"), strict=True)
    assert all(np.abs(one.astype(int) - other).mean() < 1.5 for one, other in pairs)


@pytest.mark.parametrize("how", ["auto", "fields"])
def test_film_that_is_not_interlaced_is_not_touched(
    tmp_path: Path, rendered: Render, how: str
) -> None:
    film = make_video(tmp_path / "film.mp4")
    report = rendered(film, tmp_path / "out.mkv", codec="ffv1", deinterlace=how)
    rendered(film, tmp_path / "off.mkv", codec="ffv1", deinterlace="off")
    assert not any("interlaced" in note for note in report.notes)
    found, wanted = decoded(tmp_path / "out.mkv"), decoded(tmp_path / "off.mkv")
    assert [time for time, _ in found] == [time for time, _ in wanted]
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(found, wanted, strict=True))


@pytest.fixture(scope="module")
def woven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interlaced film."""
    film = tmp_path_factory.mktemp("woven") / "camera.mp4"
    interlaced(film, "libx264", "tff", (192, 144))
    return film


@pytest.fixture(scope="module")
def whole(woven: Path, rendered: Render) -> dict[str, Path]:
    """All of it, by how it is deinterlaced."""
    made = {how: woven.with_name(f"{how}.mkv") for how in ("auto", "fields")}
    for how, path in made.items():
        rendered(woven, path, codec="ffv1", deinterlace=how)
    return made


@pytest.mark.parametrize("how", ["auto", "fields"])
@pytest.mark.parametrize(("start_s", "end_s"), [(0.16, 0.36), (0.04, None), (0.2, 0.24)])
def test_a_part_of_it_has_the_same_pictures_as_the_whole(
    *, tmp_path: Path, rendered: Render, woven: Path, whole: dict[str, Path],
    how: str, start_s: float, end_s: float | None,
) -> None:  # fmt: skip
    part = {"start_s": start_s, "end_s": end_s}
    rendered(woven, tmp_path / "part.mkv", codec="ffv1", deinterlace=how, **part)
    begin, end = Fraction(str(start_s)), Fraction(str(end_s or 100))
    wanted = [(time - begin, rgb) for time, rgb in decoded(whole[how]) if begin <= time < end]
    found = decoded(tmp_path / "part.mkv")
    assert [time for time, _ in found] == [time for time, _ in wanted]
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(found, wanted, strict=True))


def test_a_stopped_render_of_it_goes_on_with_the_same_pictures(
    tmp_path: Path, rendered: Render, woven: Path, whole: dict[str, Path]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        rendered(woven, tmp_path / "out.mkv", 9, codec="ffv1", deinterlace="fields")
    assert len(pixels(tmp_path / "out.mkv")) < 24
    rendered(woven, tmp_path / "out.mkv", codec="ffv1", deinterlace="fields", resume=True)
    found, wanted = pixels(tmp_path / "out.mkv"), pixels(whole["fields"])
    assert len(found) == 24
    assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_another_word_for_deinterlacing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = make_video(tmp_path / "film.mp4")
    with pytest.raises(SystemExit) as refused:
        main(["render", str(film), "-o", str(tmp_path / "o.mp4"), "--deinterlace", "yes"])
    assert refused.value.code == 2
    assert "must be one of auto, fields, off" in capsys.readouterr().err


# --- colours --------------------------------------------------------------------------------------


def test_full_range_becomes_limited_where_the_codec_cannot_say_it(
    tmp_path: Path, rendered: Render
) -> None:
    bars = np.zeros((48, 64, 3), np.uint8)
    for number, grey in enumerate((0, 64, 192, 255)):
        bars[:, 16 * number : 16 * number + 16] = grey
    full = {"color_range": 2, "colorspace": 1, "color_primaries": 1, "color_trc": 1}
    film = tmp_path / "phone.mkv"
    with av.open(str(film), "w") as out:
        stream: Any = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for name, value in full.items():
            setattr(stream.codec_context, name, value)
        frame = av.VideoFrame.from_ndarray(bars, format="rgb24")
        out.mux(stream.encode(frame.reformat(format="yuv420p", dst_color_range=2)))
        out.mux(stream.encode(None))
    for name in ("out.mov", "out.mkv"):
        rendered(film, tmp_path / name, codec="prores")
        with av.open(str(tmp_path / name)) as container:
            found = next(container.decode(video=0))
            luma = np.frombuffer(found.planes[0], np.uint16).reshape(48, -1)[24, 8:64:16]
        assert luma.tolist() == pytest.approx([64, 64 + 219.86, 64 + 659.58, 940], abs=2)
        assert found.color_range in (0, 1)


# H.273: (Kr, Kb) of BT.2020 and of the Display P3 primaries.
BT2020, P3 = (0.2627, 0.0593), (0.2290, 0.0793)


def in_matrix(rgb: NDArray[np.float64], space: int, primaries: int) -> NDArray[np.float64]:
    """Y', Cb, Cr in [0, 1] and [-0.5, 0.5], by the equations of H.273."""
    red, green, blue = np.moveaxis(rgb, -1, 0)
    if space == 8:
        luma = (red + 2 * green + blue) / 4
        return np.stack([luma, (2 * green - red - blue) / 4, (red - blue) / 2], axis=-1)
    kr, kb = BT2020 if primaries == 9 else P3
    if space in (10, 13):
        linear = np.where(rgb < 0.0812, rgb / 4.5, ((rgb + 0.0993) / 1.0993) ** (1 / 0.45))
        light = linear @ np.array([kr, 1 - kr - kb, kb])
        luma = np.where(light < 0.018, 4.5 * light, 1.0993 * light**0.45 - 0.0993)
        b, r = blue - luma, red - luma
        # BT.2020, table 4.
        blues = np.where(b <= 0, b / 1.9404, b / 1.5816)
        return np.stack([luma, blues, np.where(r <= 0, r / 1.7184, r / 0.9936)], axis=-1)
    luma = rgb @ np.array([kr, 1 - kr - kb, kb])
    return np.stack([luma, (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)], axis=-1)


def film_in_matrix(path: Path, space: int, primaries: int, full: bool, deep: bool) -> Picture:
    """A film of coloured tiles, and its colours."""
    tiles = np.random.default_rng(7).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    rgb = np.kron(tiles, np.ones((8, 8, 1), np.uint8))
    bits = 10 if deep else 8
    signal = in_matrix(rgb / 255, space, primaries)
    reach = 2**bits - 1 if full else np.array([219, 224, 224]) * 2 ** (bits - 8)
    if space == 8 and not full:
        reach = 219 * 2 ** (bits - 8)
    black = np.array([0 if full else 16, 128, 128]) * 2 ** (bits - 8)
    dtype = np.uint16 if deep else np.uint8
    planes = np.clip(np.rint(signal * reach + black), 0, 2**bits - 1).astype(dtype)
    pix = "yuv444p10le" if deep else "yuv444p"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix
        context = stream.codec_context
        context.colorspace, context.color_primaries = space, primaries
        context.color_trc, context.color_range = 1, 2 if full else 1
        frame = av.VideoFrame(64, 48, pix)
        for number, plane in enumerate(frame.planes):
            lines = np.zeros((48, plane.line_size // dtype().itemsize), dtype)
            lines[:, :64] = planes[..., number]
            plane.update(lines.tobytes())
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return rgb


@pytest.mark.parametrize("matrix", [(8, 1), (10, 9), (12, 9), (12, 12), (13, 9)])
@pytest.mark.parametrize(("full", "deep"), list(product((False, True), repeat=2)))
def test_matrices_that_ffmpegs_scaler_does_not_know(
    tmp_path: Path, rendered: Render, matrix: tuple[int, int], full: bool, deep: bool
) -> None:
    space, primaries = matrix
    wanted = film_in_matrix(tmp_path / "film.mkv", space, primaries, full, deep)
    rendered(tmp_path / "film.mkv", tmp_path / "out.mkv", codec="ffv1")
    found = pixels(tmp_path / "out.mkv")[0]
    # 8 bits of constant luminance are coarse in the dark: green is what light is left.
    most = {True: 2, False: 12 if space in (10, 13) else 4}[deep]
    assert np.abs(found.astype(int) - wanted).max() <= most
    if not (full and deep):
        return  # what is written depends on the matrix alone
    rendered(tmp_path / "film.mkv", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.colorspace == (9 if space == 10 else 1)


@pytest.mark.parametrize("space", [11, 14])
def test_matrices_that_cannot_be_converted_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], space: int
) -> None:
    film_in_matrix(tmp_path / "film.mkv", space, 9, full=False, deep=True)
    out = tmp_path / "out.mp4"
    assert main(["render", str(tmp_path / "film.mkv"), "-o", str(out), "--quiet"]) == 2
    said = capsys.readouterr().err
    assert f"matrix {space}" in said
    assert said.count("\n") == 1
    assert not out.exists()


# --- where chroma lies ----------------------------------------------------------------------------


def edge_of(row: NDArray[np.float64]) -> float:
    """Where a soft edge is half way up, in px."""
    middle = (row[:40].mean() + row[-40:].mean()) / 2
    at = int(np.argmax((row[:-1] - middle) * (row[1:] - middle) <= 0))
    return float(at + (middle - row[at]) / (row[at + 1] - row[at]))


def chroma_film(path: Path, codec: str, pix: str, place: str, axis: int) -> Path:
    """A soft edge from blue to red at 79.5 px, its chroma computed for `place`."""
    down = 2 if "420" in pix else 1
    across = 1 if "444" in pix else 4 if "411" in pix else 2
    deep = "10" in pix
    size = (160, 160)
    offset = {"left": (0, 0.5), "center": (0.5, 0.5), "topleft": (0, 0)}[place]
    step, shift = (across, offset[0] * (across - 1)) if axis == 1 else (down, offset[1])
    where = np.arange(160 // step) * step + (shift if step > 1 else 0)
    scale = 4 if deep else 1
    with av.open(str(path), "w") as out:
        options = {"chroma_sample_location": place}
        if codec == "libx264":
            options |= {"crf": "1", "preset": "ultrafast"}
        stream: Any = out.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, pix
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = 1
        context.color_range = 1
        for _ in range(2):
            frame = av.VideoFrame(*size, pix)
            for number, plane in enumerate(frame.planes):
                dtype = np.uint16 if deep else np.uint8
                lines = np.full((plane.height, plane.line_size // dtype().itemsize), 128 * scale)
                if number:
                    at = where if plane.width < 160 or axis == 0 else np.arange(160)
                    soft = 60 / (1 + np.exp(-(at - 79.5) / 6)) - 30
                    signed = scale * soft * (1 if number == 2 else -1)
                    shown = signed[None, :] if axis == 1 else signed[:, None]
                    lines = lines.astype(float)
                    lines[:, : plane.width] += np.broadcast_to(shown, (plane.height, plane.width))
                plane.update(np.rint(lines).astype(dtype).tobytes())
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


SITED = [
    ("prores.mov", "prores_ks", "yuv422p10le", "left"),
    ("lossless.avi", "ffv1", "yuv422p", "left"),
    ("lossless.avi", "ffv1", "yuv420p", "left"),
    ("dv.avi", "ffv1", "yuv411p", "left"),
    ("h264.mp4", "libx264", "yuv420p", "left"),
    ("h264.mp4", "libx264", "yuv420p", "center"),
    ("h264.mp4", "libx264", "yuv420p", "topleft"),
    ("h264.mp4", "libx264", "yuv422p", "left"),
    ("jpeg.avi", "mjpeg", "yuvj422p", "center"),
]


@pytest.mark.parametrize("film", SITED, ids=lambda film: f"{film[1]}-{film[2]}-{film[3]}")
@pytest.mark.parametrize("axis", [1, 0])
def test_chroma_is_read_from_its_place(
    tmp_path: Path, rendered: Render, film: tuple[str, str, str, str], axis: int
) -> None:
    name, *how = film
    rendered(chroma_film(tmp_path / name, *how, axis), tmp_path / "out.mkv", codec="ffv1")
    rgb = pixels(tmp_path / "out.mkv")[0].astype(float)
    line = rgb[80] if axis == 1 else rgb[:, 80]
    assert edge_of(line[:, 0] - line[:, 2]) == pytest.approx(79.5, abs=0.1)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("o.mp4", "h264"), ("o.webm", "vp9"), ("o.webm", "av1"), ("o.mov", "prores")],
)
def test_chroma_is_written_to_its_place(
    tmp_path: Path, rendered: Render, name: str, codec: str
) -> None:
    film = chroma_film(tmp_path / "in.mkv", "ffv1", "yuv444p10le", "left", 1)
    rendered(film, tmp_path / name, codec=codec, quality=100)
    with av.open(str(tmp_path / name)) as container:
        frame = next(container.decode(video=0))
    deep = "10" in frame.format.name
    found = []
    for plane in frame.planes[1:3]:
        lines = np.frombuffer(plane, np.uint16 if deep else np.uint8).reshape(plane.height, -1)
        found.append(lines[plane.height // 2, : plane.width].astype(float))
    # On the left: sample k stands at 2 k.
    whole = np.interp(np.arange(160), np.arange(0, 160, 2), found[1] - found[0])
    assert edge_of(whole) == pytest.approx(79.5, abs=0.15)
