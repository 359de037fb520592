"""Camera footage through source and sink: nothing but the pictures may change."""

from pathlib import Path

import av
import pytest
from files_made import packets

from livedream.capture import open_source
from livedream.present import open_sink


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count"), [("coffee", 287), ("beach", 382)])
def test_times_tags_and_sound_are_those_of_the_clip(
    shared: Path, tmp_path: Path, name: str, count: int
) -> None:
    clip, target = shared / "clips" / f"{name}.mp4", tmp_path / "out.mp4"
    with open_source(clip) as source, open_sink(target, source.info) as sink:
        for frame in source:
            sink.write(frame)
    assert sink.notes == ()
    times, wanted = ([p[0] for p in packets(path)] for path in (target, clip))
    assert len(times) == count
    assert times == wanted
    assert packets(target, "audio") == packets(clip, "audio")
    with av.open(str(target)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.width, context.height) == (1280, 720)
        tags = (context.colorspace, context.color_primaries, context.color_trc)
        assert (*tags, context.color_range) == (1, 1, 1, 1)
