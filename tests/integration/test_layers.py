"""The dream as a layer: really encoded, laid over its source by FFmpeg, it is the dreamed film."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.filter import Graph
from files_made import make_video, pictures
from PIL import Image

from livedream.capture import open_source
from livedream.cli import main
from livedream.core.errors import SettingsError, SinkError
from livedream.core.frame import Picture
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dream, Dreamer
from livedream.dream.networks.network import Network
from livedream.jobs.film.film import OneWorker, render_films
from livedream.jobs.image import StillJob, dream_still
from livedream.jobs.render import RenderJob, render
from livedream.jobs.report import RenderReport
from livedream.media.tags import read_settings
from livedream.present.video import VideoOptions, VideoSink

SMALL = DreamSettings(size="64p", flow_size="64p", octaves=1, engine="torch")
OPTIONS = ["--size", "64p", "--flow-size", "64p", "--octaves", "1", "--quiet"]
CLOUDS = "synthetic:clouds?size=128x72&fps=25&seconds=0.24"


def job(output: Path, source: str | Path = CLOUDS, **more: object) -> RenderJob:
    return RenderJob(source=str(source), output=output, **{"settings": SMALL, **more})  # type: ignore[arg-type]


def layers(path: Path) -> Iterator[av.VideoFrame]:
    """The frames with their alpha; VP9's is not decoded by FFmpeg's own decoder."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        if video.codec_context.name != "vp9":
            yield from container.decode(video)
            return
        decoder = av.CodecContext.create("libvpx-vp9", "r")
        for packet in container.demux(video):
            yield from decoder.decode(packet)  # type: ignore[attr-defined]


def overlaid(source: Picture, layer: av.VideoFrame) -> Picture:
    """FFmpeg's `overlay`, straight alpha, in RGB."""
    graph, below = Graph(), av.VideoFrame.from_ndarray(source, format="rgb24")
    over, pads = graph.add("overlay", "format=rgb:alpha=straight"), []
    for number, frame in enumerate((below, layer)):
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        width, height, time_base = frame.width, frame.height, frame.time_base
        pads.append(
            graph.add_buffer(width=width, height=height, format=frame.format, time_base=time_base)
        )
        pads[-1].link_to(over, 0, number)
    out = graph.add("buffersink")
    over.link_to(out)
    graph.configure()
    for pad, frame in zip(pads, (below, layer), strict=True):
        pad.push(frame)
    return np.asarray(graph.pull().reformat(format="rgb24").to_ndarray(), np.uint8)


@pytest.fixture(scope="module")
def dreamed(tmp_path_factory: pytest.TempPathFactory, dreamnet: Network) -> list[Picture]:
    """The film whose layer the tests write."""
    out = tmp_path_factory.mktemp("dreamed") / "whole.mkv"
    render(job(out, codec="ffv1"), Dreamer(SMALL, dreamnet))
    return pictures(out)


def differences(found: list[Picture], wanted: list[Picture]) -> np.ndarray:
    return np.stack([abs(a.astype(int) - b) for a, b in zip(found, wanted, strict=True)])


# What a format may change, at most and on average, of 255: nothing; ten bits; 4:2:0 and quantised.
@pytest.mark.parametrize(
    ("name", "options", "most", "mean"),
    [
        ("layer.mkv", {}, 0, 0.0),
        ("layer.avi", {}, 0, 0.0),
        ("pictures/%03d.png", {}, 0, 0.0),
        ("pictures/%03d.tif", {}, 0, 0.0),
        ("layer.mov", {}, 2, 0.05),
        ("layer.mkv", {"codec": "prores"}, 2, 0.05),
        ("layer.webm", {}, 100, 2.3),
    ],
)
def test_laid_over_the_source_it_is_the_dream(  # noqa: PLR0917
    name: str, options: dict[str, object], most: int, mean: float, tmp_path: Path,
    dreamnet: Network, dreamed: list[Picture],
) -> None:  # fmt: skip
    out = tmp_path / name
    report = render(job(out, layer=True, **options), Dreamer(SMALL, dreamnet))
    if out.suffix in (".png", ".tif"):
        files = sorted(out.parent.iterdir())
        found = [
            np.asarray(Image.alpha_composite(
                Image.fromarray(below).convert("RGBA"), Image.open(file)
            ).convert("RGB"))
            for below, file in zip(pictures(CLOUDS), files, strict=True)
        ]  # fmt: skip
    else:
        found = [overlaid(*pair) for pair in zip(pictures(CLOUDS), layers(out), strict=True)]
    apart = differences(found, dreamed)
    assert apart.max() <= most
    assert apart.mean() <= mean
    assert differences(found, pictures(CLOUDS)).mean() > 1, "nothing was dreamed"
    assert report.notes == []


def test_where_nothing_was_added_it_is_transparent(tmp_path: Path, dreamnet: Network) -> None:
    settings = SMALL.replace(where="left")
    render(job(tmp_path / "layer.mkv", layer=True, settings=settings), Dreamer(settings, dreamnet))
    alpha = np.stack([f.to_ndarray()[:, :, 3] for f in layers(tmp_path / "layer.mkv")])
    assert not alpha[:, :, 64:].any()
    assert (alpha[2:, 20:50, 10:50] > 0).mean() > 0.5


@pytest.mark.parametrize("suffix", [".mov", ".webm", ".mkv"])
def test_a_killed_render_leaves_a_layer_that_is_gone_on_with(
    suffix: str, tmp_path: Path, dreamnet: Network
) -> None:
    whole, stopped = tmp_path / f"whole{suffix}", tmp_path / f"stopped{suffix}"
    render(job(whole, layer=True), Dreamer(SMALL, dreamnet))
    info = replace(open_source(CLOUDS).info, alpha=True)
    sink = VideoSink(stopped, info, VideoOptions(layer=True))
    for frame, picture in zip(open_source(CLOUDS), layers(whole), strict=False):
        if frame.index < 3:
            sink.write(replace(frame, rgb=picture.reformat(format="rgba").to_ndarray()))
    sink.abandon()
    assert [f.format.components[3].is_alpha for f in layers(stopped)] == [True] * 3
    render(job(stopped, layer=True, resume=True), Dreamer(SMALL, dreamnet))
    after = [f.reformat(format="rgba").to_ndarray() for f in layers(stopped)]
    assert len(after) == 6
    assert all(one[:, :, 3].any() for one in after)
    if suffix == ".webm":  # else browsers show it without
        with av.open(str(stopped)) as container:
            tags = container.streams.video[0].metadata
        assert {name.lower(): value for name, value in tags.items()}["alpha_mode"] == "1"


def test_sound_stays_with_the_source(tmp_path: Path, dreamnet: Network) -> None:
    source = make_video(tmp_path / "in.mov", size=(64, 48), times=range(0, 6 * 614, 614), tones=1)
    out = tmp_path / "layer.mov"
    render(job(out, source, layer=True), Dreamer(SMALL, dreamnet))
    with av.open(str(out)) as found, av.open(str(source)) as given:
        assert [stream.type for stream in found.streams] == ["video"]
        times = [
            [frame.pts * frame.time_base for frame in file.decode(video=0)]
            for file in (found, given)
        ]
        assert times[0] == times[1]
    assert DreamSettings.from_json(str(read_settings(out))) == SMALL


def test_a_matte_is_the_region(tmp_path: Path, dreamnet: Network) -> None:
    out, matte = tmp_path / "dream.mkv", tmp_path / "matte.mkv"
    settings = SMALL.replace(where="left", feather=4.0, headroom=0.0)
    wanted = job(out, settings=settings, codec="ffv1", matte=matte)
    report = render(wanted, Dreamer(settings, dreamnet))
    grey = np.stack(pictures(matte)).astype(int)
    assert report.frames == len(grey) == 6
    assert not np.ptp(grey, axis=3).any()
    assert grey[:, 30:40, :48].min() > 250
    assert grey[:, :, 64:].max() < 4
    changed = differences(pictures(out), pictures(CLOUDS)).max(3)
    assert changed[grey[:, :, :, 0] == 0].max() <= 2  # H.264 makes 0 of dark grey at its edge
    assert changed[:, :, 64:].max() == 0


def test_numbered_masks_have_the_film_s_rate(tmp_path: Path, dreamnet: Network) -> None:
    shades = [0, 255, 255, 0, 255, 0]
    for number, shade in enumerate(shades):
        Image.new("L", (128, 72), shade).save(tmp_path / f"{number}.png")
    settings = SMALL.replace(where=f"mask({tmp_path}/%d.png)", feather=0.0)
    matte, clouds = tmp_path / "matte.mkv", "synthetic:clouds?size=128x72&fps=8&seconds=1"
    render(
        job(tmp_path / "out.mkv", clouds, settings=settings, matte=matte),
        Dreamer(settings, dreamnet),
    )
    found = [picture.mean() > 128 for picture in pictures(matte)]
    assert found == [shade > 128 for shade in [*shades, *shades[:2]]]


def test_a_stopped_matte_is_gone_on_with(tmp_path: Path, dreamnet: Network) -> None:
    """The film and its matte, of which one is behind the other."""
    settings = SMALL.replace(where="moving")
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    paths = {
        name: (tmp_path / name / "d.mkv", tmp_path / name / "m.mkv")
        for name in ("whole", "stopped")
    }
    jobs = {
        name: job(out, settings=settings, codec="ffv1", matte=matte)
        for name, (out, matte) in paths.items()
    }
    render(jobs["whole"], Dreamer(settings, dreamnet))

    def stop(dream: Dream, report: RenderReport) -> None:
        if report.frames == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(jobs["stopped"], Dreamer(settings, dreamnet), watch=stop)
    paths["stopped"][1].unlink()
    render(replace(jobs["stopped"], resume=True), Dreamer(settings, dreamnet))
    for whole, stopped in zip(*paths.values(), strict=True):
        assert np.array_equal(pictures(whole), pictures(stopped))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere/m.mkv", "nowhere does not exist"),
        ("m.xyz", "not a video container"),
        ("m.png", "is one picture"),
        ("in.mkv", "is the source itself"),
    ],
)
def test_a_matte_that_cannot_be_leaves_the_film_that_is_there(
    tmp_path: Path, dreamnet: Network, name: str, message: str
) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "d.mp4"
    render(job(source), Dreamer(SMALL, dreamnet))
    out.write_bytes(b"precious")
    settings = SMALL.replace(where="left")
    wanted = job(out, source, settings=settings, matte=tmp_path / name, overwrite=True)
    with pytest.raises(SinkError, match=message):
        render(wanted, Dreamer(settings, dreamnet))
    assert out.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"where": "!left & mask({})"}, "m.mkv"),
        ({"objective": "eyes@mask({})"}, "m.mkv"),
        ({"objective": "guide(mixed4c, {})"}, "m.mkv"),
        ({"where": "mask({})"}, "m/%02d.png"),
        ({"prompt": "eyes@mask({})"}, "m.mkv"),
    ],
)
def test_a_mask_or_a_guide_is_never_replaced(
    tmp_path: Path, settings: dict[str, str], name: str
) -> None:
    render(job(tmp_path / name))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    text = {key: value.format(tmp_path / name) for key, value in settings.items()}
    own = SMALL.replace(**{"where": "left", **text})
    for out, matte in ((name, None), ("out.mkv", tmp_path / name)):
        wanted = job(tmp_path / out, settings=own, matte=matte, overwrite=True)
        with wanted.open() as source, pytest.raises(SinkError, match="is the source itself"):
            wanted.check(source.info)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_workers_write_the_same_layer(tmp_path: Path) -> None:
    alone, together = tmp_path / "alone.mkv", tmp_path / "together.mkv"
    render(job(alone, layer=True))
    render_films([job(together, layer=True)], OneWorker())
    one, other = ([f.to_ndarray() for f in layers(path)] for path in (alone, together))
    assert np.array_equal(one, other)
    region = SMALL.replace(where="left")
    both = job(together, settings=region, matte=tmp_path / "matte.mkv", overwrite=True)
    with pytest.raises(SettingsError, match="leave out --workers"):
        render_films([both], OneWorker())


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_still_layer(suffix: str, tmp_path: Path, dreamnet: Network, texture: Picture) -> None:
    source, out, whole = (tmp_path / f"{name}{suffix}" for name in ("in", "layer", "whole"))
    matte = tmp_path / "matte.png"
    Image.fromarray(texture).save(source)
    settings = SMALL.replace(where="top")
    still = StillJob(source=str(source), output=whole, settings=settings, rounds=2)
    dream_still(still, dreamnet)
    dream_still(replace(still, output=out, layer=True, matte=matte), dreamnet)
    below = Image.fromarray(texture).convert("RGBA")
    found = Image.alpha_composite(below, Image.open(out)).convert("RGB")
    dreamed = np.asarray(Image.open(whole))
    assert np.abs(np.asarray(found).astype(int) - dreamed).max() <= 1
    assert (dreamed != texture).any()
    region = np.asarray(Image.open(matte))
    assert region[20:60, 20:300].min() > 250
    assert not region[90:].any()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["render", CLOUDS, "-o", "out.mp4", "--layer", "dream"], ".mov (ProRes 4444)"),
        (["render", CLOUDS, "-o", "out.ts", "--layer", "dream"], ".webm (VP9)"),
        (["render", CLOUDS, "-o", "out.gif", "--layer", "dream"], ".mkv or .avi (FFV1)"),
        (["render", CLOUDS, "-o", "out.webp", "--layer", "dream"], "an animated .webp"),
        (["render", CLOUDS, "-o", "%d.jpg", "--layer", "dream"], ".jpg cannot hold alpha"),
        (
            ["render", CLOUDS, "-o", "out.mkv", "--layer", "dream", "--codec", "hevc"],
            "hevc in .mkv cannot hold alpha",
        ),
        (["render", CLOUDS, "-o", "a.mov", "--layer", "dream", "--compare"], "--compare"),
        (["render", CLOUDS, "-o", "a.mp4", "--matte", "m.mkv"], "--where"),
        (["render", CLOUDS, "-o", "a.mkv", "--where", "left", "--matte", "a.mkv"], "the same"),
        (["image", CLOUDS, "-o", "out.jpg", "--layer", "dream"], ".jpg cannot hold alpha"),
        (["image", CLOUDS, "-o", "out.png", "--matte", "m.png"], "--where"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    own = OPTIONS if arguments[0] == "render" else ["--quiet"]
    assert main([*arguments, *own]) == 2
    found = capsys.readouterr().err.strip()
    assert said in found
    assert "\n" not in found
    assert not list(tmp_path.glob("*.m*"))
