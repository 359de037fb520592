"""`livedream check`: what it says of a file is what a render of the file does."""

import shutil
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from files_made import make_film
from music_made import write_sound
from test_files_seen import interlaced

from livedream.cli import main
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import Network
from livedream.jobs.check import check_file
from livedream.jobs.render import RenderJob, render

SMALL = DreamSettings(
    size="64p", octaves=1, iterations=1, flow="none", strength=0.0, objective="strokes"
)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film"))


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".webm", ".avi", ".ts"])
def test_it_says_what_a_render_does(
    suffix: str, film: Path, dreamnet: Network, tmp_path: Path
) -> None:
    output = tmp_path / f"out{suffix}"
    job = RenderJob(source=str(film), output=output, settings=SMALL)
    dreamer = Dreamer(SMALL, dreamnet)
    found = check_file(job, dreamer)
    assert not job.output.exists()
    report = render(job, dreamer)
    assert list(found.notes) == report.notes
    assert found.info.frames is not None and found.fps > 0
    assert found.seconds == found.info.frames / found.fps
    fates = {part.name.partition(" ")[0]: part.fate for part in found.parts}
    told = [part.fate for part in found.parts if part.fate in ("kept", "converted")]
    with av.open(str(job.output)) as written:
        shown = ("audio", "subtitle", "attachment")  # and no track of the chapters' titles
        kinds = [stream.type for stream in written.streams if stream.type in shown]
        assert len(kinds) + bool(written.chapters()) == len(told)
        assert (fates["subtitles"] != "dropped") == ("subtitle" in kinds)
        assert (fates["audio"] != "dropped") == ("audio" in kinds)
        assert (fates["chapters"] == "kept") == bool(written.chapters())
        codecs = {stream.codec_context.name for stream in written.streams.audio}
        assert (fates["audio"] == "kept") == (codecs == {"aac"})


@pytest.mark.parametrize(("seconds", "said"), [(1, True), (3, False)])
def test_a_region_that_is_empty_so_far_may_not_stay_so(
    seconds: int, said: bool, dreamnet: Network, tmp_path: Path
) -> None:
    source = f"synthetic:clouds?size=64x48&fps=12&seconds={seconds}"
    settings = SMALL.replace(where="key(#00ff00)")
    job = RenderJob(source=source, output=tmp_path / "out.mkv", settings=settings)
    found = check_file(job, Dreamer(settings, dreamnet))
    assert any("the region was empty" in note for note in found.notes) == said


@pytest.mark.parametrize("source", ["film", "synthetic:clouds?size=64x48&fps=25&seconds=0.2"])
def test_it_says_what_becomes_of_a_song(
    source: str, film: Path, dreamnet: Network, tmp_path: Path
) -> None:
    sound = np.sin(np.arange(48000) / 20).astype(np.float32) / 2
    song = write_sound(tmp_path / "song.flac", sound, "flac")
    source = str(film) if source == "film" else source
    job = RenderJob(source=source, output=tmp_path / "out.mkv", settings=SMALL, music=song)
    dreamer = Dreamer(SMALL, dreamnet)
    for output, fate, codec in (("out.mkv", "kept", "flac"), ("out.webm", "converted", "opus")):
        wanted = replace(job, output=tmp_path / output)
        fates = {part.name: part.fate for part in check_file(wanted, dreamer).parts}
        assert fates.pop("song (song.flac)") == fate
        assert {fates[name] for name in fates if name.startswith("audio")} <= {"dropped"}
        render(wanted, dreamer)
        with av.open(str(wanted.output)) as written:
            (track,) = written.streams.audio
            assert track.codec_context.codec.canonical_name == codec
    silent = replace(job, output=tmp_path / "silent.mkv", copy_streams=False)
    assert ("song (song.flac)", "dropped") in [
        (part.name, part.fate) for part in check_file(silent, dreamer).parts
    ]


def test_it_takes_the_options_of_a_render(dreamnet: Network, tmp_path: Path) -> None:
    film = tmp_path / "dv.mkv"
    interlaced(film, "ffv1", "tff", (64, 48))
    plain = RenderJob(source=str(film), output=tmp_path / "out.mkv", settings=SMALL)
    dreamer = Dreamer(SMALL, dreamnet)
    one, two = (check_file(job, dreamer) for job in (plain, replace(plain, deinterlace="fields")))
    assert two.info.rate == 2 * one.info.rate
    assert len(two.notes) == 1 and "each field" in two.notes[0]


def test_it_is_printed_a_line_for_each_part(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(film, tmp_path)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert main(["check", film.name, "-o", "new.mp4", "--size", "64p", "--strength", "0"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("film.mkv: 64x48, ")
    parts = {line[2:].partition("  ")[0]: line.rpartition("  ")[2] for line in said[1:7]}
    assert parts == {
        "video (h264)": "dreamed as h264", "audio (aac), eng": "kept", "audio (aac), fra": "kept",
        "subtitles (subrip), deu": "converted to mov_text", "attachment (font.ttf)": "dropped",
        "chapters (2)": "kept",
    }  # fmt: skip
    assert any(line.startswith("note: .mp4 cannot hold attachment") for line in said)
    assert main(["check", film.name, "-o", "a/new/", "--size", "64p", "--strength", "0"]) == 0
    assert said[-1].startswith("new.mp4: 64x48, ") and "fps here, about 0:" in said[-1]
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "words",
    [
        ["missing.mp4"],
        ["film.mkv", "-o", "out.xyz"],
        ["film.mkv", "-o", "film.mkv", "--overwrite"],
        ["film.mkv", "-o", "there.mp4"],
        ["film.mkv", "-o", "nowhere/out.mp4"],
        ["film.mkv", "-o", "out.mp4", "--where", "left", "--matte", "m.png"],
        ["synthetic:clouds?size=64x48&fps=25&seconds=61", "-o", "loop.gif"],
        ["film.mkv", "film.webm", "-o", "new/folder", "--codec", "h264"],
        ["film.mkv", "-o", "there.mp4/new/"],
    ],
    ids=" ".join,
)
def test_what_a_render_refuses_it_refuses(
    words: list[str], film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name in ("film.mkv", "film.webm"):
        shutil.copy(film, tmp_path / name)
    (tmp_path / "there.mp4").write_text("precious")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    said = []
    for command in ("check", "render"):
        assert main([command, *words, "--size", "64p"]) == 2
        said.append(capsys.readouterr().err)
        if command == "check":
            assert sorted(tmp_path.rglob("*")) == before
    assert said[0] == said[1] and len(said[0].splitlines()) == 1
