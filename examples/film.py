"""Dream a film, its dream growing stronger from the first frame to the last.

python examples/film.py INPUT OUTPUT
"""

import sys

import livedream

source_path, output_path = sys.argv[1:]
settings = livedream.DreamSettings(objective="eyes + 0.5*strokes", half_life=1.5)
dreamer = livedream.Dreamer(settings)

with (
    livedream.open_source(source_path) as source,
    livedream.open_sink(output_path, source.info) as sink,
):
    length = source.info.frames or 250
    for frame in dreamer.frames(source):
        sink.write(frame)
        strength = 4 + 20 * min(1, frame.index / length)
        dreamer.adopt(settings.replace(strength=strength))
