"""The whole walk on real encoded files: what goes in comes out dreamed, whole and on time."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from files_made import packets, pictures
from recorded import Pool, stay_on_device
from waiting import PATIENCE_S, until

from livedream.capture import open_source
from livedream.cli import main
from livedream.control.automation import Automation
from livedream.control.curves import parse_curves
from livedream.core.errors import FlowError, LivedreamError, SettingsError, SinkError
from livedream.core.frame import Frame, Picture, SourceInfo
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dream, Dreamer
from livedream.dream.networks.network import Network
from livedream.jobs.checkpoint import MANIFEST, Checkpoint, Checkpoints
from livedream.jobs.render import RenderJob, render
from livedream.jobs.report import RenderReport
from livedream.present import open_sink

DREAM = DreamSettings(size="90p", flow_size="90p")
SMALL = DREAM.replace(objective="strokes")  # soon computed, where any dream will do
OPTIONS = ["--size", "90p", "--flow-size", "90p", "--quiet"]
CLOUDS = "synthetic:clouds?size=192x108&fps=25&seconds=2"


def job(source: str | Path, output: Path, **more: object) -> RenderJob:
    return RenderJob(source=str(source), output=output, **{"settings": SMALL, **more})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of clouds as H.264 with a beep beside them."""
    path = tmp_path_factory.mktemp("clip") / "clouds.mp4"
    with av.open(str(path), "w") as out, open_source(CLOUDS) as source:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 192, 108, "yuv420p"
        sound = out.add_stream("aac", rate=48000)
        for frame in source:
            out.mux(video.encode(av.VideoFrame.from_ndarray(frame.rgb, format="rgb24")))
        out.mux(video.encode(None))
        for start in range(0, 96000, 1024):
            wave = np.sin(np.arange(start, start + 1024) * 0.05).astype(np.float32)[None]
            block = av.AudioFrame.from_ndarray(np.vstack([wave, wave]), "fltp", "stereo")
            block.sample_rate, block.pts = 48000, start
            out.mux(sound.encode(block))
        out.mux(sound.encode(None))
    return path


def times(path: Path) -> list[float]:
    with av.open(str(path)) as found:
        return [float(f.pts * f.time_base) for f in found.decode(found.streams.video[0])]


def test_sound_and_timing_come_through(clip: Path, tmp_path: Path, dreamnet: Network) -> None:
    out = tmp_path / "out.mp4"
    report = render(job(clip, out, settings=DREAM), Dreamer(DREAM, dreamnet))
    assert report.complete
    assert report.frames == 50
    assert times(out) == times(clip)
    assert packets(out, "audio") == packets(clip, "audio")
    change = [
        np.abs(a.astype(int) - b).mean() for a, b in zip(pictures(clip), pictures(out), strict=True)
    ]
    assert np.mean(change[12:]) > 5, "nothing was dreamed"


def test_the_strength_asked_for_is_in_the_file(tmp_path: Path, dreamnet: Network) -> None:
    out = tmp_path / "out.mkv"
    for strength in (6.0, 18.0):
        settings = SMALL.replace(strength=strength, size="source", headroom=0.0)
        render(
            job(CLOUDS, out, settings=settings, codec="ffv1", overwrite=True),
            Dreamer(settings, dreamnet),
        )
        with open_source(CLOUDS) as source:
            gaps = [d - f.rgb.astype(float) for f, d in zip(source, pictures(out), strict=True)]
        level = np.sqrt(np.mean(np.square(gaps[20:])))
        assert level == pytest.approx(strength, rel=0.05)


@pytest.mark.parametrize(("warm_up", "opens"), [(1.0, 14.0), (0.0, 1.4)])
def test_every_scene_opens_with_its_dream(
    tmp_path: Path, dreamnet: Network, texture: Picture, warm_up: float, opens: float
) -> None:
    """At the start and after a cut; without a warm-up it takes `rise`."""
    film, out = tmp_path / "film.mkv", tmp_path / "out.mkv"
    scenes = [texture] * 5 + [np.ascontiguousarray(255 - texture[:, ::-1])] * 5
    height, width = texture.shape[:2]
    info = SourceInfo("film", width, height, Fraction(25), Fraction(1, 25), 10)
    with open_sink(film, info) as sink:
        for n, rgb in enumerate(scenes):
            sink.write(Frame(rgb, n, Fraction(1, 25), n, 1))
    settings = SMALL.replace(size="source", headroom=0.0)  # so that the change is the dream
    dreamer = Dreamer(settings, dreamnet)
    wanted = job(film, out, settings=settings, codec="ffv1", warm_up=warm_up)
    levels: list[float] = []
    render(wanted, dreamer, watch=lambda dream, _: levels.append(dream.level))
    assert [levels[0], levels[5]] == pytest.approx([opens, opens], rel=0.05)
    gaps = [d - f.astype(float) for f, d in zip(pictures(film), pictures(out), strict=True)]
    shown = [np.sqrt(np.mean(np.square(gaps[n]))) for n in (0, 5)]
    assert shown == pytest.approx([opens, opens], rel=0.1)


def test_a_warm_up_out_of_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"warm_up: must be 0 to 60 s \(got -1\)"):
        job(CLOUDS, tmp_path / "out.mkv", warm_up=-1)


def test_a_part_a_smaller_picture_and_a_comparison(
    clip: Path, tmp_path: Path, dreamnet: Network
) -> None:
    out = tmp_path / "part.mp4"
    part = job(clip, out, start_s=0.4, end_s=1.0, picture_size="96x54", compare=True)
    assert render(part, Dreamer(SMALL, dreamnet)).frames == 15
    assert pictures(out)[0].shape == (54, 192, 3)


def test_settings_are_read_back(clip: Path, tmp_path: Path, dreamnet: Network) -> None:
    from livedream.cli.options import settings_from_file

    settings = SMALL.replace(strength=9.0, objective="0.5*eyes + faces", seed=3)
    dreamer = Dreamer(settings, dreamnet)
    for name in ("out.mp4", "out.mkv", "out.mov"):
        out = tmp_path / name
        render(job(clip, out, settings=settings, end_s=0.2), dreamer)
        assert settings_from_file(out) == settings


def test_films_that_share_a_dreamer_share_no_dream(tmp_path: Path, dreamnet: Network) -> None:
    made = []
    dreamer = Dreamer(SMALL, dreamnet)
    for name in ("a.mkv", "b.mkv"):
        render(job(CLOUDS, tmp_path / name, codec="ffv1", end_s=0.2), dreamer)
        made.append(pictures(tmp_path / name))
    assert len(made[0]) == 5 and np.array_equal(*made)


def test_the_same_seed_dreams_the_same(tmp_path: Path, dreamnet: Network) -> None:
    made = []
    for name in ("a.mkv", "b.mkv"):
        wanted = job(CLOUDS, tmp_path / name, codec="ffv1", end_s=0.5, settings=DREAM)
        render(wanted, Dreamer(DREAM, dreamnet))
        made.append(pictures(tmp_path / name))
    assert all((a == b).all() for a, b in zip(*made, strict=True))


def test_the_report_names_what_was_done(clip: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    out = tmp_path / "out.mp4"
    options = ["--end", "0.4", "--report", str(report), "--sheet", str(tmp_path / "sheet.png")]
    assert main(["render", str(clip), "-o", str(out), *options, *OPTIONS]) == 0
    found = json.loads(report.read_text())
    assert found["frames"] == 10
    assert found["fps"] > 0
    assert {"capture", "flow", "warp", "dream", "present"} <= set(found["stages_ms"])
    assert found["precision"] in ("fp32", "bf16", "fp16")
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_a_report_has_what_was_done_before_a_film_failed(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(job: RenderJob, *rest: object, **more: object) -> RenderReport:
        if job.source != str(clip):
            raise SinkError("the disk is full")
        return render(job, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("livedream.jobs.render.render", failing)
    report = tmp_path / "report.json"
    options = ["-o", str(tmp_path), "--end", "0.2", "--report", str(report), *OPTIONS]
    assert main(["render", str(clip), CLOUDS, *options]) == 2
    (found,) = json.loads(report.read_text())
    assert found["frames"] == 5


def test_the_sheet_of_a_film_that_is_resumed_has_all_of_it(clip: Path, tmp_path: Path) -> None:
    command = ["render", str(clip), "-o", str(tmp_path / "out.mkv"), "--end", "0.4", *OPTIONS]
    assert main(command) == 0
    assert main([*command, "--resume", "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert cv2.imread(str(tmp_path / "sheet.png")) is not None


class StoppedError(Exception):
    pass


def in_one(path: Path, network: Network) -> Path:
    """The clouds' dream, rendered without a stop."""
    render(job(CLOUDS, path, codec="ffv1", settings=DREAM), Dreamer(DREAM, network))
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, dreamnet: Network) -> Path:
    return in_one(tmp_path_factory.mktemp("whole") / "whole.mkv", dreamnet)


@pytest.mark.parametrize(
    ("stop_after", "ahead"),
    [pytest.param(3, False, marks=pytest.mark.slow), (22, False), (22, True)],
)
def test_a_stopped_render_goes_on_to_the_same_bits(
    *, tmp_path: Path, dreamnet: Network, whole: Path, stop_after: int, ahead: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """ahead: each frame is begun before the one before is written, as on CUDA."""
    monkeypatch.setattr("livedream.jobs.checkpoint._EVERY_S", 0.1)
    if ahead:
        stay_on_device(monkeypatch, Pool())
        whole = in_one(tmp_path / "whole.mkv", dreamnet)
    begun = job(CLOUDS, tmp_path / "parts.mkv", codec="ffv1", settings=DREAM)
    parts = begun.output

    def stop(dream: object, report: object) -> None:
        if report.frames >= stop_after:  # type: ignore[attr-defined]
            raise StoppedError

    with pytest.raises(StoppedError):
        render(begun, Dreamer(DREAM, dreamnet), watch=stop)
    assert len(pictures(parts)) >= stop_after
    render(replace(begun, resume=True), Dreamer(DREAM, dreamnet))
    a, b = pictures(whole), pictures(parts)
    assert len(a) == len(b) == 50
    assert all((x == y).all() for x, y in zip(a, b, strict=True))
    assert times(whole) == times(parts)
    assert [p.name for p in tmp_path.iterdir() if p.name not in ("whole.mkv", "parts.mkv")] == []


class _Counted(Dreamer):
    """Counts the frames that it dreams."""

    begun = 0

    def begin(self, *args: Any, **more: Any) -> Callable[[], Dream]:
        self.begun += 1
        return super().begin(*args, **more)


def _stopped(wanted: RenderJob, dreamer: Dreamer, frames: int) -> None:
    def stop(dream: object, report: RenderReport) -> None:
        if report.frames >= frames:
            raise StoppedError

    with pytest.raises(StoppedError):
        render(wanted, dreamer, watch=stop)


@pytest.mark.parametrize("how", ["overwrite", "deleted"])
def test_an_earlier_stopped_render_leaves_nothing_to_go_on_from(
    tmp_path: Path, dreamnet: Network, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livedream.jobs.checkpoint._EVERY_S", 0.0)
    clouds = CLOUDS.replace("seconds=2", "seconds=1")
    whole, parts = tmp_path / "whole.mkv", tmp_path / "parts.mkv"
    other = SMALL.replace(strength=20.0)
    _stopped(job(clouds, parts, codec="ffv1"), Dreamer(SMALL, dreamnet), 20)
    if how == "deleted":
        parts.unlink()
    again = job(clouds, parts, codec="ffv1", settings=other)
    _stopped(replace(again, overwrite=how == "overwrite"), Dreamer(other, dreamnet), 10)
    dreamer = _Counted(other, dreamnet)
    render(replace(again, resume=True), dreamer)
    assert dreamer.begun <= 17  # the last 15, and at most what was written beyond a checkpoint
    render(replace(again, output=whole), Dreamer(other, dreamnet))
    a, b = pictures(whole), pictures(parts)
    assert len(a) == len(b) == 25
    assert all((x == y).all() for x, y in zip(a, b, strict=True))


def test_what_workers_began_is_not_lost_by_accident(tmp_path: Path, dreamnet: Network) -> None:
    out = tmp_path / "out.mkv"
    plan = Checkpoints(out).folder / MANIFEST
    plan.parent.mkdir()
    plan.write_text("{}")
    brief = job(CLOUDS.replace("seconds=2", "seconds=0.2"), out)
    with pytest.raises(SettingsError, match="several workers: add --resume and --workers, or"):
        render(brief, Dreamer(SMALL, dreamnet))
    with pytest.raises(SettingsError, match="several workers: add --workers"):
        render(replace(brief, resume=True), Dreamer(SMALL, dreamnet))
    assert plan.exists()
    _stopped(replace(brief, overwrite=True), Dreamer(SMALL, dreamnet), 2)
    render(replace(brief, resume=True), Dreamer(SMALL, dreamnet))
    assert len(pictures(out)) == 5


def test_resuming_with_other_settings_is_refused(
    tmp_path: Path, dreamnet: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livedream.jobs.checkpoint._EVERY_S", 0.0)
    out = tmp_path / "out.mkv"

    def stop(dream: object, report: object) -> None:
        if report.frames >= 8:  # type: ignore[attr-defined]
            raise StoppedError

    with pytest.raises(StoppedError):
        render(job(CLOUDS, out), Dreamer(SMALL, dreamnet), watch=stop)
    other = SMALL.replace(strength=3.0)
    with pytest.raises(LivedreamError, match="strength"):
        render(job(CLOUDS, out, settings=other, resume=True), Dreamer(other, dreamnet))
    with pytest.raises(SettingsError, match=r"warm_up is 0.0, the stopped render .* had 1.0; give"):
        render(job(CLOUDS, out, resume=True, warm_up=0.0), Dreamer(SMALL, dreamnet))


def test_a_checkpoint_that_does_not_fit_stops_no_film(
    tmp_path: Path, dreamnet: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livedream.jobs.checkpoint._EVERY_S", 0.0)
    refused = []

    def save(self: Checkpoints, checkpoint: Checkpoint) -> None:
        if checkpoint.index:
            refused.append(checkpoint.index)
            raise SinkError("no space left")

    monkeypatch.setattr(Checkpoints, "save", save)
    brief = job(CLOUDS.replace("seconds=2", "seconds=0.2"), tmp_path / "out.mkv")
    assert render(brief, Dreamer(SMALL, dreamnet)).complete and refused
    assert len(pictures(brief.output)) == 5


def test_stopped_before_its_first_frame_a_render_leaves_nothing(
    tmp_path: Path, dreamnet: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is left alone neither `--resume` nor several workers could make anything."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("livedream.jobs.render.write_dreams", stop)
    with pytest.raises(KeyboardInterrupt):
        render(job(CLOUDS, tmp_path / "out.mkv"), Dreamer(SMALL, dreamnet))
    assert list(tmp_path.iterdir()) == []


class _Asleep(Dreamer):
    """Must not be asked for anything."""

    def begin(self, *args: Any, **more: Any) -> Callable[[], Dream]:
        raise AssertionError("a frame that is there was dreamed again")


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "frames/%03d.png"])
def test_a_finished_film_is_not_dreamed_again(tmp_path: Path, dreamnet: Network, name: str) -> None:
    done = job(CLOUDS.replace("seconds=2", "seconds=0.2"), tmp_path / name)
    render(done, Dreamer(SMALL, dreamnet))
    before = pictures(done.output)
    report = render(replace(done, resume=True), _Asleep(SMALL, dreamnet))
    assert report.complete and not report.frames
    other = replace(done, settings=SMALL.replace(strength=3.0), resume=True)
    with pytest.raises(SettingsError, match=r"--resume: strength is 3\.0, the stopped render of"):
        render(other, _Asleep(other.settings, dreamnet))
    after = pictures(done.output)
    assert len(before) == len(after) == 5
    assert all((x == y).all() for x, y in zip(before, after, strict=True))


@pytest.mark.parametrize("name", ["out.mkv", "dreamed/%03d.png"])
def test_pictures_are_not_gone_on_with_at_another_rate(
    tmp_path: Path, dreamnet: Network, name: str
) -> None:
    shot = tmp_path / "shot"
    with open_source(CLOUDS) as source, open_sink(f"{shot}/", source.info) as sink:
        for frame in islice(source, 5):
            sink.write(frame)
    wanted = job(shot, tmp_path / name, fps=Fraction(30))

    def stop(dream: object, report: RenderReport) -> None:
        if report.frames == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(wanted, Dreamer(SMALL, dreamnet), watch=stop)
    for fps, found in ((Fraction(24000, 1001), "'24000/1001'"), (None, "None")):
        other = replace(wanted, fps=fps, resume=True)
        with pytest.raises(SettingsError, match=f"--resume: fps is {found}, .* had '30'"):
            render(other, Dreamer(SMALL, dreamnet))
    render(replace(wanted, resume=True), Dreamer(SMALL, dreamnet))
    assert len(pictures(wanted.output)) == 5


class _Full(Dreamer):
    """Has no memory for a dream."""

    def begin(self, *args: Any, **more: Any) -> Callable[[], Dream]:
        raise MemoryError


@pytest.mark.parametrize(
    ("kind", "flow", "error"), [(Dreamer, "missing.onnx", FlowError), (_Full, "dis", MemoryError)]
)
def test_what_cannot_be_dreamed_replaces_nothing(
    tmp_path: Path, dreamnet: Network, kind: type[Dreamer], flow: str, error: type[Exception]
) -> None:
    settings = SMALL.replace(flow=flow)
    wanted = job(CLOUDS, tmp_path / "out.mp4", settings=settings, overwrite=True)
    wanted.output.write_text("precious")
    with pytest.raises(error):
        render(wanted, kind(settings, dreamnet))
    assert wanted.output.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def _spawn(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "livedream", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _has_frames(path: Path, count: int) -> bool:
    try:
        return len(times(path)) >= count
    except (OSError, av.FFmpegError, IndexError):
        return False


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("name", ["out.mp4", pytest.param("out.mkv", marks=pytest.mark.slow)])
def test_killed_it_plays_and_goes_on(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / name
    clouds = CLOUDS.replace("seconds=2", "seconds=4")
    worker = _spawn("render", clouds, "-o", str(out), *OPTIONS)
    until(lambda: _has_frames(out, 10))
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    assert len(times(out)) >= 10
    killed = out.read_bytes()
    assert main(["render", clouds, "-o", str(out), "--resume", *OPTIONS, "--strength", "30"]) == 2
    assert "--resume: strength is 30.0, the stopped render of out" in capsys.readouterr().err
    assert out.read_bytes() == killed
    assert main(["render", clouds, "-o", str(out), "--resume", *OPTIONS]) == 0
    expected = [i / 25 for i in range(100)]
    assert times(out) == pytest.approx(expected, abs=1e-9)
    aloud = [option for option in OPTIONS if option != "--quiet"]
    assert main(["render", clouds, "-o", str(out), "--resume", *aloud]) == 0
    assert times(out) == pytest.approx(expected, abs=1e-9)
    assert "already complete" in capsys.readouterr().out


@pytest.mark.parametrize("curves", ["", "0.6:network=dreamnet-birds"])
def test_a_part_of_a_film_has_the_masks_of_the_film_s_time(tmp_path: Path, curves: str) -> None:
    for number in range(10):  # white from 1.2 s to 1.6
        mask = np.full((9, 16), 255 * (number in (6, 7)), np.uint8)
        cv2.imwrite(str(tmp_path / f"{number:02d}.png"), mask)
    settings = SMALL.replace(where=f"mask({tmp_path}/%02d.png)", flow="none")
    found: list[list[float]] = []
    for start_s in (0.0, 1.0):
        moved = Automation(curves=parse_curves(curves)) if curves else None
        part = job(
            CLOUDS.replace("fps=25", "fps=5"), tmp_path / f"{start_s}.mkv", settings=settings,
            start_s=start_s, automation=moved,
        )  # fmt: skip
        planes = list[float]()

        def watch(dream: Dream, report: RenderReport, planes: list[float] = planes) -> None:
            assert dream.planes is not None and dream.planes.grow is not None
            planes.append(float(dream.planes.grow.mean()))

        render(part, watch=watch)
        found.append(planes)
    assert found[1] == found[0][5:] == [0.0, *[1.0] * 2, *[0.0] * 2]


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_finishes_the_file(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    worker = _spawn(
        "render", str(clip), "-o", str(out), "--iterations", "20", "--flow", "none", *OPTIONS
    )
    until(lambda: _has_frames(out, 5))
    worker.send_signal(signal.SIGINT)
    _, said = worker.communicate(timeout=PATIENCE_S)
    assert worker.returncode == 130
    assert "Traceback" not in said
    assert 5 <= len(times(out)) < 50
    video_s = times(out)[-1]
    assert packets(out, "audio")[-1][0] <= video_s + 0.1
