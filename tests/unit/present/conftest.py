"""What the tests of present share."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest


@pytest.fixture
def film_with_sound(tmp_path: Path) -> Path:
    """A film of three frames and a moment of silence."""
    path = tmp_path / "film-with-sound.mkv"
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 8, 6, "bgr0"
        audio: Any = out.add_stream("aac", rate=48000)
        for index in range(3):
            picture = np.full((6, 8, 3), 80, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = index
            out.mux(video.encode(frame))
        silence = av.AudioFrame.from_ndarray(
            np.zeros((2, 1024), np.float32), format="fltp", layout="stereo"
        )
        silence.sample_rate = 48000
        out.mux(audio.encode(silence))
        for stream in (video, audio):
            out.mux(stream.encode(None))
    return path
