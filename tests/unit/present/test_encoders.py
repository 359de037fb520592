"""Encoders: none holds a frame back, and what cannot be opened says why."""

from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from livedream.core.errors import SinkError
from livedream.media.colour import BT709, from_rgb
from livedream.present.encoders import ALPHA_CODECS, CODECS, choose, configure, leave_real_time


@pytest.mark.parametrize(
    ("codec", "alpha"), [*((codec, False) for codec in CODECS), *((c, True) for c in ALPHA_CODECS)]
)
def test_every_frame_is_a_packet_at_once(codec: str, alpha: bool) -> None:
    size = (96, 64)
    chosen = choose(codec, size, 80, alpha=alpha)
    context: Any = av.CodecContext.create(chosen.encoder.name, "w")
    context.width, context.height = size
    context.time_base = Fraction(1, 90_000)
    context.framerate = Fraction(25)
    configure(context, chosen.encoder, chosen.pixels, Fraction(25), 80)
    random = np.random.default_rng(0)
    for index in range(12):
        noise = random.integers(0, 256, (64, 96, 4 if alpha else 3), dtype=np.uint8)
        frame = from_rgb(noise, chosen.pixels, BT709)
        # Uneven times, and a jump: neither must make an encoder wait.
        frame.pts = index * 3000 + (index % 3) * 700 + (index > 6) * 90_000
        frame.time_base = Fraction(1, 90_000)
        frame.duration = 3000
        packets = context.encode(frame)
        assert [p.pts for p in packets] == [frame.pts]
        assert packets[0].is_keyframe or index > 0
        leave_real_time()


def test_unknown_codecs_list_the_known_ones() -> None:
    with pytest.raises(SinkError, match="use one of h264, hevc, av1, vp9, prores, ffv1"):
        choose("theora", (64, 48), 80)


def test_a_size_no_encoder_takes_gives_each_reason() -> None:
    message = r"no av1 encoder works for 1x1 \(libsvtav1: .*\): give another size \(render: --pict"
    with pytest.raises(SinkError, match=message):
        choose("av1", (1, 1), 80)


@pytest.mark.parametrize(
    ("codec", "size", "most"),
    [("h264", (90, 60_000), (90, 16_384)), ("av1", (64, 9000), (64, 8704)),
     ("av1", (17_000, 64), (16_384, 64))],
)  # fmt: skip
def test_a_size_beyond_the_codec_s_own_limit_is_said_to_be_too_large(
    codec: str, size: tuple[int, int], most: tuple[int, int]
) -> None:
    message = rf"{size[0]}x{size[1]} is too large for {codec}, at most 16384x\d+: crop the picture"
    with pytest.raises(SinkError, match=message):
        choose(codec, size, 80)
    assert choose(codec, most, 80).notes == ()


def test_odd_sizes_get_whole_chroma_and_a_note() -> None:
    chosen = choose("h264", (63, 48), 80)
    assert chosen.pixels == "yuv444p"
    assert "63x48 is odd" in chosen.notes[0]
    assert choose("h264", (64, 48), 80).notes == ()
    assert choose("ffv1", (63, 47), 80).notes == ()


def test_quality_80_is_crf_17() -> None:
    x264 = CODECS["h264"][-1]
    assert float(x264.options(80)["crf"]) == pytest.approx(17)
    assert float(x264.options(0)["crf"]) == pytest.approx(51)
    assert float(x264.options(100)["crf"]) == pytest.approx(8.5)
