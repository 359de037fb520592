"""Bad input gets one clear line and exit code 2; nothing is overwritten, nothing lost."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from livedream.capture import open_source
from livedream.cli import main
from livedream.present import open_sink

CLOUDS = "synthetic:clouds?size=96x64&fps=25&seconds=0.2"
OPTIONS = ["--size", "64p", "--flow-size", "64p", "--quiet"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    try:
        code = main(list(arguments))
    except SystemExit as left:
        code = int(left.code or 0)
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["render", "missing.mp4"],
        ["render", "text.mp4"],
        ["render", "empty.mp4"],
        ["render", "."],
        ["render", "synthetic:cloud"],
        ["render", "synthetic:clouds?size=0x0"],
        ["render", CLOUDS, "-o", "nowhere/deep/out.mp4"],
        ["render", CLOUDS, "-o", "out.xyz"],
        ["render", CLOUDS, "-o", "out.mp4", "--codec", "h266"],
        ["render", CLOUDS, "-o", "taken.mp4"],
        ["render", CLOUDS, "-o", "out.mp4", "--octaves", "-1"],
        ["render", CLOUDS, "-o", "out.mp4", "--strength", "loud"],
        ["render", CLOUDS, "-o", "out.mp4", "--objective", "0.5*nosuchlayer"],
        ["render", CLOUDS, "-o", "out.mp4", "--objective", "0.5*"],
        ["render", CLOUDS, "-o", "out.mp4", "--objective", "class:unicorn"],
        ["render", CLOUDS, "-o", "out.mp4", "--objective", "creatures + classes:1000"],
        ["render", CLOUDS, "-o", "out.mp4", "--wander", "-1"],
        ["render", CLOUDS, "-o", "out.mp4", "--network", "resnet"],
        ["render", CLOUDS, "-o", "out.mp4", "--weights", "text.mp4"],
        ["render", CLOUDS, "-o", "out.mp4", "--where", "mask(missing.png)"],
        ["render", CLOUDS, "-o", "out.mp4", "--flow", "missing.onnx"],
        ["render", CLOUDS, "-o", "out.mp4", "--settings-from", "text.mp4"],
        ["render", CLOUDS, "-o", "out.mp4", "--quality", "500"],
        ["render", CLOUDS, "-o", "out.mp4", "--start", "noon"],
        ["render", CLOUDS, CLOUDS, "-o", "out.mp4"],
        ["render", CLOUDS, "-o", "out.mp4", "--sheet", "sheet.xyz"],
        ["render", CLOUDS, "-o", "out.mp4", "--report", "nowhere/figures.json"],
        ["render", CLOUDS, "synthetic:noise", "--sheet", "sheet.png"],
        ["render", CLOUDS, "--preset", "ink", "--program", "drifting"],
        ["live", CLOUDS, "--preset", "ink", "--program", "drifting"],
        ["zoom", CLOUDS, "-o", "out.mp4", "--objective", "eyes@left"],
        ["image", CLOUDS, "-o", "out.png", "--where", "left", "--matte", "out.png"],
        ["layers", "dreamnet", "--pictures", "--seed", "-1"],
        ["measure", "missing.mp4", "text.mp4"],
        ["bench", "--json", "nowhere/figures.json"],
        ["layers", "resnet"],
        ["dream"],
        ["render"],
    ],
    ids=" ".join,
)
def test_one_line_and_exit_code_2(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.mp4").write_text("not a video")
    Path("empty.mp4").write_bytes(b"")
    Path("taken.mp4").write_bytes(b"precious")
    extra = OPTIONS if arguments[0] == "render" else []
    code, said = run(capsys, *arguments, *extra)
    assert code == 2
    assert said.strip()
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if line.strip() not in ("", "^")]
    assert len(lines) <= 2, said  # an objective is shown again above its caret
    assert Path("taken.mp4").read_bytes() == b"precious"
    assert not Path("out.mp4").exists()


@pytest.mark.parametrize("name", ["torn.png", "torn.bmp"])
def test_of_a_torn_picture_no_library_says_anything(tmp_path: Path, name: str) -> None:
    """In a process of its own: what OpenCV prints is decided when it is loaded."""
    Image.new("RGB", (200, 200), "teal").save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:-50])
    words = [sys.executable, "-m", "livedream", "image", name]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"livedream: {name} is not a readable picture: it is damaged, incomplete or too large; "
        "save or copy it again\n"
    )


def test_the_objective_is_shown_with_a_caret(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(capsys, "render", CLOUDS, "-o", "x.mp4", "--objective", "eyes + ?", *OPTIONS)
    assert code == 2
    assert said.splitlines()[-1].index("^") == "eyes + ?".index("?")


def test_several_inputs_go_into_a_folder(tmp_path: Path) -> None:
    other = CLOUDS.replace("clouds", "noise")
    code = main(["render", CLOUDS, other, "-o", str(tmp_path / "made"), *OPTIONS])
    assert code == 0
    assert sorted(p.name for p in (tmp_path / "made").iterdir()) == [
        "synthetic-clouds.dream.mp4",
        "synthetic-noise.dream.mp4",
    ]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of films and of the pictures of a shot."""
    folder = tmp_path_factory.mktemp("films")
    for name in ("a.mkv", "a.dream.mkv", "b.mkv", "c.webm", "shot/%02d.png", "out/b.dream.mkv"):
        film = folder / name
        film.parent.mkdir(exist_ok=True)
        with open_source(CLOUDS) as source, open_sink(film, source.info) as sink:
            for frame in source:
                sink.write(frame)
    return folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.mkv", "b.mkv", "-o", "out"], "b.dream.mkv already exists"),
        (["a.mkv", "c.webm", "-o", "out", "--codec", "h264"], ".webm cannot hold h264"),
        (["a.mkv", "a.dream.mkv", "--overwrite"], "a.dream.mkv is the source itself"),
        (["a.mkv", "-o", "new.mkv", "--report", "a.mkv"], "a.mkv is the source itself"),
        (["shot/%02d.png", "-o", "new.mkv", "--sheet", "shot/00.png"], "is the source itself"),
        (["a.mkv", "-o", "new.mkv", "--report", "new.mkv"], "--report and the output are the same"),
        (["a.mkv", "-o", "new.mkv", "--report", "c.webm"], "c.webm already exists"),
        (["a.mkv", "-o", "new.mkv", "--sheet", "shot/01.png"], "shot/01.png already exists"),
        (["a.mkv", "-o", "new.mkv", "--report", "x.png", "--sheet", "x.png"], "--report and --sh"),
        (
            ["a.mkv", "c.webm", "two/a.mkv", "-o", "new"],
            "a.mkv and two/a.mkv would both be written "
            "to new/a.dream.mkv; render the second on its own, with -o and another name or folder",
        ),
        (["a.mkv", "a.mkv"], "a.mkv and a.mkv would both be written to a.dream.mkv"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_what_cannot_be_is_said_before_the_first_film(
    *, words: list[str], message: str, films: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    shutil.copytree(films, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    for more in ([], ["--workers", "1"]):
        code, said = run(capsys, "render", *words, *more, *OPTIONS)
        assert code == 2
        assert message in said and len(said.splitlines()) == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_measure_prints_every_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.mkv"
    assert main(["render", CLOUDS, "-o", str(out), "--codec", "ffv1", *OPTIONS]) == 0
    assert main(["measure", CLOUDS, str(out), "--json", str(tmp_path / "m.json")]) == 0
    said = capsys.readouterr().out
    for name in ("flicker", "renewal", "warp error input", "strength", "drift"):
        assert name in said
    assert (tmp_path / "m.json").read_text().startswith("{")


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ("eyes@left", "measure has no regions; leave out @left"),
        ("eyes@person", "measure has no regions; leave out @person"),
        ("fur + guide(eyes, synthetic:clouds)", "measure has no guides that move; give a picture"),
    ],
)
def test_measure_refuses_what_has_its_place_or_time(
    objective: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(capsys, "measure", CLOUDS, CLOUDS, "--objective", objective)
    assert (code, len(said.splitlines())) == (2, 1)
    assert message in said


@pytest.mark.parametrize("name", ["a.mkv", "b.mkv", "nowhere/figures.json"])
def test_figures_that_cannot_be_written_are_refused_first(
    name: str, films: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for film in ("a.mkv", "b.mkv"):
        shutil.copy(films / film, film)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    code, said = run(capsys, "measure", "a.mkv", "b.mkv", "--json", name)
    assert code == 2
    assert ("is the source itself" in said) != ("does not exist" in said)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "words",
    [
        ("image", "LONG"), ("learn", "LONG", "--name", "x"), ("pack", "LONG"),
        ("live", "synthetic:clouds", "--audio", "LONG"), ("live", "LONG"),
        ("render", "synthetic:clouds", "-o", "LONG/x.mp4"),
    ],
)  # fmt: skip
def test_a_name_that_no_file_can_have_is_refused(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.replace("LONG", 300 * "x") for word in words]) == 2
    said = capsys.readouterr().err
    assert "File name too long" in said and said.count("\n") == 1


@pytest.mark.parametrize("number", [errno.EACCES, errno.ESTALE, errno.ENOTCONN])
@pytest.mark.parametrize(
    "arguments",
    [
        ["render", CLOUDS, "-o", "locked/out.mp4"],
        ["render", "locked/film.mp4", "-o", "out.mp4"],
        ["render", CLOUDS, "-o", "out.mp4", "--weights", "locked/x.safetensors"],
        ["live", "locked/film.mp4"],
        ["networks", "add", "locked/x.safetensors"],
        ["pack", "locked/show.zip"],
        ["obs"],
    ],
)
def test_a_folder_or_share_that_cannot_be_entered_is_one_line(
    arguments: list[str],
    number: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def locked(ask: Callable[..., Any]) -> Callable[..., Any]:
        def asked(path: Path, **more: Any) -> Any:
            if "locked" in path.parts:
                raise OSError(number, os.strerror(number), str(path))
            return ask(path, **more)

        return asked

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIVEDREAM_HOME", "locked" if arguments == ["obs"] else str(tmp_path))
    for name in ("stat", "exists", "is_file", "is_dir"):  # root may enter every folder
        monkeypatch.setattr(Path, name, locked(getattr(Path, name)))
    code, said = run(capsys, *arguments)
    assert code == 2 and "Traceback" not in said
    assert "locked" in said and os.strerror(number) in said and said.count("\n") == 1
