"""GIF and WebP: short, whole at the end, nothing left beside them."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from livedream.core.errors import SinkError
from livedream.core.frame import Frame, SourceInfo
from livedream.present import open_sink

INFO = SourceInfo("made", 33, 17, Fraction(25), Fraction(1, 1000), frames=8)


def frames(times: list[int]) -> list[Frame]:
    colours = np.linspace(20, 230, len(times)).astype(np.uint8)
    pictures = [np.full((17, 33, 3), colour, np.uint8) for colour in colours]
    for picture in pictures:
        picture[4:9, 5:20] = (200, 30, 60)
    return [
        Frame(rgb, t, INFO.time_base, i, 40)
        for i, (rgb, t) in enumerate(zip(pictures, times, strict=True))
    ]


def test_a_gif_has_its_times_and_colours(tmp_path: Path) -> None:
    times = [0, 40, 80, 150, 190, 230, 270, 310]
    with open_sink(tmp_path / "a.gif", INFO) as sink:
        for frame in frames(times):
            sink.write(frame)
    with av.open(str(tmp_path / "a.gif")) as container:
        back = [(f.pts, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
        assert container.streams.video[0].time_base == Fraction(1, 100)
    assert [pts for pts, _ in back] == [t // 10 for t in times]
    for (_, rgb), frame in zip(back, frames(times), strict=True):
        assert np.abs(rgb.astype(int) - frame.rgb).mean() < 4
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]
    assert b"NETSCAPE2.0\x03\x01\x00\x00" in (tmp_path / "a.gif").read_bytes()  # loops for ever


def delays_of(path: Path) -> list[int]:
    """Milliseconds, as Pillow reads them."""
    with Image.open(path) as image:
        found = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            found.append(round(image.info["duration"]))
        return found


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
@pytest.mark.parametrize("delays", [[100, 500, 1000, 200, 30, 700], [40, 2500], [500, 20]])
def test_every_delay_is_kept_the_last_one_too(
    tmp_path: Path, suffix: str, delays: list[int]
) -> None:
    times = [sum(delays[:i]) for i in range(len(delays))]
    with open_sink(tmp_path / f"a{suffix}", INFO) as sink:
        for frame, delay in zip(frames(times), delays, strict=True):
            sink.write(replace(frame, duration=delay))
    assert delays_of(tmp_path / f"a{suffix}") == delays


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
@pytest.mark.parametrize("loops", [0, 1, 3])
def test_it_is_shown_as_often_as_its_source(tmp_path: Path, suffix: str, loops: int) -> None:
    with open_sink(tmp_path / f"a{suffix}", replace(INFO, loops=loops)) as sink:
        for frame in frames([0, 40, 80]):
            sink.write(frame)
    with Image.open(tmp_path / f"a{suffix}") as image:
        once = {"a.gif": 1}.get(f"a{suffix}")  # a GIF that is shown once does not say so
        assert image.info.get("loop", once) == loops


def test_of_two_frames_in_one_tick_the_later_stays(tmp_path: Path) -> None:
    with open_sink(tmp_path / "a.gif", INFO) as sink:
        for frame in frames([0, 2, 4, 40, 80]):
            sink.write(frame)
    with av.open(str(tmp_path / "a.gif")) as container:
        pts = [f.pts for f in container.decode(video=0)]
    assert len(pts) == 3
    assert all(a < b for a, b in pairwise(p for p in pts if p is not None))


@pytest.mark.parametrize(("suffix", "least"), [(".gif", 20), (".webp", 11)])
@pytest.mark.parametrize("rate", [60, 100, 240])
def test_no_delay_is_too_short_for_browsers(
    tmp_path: Path, suffix: str, least: int, rate: int
) -> None:
    """They would show it for 100 ms, and the film three times as long as it is."""
    path, info = tmp_path / f"a{suffix}", replace(INFO, rate=Fraction(rate))
    shown = frames([round(1000 * i / rate) for i in range(rate)])
    with open_sink(path, info) as sink:
        for frame in shown:
            sink.write(replace(frame, duration=round(1000 / rate)))
    delays = delays_of(path)
    assert min(delays) >= least
    assert sum(delays) == pytest.approx(1000, abs=25)
    assert max(delays) <= 34, "and no longer gaps than they need be"
    said = f"browsers show {1000 // least} frames a second of {suffix} at most: no more are kept"
    assert (said in sink.notes) == (rate > 1000 / least)


def test_a_webp_has_every_frame(tmp_path: Path) -> None:
    with open_sink(tmp_path / "a.webp", INFO) as sink:
        for frame in frames([i * 40 for i in range(8)]):
            sink.write(frame)
    content = (tmp_path / "a.webp").read_bytes()
    assert content[:4] == b"RIFF"
    assert content.count(b"ANMF") == 8


def test_a_webp_follows_slow_changes(tmp_path: Path) -> None:
    """Each frame is hardly brighter than the one before; the last one is much brighter."""
    pictures = [np.full((64, 64, 3), 60 + 3 * i, np.uint8) for i in range(30)]
    for i, rgb in enumerate(pictures):
        rgb[:4, i : i + 30] = (200, 30, 60)
    with open_sink(tmp_path / "a.webp", replace(INFO, width=64, height=64)) as sink:
        for i, rgb in enumerate(pictures):
            sink.write(Frame(rgb, i * 40, INFO.time_base, i, 40))
    with Image.open(tmp_path / "a.webp") as film:
        film.seek(film.n_frames - 1)
        last = np.asarray(film.convert("RGB"))
    assert np.abs(last.astype(int) - pictures[-1])[24:].max() <= 3


def test_too_long_a_film_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"9000 frames are too many for \.gif \(at most 1500\)"):
        open_sink(tmp_path / "a.gif", replace(INFO, frames=9000))


def test_nothing_can_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="nothing to resume: leave out --resume"):
        open_sink(tmp_path / "a.gif", INFO, resume=True)


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_resuming_replaces_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"somebody's")
    with pytest.raises(SinkError, match="nothing to resume: start over with --overwrite"):
        open_sink(tmp_path / name, INFO, resume=True)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [
        (name, b"somebody's")
    ]


def test_sound_that_is_lost_is_named(tmp_path: Path, film_with_sound: Path) -> None:
    with open_sink(tmp_path / "a.webp", replace(INFO, path=film_with_sound)) as sink:
        assert sink.notes == (".webp cannot hold audio: .mkv can",)


def test_an_error_on_the_way_still_makes_a_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stopped"), open_sink(tmp_path / "a.gif", INFO) as sink:
        sink.write(frames([0, 40])[0])
        raise RuntimeError("stopped")
    with av.open(str(tmp_path / "a.gif")) as container:
        assert len(list(container.decode(video=0))) == 1
