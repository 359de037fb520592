"""Films that follow music: from an encoded file with drums to a dream that pulses with them."""

import pickle
from pathlib import Path

import av
import numpy as np
import pytest
from files_made import packets, pictures
from film_made import film as silent_film
from music_made import Song, add_sound, song, write_sound

from livedream.capture import open_source
from livedream.cli import main
from livedream.control.automation import Automation
from livedream.control.modulation import parse_modulator
from livedream.control.presets import Preset
from livedream.control.programs import Every, Step
from livedream.core.errors import SettingsError, SourceError
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import Network
from livedream.jobs.film.film import OneWorker, render_films
from livedream.jobs.render import RenderJob, check_same, render

SMALL = DreamSettings(
    size="source", flow_size="source", octaves=1, strength=10.0, rise=0.0, half_life=0.1,
    objective="strokes",
)  # fmt: skip
PULSE = Automation(modulators=(parse_modulator("strength:bass:0.6"),))
CLOUDS = "synthetic:clouds?size=64x48&fps=25&seconds={}"


@pytest.fixture(scope="module")
def made() -> Song:
    return song("rock", 120, bars=3, bass=0.0)


@pytest.fixture(scope="module")
def clip(made: Song, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds with a cut in the middle, and drums."""
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    with (
        av.open(str(silent_film(path.with_name("silent.mkv"), 52, 51))) as source,
        av.open(str(path), "w") as out,
    ):
        shots = source.streams.video[0]
        video = out.add_stream_from_template(shots)
        sound = out.add_stream("flac", rate=48000)
        sound.layout = "mono"
        for packet in source.demux(shots):
            if packet.size:
                packet.stream = video
                out.mux(packet)
        add_sound(out, sound, made.sound)
    return path


def job(source: str | Path, output: Path, **more: object) -> RenderJob:
    given = {"settings": SMALL, "codec": "ffv1", "automation": PULSE, **more}
    return RenderJob(source=str(source), output=output, **given)  # type: ignore[arg-type]


def dream(wanted: RenderJob, network: Network) -> list[float]:
    """Render; the level of each frame."""
    levels: list[float] = []
    dreamer = Dreamer(wanted.settings, network)
    render(wanted, dreamer, watch=lambda dream, report: levels.append(dream.level))
    return levels


def test_the_dream_is_strong_on_the_frame_of_a_kick(
    clip: Path, made: Song, tmp_path: Path, dreamnet: Network
) -> None:
    out = tmp_path / "out.mkv"
    levels = np.array(dream(job(clip, out), dreamnet))
    with open_source(clip) as source:
        times = np.array([frame.time_s for frame in source])
    for kick in made.beats[(made.beats < times[-1] - 0.1)][::2]:
        shown = int(np.searchsorted(times, kick, "right")) - 1
        assert levels[shown : shown + 2].max() > 0.85 * levels.max()
        assert levels[shown - 1] < 0.75 * levels.max()
    assert packets(out, "audio") == packets(clip, "audio")


def test_the_same_bits_again_in_pieces_and_in_parts(
    clip: Path, tmp_path: Path, dreamnet: Network
) -> None:
    one, again, many = (tmp_path / name for name in ("one.mkv", "again.mkv", "many.mkv"))
    wanted = dream(job(clip, one), dreamnet)
    dream(job(clip, again), dreamnet)
    render_films([job(clip, many)], OneWorker())
    assert packets(one, "video") == packets(again, "video")
    assert np.array_equal(pictures(one), pictures(many))
    part = dream(job(clip, tmp_path / "part.mkv", start_s=3.0), dreamnet)
    assert part == pytest.approx(wanted[-len(part) :], abs=0.2), "as in the whole film"


LOOKS = tuple(
    (Step(name, 99.0, crossfade_s), Preset(name=name, values={"saturation": saturation}))
    for name, saturation, crossfade_s in (("one", 1.0, 0.0), ("two", 0.0, 0.0), ("three", 2.0, 1.0))
)


def test_presets_change_on_the_bar(tmp_path: Path) -> None:
    """Within a frame: a cut on it, and a crossfade that ends on it."""
    made = song("rock", 120, bars=8, start_s=0.5)
    automation = Automation(steps=LOOKS, on=Every(2))
    wanted = job(
        CLOUDS.format(9.4), tmp_path / "out.mkv", automation=automation,
        music=write_sound(tmp_path / "song.flac", made.sound, "flac"),
    )  # fmt: skip
    with wanted.open() as source:
        info = source.info
    timeline = wanted.heard(info).timeline(info)
    assert timeline is not None
    seen = np.array([timeline.snapshot(n / 25).grade.saturation for n in range(235)])
    first, second = (made.beats[8 * n] for n in (1, 2))
    changed = int(np.argmax(seen < 1))
    assert seen[changed] == 0
    assert changed / 25 == pytest.approx(first, abs=0.041)
    rising = changed + int(np.argmax(seen[changed:] > 0))
    assert rising / 25 == pytest.approx(second - 1.0, abs=0.081)
    assert int(np.argmax(seen >= 2)) / 25 == pytest.approx(second, abs=0.041)


def test_a_song_is_the_output_s_sound(clip: Path, tmp_path: Path, dreamnet: Network) -> None:
    times = np.arange(48000 * 9) / 48000
    long = write_sound(tmp_path / "long.flac", np.sin(times * 2000).astype(np.float32) / 2, "flac")
    short = write_sound(tmp_path / "short.m4a", long_part(1.5), "aac")
    small = {"settings": SMALL.replace(size="32p", flow="none"), "codec": None, "automation": None}
    for song_path, output, start_s, length_s in (
        (long, "a.mkv", 0.0, 4.0),  # the film's length decides
        (long, "b.mp4", 2.0, 2.0),
        (long, "c.webm", 3.0, 1.0),  # encoded for the container
        (short, "d.mp4", 1.0, 0.5),  # and a shorter song ends
    ):
        out = tmp_path / output
        dream(job(clip, out, music=song_path, start_s=start_s, **small), dreamnet)
        with av.open(str(out)) as found:
            assert len(found.streams.audio) == 1
        sound = packets(out, "audio")
        assert sound[-1][0] == pytest.approx(length_s, abs=0.13)
        assert sound[0][0] == pytest.approx(0, abs=0.1)
    copied = [data for *_, data in packets(tmp_path / "a.mkv", "audio")]
    assert copied == [data for *_, data in packets(long, "audio")][: len(copied)]
    dream(job(CLOUDS.format(1), tmp_path / "f.mkv", music=long, **small), dreamnet)
    assert packets(tmp_path / "f.mkv", "audio")[-1][0] == pytest.approx(1.0, abs=0.1)
    pieces = job(clip, tmp_path / "many.mkv", music=long, **small)
    render_films([pieces], OneWorker())
    assert packets(tmp_path / "many.mkv", "audio") == packets(tmp_path / "a.mkv", "audio")


def test_another_song_of_the_same_name_makes_another_film(tmp_path: Path) -> None:
    path = tmp_path / "song.flac"
    path.write_bytes(b"one")
    wanted = job(CLOUDS.format(1), tmp_path / "out.mkv", music=path)
    there = pickle.dumps(wanted)
    path.write_bytes(b"two")
    again = job(CLOUDS.format(1), tmp_path / "out.mkv", music=path)
    with pytest.raises(SettingsError, match=r"--resume: music is 'song\.flac"):
        check_same(again, wanted.identity())
    path.unlink()
    assert pickle.loads(there).identity() == wanted.identity(), "where the song is not"


def long_part(seconds: float) -> np.ndarray:
    return np.sin(np.arange(int(48000 * seconds)) / 20).astype(np.float32) / 2


def test_what_a_silent_film_can_do(tmp_path: Path) -> None:
    """What was asked for by name is missed; a preset's modulators are still."""
    clouds = CLOUDS.format(0.2)
    with pytest.raises(SourceError, match="--music"):
        render(job(clouds, tmp_path / "a.mkv"))
    pulse = Automation(steps=((Step("p", 9.0), Preset(name="p", modulators=PULSE.modulators)),))
    assert render(job(clouds, tmp_path / "b.mkv", automation=pulse)).frames == 5
    hiss = write_sound(tmp_path / "hiss.flac", np.zeros(48000, np.float32), "flac")
    on = Automation(steps=LOOKS, on=Every(1))
    with pytest.raises(SettingsError, match="no beat was found"):
        render(job(clouds, tmp_path / "c.mkv", automation=on, music=hiss))
    steady = Automation(steps=LOOKS, on=Every(1), bpm=100.0)
    assert [cue.begin_s for cue, _ in zip(steady.cues(), range(2), strict=False)] == [
        pytest.approx(2.4), pytest.approx(3.6),
    ]  # fmt: skip
    render(job(clouds, tmp_path / "d.mkv", automation=steady))


def test_the_command_line(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["render", str(clip), "-o", str(tmp_path / "out.mp4"), "--size", "32p", "--quiet"]
    command += ["--overwrite", "--flow", "none", "--end", "1"]
    assert main([*command, "--preset", "pulse", "--modulate", "mix:onset:-0.2"]) == 0
    assert main([*command, "--program", "showreel", "--on", "bar:1", "--bar", "4@0.4"]) == 0
    for more, said in (
        (["--on", "bar:8"], "--program too"),
        (["--preset", "ink", "--bar", "four"], "--bar: must be 4, or 4@12.5"),
        (["--preset", "ink", "--bar", "0"], "1 to 32 beats"),
        (["--music", str(tmp_path / "nowhere.mp3")], "nowhere.mp3"),
        (["--music", str(tmp_path / "out.mp4")], "is the source itself"),
    ):
        assert main([*command, *more]) == 2
        assert said in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--program", "showreel", "--on", "bar:0"])
    assert "--on: must be off, beat, bar, " in capsys.readouterr().err
