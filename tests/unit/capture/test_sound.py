"""A file's sound on the film's own time."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from music_made import RATE, add_sound, write_sound

from livedream.capture import open_source
from livedream.capture.sound import sound_of
from livedream.core.errors import SourceError
from livedream.core.frame import SourceInfo

NOTHING = SourceInfo("clouds", 64, 48, Fraction(25), Fraction(1, 25))


def beep(at_s: float, seconds: float = 3.0) -> np.ndarray:
    """Silence, and from `at_s` on a tone."""
    times = np.arange(int(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * 500 * times) * (times >= at_s)).astype(np.float32)


def begins(sound: np.ndarray) -> float:
    return float(np.flatnonzero(np.abs(sound) > 0.1)[0]) / RATE


@pytest.mark.parametrize(
    ("name", "codec", "late_s"),
    [
        ("song.flac", "flac", 0.002),
        ("song.wav", "pcm_s16le", 0.002),
        ("song.m4a", "aac", 0.01),
        ("song.mp3", "libmp3lame", 0.03),
        ("song.mka", "aac", 0.01),
        ("song.opus", "libopus", 0.01),
    ],
)
def test_a_song_begins_with_the_film(tmp_path: Path, name: str, codec: str, late_s: float) -> None:
    path = write_sound(tmp_path / name, beep(1.0), codec)
    found = np.concatenate(list(sound_of(NOTHING, path)))
    assert begins(found) == pytest.approx(1.0, abs=late_s)
    assert len(found) / RATE == pytest.approx(3.0, abs=0.08)


def film(path: Path, sound: np.ndarray, first_s: Fraction = Fraction(0)) -> Path:
    """Three gray seconds; the sound begins `first_s` after the picture."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        stream = out.add_stream("aac", rate=RATE)
        stream.layout = "mono"
        for _ in range(75):
            gray = np.full((48, 64, 3), 90, np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(gray, format="rgb24")))
        out.mux(video.encode(None))
        add_sound(out, stream, sound, first_s)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_a_film_s_sound_lies_on_its_time_also_where_it_begins_late(
    tmp_path: Path, suffix: str
) -> None:
    path = film(tmp_path / f"film{suffix}", beep(0.5, 2.0), Fraction(3, 4))
    with open_source(path) as source:
        info = source.info
    found = np.concatenate(list(sound_of(info)))
    assert begins(found) == pytest.approx(1.25, abs=0.03)
    part = np.concatenate(list(sound_of(replace(info, start_s=1.0, end_s=2.0))))
    assert np.array_equal(part, found), "the whole of it, whatever is rendered"


def test_what_has_no_sound(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="give a song with --music"):
        list(sound_of(NOTHING))
    (tmp_path / "song.flac").write_bytes(b"no sound at all")
    for path in (tmp_path / "song.flac", tmp_path / "nowhere.flac"):
        with pytest.raises(SourceError, match=path.name):
            list(sound_of(NOTHING, path))


def test_what_does_not_decode_is_silence(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "song.m4a", beep(0.0), "aac")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes([255, 0] * 1000)
    path.write_bytes(bytes(data))
    found = np.concatenate(list(sound_of(NOTHING, path)))
    assert len(found) / RATE == pytest.approx(3.0, abs=0.08)
    assert np.isfinite(found).all()
