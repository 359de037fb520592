"""A show written down while it happened, read back, and dreamed again."""

import json
import math
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from recorded import Pool, stay_on_device

from livedream.capture import open_source
from livedream.cli import main
from livedream.cli.render import check_jobs
from livedream.control.catalogue import own_objective
from livedream.control.live_parameters import TAKEN_BACK, LiveParameters
from livedream.control.modulation import Modulation, Modulator
from livedream.control.presets import Presets
from livedream.control.show import Show
from livedream.control.show_log import OFFSETS_S, ShowLog
from livedream.control.show_reader import Playback, read_show
from livedream.control.tempo import Tempo
from livedream.core.errors import SettingsError, SinkError
from livedream.core.settings import DreamSettings
from livedream.core.snapshot import Snapshot
from livedream.dream.dreamer import Dream, Dreamer
from livedream.jobs.checkpoint import Checkpoints
from livedream.jobs.render import RenderJob, render
from livedream.jobs.replay import ShowDreamer
from livedream.jobs.report import RenderReport
from livedream.live.regions import LiveRegions
from livedream.region.painting import Painting, decoded

SMALL = {
    "size": "source", "flow_size": "72p", "octaves": 1, "iterations": 1, "device": "cpu",
    "objective": "strokes",
}  # fmt: skip
CLOUDS = "synthetic:clouds?size=128x72&fps=10&seconds={}&seed=3"


def perform(path: Path, folder: Path) -> list[Snapshot]:
    """A show of five seconds on a clock of its own; the snapshots it went through."""
    now = [1000.0]
    parameters = LiveParameters(
        DreamSettings(**SMALL), clock=lambda: now[0], own_objective=own_objective
    )
    modulation = Modulation(parameters, Tempo(), clock=lambda: now[0])
    show = Show(parameters, Presets(folder), modulation, clock=lambda: now[0])
    parameters.set("saturation", 1.5, ramp_s=0)  # before the log began
    parameters.set("launch", "bar")
    log = ShowLog(path, parameters, {"source": "camera"}, clock=lambda: now[0])
    log.start()
    modulation.on_step = log.modulated
    seen = []
    for frame in range(50):
        now[0] = 1000.0 + frame / 10
        if frame == 3:
            log.recording(Path("anywhere/camera-1.mkv"), now[0])
            parameters.set("strength", 30.0, origin="panel 1", ramp_s=0.5)
        if frame == 5:
            show.call_preset("ink", 1.5, origin="osc 127.0.0.1:5000")
        if frame == 20:
            parameters.set("on", "bar:2", origin="panel 1")
        if frame == 30:
            show.act("freeze", origin="keys")
            show.act("reset", origin="keys")
            show.modulate([Modulator(parameter="hue", depth=0.4, period_s=3.0)], 0)
        show.follow()
        modulation.step(now[0])
        seen.append(parameters.snapshot())
        time.sleep(0.001)
    log.close()
    return seen


def test_a_log_gives_the_same_show_again(tmp_path: Path) -> None:
    path = tmp_path / "show.jsonl"
    seen = perform(path, tmp_path)
    script = read_show(path)
    assert script.grade.saturation == 1.5
    assert script.start_of("elsewhere/camera-1.mkv") == pytest.approx(0.3)
    playback = Playback(script, script.dream)
    for index, wanted in enumerate(seen):
        found = playback.snapshot(index / 10 + 1e-6)
        assert found.dream.objective == wanted.dream.objective
        assert found.dream.strength == pytest.approx(wanted.dream.strength, abs=0.01)
        assert found.grade.contrast == pytest.approx(wanted.grade.contrast, abs=0.001)
        assert found.grade.hue == pytest.approx(wanted.grade.hue, abs=0.2)
        assert found.grade.freeze == wanted.grade.freeze
        assert playback.parameters.target("on") == ("bar:2" if index >= 20 else "off")
        assert found.triggers == wanted.triggers


@pytest.mark.parametrize("kept", [False, True])
def test_what_was_painted_is_painted_again(tmp_path: Path, kept: bool) -> None:
    now, path = [1000.0], tmp_path / "show.jsonl"
    parameters = LiveParameters(DreamSettings(**SMALL), clock=lambda: now[0])
    first = Painting()
    first.do({"paint": [[0.1, 0.1]], "brush": 0.3, "begins": True})
    parameters.painting.begin(300, 200, decoded(first.png()) if kept else None)
    log = ShowLog(path, parameters, clock=lambda: now[0])
    log.start()
    seen = [parameters.snapshot()]
    for what in (
        {"paint": [[0.2, 0.2], [0.8, 1 / 3]], "brush": 0.15, "begins": True},
        {"paint": [[0.8, 1 / 3], [0.7, 0.9]], "brush": 0.15},
        {"paint": [[0.5, 0.25]], "brush": 0.3, "erase": True, "begins": True},
        {"painting": "undo"},
        {"painting": "clear"},
    ):
        now[0] += 1.0
        parameters.paint(what, origin="panel 1")
        seen.append(parameters.snapshot())
    log.close()
    playback = Playback(read_show(path), DreamSettings(**SMALL))
    for second, wanted in enumerate(seen):
        found = playback.snapshot(second + 1e-6).painted
        assert found is not None and wanted.painted is not None
        np.testing.assert_array_equal(found.plane, wanted.painted.plane)
    assert all(len(line) < 5000 for line in path.read_text().splitlines()[1:])
    dreamer = Dreamer(DreamSettings(**SMALL, where="painted", feather=0.0))
    show = ShowDreamer(dreamer, Playback(read_show(path), dreamer.settings, ("where", "feather")))
    with open_source("synthetic:clouds?size=128x72&fps=1&seconds=3&seed=3") as source:
        for dream in show.dreams(source):
            painted = seen[dream.source.index].painted
            assert painted is not None
            outside = cv2.resize(painted.plane, (128, 72), interpolation=cv2.INTER_AREA) == 0
            changed = (dream.frame.rgb != dream.source.rgb).any(2)
            assert not changed[outside].any()
    assert changed.any()


def test_a_mask_that_moves_is_at_the_show_s_time_as_it_was_live(tmp_path: Path) -> None:
    for number in range(40):  # white after 1.2 s
        mask = np.full((9, 16), 255 * (number >= 30), np.uint8)
        cv2.imwrite(str(tmp_path / f"{number:02d}.png"), mask)
    now, path = [1000.0], tmp_path / "show.jsonl"
    where = f"mask({tmp_path}/%02d.png)"
    parameters = LiveParameters(
        DreamSettings(**SMALL, where=where, flow="none"), clock=lambda: now[0]
    )
    log = ShowLog(path, parameters, clock=lambda: now[0])
    log.start()
    regions, seen, found = LiveRegions(begun_s=log.begun_s), list[float](), list[float]()
    frame = np.full((72, 128, 3), 128, np.uint8)
    for number in range(9):  # of which the last four are recorded
        now[0] = 1000 + number / 5
        planes = regions.step(parameters.snapshot(now[0]), frame, None, 0.2)
        assert planes is not None and planes.grow is not None
        seen.append(float(planes.grow.mean()))
    log.recording(Path("camera.mkv"), 1001.0)
    log.close()

    def watch(dream: Dream, report: RenderReport) -> None:
        assert dream.planes is not None and dream.planes.grow is not None
        found.append(float(dream.planes.grow.mean()))

    source = "synthetic:clouds?size=128x72&fps=5&seconds=0.8"
    render(RenderJob(source=source, output=tmp_path / "again.mkv", replay=path), watch=watch)
    assert found == seen[5:] == [0.0, 1.0, 1.0, 0.0]


def test_each_change_is_one_line_with_time_and_origin(tmp_path: Path) -> None:
    path = tmp_path / "show.jsonl"
    perform(path, tmp_path)
    header, *lines = map(json.loads, path.read_text().splitlines())
    assert header["source"] == "camera"
    assert header["dream"]["seed"] == 0
    assert header["show"] == {"on": "off", "launch": "bar"}
    first = next(line for line in lines if "set" in line)
    assert first == {"t": 0.3, "set": {"strength": 30.0}, "by": "panel 1", "glide_s": 0.5}
    together = [line for line in lines if "seconds" in line]
    assert len(together) == 1
    # Called after half a second, to be there after two, on the bar.
    assert (together[0]["t"], together[0]["seconds"]) == (1.0, 1.0)
    assert together[0]["by"] == "osc 127.0.0.1:5000"
    assert {"objective", "strength", "contrast"} <= set(together[0]["set"])
    assert {"t": 3.0, "trigger": "reset", "by": "keys"} in lines


def test_the_tempo_is_a_line_where_it_is_another_than_the_last_one_says(tmp_path: Path) -> None:
    path, now = tmp_path / "show.jsonl", [1000.0]
    parameters, tempo = LiveParameters(DreamSettings()), Tempo(120.0, 1000.0)
    log = ShowLog(path, parameters, clock=lambda: now[0], tempo=tempo)
    log.start()
    modulation = Modulation(parameters, tempo, clock=lambda: now[0])
    modulation.on_step = log.modulated
    for step in range(600):
        now[0] = 1000.0 + step / 60
        if step == 240:  # a beat later than they were
            tempo.set_bpm(90.0, now[0])
        if step >= 420:
            tempo.follow("Link", 1.5 + (step - 420) / 60 * 124 / 60, 124.0, now[0])
        modulation.step(now[0])
    log.close()
    _, *lines = map(json.loads, path.read_text().splitlines())
    assert lines == [
        {"t": 0.0, "bpm": 120.0, "beats": 0.0},
        {"t": 4.0, "bpm": 90.0, "beats": 8.0},
        {"t": 7.0, "bpm": 124.0, "beats": 1.5, "by": "Link"},
    ]


def test_what_moves_all_the_time_is_ten_lines_a_second_and_replayed_evenly(tmp_path: Path) -> None:
    path, now = tmp_path / "show.jsonl", [1000.0]
    parameters = LiveParameters(DreamSettings(**SMALL), clock=lambda: now[0])
    log = ShowLog(path, parameters, clock=lambda: now[0])
    log.start()
    hues = []
    for step in range(601):
        now[0] = 1000.0 + step / 60
        offset = 0.2 * math.sin(now[0]) if step < 300 else 0.125
        for key, value in (("wave", offset), ("still", 0.1)):
            parameters.modulate("hue", key, value)
            log.modulated(now[0], {("hue", key): value})
        hues.append(parameters.snapshot().grade.hue)
    log.modulated(now[0] + 1.0, {("hue", "wave"): None, ("hue", "still"): None})
    log.close()
    _, *lines = map(json.loads, path.read_text().splitlines())
    assert len([line for line in lines if line["t"] < 5.0]) <= 52
    assert len([line for line in lines if line["t"] >= 5.0]) <= 2
    assert sum("still" in line["offsets"]["hue"] for line in lines) == 2
    playback = Playback(read_show(path), DreamSettings(**SMALL))
    found = [playback.snapshot(step / 60).grade.hue for step in range(601)]
    np.testing.assert_allclose(found[6:], hues[6:], atol=0.5)
    np.testing.assert_allclose(found[310:], hues[310:], atol=0.1)
    assert np.abs(np.diff(found[6:290])).max() < 1.5 * np.abs(np.diff(hues[6:290])).max() + 0.1
    assert playback.snapshot(12.0).grade.hue == parameters.target("hue")


def test_what_jumps_is_replayed_where_it_jumped(tmp_path: Path) -> None:
    path, now = tmp_path / "show.jsonl", [1000.0]
    parameters = LiveParameters(DreamSettings(**SMALL), clock=lambda: now[0])
    log = ShowLog(path, parameters, clock=lambda: now[0])
    log.start()
    hues = []
    for step in range(300):
        now[0] = 1000.0 + step / 30
        since_beat_s = step % 17 / 30
        for key, value in (
            ("square", 0.05 if step % 100 < 50 else -0.05),
            ("beat", 0.2 * math.exp(-since_beat_s / 0.18)),
        ):
            parameters.modulate("hue", key, value)
            log.modulated(now[0], {("hue", key): value})
        hues.append(parameters.snapshot().grade.hue)
    log.close()
    playback = Playback(read_show(path), DreamSettings(**SMALL))
    found = np.array([playback.snapshot(step / 30).grade.hue for step in range(300)])
    off = np.abs(found - hues)[6:] / np.ptp(hues)
    assert off[np.abs(np.diff(hues))[5:] > 0.5 * np.ptp(hues)].max() < 0.01
    assert off.max() < 0.15  # on a beat's way down, which is logged ten times a second
    assert len(path.read_text().splitlines()) < 10 / OFFSETS_S + 2 * (300 / 17 + 300 / 50) + 5


def test_what_is_given_again_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "show.jsonl"
    perform(path, tmp_path)
    script = read_show(path)
    settings = script.dream.replace(strength=44.0, octaves=3)
    playback = Playback(script, settings, ("strength", "octaves"))
    for index in range(50):
        found = playback.snapshot(index / 10).dream
        assert (found.strength, found.octaves) == (44, 3)


def test_what_only_a_live_show_sees_is_found_before_a_recording_comes_to_it(tmp_path: Path) -> None:
    now, path = [1000.0], tmp_path / "show.jsonl"
    parameters = LiveParameters(DreamSettings(**SMALL), clock=lambda: now[0])
    log = ShowLog(path, parameters, clock=lambda: now[0])
    log.start()
    log.recording(Path("camera.mkv"), 1005.0)
    now[0] = 1006.0
    parameters.set("where", "mask(camera:1)")
    log.close()
    job = RenderJob(
        source=CLOUDS.format("1.5"), output=tmp_path / "again.mkv",
        settings=DreamSettings(**SMALL), replay=path,
    )  # fmt: skip
    for part in ({}, {"start_s": 0.8}):
        with pytest.raises(SettingsError, match=r"6 s: where: camera:1 is live, .* give --where"):
            check_jobs([replace(job, **part)])
    for part in ({"end_s": 0.8}, {"kept": ("where",)}):
        check_jobs([replace(job, **part)])


def test_a_replay_that_is_stopped_leaves_nothing_to_go_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livedream.jobs.checkpoint._EVERY_S", 0.0)
    show, output = tmp_path / "show.jsonl", tmp_path / "again.mkv"
    perform(show, tmp_path)

    def stop(dream: Dream, report: RenderReport) -> None:
        if report.frames >= 4:
            raise KeyboardInterrupt

    job = RenderJob(
        source=CLOUDS.format("0.8"), output=output, settings=DreamSettings(**SMALL), replay=show
    )
    with pytest.raises(KeyboardInterrupt):
        render(job, watch=stop)
    assert not Checkpoints(output).folder.exists()


def test_what_is_no_log_is_never_written_to(tmp_path: Path) -> None:
    path = tmp_path / "show.jsonl"
    for text in ("{}", "my notes", "[3]", "7"):
        path.write_text(text)
        with pytest.raises(SinkError, match="not a show log"):
            ShowLog(path, LiveParameters(DreamSettings())).start()
        assert path.read_text() == text


def test_of_several_sessions_the_one_that_recorded_is_replayed_else_the_last(
    tmp_path: Path,
) -> None:
    path = tmp_path / "show.jsonl"
    perform(path, tmp_path)
    path.write_text(path.read_text() + '{"t": 4.9, "se')  # killed
    log = ShowLog(path, LiveParameters(DreamSettings(strength=3.0)))
    log.start()
    log.recording(Path("camera-2.mkv"), 0.0)
    log.close()
    assert read_show(path).dream.strength == 3.0
    assert read_show(path, "there/camera-2.mkv").dream.strength == 3.0
    first = read_show(path, "camera-1.mkv")
    assert first.dream.strength == 14.0
    assert len(first.events) > 20


def test_a_log_that_was_cut_off_can_be_read_and_nonsense_not(tmp_path: Path) -> None:
    path = tmp_path / "show.jsonl"
    perform(path, tmp_path)
    whole = path.read_text()
    path.write_text(whole + '{"t": 4.9, "se')
    assert len(read_show(path).events) == len(whole.splitlines()) - 1
    for text in ("", "{}", '{"log": 1}', '{"livedream": "1"\n{"log": 1}'):
        path.write_text(text)
        with pytest.raises(SettingsError, match="--replay"):
            read_show(path)
    path.write_bytes(b"\x00\x00\x00 ftypisom\xff\xfe\n\x80")  # somebody's video
    with pytest.raises(SettingsError, match="is not a show log; give"):
        read_show(path)


def test_an_objective_that_the_network_refused_is_not_replayed(tmp_path: Path) -> None:
    now = [0.0]
    parameters = LiveParameters(DreamSettings(objective="eyes"), clock=lambda: now[0])
    log = ShowLog(tmp_path / "show.jsonl", parameters, clock=lambda: now[0])
    log.start()
    for now[0], objective, origin in ((1, "stages", "osc"), (2, "eyes", TAKEN_BACK)):
        parameters.set("objective", objective, origin=origin)
    log.close()
    script = read_show(tmp_path / "show.jsonl")
    playback = Playback(script, script.dream)
    for moment_s in (0.5, 1.5, 5.0):
        assert "stages" not in playback.snapshot(moment_s).dream.objective


def test_a_network_that_was_refused_takes_nothing_earlier_with_it(tmp_path: Path) -> None:
    now = [0.0]
    parameters = LiveParameters(DreamSettings(objective="eyes"), clock=lambda: now[0])
    log = ShowLog(tmp_path / "show.jsonl", parameters, clock=lambda: now[0])
    log.start()

    def then(time_s: float, **values: str) -> None:
        now[0] = time_s
        parameters.apply(values, ramp_s=0.0)

    then(1.0, network="dreamnet-birds", objective="plumage")
    then(2.0, network="", objective="faces")
    then(3.0, prompt="elephant")
    now[0] = 4.0
    parameters.take_back("dreamnet+dreamnet-things", "", {})
    then(5.0, network="dreamnet-birds")
    then(6.0, objective="scales")  # while it is loaded, in vain
    now[0] = 7.0
    parameters.take_back("dreamnet-birds", "", {})
    then(8.0, network="dreamnet-insects", objective="scales")  # which it lacks
    now[0] = 9.0
    parameters.take_back("dreamnet-insects", "", {"objective": "", "prompt": ""})
    log.close()
    script = read_show(tmp_path / "show.jsonl")
    playback = Playback(script, script.dream)
    found = [playback.snapshot(moment_s + 0.5).dream for moment_s in range(10)]
    assert [(one.network, one.objective, one.prompt) for one in found] == [
        ("", "eyes", ""), ("dreamnet-birds", "plumage", ""), *6 * [("", "faces", "")],
        *2 * [("dreamnet-insects", "", "")],
    ]  # fmt: skip


class Fixed:
    """One board for every moment."""

    def __init__(self, **values: object) -> None:
        self.parameters = LiveParameters(DreamSettings(**SMALL))
        self.parameters.apply(values)
        self.at = 1e9  # long after: all glides are done

    def snapshot(self, time_s: float) -> Snapshot:
        self.at += 1
        return self.parameters.snapshot(self.at)


def dream(**values: object) -> list[np.ndarray]:
    moments = Fixed(**values)
    dreamer = Dreamer(moments.snapshot(0).dream)
    with open_source(CLOUDS.format("0.8")) as source:
        return [one.frame.rgb for one in ShowDreamer(dreamer, moments).dreams(source)]


def test_without_a_look_it_is_what_render_makes() -> None:
    with open_source(CLOUDS.format("0.8")) as source:
        rendered = [frame.rgb for frame in Dreamer(DreamSettings(**SMALL)).frames(source)]
    again = dream()
    assert len(again) == len(rendered) == 8
    for found, wanted in zip(again, rendered, strict=True):
        assert np.abs(found.astype(int) - wanted).max() <= 1


class Halfway(Fixed):
    """One network halfway to another, each with its own region."""

    def snapshot(self, time_s: float) -> Snapshot:
        now = super().snapshot(time_s)
        new = now.dream.replace(network="dreamnet-birds", objective="plumage@left")
        previous = now.dream.replace(objective="eyes@top")
        return replace(now, dream=new, previous=previous, crossfade=0.5)


def test_while_one_network_gives_way_to_another_both_have_their_regions() -> None:
    first = Dreamer(DreamSettings(**(SMALL | {"objective": "eyes@top"}), feather=0.0))
    with open_source(CLOUDS.format("0.2")) as source:
        *_, last = ShowDreamer(first, Halfway(feather=0.0)).dreams(source)
    assert last.planes is not None and last.planes.grow is not None
    assert sorted(map(str, last.planes.terms)) == ["left", "top"]
    corners = last.planes.grow[[10, 10, 60, 60], [10, 110, 10, 110]]
    assert corners.tolist() == [1, 1, 1, 0]
    placed = first.ascent.spec.objective.planes[0].numpy()
    assert placed[:25].min() == 1 and placed[40:].max() == 0


def test_on_a_device_it_is_the_same_show(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("precision", "fp32"), ("engine", "torch")):
        monkeypatch.setitem(SMALL, name, value)
    # With headroom a device dreams on what the mix shows of it.
    look = {"mix": 0.7, "saturation": 0.5, "zoom": 1.3, "strength": 20.0, "headroom": 0.0}
    wanted, pool = dream(**look), Pool()
    stay_on_device(monkeypatch, pool)
    found = dream(**look)
    assert pool.captured > 0
    for one, other in zip(found, wanted, strict=True):
        gap = np.abs(one.astype(int) - other)
        assert gap.mean() < 0.5 and gap[4:-4, 4:-4].max() <= 6


def test_the_look_is_seen() -> None:
    plain, gray = dream()[-1], dream(saturation=0.0)[-1]
    assert np.ptp(gray.astype(int), axis=2).max() <= 2
    assert np.abs(plain.astype(int) - gray).mean() > 3
    assert dream(blackout=True)[-1].max() == 0
    frozen = dream(freeze=True)
    assert np.array_equal(frozen[0], frozen[-1])
    travelled = dream(zoom=2.0, rotation=40.0)[-1]
    assert np.abs(plain.astype(int) - travelled).mean() > 3
    with open_source(CLOUDS.format("0.8")) as source:
        *_, last = source
    assert np.array_equal(dream(mix=0.0)[-1], last.rgb)


def test_the_command_dreams_the_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show, output = tmp_path / "show.jsonl", tmp_path / "again.mkv"
    perform(show, tmp_path)
    command = ["render", CLOUDS.format("1.5"), "-o", str(output), "--replay", str(show), "--quiet"]
    assert main(command) == 0
    with open_source(output) as found:
        pictures = [frame.rgb.astype(int) for frame in found]
    assert len(pictures) == 15
    colourful = [np.ptp(picture, axis=2).mean() for picture in pictures]
    assert colourful[-1] < 0.75 * colourful[5]  # "ink" came at one second, nearly without colour
    for other in (["--resume"], ["--warm-up", "0"]):
        assert main([*command, *other]) == 2
        assert f"{other[0]} cannot be combined" in capsys.readouterr().err
