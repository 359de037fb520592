"""A display of its own, by Xvfb."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from waiting import PATIENCE_S


@contextmanager
def open_xvfb(size: str) -> Iterator[str]:
    """Its name; size: WxH px.  Skips the test where there is no Xvfb."""
    if shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb (apt install xvfb)")
    read, write = os.pipe()
    # Without -noreset it begins anew when the last window's program goes, and hangs up on whoever
    # comes just then.
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{size}x24", "-noreset"]
    server = subprocess.Popen(
        [*command, "-nolisten", "tcp"], pass_fds=[write], stderr=subprocess.DEVNULL
    )
    os.close(write)
    try:
        with os.fdopen(read) as said:
            yield ":" + said.readline().strip()
    finally:
        server.terminate()
        server.wait(PATIENCE_S)
