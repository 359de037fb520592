"""Ctrl-C while livedream is being imported."""

import subprocess
import sys

import pytest

# argv: of what module's import Ctrl-C comes in the middle.
_PROGRAM = """
import os, runpy, signal, sys

name = sys.argv[1]

class Interrupts:
    def find_spec(self, asked, path=None, target=None):
        if asked == name:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
sys.argv = ["livedream", "live", "synthetic:clouds", "--seconds", "0", "--sink", "udp://:9"]
runpy.run_module("livedream", run_name="__main__", alter_sys=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT by os.kill")
@pytest.mark.parametrize("name", ["livedream.cli.render", "torch._C", "livedream.live.session"])
def test_ctrl_c_amid_the_imports_ends_with_130_and_says_nothing(name: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM, name], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (130, "")


def test_who_ignores_ctrl_c_goes_on_being_imported() -> None:
    program = (
        "import os, signal\n"
        "from livedream.core.interrupts import interrupt_ends_at_once\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "with interrupt_ends_at_once():\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], check=False)
    assert ran.returncode == 0
