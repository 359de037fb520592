"""`livedream live`: what it refuses before it begins, and how it ends."""

import io
import logging
from pathlib import Path

import pytest

from livedream.cli import build_parser, live, main, script
from livedream.cli.form import LiveForm
from livedream.core.errors import SettingsError, ShowError, SourceError
from livedream.core.supervisor import Supervisor
from livedream.live.session import Session


@pytest.mark.parametrize(
    ("error", "code"), [(None, 0), (ShowError("the loop failed"), 1), (SourceError("no camera"), 2)]
)
def test_a_show_that_fails_has_a_code_of_its_own(
    error: Exception | None, code: int, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def run(_: Session) -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(Session, "__init__", lambda self, job: None)
    monkeypatch.setattr(Session, "run", run)
    monkeypatch.setattr(Session, "close", lambda self: None)
    monkeypatch.setattr(Session, "supervisor", Supervisor(), raising=False)
    assert main(["live", "synthetic:clouds", "--quiet"]) == code
    assert capsys.readouterr().err == (f"livedream: {error}\n" if error else "")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--preset", "no 'NOPE'"),
        ("--program", "no 'NOPE'"),
        ("--attract-program", "no 'NOPE'"),
        ("--sink", "sink: must be one of window, udp, "),
        ("--display", "display: must be a number, 0,1 or "),
        ("--osc", "the port must be 0 to 65535"),
        ("--panel", "the port must be 0 to 65535"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_opened(
    option: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    for name in ("open_live", "Capture", "Dreamer", "open_flow", "open_output"):
        monkeypatch.setattr(
            f"livedream.live.session.{name}", lambda *_, name=name, **__: opened.append(name)
        )
    value = "host:port" if said.startswith("the port") else "NOPE"
    assert main(["live", "synthetic:clouds", option, value, "--attract-after", "9"]) == 2
    assert opened == []
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.parametrize(
    ("dreamed", "said"),
    [
        ('objective = "nosuch"', "preset mine: objective: no layer 'nosuch' in dreamnet"),
        ('where = "mask(/nope.png)"', "preset mine: where: /nope.png"),
    ],
)
@pytest.mark.parametrize("option", ["--preset mine", "--program ours", "--attract-program ours"])
def test_what_a_preset_asks_for_is_checked_before_anything_is_opened(
    option: str, dreamed: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    for name, text in (
        ("presets/mine", f"[dream]\n{dreamed}"),
        ("programs/ours", '[[steps]]\npreset = "ink"\n[[steps]]\npreset = "mine"'),
    ):
        path = tmp_path / f"{name}.toml"
        path.parent.mkdir()
        path.write_text(text)
    words = ["live", "synthetic:clouds", "--attract-after", "9", *option.split()]
    job = live.job_of(build_parser().parse_args(words))
    with pytest.raises(SettingsError) as refused:  # as the studio asks
        live.check(job)
    monkeypatch.setattr(
        "livedream.live.session.open_live", lambda *_, **__: pytest.fail("it was begun")
    )
    with pytest.raises(SettingsError) as refused_by_show:
        Session(job)
    assert str(refused.value) == str(refused_by_show.value)
    step = "" if option.startswith("--preset") else "program ours, step 2: "
    assert str(refused.value).startswith(step + said)


def test_displays_that_make_no_sense_are_refused_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    kept = tmp_path / "displays.json"
    kept.write_text('{"0:1920x1080": {"crop": [0, 0, 2, 1]}}')
    monkeypatch.setattr(
        "livedream.live.session.open_live", lambda *_, **__: pytest.fail("it was begun")
    )
    assert main(["live", "synthetic:clouds"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{kept}: display 0:1920x1080: crop: must be " in line
    assert "2, 1" in kept.read_text()


def test_where_a_show_of_the_studio_leaves_what_is_painted_is_no_field_of_its_page() -> None:
    parsed = build_parser().parse_args(["live", "--painting=left.png"])
    assert live.job_of(parsed).painting == Path("left.png")
    assert live.job_of(build_parser().parse_args(["live"])).painting is None
    assert "painting" not in {field.name for field in LiveForm().fields}


@pytest.mark.parametrize("option", ["--panel", "--osc", "--midi", "--audio"])
@pytest.mark.parametrize(
    "source", ["clip.mp4", "synthetic:clouds", "udp://:9000", "/dev/video0", "ndi:x"]
)
def test_a_source_behind_a_controller_is_not_taken_for_its_value(
    option: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("clip.mp4").write_bytes(b"")
    monkeypatch.setattr(Session, "__init__", lambda self, job: pytest.fail("it was begun"))
    assert main(["live", option, source]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        f"(got {source}, a source); put the source first: livedream live {source} {option}" in line
    )


def test_a_network_behind_pictures_is_missed_with_a_hint(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["layers", "--pictures", "dreamnet"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "NETWORK (put --pictures last: what follows is taken as the value)" in line


def test_the_help_names_how_a_secret_is_kept_out(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["live", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("{env:NAME} and {file:PATH}") == 2  # of the source, and of --sink


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_log_file_on_a_full_disk_says_so_once_and_nothing_of_its_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = logging.getLogger("livedream")
    level = log.level
    live._open_log(tmp_path / "show.log")  # noqa: SLF001 (a show would follow)
    handler = log.handlers[-1]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(FullDisk()).close()
    try:
        for _ in range(3):
            log.warning("%s: starting without it", SourceError("rtmp://host/app/between-us"))
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
        handler.close()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "show.log cannot be written" in said
    assert "between-us" not in said


def test_a_fault_of_our_own_shows_no_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> int:
        raise RuntimeError("Connection refused: 'rtsp://me:between-us@camera/1'")

    codes: list[int] = []
    monkeypatch.setattr("sys.argv", ["livedream", "live"])
    monkeypatch.setattr("livedream.cli.main", fails)
    monkeypatch.setattr("livedream.cli.end_children", lambda: None)
    monkeypatch.setattr("logging.shutdown", lambda: None)
    monkeypatch.setattr("os._exit", codes.append)
    with pytest.raises(SystemExit):
        script()
    said = capsys.readouterr().err
    assert codes == [1]
    assert "RuntimeError: Connection refused" in said
    assert "between-us" not in said
