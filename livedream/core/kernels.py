"""Kernels of Triton: whether they run on a device, and how each is started."""

import logging
import subprocess
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

import torch

from livedream.core.errors import first_line

_LOG: Final = logging.getLogger(__name__)


def launch(kernel: Any, grid: tuple[int, ...], *args: Any, **constants: Any) -> None:
    """Every kernel starts here, on the device and the stream of its first argument."""
    with torch.cuda.device_of(args[0]):  # type: ignore[no-untyped-call]
        kernel[grid](*args, **constants)


def opened(what: str, tried: Callable[[], ModuleType]) -> ModuleType | None:
    """A module of kernels, if they run and give what PyTorch gives; else None, and a line of log.

    what: whose they are, for the log.  tried: imports and tries them; raises whatever goes wrong,
    RuntimeError for another result than PyTorch's.
    """
    try:
        from triton import TritonError
    except ImportError:
        _LOG.info("%s: Triton is not here, PyTorch's own kernels are used", what)
        return None
    try:
        return tried()
    # No compiler, no Python headers, a card it does not know: it says so in each of these ways.
    except (TritonError, RuntimeError, OSError, subprocess.SubprocessError) as error:
        _LOG.warning(
            "%s: PyTorch's own kernels are used, Triton failed (%s)", what, first_line(error)
        )
        return None
