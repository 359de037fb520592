"""Checkpoints: whole or not there, the last few kept, the right one found."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livedream.control.automation import Automation
from livedream.control.curves import parse_curves
from livedream.control.presets import Preset
from livedream.control.programs import Step
from livedream.core.errors import SettingsError, SinkError
from livedream.core.settings import DreamSettings
from livedream.dream.own_networks import note_network, unlist_network
from livedream.jobs.checkpoint import Checkpoint, Checkpoints
from livedream.jobs.render import RenderJob, check_same


def checkpoint(index: int) -> Checkpoint:
    state = {
        "residual": np.full((3, 4, 5), index, np.float32),
        "half": np.array([index], np.float16),
        "scalar": np.array(7, np.int64),
        "strided": np.arange(24, dtype=np.uint8).reshape(4, 6)[:, ::2],
    }
    return Checkpoint(index, state, '{"a": "ü"}')


@pytest.fixture
def kept(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "out.mp4")


def test_what_goes_in_comes_out(kept: Checkpoints) -> None:
    kept.save(checkpoint(12))
    found = kept.newest()
    assert found is not None
    assert (found.index, found.settings) == (12, '{"a": "ü"}')
    for name, array in checkpoint(12).state.items():
        assert np.array_equal(found.state[name], array)
        assert found.state[name].dtype == array.dtype
        assert found.state[name].shape == array.shape


def test_the_newest_that_the_file_has_caught_up_with(kept: Checkpoints) -> None:
    for index in (10, 20, 30, 40):
        kept.save(checkpoint(index))
    found = [kept.newest(frames) for frames in (9, 10, 29, 40, 99)]
    assert [None if f is None else f.index for f in found] == [None, 10, 20, 40, 40]


def test_only_the_first_and_the_last_few_are_kept(kept: Checkpoints) -> None:
    for index in range(0, 100, 10):
        kept.save(checkpoint(index))
    first = kept.newest(59)
    assert first is not None and first.index == 0
    assert len(list(kept.folder.iterdir())) == 5


def test_the_first_one_has_no_state_and_tells_the_settings(kept: Checkpoints) -> None:
    assert kept.settings is None
    kept.save(Checkpoint(0, settings='{"a": 1}'))
    assert kept.settings == '{"a": 1}'
    found = kept.newest(3)
    assert found is not None and not found.state


def test_a_damaged_one_is_passed_over(kept: Checkpoints) -> None:
    kept.save(checkpoint(1))
    kept.save(checkpoint(2))
    newest = max(kept.folder.iterdir())
    newest.write_bytes(newest.read_bytes()[:40])
    (kept.folder / ".000000000003.safetensors.part").write_bytes(b"half")
    found = kept.newest()
    assert found is not None
    assert found.index == 1


def test_removing_leaves_nothing(kept: Checkpoints, tmp_path: Path) -> None:
    kept.save(checkpoint(1))
    kept.remove()
    kept.remove()
    assert kept.newest() is None
    assert list(tmp_path.iterdir()) == []


def test_no_room_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "out.mp4.livedream-state").write_text("in the way")
    with pytest.raises(SinkError, match="cannot be written"):
        Checkpoints(tmp_path / "out.mp4").save(checkpoint(1))


def test_those_beyond_the_file_are_forgotten(kept: Checkpoints) -> None:
    for index in (10, 20, 30, 40):
        kept.save(checkpoint(index))
    kept.forget(20)
    kept.save(checkpoint(21))
    assert sorted(int(path.stem) for path in kept.folder.iterdir()) == [10, 20, 21]


def test_another_source_of_the_same_name_is_not_gone_on_with(tmp_path: Path) -> None:
    film, series = tmp_path / "film.mkv", tmp_path / "shot"
    series.mkdir()
    film.write_bytes(b"12345")
    (series / "1.png").touch()
    jobs = [RenderJob(source=str(source), output=Path("out.mkv")) for source in (film, series)]
    begun = [job.identity() for job in jobs]
    film.write_bytes(b"123")
    (series / "2.png").touch()
    for job, then, found in zip(jobs, begun, ("bytes is 3, .* 5", "files is 2, .* 1"), strict=True):
        check_same(job, job.identity())
        with pytest.raises(SettingsError, match=f"--resume: source_{found};"):
            check_same(job, then)
        older = {k: v for k, v in json.loads(then).items() if not k.startswith("source_")}
        check_same(job, json.dumps(older))


@pytest.mark.parametrize("warm_up", [0.0, 1.0])
def test_what_an_earlier_version_began_was_dreamed_otherwise(warm_up: float) -> None:
    job = RenderJob(source="noise", output=Path("out.mkv"), warm_up=warm_up)
    told = json.loads(job.identity())
    assert told.pop("warm_up") == warm_up
    with pytest.raises(SettingsError, match=r"out\.mkv was begun by an earlier version"):
        check_same(job, json.dumps(told))
    replay = replace(job, replay=Path("show.jsonl"))
    check_same(replay, replay.identity())


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"where": "!mask({})"}, "stencil.png"),
        ({"where": "left | painted"}, "masks/painted.png"),
        ({"objective": "eyes@mask({})"}, "matte.mp4"),
        ({"objective": "eyes + guide(faces, {})"}, "me.jpg"),
        ({"weights": "{}"}, "garden.safetensors"),
        ({"where": "network({})"}, "people.onnx"),
        ({"flow": "{}"}, "flow.onnx"),
    ],
)
def test_other_masks_and_guides_of_the_same_names_are_not_gone_on_with(
    settings: dict[str, str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"1")
    own = DreamSettings(**{key: text.format(path) for key, text in settings.items()})

    def job() -> RenderJob:
        return RenderJob(source="noise", output=Path("out.mkv"), settings=own)

    then = job().identity()
    check_same(job(), then)
    path.write_bytes(b"22")
    with pytest.raises(SettingsError, match="--resume: a mask, guide or network is no longer"):
        check_same(job(), then)
    older = {k: v for k, v in json.loads(then).items() if k != "files"}
    check_same(job(), json.dumps(older))
    own = DreamSettings(where="left")
    with pytest.raises(SettingsError, match=r"--resume: (flow|where|objective|weights)\b"):
        check_same(job(), then)  # the name says more


def test_another_network_and_a_preset_s_other_mask_are_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    mask = tmp_path / "mask.png"
    mask.write_bytes(b"1")
    preset = Preset(name="garden", values={"where": f"mask({mask})"})
    steps = ((Step("ink", 1.0), Preset(name="ink", values={})), (Step("garden", 1.0), preset))
    keyframe = parse_curves(f'5:where="mask({mask})"')
    weights = tmp_path / "networks/garden.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"1")
    note_network("garden", {})
    for more in (
        {"automation": Automation(steps=steps)},
        {"automation": Automation(curves=keyframe)},
        {"settings": DreamSettings(network="garden")},
    ):
        then = RenderJob(source="noise", output=Path("out.mkv"), **more).identity()  # type: ignore[arg-type]
        for file in (mask, weights):
            file.write_bytes(file.read_bytes() + b"2")
        unlist_network("garden")
        note_network("garden", {})
        now = RenderJob(source="noise", output=Path("out.mkv"), **more)  # type: ignore[arg-type]
        with pytest.raises(SettingsError, match="--resume: a mask, guide or network"):
            check_same(now, then)
