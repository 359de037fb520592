"""Files with several video streams: one is dreamed, the others are copied."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from files_made import TIME_BASE
from PIL import Image

from livedream.capture import open_source
from livedream.core.errors import SourceError
from livedream.present import open_sink


def two_films(path: Path) -> Path:
    """Stream 0: 8 dark frames, 64x48.  Stream 1: 5 bright ones, 96x32."""
    with av.open(str(path), "w") as out:
        streams: list[Any] = []
        for width, height in ((64, 48), (96, 32)):
            stream: Any = out.add_stream("libx264", rate=25, options={"bf": "0"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.time_base = TIME_BASE
            stream.metadata["title"] = f"film {len(streams)}"
            streams.append(stream)
        for stream, count, level in zip(streams, (8, 5), (40, 200), strict=True):
            for index in range(count):
                rgb = np.full((stream.height, stream.width, 3), level + index, np.uint8)
                frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
                frame.pts, frame.time_base = index * 614, TIME_BASE
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    return path


def levels(path: Path, number: int) -> list[int]:
    with av.open(str(path)) as container:
        shown = [f.to_ndarray(format="rgb24") for f in container.decode(video=number)]
    return [round(float(rgb.mean())) for rgb in shown]


@pytest.mark.parametrize(("stream", "count", "size"), [(None, 8, (64, 48)), (2, 5, (96, 32))])
def test_one_is_dreamed_and_the_other_copied(
    tmp_path: Path, stream: int | None, count: int, size: tuple[int, int]
) -> None:
    path, target = two_films(tmp_path / "two.mkv"), tmp_path / "out.mkv"
    with open_source(path, stream=stream) as source, open_sink(target, source.info) as sink:
        assert (source.info.width, source.info.height) == size
        number = stream or 1
        assert source.info.notes == (
            f"video stream {number} of 2 is dreamed: --stream chooses another",
        )
        for frame in source:
            sink.write(frame)
    assert sink.frames_written == count
    with av.open(str(target)) as container:
        titles = [s.metadata["title"] for s in container.streams.video]
    assert titles == [f"film {number - 1}", f"film {2 - number}"]
    wanted = [levels(path, number - 1), levels(path, 2 - number)]
    assert np.abs(np.array(levels(target, 0)) - wanted[0]).max() <= 1
    assert levels(target, 1) == wanted[1]


@pytest.mark.parametrize("stream", [0, 3, -1])
def test_a_stream_that_is_not_there_is_one_clear_line(tmp_path: Path, stream: int) -> None:
    path = two_films(tmp_path / "two.mp4")
    with pytest.raises(SourceError, match=rf"must be 1 to 2, .*two.mp4 \(got {stream}\)"):
        open_source(path, stream=stream)


def test_a_picture_has_no_streams(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(SourceError, match="--stream is for video files"):
        open_source(tmp_path / "a.png", stream=1)


def test_the_transparency_of_a_webm_gets_a_note(tmp_path: Path) -> None:
    """VP9 keeps it beside its frames: what decodes is opaque."""
    path, target = tmp_path / "clear.webm", tmp_path / "out.webm"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libvpx-vp9", rate=25, options={"auto-alt-ref": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuva420p"
        stream.metadata["alpha_mode"] = "1"
        rgba = np.full((48, 64, 4), 128, np.uint8)
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(rgba, format="rgba").reformat(format="yuva420p")
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with open_source(path) as source, open_sink(target, source.info) as sink:
        assert source.info.notes == ("transparency is dropped",)
        for shown in source:
            sink.write(shown)
    with av.open(str(target)) as container:
        assert "alpha_mode" not in {k.lower() for k in container.streams.video[0].metadata}
