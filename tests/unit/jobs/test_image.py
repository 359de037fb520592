"""Stills: a picture or noise in, a dream out, its settings inside."""

import argparse
import itertools
import json
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from livedream.capture.pictures import read_picture
from livedream.cli import image, main
from livedream.cli.options import settings_from_file
from livedream.core.defaults import STILL, STILL_FROM_NOISE
from livedream.core.errors import LivedreamError, SettingsError, SinkError, SourceError
from livedream.core.frame import Picture
from livedream.dream.dreamer import Dreamer
from livedream.dream.headroom import dimmed
from livedream.dream.networks.network import Network
from livedream.jobs.image import (
    StillJob,
    colours_of,
    dream_still,
    lay_on,
    rounds_of,
    soft_noise,
    start_picture,
)
from livedream.jobs.report import RenderReport
from livedream.present.picture import read_settings, write_picture

QUICK = STILL.replace(octaves=2, size="96p")


def dreamer(network: Network, **changes: object) -> Dreamer:
    return Dreamer(QUICK.replace(**changes), network)


class Noise:
    """An engine that adds noise in place of a gradient, and notes the height of every octave."""

    def __init__(self, dreamer: Dreamer) -> None:
        engine = dreamer.ascent.engine
        self.name, self.fallbacks = engine.name, engine.fallbacks
        self.prepare, self.gradient = engine.prepare, engine.gradient
        self.heights: list[int] = []
        dreamer.ascent.engine = self

    def ascend(self, x: Tensor, shifts: object, settings: object) -> None:
        self.heights.append(x.shape[2])
        x += torch.randn(x.shape, generator=torch.Generator().manual_seed(1)) / 50


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    image.add_parser(parser.add_subparsers())
    args = parser.parse_args(["image", *words])
    return int(args.run(args))


def difference(one: Picture, other: Picture) -> float:
    return float(np.sqrt(np.square(one.astype(float) - other).mean()))


def test_a_picture_is_dreamed_to_its_strength(
    dreamnet: Network, texture: Picture, tmp_path: Path
) -> None:
    write_picture(tmp_path / "in.png", texture)
    job = StillJob(
        source=str(tmp_path / "in.png"),
        output=tmp_path / "out.png",
        settings=QUICK.replace(size="source", octaves=1),
        rounds=12,
    )
    seen: list[int] = []
    report = dream_still(job, dreamnet, lambda dream, report: seen.append(report.frames))
    found = read_picture(job.output)
    assert seen == list(range(1, 13))
    assert (report.width, report.height) == (320, 180) and found.shape == texture.shape
    assert report.strength == pytest.approx(24, rel=0.03)
    below = dimmed(texture, 24 * job.settings.headroom)
    assert difference(found, below) == pytest.approx(24, rel=0.03)


def test_what_made_it_is_written_into_it(
    dreamnet: Network, texture: Picture, tmp_path: Path
) -> None:
    write_picture(tmp_path / "in.png", texture)
    settings = QUICK.replace(strength=17.0)
    job = StillJob(
        source=str(tmp_path / "in.png"), output=tmp_path / "o.jpg", settings=settings, rounds=1
    )
    dream_still(job, dreamnet)
    assert settings_from_file(job.output) == settings
    told = json.loads(read_settings(job.output) or "")
    assert told["rounds"] == 1 and told["source"] == "in.png"


def test_the_level_stands_at_the_dream_size(dreamnet: Network, texture: Picture) -> None:
    levels = [float(j.level) for j in rounds_of(dreamer(dreamnet), texture, 16)]
    assert levels[0] < 4
    assert levels[10:] == pytest.approx([24.0] * 6, rel=0.01)


def test_a_residual_fades_by_its_half_life(dreamnet: Network, texture: Picture) -> None:
    growing = dreamer(dreamnet)
    list(rounds_of(growing, texture, 12))
    growing.adopt(growing.settings.replace(strength=0.0))
    *_, joined = rounds_of(growing, texture, 10)  # 0.4 s, one half-life
    assert float(joined.level) == pytest.approx(12, rel=0.02)


@pytest.mark.slow
def test_a_dream_repeats_to_the_bit(dreamnet: Network, texture: Picture) -> None:
    def last(seed: int) -> torch.Tensor:
        *_, joined = rounds_of(dreamer(dreamnet, seed=seed), texture, 3)
        return joined.residual

    assert torch.equal(last(1), last(1))
    assert not torch.equal(last(1), last(2))


def test_large_forms_are_dreamed_small_and_get_their_fur_last(dreamnet: Network) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (1300, 1200, 3), dtype=np.uint8)
    growing = Dreamer(STILL.replace(iterations=1, half_life=0.0), dreamnet)
    settings, seen = growing.settings, Noise(growing)
    sizes, octaves = [], []
    for joined in rounds_of(growing, rgb, 12):
        sizes.append(tuple(joined.residual.shape[2:]))
        octaves.append((min(seen.heights), max(seen.heights)))
        seen.heights.clear()
    assert sizes == [(1170, 1080)] * 10 + [(1300, 1200)] * 2
    assert all(coarse < 300 and fine == 1170 for coarse, fine in octaves[:10])
    assert all(coarse > 900 and fine == 1300 for coarse, fine in octaves[10:])
    assert growing.settings == settings


def test_what_is_there_is_kept_now_and_then(
    dreamnet: Network, texture: Picture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_picture(tmp_path / "in.png", texture)
    job = StillJob(
        source=str(tmp_path / "in.png"), output=tmp_path / "o.png", settings=QUICK, rounds=6
    )
    clock = itertools.count(0.0, 5.0)
    there: list[bool] = []
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: next(clock))
        dream_still(job, dreamnet, lambda *_: there.append(job.output.exists()))
    assert there[0] is False and there[-1] is True


def test_what_takes_long_to_write_is_written_seldom(
    dreamnet: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0.0, 10.0)
    job = StillJob(source="noise?size=96x64", output=tmp_path / "o.png", settings=QUICK, rounds=12)
    write = Mock()
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: next(clock))
        patch.setattr("livedream.jobs.image.write_picture", write)
        dream_still(job, dreamnet)
    assert write.call_count == 3  # 10 s each: every 100 s, and at the end


def test_pictures_that_share_a_network_share_no_dream(
    dreamnet: Network, texture: Picture, tmp_path: Path
) -> None:
    write_picture(tmp_path / "in.png", texture)
    job = StillJob(
        source=str(tmp_path / "in.png"), output=tmp_path / "o.png", settings=QUICK, rounds=1
    )
    dream_still(job, dreamnet)
    first = read_picture(job.output)
    dream_still(replace(job, overwrite=True), dreamnet)
    assert np.array_equal(read_picture(job.output), first)


def test_a_large_picture_is_laid_on_in_strips(texture: Picture) -> None:
    tall = np.ascontiguousarray(np.tile(texture, (3, 1, 1)))
    residual = torch.randn(1, 3, 540, 320) / 20
    found = lay_on(tall, residual)
    wanted = tall + residual[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(found - wanted.clip(0, 255)).max() <= 0.51


def test_colours_are_kept(dreamnet: Network, texture: Picture) -> None:
    *_, joined = rounds_of(dreamer(dreamnet, keep_colours=True), texture, 4)
    residual = joined.residual
    assert residual.abs().max() > 0.02
    assert (residual - residual.mean(1, keepdim=True)).abs().max() < 1e-6


MOVES = " (in a still picture nothing moves)"


@pytest.mark.parametrize(
    ("where", "objective", "notes"),
    [
        ("moving", "weave", [f"the region is empty{MOVES}: nothing was dreamed"]),
        ("", "weave@moving", [f"the region is empty{MOVES}: nothing was dreamed"]),
        ("key(#00ff00)", "weave", ["the region is empty: nothing was dreamed"]),
        ("moving | left", "weave", []),
        ("still", "weave", []),
        ("", "weave", []),
    ],
)
def test_a_region_that_is_empty_is_said_to_be_so(
    *, where: str, objective: str, notes: list[str], dreamnet: Network, tmp_path: Path
) -> None:
    write_picture(tmp_path / "in.png", np.full((64, 96, 3), 128, np.uint8))
    settings = QUICK.replace(where=where, objective=objective, size="64p", feather=1.0)
    job = StillJob(
        source=str(tmp_path / "in.png"), output=tmp_path / "o.png", settings=settings, rounds=1
    )
    assert dream_still(job, dreamnet).notes == notes


def test_nothing_changes_where_the_mask_is_black(
    dreamnet: Network, texture: Picture, tmp_path: Path
) -> None:
    mask = np.zeros((180, 320), np.uint8)
    mask[:, 160:] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    masked = dreamer(dreamnet, where=f'mask("{tmp_path / "mask.png"}")', size="source")
    *_, joined = rounds_of(masked, texture, 12)
    shown = joined.shown()
    assert np.array_equal(shown[:, :160], texture[:, :160])
    inside = joined.residual[..., 160:]
    assert float(inside.square().mean().sqrt()) * 255 == pytest.approx(24, rel=0.05)


@pytest.mark.parametrize("brightness", [0, 128, 255])
def test_flat_pictures_dream_too(dreamnet: Network, brightness: int) -> None:
    flat = np.full((80, 100, 3), brightness, np.uint8)
    *_, joined = rounds_of(dreamer(dreamnet), flat, 12)
    assert float(joined.level) == pytest.approx(24, rel=0.03)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 200)])
def test_the_smallest_pictures(dreamnet: Network, size: tuple[int, int], tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    write_picture(tmp_path / "in.png", rgb)
    job = StillJob(source=str(tmp_path / "in.png"), output=tmp_path / "o.png", rounds=2)
    report = dream_still(job, dreamnet)
    assert (report.height, report.width) == size
    assert np.isfinite(report.strength)


def test_noise_is_soft_coloured_and_its_seeds_own() -> None:
    noise = start_picture("noise?size=200x120&seed=3", seed=9)
    assert noise.shape == (120, 200, 3)
    assert np.array_equal(noise, soft_noise(200, 120, 3))
    assert not np.array_equal(noise, start_picture("noise?size=200x120", seed=9))
    assert 100 < noise.mean() < 155 and 25 < noise.std() < 75
    assert start_picture("noise", "90p").shape == (90, 160, 3)


def test_a_prompt_s_noise_has_the_colours_of_what_it_names() -> None:
    """Words that no class is known for, and those that it is to lead away from, have none."""
    noise = soft_noise(200, 120, 3)
    assert colours_of("") is colours_of("-lobster") is colours_of("unheardof") is None
    palette = colours_of("lobster -broccoli unheardof")
    assert palette is not None and colours_of("broccoli") is not None
    found = soft_noise(200, 120, 3, palette)
    red, green, blue = found.mean((0, 1))
    assert red > 1.1 * green and red > 1.3 * blue
    assert abs(np.ptp(noise.mean((0, 1)))) < 40
    assert found.std((0, 1)) == pytest.approx(255 * np.linalg.norm(palette.mixing, axis=0), rel=0.3)
    with pytest.raises(LivedreamError, match="expected a word"):
        colours_of("@left")


def test_out_of_noise_a_prompt_begins_with_them(dreamnet: Network, tmp_path: Path) -> None:
    out = tmp_path / "o.png"
    means = []
    for prompt in ("lobster", "geyser"):
        settings = QUICK.replace(prompt=prompt, strength=4.0)
        job = StillJob(
            source="noise?size=160x96", output=out, settings=settings, rounds=1, overwrite=True
        )
        dream_still(job, dreamnet)
        means.append(read_picture(out).mean((0, 1)))
    assert means[0][0] > means[0][2] + 30 and means[1][2] > means[1][0]


def test_the_first_frame_of_a_source_counts() -> None:
    found = start_picture("synthetic:clouds?size=160x90&seconds=1", "80x40")
    assert found.shape == (40, 80, 3)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"source": "nowhere.png"}, SourceError, "nowhere.png cannot be read"),
        ({"source": "noise?size=big"}, SourceError, "size=big: must be WIDTHxHEIGHT"),
        ({"output": Path("no/such/folder/o.png")}, SinkError, "does not exist"),
        ({"output": Path("o.avi")}, SinkError, r"must end in \.png.*got \.avi"),
        ({"rounds": 0}, SettingsError, "rounds: must be"),
        ({"picture_size": "huge"}, SettingsError, r"picture size: must be .*got 'huge'"),
    ],
)
def test_what_cannot_be_is_said(
    change: dict[str, object], error: type[LivedreamError], message: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        dream_still(StillJob(**{"source": "noise", "output": Path("o.png"), **change}))  # type: ignore[arg-type]


def test_a_stop_keeps_the_rounds_that_are_done(
    dreamnet: Network, texture: Picture, tmp_path: Path
) -> None:
    write_picture(tmp_path / "in.png", texture)
    job = StillJob(
        source=str(tmp_path / "in.png"), output=tmp_path / "o.png", settings=QUICK, rounds=50
    )

    def stop(dream: object, report: RenderReport) -> None:
        if report.frames == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dream_still(job, dreamnet, stop)
    assert difference(read_picture(job.output), texture) > 2


def test_the_command_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "dream.png"
    words = ("noise?size=96x64", "-o", str(output), "--rounds", "2", "--octaves", "1")
    assert run(*words) == 0
    assert "dream.png: 96x64, 2 rounds" in capsys.readouterr().out
    found = settings_from_file(output)
    assert found == STILL_FROM_NOISE.replace(octaves=1)
    with pytest.raises(SinkError, match="exists"):
        run(*words)
    assert run(*words, "--overwrite", "--quiet") == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "words",
    [("image", "-o", "o.png", "--rounds", "1"), ("zoom", "-o", "o.mkv", "--seconds=.1")],
)
def test_the_command_gives_the_notes_of_its_source(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    write_picture(Path("clear.png"), np.full((64, 96, 4), 128, np.uint8))
    command, *rest = words
    said = []
    for more in ([], ["--overwrite", "--quiet"]):
        assert main([command, "clear.png", *rest, "--octaves", "1", "--size", "64p", *more]) == 0
        said.append(capsys.readouterr().err)
    assert "note: transparency is dropped\n" in said[0] and said[1] == ""


@pytest.mark.parametrize("source", ["0001.png", "%04d.png", ""])
@pytest.mark.parametrize("which", ["output", "matte"])
def test_a_picture_never_replaces_one_it_is_made_of(
    tmp_path: Path, source: str, which: str
) -> None:
    for number in (1, 2):
        write_picture(tmp_path / f"{number:04d}.png", np.zeros((8, 8, 3), np.uint8))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    outputs = {"output": tmp_path / "o.png", which: tmp_path / "0001.png"}
    job = StillJob(
        source=str(tmp_path / source), settings=STILL.replace(where="left"), overwrite=True,
        **outputs,
    )  # fmt: skip
    with pytest.raises(SinkError, match=r"0001\.png is the source itself"):
        dream_still(job)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
