"""Options: refused in one line, the advanced ones last, old names still taken."""

from pathlib import Path

import pytest

from livedream.cli import build_parser, main
from livedream.cli.automation import automation_of
from livedream.cli.options import given_of, goes_with, settings_from_file, settings_of
from livedream.core.errors import SettingsError
from livedream.core.grade import GradeSettings
from livedream.core.parameters import Parameter
from livedream.core.settings import DreamSettings


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as caught:
        raise SystemExit(main(words))
    assert caught.value.code == 2
    found = capsys.readouterr().err
    assert found.count("\n") == 1
    return found


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("render", "x", "--strength", "500"), "--strength: must be 0 to 100 (got 500);"),
        (("render", "x", "--octaves", "2.5"),
         "--octaves: must be a whole number from 0 to 16 (got '2.5');"),
        (("render", "x", "--size", "big"), "size: must be 270p, 480x270 or source (got 'big')"),
        (("render", "x", "--start", "soon"), "--start: must be seconds or h:mm:ss (got 'soon');"),
        (("bench", "--frames", "2"), "--frames: must be a whole number from 8 to 100000 (got 2)"),
        (("bench", "--fps", "nan"), "--fps: must be 0.001 to 1000 (got nan)"),
        (("bench", "--picture", "1x1"), "--picture: must be at least 2x2 (got 1x1)"),
        (("bench", "--picture", "31x30", "--encode"),
         "--picture: must have even sides to encode (got 31x30)"),
        (("image", "noise", "--quality", "nan"), "--quality: must be 0 to 100 (got nan)"),
        (("render", "x", "--quality", "500"), "--quality: must be 0 to 100 (got 500)"),
        (("live", "--attract-after", "nan"), "--attract-after: must be 0 to 604800 s (got nan)"),
        (("live", "--camera-fps", "0"), "--camera-fps: must be 1 to 1000 (got 0)"),
        (("live", "--program", "nope.toml"),
         "program: nope.toml cannot be read (No such file or directory)"),
        (("live", "--rotation", "999"), "--rotation: must be -180 to 180 degrees/s (got 999);"),
        (("live", "--camera-size", "big"),
         "--camera-size: must be WIDTHxHEIGHT, such as 1280x720 (got 'big')"),
        (("render", "x", "--strenght", "3"),
         "livedream render: unrecognized arguments: --strenght 3 (is --strength meant?); "
         "try 'livedream render --help'"),
        (("image", "x.png", "y.png"), "unrecognized arguments: y.png (is -o OUTPUT meant?)"),
        (("render", "x", "nowhere/y.mp4"),
         "nowhere/y.mp4 does not exist; if it is the output, write -o nowhere/y.mp4"),
        (("networks", "add", "a", "b"), "networks add: unrecognized arguments: b;"),
    ],
)  # fmt: skip
def test_what_is_refused_says_what_it_must_be(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    assert message in refused(capsys, *words)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[1, 2]", "settings: must be a JSON object (got list)"),
        (b'{"settings": 3}', "settings: must be a JSON object (got int)"),
        (b"{", "settings: not JSON"),
        (b'{"stength": 3}', "settings: unknown parameter 'stength'"),
        (b"\xff\xfe", "cannot be read (not text)"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_settings_from_a_wrong_file_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "kept.json"
    if content is not None:
        path.write_bytes(content)
    found = refused(capsys, "render", "x", "--settings-from", str(path))
    assert f"--settings-from: {path}" in found and message in found


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "curves (--curves) and presets (--preset, --program)"),
        (["--program", "drifting"], "curves (--curves)"),
        (["--curves", "moves.txt", "--preset", "ink"], ""),
        (["--quiet"], ""),
    ],
)
def test_what_is_not_among_a_file_s_settings_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, given: list[str], said: str
) -> None:
    path, plain = tmp_path / "kept.json", tmp_path / "plain.json"
    path.write_text('{"settings": {"strength": 9.0}, "curves": "0:hue=1", "presets": [[null]]}')
    plain.write_text('{"strength": 9.0}')
    for file in (path, plain):
        args = build_parser().parse_args(["render", "x", "--settings-from", str(file), *given])
        assert settings_of(args).strength == 9.0
    note = f"note: {path} was also made with {said}, which --settings-from does not take over\n"
    assert capsys.readouterr().err == (note if said else "")


def test_settings_from_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    path.write_text('{"strength": 9.0}', encoding="utf-8-sig")
    assert settings_from_file(path).strength == 9.0


def test_advanced_options_stand_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("render", "live", "image"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        _, _, last = capsys.readouterr().out.partition("\nadvanced:\n")
        assert "--octave-scale" in last and "--engine" in last
        for plain in ("--strength", "--objective", "--quiet"):
            assert plain not in last


def test_help_has_none_of_the_old_private_words(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        "render", "live", "image", "zoom", "measure", "networks", "layers", "presets", "devices",
        "export", "bench",
    ):  # fmt: skip
        with pytest.raises(SystemExit):
            main([command, "--help"])
        words = set(capsys.readouterr().out.lower().split())
        assert not {"hands", "held", "told", "wanted", "look", "slope"} & words, command


def test_a_range_is_said_in_words() -> None:
    assert Parameter("x", float, 1.0, "", minimum=1.0).wanted() == "at least 1"
    assert Parameter("x", int, 1, "", minimum=0, maximum=2**31 - 1).wanted().endswith("2147483647")
    assert Parameter("x", bool, True, "").wanted() == "yes or no"


def test_a_value_may_begin_with_a_minus(capsys: pytest.CaptureFixture[str]) -> None:
    parse = build_parser().parse_args
    assert parse(["zoom", "noise", "--drift", "-0.05,0"]).drift == (-0.05, 0.0)
    found = parse(["render", "a.mp4", "--prompt", "-owl", "-o", "b.mp4", "--objective", "-eyes"])
    assert (found.prompt, found.output, found.objective) == ("-owl", "b.mp4", "-eyes")
    for words in (["--prompt", "-o", "b.mp4"], ["--prompt", "--overwrite"]):
        with pytest.raises(SystemExit):
            parse(["render", "a.mp4", *words])
        assert "--prompt: expected one argument" in capsys.readouterr().err


def test_an_option_that_took_the_argument_is_named_only_where_it_was_typed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    missing = "livedream layers: the following arguments are required: NETWORK"
    assert refused(capsys, "layers") == f"{missing}; try 'livedream layers --help'\n"
    found = refused(capsys, "layers", "--pictures", "dreamnet")
    assert found.startswith(f"{missing} (put --pictures last: what follows is taken as the value);")


def test_what_is_named_keeps_what_goes_with_it() -> None:
    def given(*words: str) -> tuple[str, ...]:
        return given_of(build_parser().parse_args(["live", *words]), DreamSettings, GradeSettings)

    assert given() == ()
    assert given("--strength", "20", "--hue", "5") == ("strength", "hue")
    assert set(given("--network", "googlenet")) == {"network", "objective", "prompt"}
    assert given("--weights", "own.pt") == ("weights",)  # for a preset's objective
    assert set(given("--objective", "eyes")) == {"objective", "prompt"}


def test_an_option_is_not_taken_for_a_longer_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["live", "--log", "show.jsonl"])
    assert "unrecognized arguments: --log (is --log-file meant?)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "network", "weights"),
    [
        ([], "vgg16", "own.pt"),
        (["--network", "googlenet"], "googlenet", ""),
        (["--weights", "garden.safetensors"], "", "garden.safetensors"),
        (["--network", "vgg16", "--weights", "other.pt"], "vgg16", "other.pt"),
    ],
)
def test_with_another_network_a_file_s_weights_mean_nothing(
    given: list[str], network: str, weights: str, tmp_path: Path
) -> None:
    file = tmp_path / "own.json"
    was = DreamSettings(
        network="vgg16", weights="own.pt", preprocess="RGB, x", labels="own.txt", objective="relu5"
    )
    file.write_text(was.to_json())
    args = build_parser().parse_args(["render", "a.mp4", "--settings-from", str(file), *given])
    found = settings_of(args)
    assert (found.network, found.weights) == (network, weights)
    rest = found.preprocess, found.labels, found.objective
    assert rest == (("", "", "") if given else ("RGB, x", "own.txt", "relu5"))
    goes = ("network", "weights", "preprocess", "labels", "objective", "prompt")
    assert goes_with(given_of(args, DreamSettings)) == (goes if given else ())


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        (["--bpm", "120"], "--bpm"),
        (["--bpm", "120", "--bar", "3", "--preset", "ink"], "--bpm, --bar"),
        (["--bar", "4", "--modulate", "hue:sine:0.1:20s"], "--bar"),
        (["--bar", "4", "--modulate", "strength:bass:0.4"], "--bar"),
        (["--bpm", "120", "--modulate", "hue:sine:0.1:4beats"], ""),
        (["--bpm", "120", "--preset", "pulse"], ""),
        (["--bar", "3@1.5", "--program", "drifting", "--on", "bar"], ""),
    ],
)
def test_a_tempo_that_nothing_follows_is_refused(given: list[str], refused: str) -> None:
    args = build_parser().parse_args(["render", "a.mp4", *given])
    if not refused:
        assert automation_of(args) is not None
        return
    with pytest.raises(SettingsError, match=f"^{refused}: nothing here follows the beat; give "):
        automation_of(args)
