"""The endless zoom: it holds its look, its rate and its level, and comes out as a file."""

import argparse
import json
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from livedream.cli import main
from livedream.cli import zoom as command
from livedream.core.defaults import ZOOM
from livedream.core.errors import SettingsError, SinkError
from livedream.core.frame import Picture
from livedream.dream.dreamer import Dream, Dreamer
from livedream.dream.networks.network import Network
from livedream.jobs.zoom import ZoomJob, ZoomSource, render_zoom
from livedream.media.tags import read_settings
from livedream.warp.travel import Travel, move

QUICK = ZOOM.replace(octaves=2, size="96p", objective="weave")


def zoom(
    network: Network, start: Picture, seconds: float, fps: int = 10, travel: Travel | None = None
) -> list[Dream]:
    frames = round(seconds * fps)
    dreamer = Dreamer(QUICK, network)
    return list(ZoomSource(dreamer, start, travel, Fraction(fps), frames).dreams())


def look(dreams: list[Dream]) -> NDArray[np.float64]:
    """Mean colour (3), contrast and gradient, of the mean of some frames' figures."""
    found = []
    for dream in dreams:
        rgb = dream.frame.rgb.astype(float)
        edges = np.abs(np.diff(rgb, axis=0)).mean() + np.abs(np.diff(rgb, axis=1)).mean()
        found.append([*rgb.mean((0, 1)), rgb.std((0, 1)).mean(), edges])
    return np.mean(found, 0)


@pytest.mark.slow
def test_its_look_holds(dreamnet: Network, texture: Picture) -> None:
    dreams = zoom(dreamnet, texture, 40.0, fps=5, travel=Travel(1.3, 10.0, (0.02, 0.01)))
    early, late = look(dreams[50:100]), look(dreams[-50:])
    assert late[:3] == pytest.approx(early[:3], abs=6)  # mean colour, 8-bit steps
    # Contrast and gradient; what passes by makes them differ by a tenth from time to time.
    assert late[3:] == pytest.approx(early[3:], rel=0.2)
    clipped = [np.isin(d.frame.rgb, (0, 255)).mean() for d in dreams[-25:]]
    assert np.mean(clipped) < 0.05
    assert [d.level for d in dreams[10:]] == pytest.approx([14.0] * 190, rel=0.03)


@pytest.mark.slow
def test_the_rate_makes_no_difference(dreamnet: Network, texture: Picture) -> None:
    slow, fast = zoom(dreamnet, texture, 4.0, fps=8), zoom(dreamnet, texture, 4.0, fps=24)
    assert fast[-1].level == pytest.approx(slow[-1].level, rel=0.03)
    assert look(fast[-24:]) == pytest.approx(look(slow[-8:]), rel=0.12)
    added = [
        fps * float(np.mean([d.gain for d in ds[-fps:]])) for ds, fps in ((slow, 8), (fast, 24))
    ]
    assert added[1] == pytest.approx(added[0], rel=0.5)  # per second; per frame it is a third


def test_it_moves_smoothly(dreamnet: Network, texture: Picture) -> None:
    """A frame is the last one, moved, and little else."""
    travel = Travel(1.2, 5.0)
    dreams = zoom(dreamnet, texture, 2.0, fps=25, travel=travel)[-10:]
    for last, now in pairwise(dreams):
        before, after = (
            torch.from_numpy(d.frame.rgb).permute(2, 0, 1)[None].float() for d in (last, now)
        )
        change = (after - move(before, travel, 1 / 25)).abs().mean()
        assert float(change / after.std()) < 0.06


def test_it_goes_on_for_as_long_as_asked(dreamnet: Network, texture: Picture) -> None:
    source = ZoomSource(Dreamer(QUICK, dreamnet), texture)
    assert source.info.frames is None
    with source:
        frames = list(islice(source, 3))
    assert [frame.pts for frame in frames] == [0, 1, 2]
    assert frames[0].time_base == Fraction(1, 25)
    assert frames[0].rgb.shape == (96, 171, 3)
    # The beginning is the picture itself: the dream only rises.
    assert np.abs(frames[0].rgb.mean((0, 1)) - texture.mean((0, 1))).max() < 3


def test_a_seed_is_a_journey(dreamnet: Network, texture: Picture) -> None:
    one, same = (zoom(dreamnet, texture, 0.4)[-1].frame.rgb for _ in range(2))
    assert np.array_equal(one, same)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (40, 9)])
def test_small_starts(dreamnet: Network, size: tuple[int, int]) -> None:
    start = np.full((*size, 3), 200, np.uint8)
    assert all(np.isfinite(d.level) for d in zoom(dreamnet, start, 0.5))


def test_it_becomes_a_film(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "dream.mp4"
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())

    def run(*more: str) -> int:
        args = parser.parse_args(
            ["zoom", "noise", "-o", str(output), "--seconds", "0.5", "--fps", "12", "--size", "65p",
             "--octaves", "1", "--drift", "0.1,-0.05", *more]
        )  # fmt: skip
        return int(args.run(args))

    assert run() == 0
    assert "dream.mp4: 6 frames" in capsys.readouterr().out
    with av.open(str(output)) as film:
        stream = film.streams.video[0]
        assert (stream.width, stream.height) == (116, 64)
        times = [float(frame.time or 0) for frame in film.decode(stream)]
    assert times == pytest.approx([n / 12 for n in range(6)])
    told = json.loads(read_settings(output) or "")
    assert told["drift"] == [0.1, -0.05] and told["settings"]["size"] == "65p"
    with pytest.raises(SinkError, match="exists"):
        run()


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e9])
def test_a_length_that_makes_no_sense(seconds: float) -> None:
    with pytest.raises(SettingsError, match="seconds"):
        ZoomJob(source="noise", output=Path("o.mp4"), seconds=seconds)


def test_a_stop_leaves_a_film(dreamnet: Network, tmp_path: Path) -> None:
    job = ZoomJob(source="noise", output=tmp_path / "o.mp4", settings=QUICK, seconds=60)

    def stop(dream: Dream, report: object) -> None:
        if dream.frame.index == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_zoom(job, dreamnet, stop)
    with av.open(str(job.output)) as film:
        assert len(list(film.decode(video=0))) == 5


@pytest.mark.parametrize("name", ["a.webp", "a.mp4"])
def test_a_zoom_never_replaces_what_it_goes_into(
    dreamnet: Network, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    make = ZoomJob(source="noise", output=path, settings=QUICK, seconds=0.1)
    render_zoom(make, dreamnet)
    before = path.read_bytes()
    again = ZoomJob(source=str(path), output=path, settings=QUICK, seconds=0.1, overwrite=True)
    with pytest.raises(SinkError, match="is the source itself"):
        render_zoom(again, dreamnet)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("name", "most"), [("o.mp4", 16384), ("o.webp", 16383)])
def test_what_is_too_tall_for_a_film_is_refused_before_a_network_is_loaded(
    name: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livedream.jobs.zoom.Dreamer", None)
    settings = QUICK.replace(size="90p")
    job = ZoomJob(source="noise?size=3x2000", output=tmp_path / name, settings=settings)
    with pytest.raises(SinkError, match=rf"90x60000 is too large for .*, at most {most}x{most}: "):
        render_zoom(job)


def test_a_zoom_that_cannot_be_dreamed_replaces_nothing(
    dreamnet: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise MemoryError

    (tmp_path / "o.mp4").write_text("precious")
    job = ZoomJob(source="noise", output=tmp_path / "o.mp4", settings=QUICK, overwrite=True)
    monkeypatch.setattr(Dreamer, "grow", full)
    with pytest.raises(MemoryError):
        render_zoom(job, dreamnet)
    assert job.output.read_text() == "precious"


SIZE_NOTE = "note: size=3000p is left out; give --size"
BANDS_NOTE = "note: laplacian=4 is left out; give --laplacian"


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("a.png", [], [SIZE_NOTE, BANDS_NOTE, f"{ZOOM.size}, 0"]),
        ("a.png", ["--size", "96p"], [BANDS_NOTE, "96p, 0"]),
        ("a.png", ["--laplacian", "3"], [SIZE_NOTE, f"{ZOOM.size}, 3"]),
        ("a.mp4", [], ["3000p, 4"]),
    ],
)
def test_a_still_s_size_does_not_enlarge_a_zoom_nor_its_bands_grow_there(
    name: str, given: list[str], said: list[str], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def found(job: ZoomJob, **_: object) -> None:
        raise SettingsError(f"{job.settings.size}, {job.settings.laplacian}")

    of_still = QUICK.replace(size="3000p", laplacian=4)
    monkeypatch.setattr("livedream.jobs.zoom.render_zoom", found)
    monkeypatch.setattr("livedream.cli.options.settings_text", lambda path: of_still.to_json())
    assert main(["zoom", "noise", "-o", "o.mp4", "--settings-from", name, *given]) == 2
    assert capsys.readouterr().err.replace("livedream: ", "").splitlines() == said
