"""No encoder may take the machine for itself."""

import os
import sys
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from livedream.core.frame import Frame, SourceInfo
from livedream.present import open_sink
from livedream.present.encoders import leave_real_time

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these policies")


def policies() -> set[int]:
    return {os.sched_getscheduler(int(t.name)) for t in Path("/proc/self/task").iterdir()}


@linux
def test_real_time_threads_become_ordinary_ones() -> None:
    found: list[set[int]] = []

    def work() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        except PermissionError:
            return
        found.append(policies())
        leave_real_time()
        found.append(policies())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if not found:
        pytest.skip("this user may not have real-time threads")
    assert os.SCHED_RR in found[0]
    assert not found[1] & {os.SCHED_RR, os.SCHED_FIFO}


@linux
def test_an_av1_file_leaves_priorities_as_they_were(tmp_path: Path) -> None:
    rate = Fraction(25)
    info = SourceInfo(name="x", width=96, height=64, rate=rate, time_base=1 / rate)
    with open_sink(tmp_path / "out.mp4", info, codec="av1") as sink:
        for index in range(3):
            picture = np.full((64, 96, 3), 40 * index, np.uint8)
            sink.write(Frame(picture, index, 1 / rate, index, 1))
        assert not policies() & {os.SCHED_RR, os.SCHED_FIFO}
    assert not policies() & {os.SCHED_RR, os.SCHED_FIFO}
