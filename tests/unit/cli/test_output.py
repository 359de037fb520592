"""What commands print while they work."""

import errno
import io
import sys
import time
from pathlib import Path

import pytest
import torch

from livedream.cli import listings, main, script
from livedream.cli.output import FilmProgress, Progress, summary
from livedream.jobs.film.piece import Word
from livedream.jobs.report import RenderReport


def test_the_time_left_follows_rounds_that_become_slower(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with Progress("dream.png", "rounds", 24, quiet=False) as progress:
        for done in range(1, 23):
            clock[0] += 1.0 if done <= 20 else 20.0
            progress.advance(done, 24.0)
    lines = capsys.readouterr().err.splitlines()
    assert "dream.png: 15/24 rounds, 0:00:09 left, 1.0 rounds/s" in lines[2]
    assert "22/24 rounds, 0:00:40 left" in lines[-1]


def test_what_a_pipe_s_code_page_lacks_is_a_question_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "owl.toml").write_text('about = "caf\u00e9 \U0001f989"', "utf-8")
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["livedream", "presets"])
    pipe = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe, "cp1252"))
    with pytest.raises(SystemExit) as ended:
        script()
    sys.stdout.flush()
    assert ended.value.code == 0
    assert "caf\u00e9 ?" in pipe.getvalue().decode("cp1252")


class Closed(io.TextIOWrapper):
    """A pipe of Windows whose reader has gone."""

    def write(self, text: str) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")


def test_a_reader_that_goes_is_no_fault_on_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "list_presets", lambda args: print("menagerie"))
    monkeypatch.setattr(sys, "platform", "win32")
    with Closed((tmp_path / "pipe").open("wb")) as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert main(["presets"]) == 0


def test_memory_that_runs_out_is_one_line_and_other_faults_are_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(error: Exception) -> None:
        def run(args: object) -> int:
            raise error

        monkeypatch.setattr("livedream.cli.image.run", run)

    failing(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.\nmore\nlines"))
    assert main(["image", "a.png"]) == 2
    assert capsys.readouterr().err == (
        "livedream: the device's memory ran out; try a smaller --size or --tile, or --device cpu "
        "(CUDA out of memory. Tried to allocate 9 GiB.)\n"
    )
    failing(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1"):
        main(["image", "a.png"])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_film_s_name_is_shown_as_it_is_on_one_line(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    said = Terminal() if is_terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    monkeypatch.setattr("livedream.cli.output._LINE_S", 0.0)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    name = "a\n[x264].mp4"
    with Progress(name, "frames", 2, quiet=False) as progress:
        progress.advance(1, 24.0)
    with FilmProgress(name, quiet=False) as films:
        films.watch(1, 2, [Word("host:1", f"/{name}", 0, 1, 2, 1.0, "cpu")])
    assert said.getvalue().count("a [x264].mp4") >= 2 and "a\n[" not in said.getvalue()
    assert not is_terminal or "a [x264].mp4 from frame 0" in said.getvalue()
    assert summary(RenderReport("in.mp4", name), "2 frames").startswith("a [x264].mp4: 2 frames")
