"""Names that people give their files: colons, percent signs, as long as the file system takes."""

from pathlib import Path

import av
import pytest
from files_made import frames, info, make_video

from livedream.capture import open_source
from livedream.cli.named import output_of, stem_of
from livedream.core.errors import SettingsError, SinkError
from livedream.core.whole_file import beside
from livedream.jobs.checkpoint import Checkpoint, Checkpoints
from livedream.media.tags import SETTINGS, read_settings
from livedream.present import open_sink
from livedream.present.picture import write_picture

FILMS = (".mp4", ".mov", ".mkv", ".webm")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shown(name: str) -> int:
    """How many frames FFmpeg finds in a file, given by its absolute name."""
    with av.open(str(Path(name).absolute())) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize(
    "name", ["12:30:00.mp4", "file:x.mkv", "pipe:1.webm", "http:/a.avi", "a:b.ts", "a:b.mov"]
)
def test_a_colon_is_no_protocol(name: str) -> None:
    Path("http:").mkdir()
    made = make_video(Path("plain.mkv").absolute(), tones=1)
    Path("2024-01-01T12:30:00.mkv").write_bytes(made.read_bytes())
    with (
        open_source("2024-01-01T12:30:00.mkv") as source,
        open_sink(name, source.info, metadata={SETTINGS: "{}"}) as sink,
    ):
        for frame in source:
            sink.write(frame)
    assert shown(name) == 12
    if not name.endswith((".ts", ".avi")):
        assert read_settings(name) == "{}"
        with open_sink(name, source.info, resume=True) as sink:
            assert sink.frames_written == 12
    assert not [p for p in Path().iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("name", ["a:b.gif", "a:b.webp", "a:%03d.png"])
def test_animations_and_series_take_colons(name: str) -> None:
    with open_sink(name, info()) as sink:
        for frame in frames(3):
            sink.write(frame)
    with open_source(name) as source:
        assert len(list(source)) == 3


@pytest.mark.parametrize("name", ["100%done.mp4", "a%03d.mkv", "%.mp4", "%s%n.mp4", "what?.mkv"])
def test_a_percent_sign_in_a_video_is_just_that(name: str) -> None:
    with open_sink(name, info()) as sink:
        for frame in frames(3):
            sink.write(frame)
    assert [p.name for p in Path().iterdir()] == [name]
    with open_source(name) as source:
        assert len(list(source)) == 3


@pytest.mark.parametrize("letter", ["x", "ä", "あ", "😀"])
@pytest.mark.parametrize("size", [245, 255])
@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_long_name_leaves_room_for_what_is_written_beside_it(
    letter: str, size: int, suffix: str
) -> None:
    stem = letter * ((size - len(suffix)) // len(letter.encode()))
    name = f"{stem:x<1}{suffix}"
    name = "x" * (size - len(name.encode())) + name
    assert len(name.encode()) == size
    with open_sink(name, info()) as sink:
        for frame in frames(3):
            sink.write(frame)
    assert [p.name for p in Path().iterdir()] == [name]
    assert shown(name) == 3
    if suffix == ".mp4":
        with open_sink(name, info(), resume=True) as sink:
            assert sink.frames_written == 3


def test_a_long_name_is_resumed() -> None:
    kept = Checkpoints(Path("x" * 251 + ".mp4"))
    kept.save(Checkpoint(3, {}, "{}"))
    again = Checkpoints(Path("x" * 251 + ".mp4")).newest()
    assert again is not None
    assert again.index == 3
    assert Checkpoints(Path("x" * 250 + "y.mp4")).newest() is None
    kept.remove()
    assert not list(Path().iterdir())


def test_a_long_picture_is_written() -> None:
    name = "x" * 251 + ".png"
    write_picture(Path(name), frames(1)[0].rgb)
    assert [p.name for p in Path().iterdir()] == [name]


@pytest.mark.parametrize(
    "name",
    ["x" * 252 + ".mp4", "あ" * 84 + ".mp4", "x" * 300 + ".gif"],
    ids=lambda name: f"{len(name)} characters",
)
def test_a_name_that_is_too_long_is_one_clear_line(name: str) -> None:
    with pytest.raises(SinkError, match=r"too long a name: at most 255 bytes \(got \d+\)"):
        open_sink(name, info())
    assert not list(Path().iterdir())


def test_what_belongs_to_a_file_stands_beside_it() -> None:
    assert beside(Path("a/b.mp4"), ".part") == Path("a/.b.mp4.part")
    one, other = (beside(Path("a", "x" * 250 + end), ".part") for end in ("1.mp4", "2.mp4"))
    assert one != other
    assert one.parent == Path("a")
    assert one.name.startswith(".xxx")
    assert one.name.endswith(".part")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("what?.mkv", "what?.dream.mkv"),
        ("100%done.mp4", "100%done.dream.mp4"),
        ("12:30.mov", "12:30.dream.mov"),
        ("frames/shot_%05d.png", "shot.dream.mp4"),
        ("frames/%05d.png", "frames.dream.mp4"),
        ("frames/", "frames.dream.mp4"),
        ("noise?size=64x64", "noise.dream.mp4"),
        ("synthetic:clouds?seed=2", "synthetic-clouds.dream.mp4"),
        ("a/b/beach.photo.jpg", "beach.photo.dream.mp4"),
    ],
)
def test_a_dream_is_named_after_its_source(source: str, name: str) -> None:
    assert output_of(None, source, suffixes=FILMS) == Path(name)
    assert f"{stem_of(source)}.dream{Path(name).suffix}" == name


@pytest.mark.parametrize("inputs", [1, 2])
def test_a_folder_gets_one_film_of_each_source(tmp_path: Path, inputs: int) -> None:
    """However many a shell's *.mp4 has found, and whether the folder is there or not."""
    for folder in (f"{tmp_path}/new/", f"{tmp_path}/", str(tmp_path)):
        assert (
            output_of(folder, "a.mov", suffixes=FILMS, inputs=inputs)
            == Path(folder) / "a.dream.mov"
        )
    assert not (tmp_path / "new").exists()  # `livedream check` asks as well
    assert output_of("new/%05d.png", "a.mov", suffixes=FILMS) == Path("new/%05d.png")
    with pytest.raises(SettingsError, match=r"one output file 'b\.mp4'"):
        output_of("b.mp4", "a.mov", suffixes=FILMS, inputs=2)
