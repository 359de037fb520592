"""The programs in examples/ run as their docstrings say (dreaming without PyTorch: test_export)."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from ports import free_tcp_port
from waiting import PATIENCE_S

import livedream
from livedream.control.live_parameters import LiveParameters
from livedream.control.osc import OscServer
from livedream.control.presets import Presets
from livedream.control.show import Show
from livedream.core.addresses import listening
from livedream.core.settings import DreamSettings

ROOT = Path(__file__).resolve().parents[2]


def start(example: str, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(ROOT / "examples" / example), *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(child: "subprocess.Popen[str]") -> str:
    """What the program printed."""
    with child:
        output, errors = child.communicate(timeout=120)
    assert child.returncode == 0, errors
    return output


def test_a_film_s_dream_grows(tmp_path: Path) -> None:
    clouds, output = "synthetic:clouds?size=128x96&fps=10&seconds=1", tmp_path / "dream.mkv"
    finish(start("film.py", clouds, str(output)))
    with livedream.open_source(clouds) as source, livedream.open_source(output) as dreamed:
        added = [
            float(abs(after.rgb.astype(int) - before.rgb).mean())
            for before, after in zip(source, dreamed, strict=True)
        ]
    assert added[-1] > 2 * added[1]


def test_a_show_is_played_over_osc(tmp_path: Path) -> None:
    parameters = LiveParameters(DreamSettings())
    show = Show(parameters, Presets(tmp_path))
    server = OscServer(parameters, show, listening(":0", "127.0.0.1:9001", name="osc"))
    server.start()
    try:
        cues = finish(start("osc_show.py", "127.0.0.1", str(server.port), "60")).splitlines()
    finally:
        server.close()
    assert len(cues) == server.messages and server.faults == server.refused == 0
    assert show.preset_name == "plumage"


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_stream_is_received_until_ctrl_c() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(PATIENCE_S)
        child = start(
            "stream.py",
            "synthetic:clouds?size=96x64&fps=10",
            f"udp://127.0.0.1:{receiver.getsockname()[1]}",
            f"browser:127.0.0.1:{free_tcp_port()}",
        )
        try:
            assert receiver.recv(4096)[0] == 0x47  # a packet of an MPEG transport stream
        finally:
            child.send_signal(signal.SIGINT)
            finish(child)
