"""Films whose parameters move over time: stopped and resumed, in pieces, from the command line."""

import json
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from files_made import pictures
from film_made import film
from music_made import song, write_sound

from livedream.cli import main
from livedream.control.automation import Automation, FilmTimeline
from livedream.control.curves import parse_curves
from livedream.control.modulation import Modulator
from livedream.control.presets import Preset
from livedream.control.programs import Every, Step
from livedream.core.errors import LivedreamError
from livedream.core.frame import Frame, Motion
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dream, Dreamer
from livedream.dream.networks.network import Network, load_network
from livedream.jobs.checkpoint import Checkpoints
from livedream.jobs.film.film import OneWorker, render_films
from livedream.jobs.render import RenderJob, render
from livedream.jobs.replay import ShowDreamer
from livedream.jobs.report import RenderReport

SMALL = DreamSettings(size="source", flow_size="source", octaves=1, wander=2.0)
MOVES = parse_curves(
    "0:strength=4, 3:strength=30 ease, 1:objective=strokes + classes:0-9, 0:rotation=0,"
    "3:rotation=40, 0.5:wander=0.7 hold, 2:hue=90"
)
AUTOMATION = Automation(
    curves=MOVES, modulators=(Modulator(parameter="saturation", depth=0.3, period_s=0.7),)
)


class StoppedError(Exception):
    pass


def job(source: str | Path, output: Path, **more: object) -> RenderJob:
    given = {"settings": SMALL, "codec": "ffv1", "automation": AUTOMATION, **more}
    return RenderJob(source=str(source), output=output, **given)  # type: ignore[arg-type]


def stop(wanted: RenderJob, network: Network, frames: int) -> None:
    """Render so many frames, and no more."""

    def watch(dream: Dream, report: RenderReport) -> None:
        if report.frames >= frames:
            raise StoppedError

    with pytest.raises(StoppedError):
        render(wanted, Dreamer(SMALL, network), watch=watch)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A film of two shots and its dream in one."""
    folder = tmp_path_factory.mktemp("film")
    source = film(folder / "film.mkv", 53, 52)
    render(job(source, folder / "one.mkv"))
    return source, folder / "one.mkv"


def test_what_moves_nothing_changes_nothing(made: tuple[Path, Path], tmp_path: Path) -> None:
    """A cut included, to the bit."""
    for name, automation in (("plain", None), ("still", Automation())):
        render(job(made[0], tmp_path / f"{name}.mkv", automation=automation, end_s=2.5))
    plain, moved = pictures(tmp_path / "plain.mkv"), pictures(made[1])
    assert np.array_equal(plain, pictures(tmp_path / "still.mkv"))
    assert len(plain) > 53 + 8, "beyond the cut"
    moves = np.stack(plain).astype(int) - np.stack(moved[: len(plain)])
    assert np.abs(moves).mean() > 3, "nothing was moved"


def test_a_film_in_pieces_is_the_same_film(made: tuple[Path, Path], tmp_path: Path) -> None:
    (report,) = render_films([job(made[0], tmp_path / "many.mkv")], OneWorker())
    assert report.frames == 105
    assert np.array_equal(pictures(tmp_path / "many.mkv"), pictures(made[1]))
    plain = {"automation": None, "end_s": 0.5}
    render_films([job(made[0], tmp_path / "after.mkv", **plain)], OneWorker())
    render(job(made[0], tmp_path / "plain.mkv", **plain))
    assert np.array_equal(pictures(tmp_path / "after.mkv"), pictures(tmp_path / "plain.mkv"))


def test_what_was_stopped_goes_on_to_the_same_bits(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dreamnet: Network
) -> None:
    monkeypatch.setattr("livedream.jobs.checkpoint._EVERY_S", 0.0)
    out = tmp_path / "parts.mkv"
    stop(job(made[0], out), dreamnet, 40)
    for other in (Automation(curves=parse_curves("0:strength=5")), None):
        with pytest.raises(LivedreamError, match=r"^--resume: curves: other than .{,80}$"):
            render(job(made[0], out, automation=other, resume=True))
    render(job(made[0], out, resume=True), Dreamer(SMALL, dreamnet))
    assert np.array_equal(pictures(out), pictures(made[1]))


@pytest.mark.parametrize(
    ("values", "heard"),
    [
        ({"network": "dreamnet-birds"}, {}),
        ({"objective": "eyes"}, {"on": Every(1), "bpm": 120.0, "bar": 2, "bar_at_s": 0.4}),
    ],
)
def test_what_was_stopped_in_a_crossfade_goes_on_to_the_same_bits(
    values: dict[str, object], heard: dict[str, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, dreamnet: Network,
) -> None:  # fmt: skip
    """From 0.9 to 1.4 s, after the preset's seconds or to the bar."""
    monkeypatch.setattr("livedream.jobs.checkpoint._EVERY_S", 0.0)
    steps = tuple(
        (Step(name, 0.9, 0.5), Preset(name=name, values=chosen))
        for name, chosen in (("one", {"objective": "strokes"}), ("two", values))
    )
    clouds = "synthetic:clouds?size=64x48&fps=25&seconds=1.6"
    more: dict[str, object] = {"automation": Automation(steps=steps, **heard)}
    if heard:
        drums = song("rock", 120, bars=4).sound
        more["music"] = write_sound(tmp_path / "song.flac", drums, "flac")
    one, out = tmp_path / "one.mkv", tmp_path / "parts.mkv"
    render(job(clouds, one, **more), Dreamer(SMALL, dreamnet))
    stop(job(clouds, out, **more), dreamnet, 32)
    kept = Checkpoints(out).newest(len(pictures(out)))
    assert kept is not None and 24 < kept.index < 35
    render(job(clouds, out, resume=True, **more), Dreamer(SMALL, dreamnet))
    assert np.array_equal(pictures(out), pictures(one))


def test_the_figures_name_what_the_film_begins_with(tmp_path: Path, dreamnet: Network) -> None:
    first = Preset(name="one", values={"network": "dreamnet-insects"})
    steps = (Step("one", 60.0, 0.0), first), (Step("two", 60.0, 0.0), Preset(name="two"))
    named = Automation(curves=parse_curves("0.04:objective=strokes, 5:objective=eyes"))
    clouds = "synthetic:clouds?size=64x48&fps=25&seconds=0.08"
    own = load_network("dreamnet-insects").default_objective
    for automation, start_s, wanted in (
        (Automation(steps=steps), 0.0, ("dreamnet-insects", own)),
        (named, 0.04, ("dreamnet", "strokes")),
        (None, 0.0, ("dreamnet", dreamnet.default_objective)),
    ):
        out = tmp_path / f"{start_s}{automation is None}.mkv"
        wanted_job = job(clouds, out, automation=automation, start_s=start_s)
        report = render(wanted_job, Dreamer(SMALL, dreamnet))
        assert (report.network, report.objective) == wanted
        (report,) = render_films(
            [replace(wanted_job, output=tmp_path / "many.mkv", overwrite=True)], OneWorker()
        )
        assert (report.network, report.objective) == wanted


def test_the_figures_name_the_network_that_a_prompt_chooses(tmp_path: Path) -> None:
    clouds = "synthetic:clouds?size=64x48&fps=25&seconds=0.08"
    curves = Automation(curves=parse_curves("0:prompt=elephant"))
    for settings, automation in ((SMALL.replace(prompt="elephant"), None), (SMALL, curves)):
        wanted = job(
            clouds, tmp_path / "film.mkv", settings=settings, automation=automation, overwrite=True
        )
        (by_workers,) = render_films([wanted], OneWorker())
        for report in (render(wanted), by_workers):
            assert report.network == "dreamnet+dreamnet-things"
            assert report.objective == "kind:elephant"


def test_a_network_that_is_given_dreams_the_prompts_of_a_film(tmp_path: Path) -> None:
    given = load_network("dreamnet", random_seed=3)
    dreamer = Dreamer(SMALL, given)
    curves = Automation(curves=parse_curves("0:prompt=elephant, 0.04:prompt=castle"))
    clouds = "synthetic:clouds?size=64x48&fps=25&seconds=0.12"
    report = render(job(clouds, tmp_path / "film.mkv", automation=curves), dreamer)
    assert (report.network, report.objective) == ("dreamnet", "kind:elephant")
    assert (dreamer.network, dreamer.settings.prompt) == (given, "castle")


def test_a_part_of_a_film_moves_as_in_the_film(made: tuple[Path, Path], tmp_path: Path) -> None:
    """The level follows the curve of the film's time, not of the part's."""
    levels: list[float] = []
    part = job(made[0], tmp_path / "part.mkv", start_s=2.5, settings=SMALL.replace(rise=0.0))
    render(part, watch=lambda dream, report: levels.append(dream.level))
    share = 2.5 / 3
    wanted = 4 + 26 * share * share * (3 - 2 * share)
    assert levels[0] == pytest.approx(wanted, abs=1.0)


def test_a_part_of_a_film_in_pieces_moves_as_in_the_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a piece begins with, too: how far classes have wandered by then."""
    monkeypatch.setattr("livedream.jobs.film.plan._LEAST_S", 0.2)
    source = film(tmp_path / "film.mkv", 12, 9, step=1536)  # ten frames a second
    settings = SMALL.replace(size="32p", flow_size="32p", objective="classes:0-9", wander=9.0)
    moves = Automation(curves=parse_curves("1:wander=0.05 hold"))
    part = job(source, tmp_path / "one.mkv", settings=settings, automation=moves, start_s=0.6)
    render(part)
    render_films([replace(part, output=tmp_path / "many.mkv")], OneWorker())
    one, many = (pictures(tmp_path / f"{name}.mkv") for name in ("one", "many"))
    assert len(one) == 15 and np.array_equal(one, many)


def test_several_films_each_begin_afresh(made: tuple[Path, Path], tmp_path: Path) -> None:
    moves, other = tmp_path / "moves.txt", tmp_path / "other.mkv"
    moves.write_text("0.2:objective=strokes")
    other.write_bytes(made[0].read_bytes())
    command = ["render", str(made[0]), str(other), "-o", str(tmp_path / "out"), "--end", "0.4"]
    assert main([*command, "--size", "source", "--curves", str(moves), "--quiet"]) == 0
    one, two = (pictures(tmp_path / "out" / f"{n}.dream.mkv") for n in ("film", "other"))
    assert np.array_equal(one, two)


def test_a_cut_takes_no_more_time_than_in_a_plain_render(dreamnet: Network) -> None:
    """At ten frames a second, where a cut shortens it."""
    settings = SMALL.replace(flow="none", size="source")
    clocks = []
    for automated in (False, True):
        dreamer = Dreamer(settings, dreamnet)
        timeline = FilmTimeline(Automation(), settings, Fraction(10))
        step = ShowDreamer(dreamer, timeline).step if automated else dreamer.step
        for number in range(3):
            frame = Frame(np.full((64, 96, 3), 99, np.uint8), number, Fraction(1, 10), number)
            cut = Motion(np.zeros((2, 1, 1), np.float32), np.ones((1, 1), np.float32), cut=True)
            step(frame, cut if number == 2 else None)
        clocks.append(dreamer.state.arrays()["clock"])
    assert np.array_equal(clocks[0][1:], clocks[1][1:])


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moves, out = tmp_path / "moves.csv", tmp_path / "out.mkv"
    moves.write_text("time,strength,saturation\n0,0,1\n6f,30 hold,0 hold\n")
    clouds = "synthetic:clouds?size=96x64&fps=10&seconds=1.2"
    command = ["render", clouds, "-o", str(out), "--size", "source", "--quiet", "--overwrite"]
    assert main([*command, "--curves", str(moves), "--modulate", "mix:square:0.1:1s"]) == 0
    colourful = [np.ptp(one.astype(int), axis=2).mean() for one in pictures(out)]
    assert min(colourful[:6]) > 20 and max(colourful[6:]) < 4
    assert main([*command, "--program", "showreel", "--report", str(tmp_path / "r.json")]) == 0
    assert json.loads((tmp_path / "r.json").read_text())["frames"] == 12
    capsys.readouterr()
    moves.write_text("0:strength=6,\n2:strength=600")
    for more, said in (
        (["--curves", str(moves)], "line 2: strength: must be 0 to 100 (got 600)"),
        (["--curves", str(moves)], "2:strength=600\n           ^"),
        (["--curves", "nowhere.txt"], "nowhere.txt cannot be read"),
        (["--preset", "inc"], "did you mean ink"),
        (["--preset", "ink", "--program", "drifting"], "give one"),
        (["--modulate", "objective:sine:1"], "cannot be changed"),
        (["--preset", "ink", "--replay", "show.jsonl"], "own show"),
    ):
        assert main([*command, *more]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("late", "said"),
    [
        ("objective=nosuchlayer", "no layer 'nosuchlayer'"),
        ("size=720", "size: must be"),
        ("network=typo", "no network 'typo'"),
        ("where=mask(missing.png)", "missing.png"),
    ],
)
def test_what_is_wrong_an_hour_in_is_said_before_the_first_frame(
    late: str, said: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "ray", None)  # nor is it started before that
    moves, out = tmp_path / "moves.txt", tmp_path / "out.mkv"
    moves.write_text(f"3600:{late}")
    clouds = "synthetic:clouds?size=96x64&fps=10&seconds=0.2"
    for command, *more in (["render"], ["render", "--workers", "1"], ["check"]):
        assert main([command, clouds, "-o", str(out), "--curves", str(moves), *more]) == 2
        assert said in capsys.readouterr().err
    wrong = Automation(curves=parse_curves(moves.read_text()))
    with pytest.raises(LivedreamError, match=said):
        render_films([job(clouds, out, automation=wrong)], OneWorker())
    assert list(tmp_path.iterdir()) == [moves]
