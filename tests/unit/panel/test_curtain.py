"""What the curtain covers, and that it goes when it is to."""

import sys
import threading
from pathlib import Path

import pytest
from waiting import PATIENCE_S

from livedream.core.errors import SettingsError
from livedream.panel.curtain import Curtain, covered_by
from livedream.present.live.curtain import cover

FULL = "window?hud=0&fullscreen=1"


@pytest.mark.parametrize(
    ("words", "covered"),
    [
        ((), None),
        (("--fullscreen",), ("window", "0")),
        (("--sink=window?hud=0", "--fullscreen", "--display=1"), ("window?hud=0", "1")),
        ((f"--sink={FULL}", "--source=film.mp4"), (FULL, "0")),
        (("--sink=window?fullscreen=0", "--fullscreen"), None),
        (("--sink=ndi:dream", "--sink=rtmp://host/app/key?a=b", "--fullscreen"), None),
    ],
)
def test_what_a_show_covers(words: tuple[str, ...], covered: tuple[str, str] | None) -> None:
    assert covered_by(words) == covered


def test_it_is_one_program_that_says_when_it_is_black_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_BLACK_S", "_END_S"):
        monkeypatch.setattr(f"livedream.panel.curtain.{name}", PATIENCE_S)
    log = tmp_path / "log"
    program = (
        "import sys; log = open(sys.argv[1], 'a'); print(sys.argv[2:], file=log, flush=True);"
        " print('black', flush=True); sys.stdin.read(); print('gone', file=log)"
    )
    curtain = Curtain((sys.executable, "-c", program, str(log)))
    for _ in range(2):
        curtain.lower(("--fullscreen", "--display=1"))  # while it is down: nothing
    assert log.read_text(encoding="utf-8") == "['window', '1']\n"
    for _ in range(2):
        curtain.lift()
    assert log.read_text(encoding="utf-8").splitlines()[1:] == ["gone"]
    curtain.lower(("--sink=ndi:dream",))
    assert len(log.read_text(encoding="utf-8").splitlines()) == 2


def test_where_nothing_can_be_covered_it_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livedream.panel.curtain._BLACK_S", 600.0)
    curtain = Curtain((sys.executable, "-c", "raise SystemExit(1)"))
    lowering = threading.Thread(target=curtain.lower, args=(("--fullscreen",),), daemon=True)
    lowering.start()
    lowering.join(PATIENCE_S)
    assert not lowering.is_alive()
    curtain.lift()


def test_an_option_that_is_wrong_ends_it() -> None:
    with pytest.raises(SettingsError, match="fit"):
        cover("window?fit=wrong", "0", threading.Event())
