"""What several tests share."""

import os
import signal
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

from livedream.core.frame import Frame, Picture
from livedream.dream.networks.network import Network, load_network

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would the programs
# that they start and interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Read when Triton is first imported, which PyTorch does for some tests: kernels run as Python.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

# How long an example takes is the machine's affair: here, that of three tests at once.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What whoever runs the tests keeps for themselves is neither seen by them nor written to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIVEDREAM_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def dreamnet() -> Network:
    return load_network("dreamnet")


@pytest.fixture
def shared() -> Path:
    """Development material beside the checkout; tests that need it skip without it."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the development material in {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def texture() -> Picture:
    """(180, 320, 3) uint8: smooth coloured noise with edges, something to dream on and follow."""
    import cv2

    noise = np.random.default_rng(7).normal(size=(180, 320, 3)).astype(np.float32)
    layers = sum(cv2.GaussianBlur(noise, (0, 0), s) * s for s in (1.5, 4.0, 12.0))
    picture = 128 + 55 * layers / layers.std()
    picture[60:120, 100:180] = 255 - picture[60:120, 100:180]
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.fixture
def odd_texture(texture: Picture) -> torch.Tensor:
    """(1, 3, 131, 203) in [0, 1]: of `texture`, with sides that nothing divides evenly."""
    cut = np.ascontiguousarray(texture[:131, :203])
    return torch.from_numpy(cut).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="session")
def clouds() -> Picture:
    """(360, 640, 3) uint8: a moment of `synthetic:clouds`."""
    from livedream.capture.sky import Sky

    return Sky(640, 360, 10.0, 3).paint(0.2)


@pytest.fixture
def frames_of() -> Callable[..., list[Frame]]:
    """Frames from pictures at 25 fps."""

    def make(*pictures: Picture, fps: int = 25) -> list[Frame]:
        return [
            Frame(np.ascontiguousarray(picture), index, Fraction(1, fps), index, 1)
            for index, picture in enumerate(pictures)
        ]

    return make
