"""Where the defaults of stills, of the endless zoom and of live dreaming differ from a video's.

All chosen by eye (heuristic), on photographs, clouds and noise, with dreamnet.
"""

from typing import Final

from livedream.core.settings import DreamSettings

# A picture is looked at for longer than a frame, so it may hold more, larger motifs
# beside small ones; a short half-life lets weak first ideas give way to better ones.
# Nothing moves and nobody waits: every round climbs all octaves, and a photograph of 12 megapixels
# is dreamed at its own size. More bands than a video's, so that what lives in the sky gets a body.
STILL: Final = DreamSettings(
    size="3000p", strength=24.0, half_life=0.4, motif=0.5, iterations=2, momentum=0.0, laplacian=4
)
# Noise has nothing worth keeping underneath, and no white to be dimmed.
STILL_FROM_NOISE: Final = STILL.replace(strength=40.0, headroom=0.0)
# Of dreaming a still: the level stands after ten, motifs are complete after about twenty.
ROUNDS: Final = 24
# Of a dream out of noise, px.
NOISE_SIZE: Final = (1280, 720)
# What a zoom dreams becomes the picture it goes on from: a little, quickly, and everywhere. Its
# octaves are balanced as it travels; with bands, bright ropes grow between the animals.
ZOOM: Final = DreamSettings(strength=14.0, half_life=0.4, motif=0.78, spread=0.8, laplacian=0)
# A frame has no time for the slow flow; what a dream may cost is the governor's to decide, down
# from here. A little longer half-life: fewer dreams a second come into it (heuristic, by eye).
LIVE: Final = DreamSettings(size="360p", flow="dis-fast", flow_size="216p", half_life=2.0)
