"""Records numbered pictures until it is killed; says each number once it is written."""

import sys
from fractions import Fraction

import numpy as np

from livedream.core.addresses import parse_address
from livedream.present.live import LiveFrame
from livedream.present.live.recording import RecordingOutput

output = RecordingOutput(parse_address(f"record:{sys.argv[1]}?minutes=0.02"), 64, 48, Fraction(25))
output.open()
for index in range(250):
    rgb = np.full((48, 64, 3), (0, 40, 40), np.uint8)
    for bit in range(8):
        if index >> bit & 1:
            rgb[:24, 8 * bit : 8 * bit + 8] = 230
    output.write(LiveFrame(rgb, index / 25, index))
    print(index, flush=True)
