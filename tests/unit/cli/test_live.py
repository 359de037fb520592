"""`livedream live`: how it ends."""

import pytest

from livedream.cli import main
from livedream.core.errors import ShowError, SourceError
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
    assert main(["live", "synthetic:clouds", "--quiet"]) == code
    assert capsys.readouterr().err == (f"livedream: {error}\n" if error else "")
