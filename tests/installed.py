"""Tests that need what is not installed everywhere."""

from importlib.util import find_spec

import pytest

# Not importorskip: a plain import of it sends a message to its makers.
OPENVINO = find_spec("openvino") is not None
with_openvino = pytest.mark.skipif(not OPENVINO, reason="openvino is not installed")
