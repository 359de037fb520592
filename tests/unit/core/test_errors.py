"""What is said of an error: one line, and never nothing."""

import errno
import sys
from pathlib import Path

import pytest

from livedream.core.errors import (
    SourceError,
    first_line,
    is_broken_pipe,
    missing,
    os_reason,
    writing_advice,
)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file", "a.mp4"), "No such file"),
        (OSError("telling seeked file"), "telling seeked file"),  # it has no strerror
        (OSError(), "OSError"),
        (SourceError("a.png does not exist"), "a.png does not exist"),
    ],
)
def test_what_the_system_says(error: OSError, said: str) -> None:
    assert os_reason(error) == said


@pytest.mark.parametrize(
    ("error", "tried"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "free some space"),
        (ValueError("write error"), "free some space"),
        (PermissionError(errno.EACCES, "Permission denied"), "allow writing"),
        (OSError(errno.EROFS, "Read-only file system"), "see to its disk or share"),
        (OSError(errno.ESTALE, "Stale file handle"), "see to its disk or share"),
    ],
)
def test_what_to_try_where_a_file_cannot_be_written(error: Exception, tried: str) -> None:
    assert tried in writing_advice(error)


@pytest.mark.parametrize(
    ("system", "error", "gone"),
    [
        ("linux", BrokenPipeError(errno.EPIPE, "Broken pipe"), True),
        ("linux", OSError(errno.EINVAL, "Invalid argument"), False),
        ("win32", BrokenPipeError(errno.EPIPE, "Broken pipe"), True),
        ("win32", OSError(errno.EINVAL, "Invalid argument"), True),
        ("win32", OSError(errno.EINVAL, "Invalid argument", "a?.mp4"), False),
        ("win32", OSError(errno.ENOSPC, "No space left on device"), False),
    ],
)
def test_a_reader_that_has_gone(
    system: str, error: OSError, gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert is_broken_pipe(error) == gone


@pytest.mark.parametrize(
    ("error", "said"),
    [(RuntimeError("\nno kernel\nfor sm_75"), "no kernel"), (AssertionError(), "AssertionError")],
)
def test_the_first_line_of_what_a_library_says(error: Exception, said: str) -> None:
    assert first_line(error) == said


def test_where_a_file_without_a_full_path_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert missing("a/b.mp4") == f"a/b.mp4 does not exist in {tmp_path}: check the path"
    assert missing(tmp_path / "b.mp4") == f"{tmp_path / 'b.mp4'} does not exist: check the path"
