"""What is imported only where it is needed: it is slow, or it would tell somebody."""

import subprocess
import sys

_PROGRAM = """
import sys
from importlib.util import find_spec

calls = []
sys.addaudithook(lambda event, _: calls.append(event) if event.startswith("socket.") else None)

def without(*names):
    found = [name for name in names if name in sys.modules]
    assert not found, found

import livedream.capture, livedream.present, livedream.jobs.checkpoint
without("av", "cv2", "torch", "safetensors")

from livedream.control.catalogue import Catalogue
assert Catalogue().find("dreamnet")
without("torchvision")  # which takes longer than all of livedream

from livedream.dream.dreamer import Dreamer
Dreamer()  # a second or two before anything is seen
without("sympy", "triton", "torchvision", "torch._dynamo", "onnxruntime")

if find_spec("openvino"):
    from livedream.dream.engines.openvino.engine import openvino_core
    openvino_core()
    assert "openvino" in sys.modules
    without("openvino_telemetry")  # a plain import sends a message to OpenVINO's makers
assert not calls, calls
"""


def test_doors_panel_and_dreamer_import_nothing_beyond_their_need() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
