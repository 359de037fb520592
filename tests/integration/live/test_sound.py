"""Sound goes along with the dream: clap and flash agree at each receiver of whole sessions."""

import time
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from clap_and_flash import make_film, watch

from livedream.core.errors import SettingsError
from livedream.core.grade import GradeSettings
from livedream.core.settings import DreamSettings
from livedream.live.session import LiveJob, Session

SMALL = DreamSettings(size="96p", flow="none", octaves=1, iterations=1)


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def job(source: object, *sinks: str, **more: object) -> LiveJob:
    return LiveJob(
        source=str(source),
        sinks=sinks,
        dream=SMALL,
        grade=GradeSettings(mix=0.0),
        limit_flashes=False,
        **more,
    )  # type: ignore[arg-type]


def test_a_film_that_loops_is_recorded_with_its_sound(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4")
    with Session(job(film, f"record:{tmp_path}", seconds=4.5)) as session:
        session.run()
    (path,) = tmp_path.glob("livedream-*.mp4")
    apart_ms = watch(str(path)).apart_ms()
    assert len(apart_ms) >= 3
    assert max(map(abs, apart_ms)) <= 40


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"sound": "source"}, "sound: the source has none; try --audio"),
        ({"sound": "audio"}, "sound: audio is what --audio listens to: add --audio"),
        ({"sound": "loud"}, "sound: must be one of auto, source, audio, none"),
    ],
)
def test_sound_that_is_not_there_is_one_line(more: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Session(job("synthetic:clouds?size=64x36", "record:none", **more)).close()


@pytest.mark.parametrize("sound", ["none", "auto"])
def test_where_there_is_no_sound_there_is_no_track(tmp_path: Path, sound: str) -> None:
    film = tmp_path / "film.mp4"
    source = make_film(film) if sound == "none" else "synthetic:clouds?size=64x36"
    with Session(job(source, f"record:{tmp_path}", sound=sound, seconds=0.5)) as session:
        session.run()
    (path,) = tmp_path.glob("livedream-*.mp4")
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
