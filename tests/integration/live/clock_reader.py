"""Reads the clock in the pixels of a stream: prints the age of 25 pictures in ms."""

import sys
import time

import av

address, *options = sys.argv[1:]
given = dict(option.split("=", 1) for option in options)
sound = given.pop("audio", "")
with av.open(address, options={"fflags": "nobuffer", **given}) as container:
    if sound:
        assert container.streams.audio, "a sound track was expected"
    for count, frame in enumerate(container.decode(video=0), 1):
        now = int(time.monotonic() * 1000) & 0xFFFFFF
        rgb = frame.to_ndarray(format="rgb24")
        blocks = [rgb[b // 12 * 24 + 12, b % 12 * 24 + 12, 1] > 127 for b in range(24)]
        print(now - sum(int(on) << bit for bit, on in enumerate(blocks)), flush=True)
        if count == 25:
            break
