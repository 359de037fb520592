"""Live: a camera goes in; a projector, OBS and recordings come out.

A frame's path: a source's thread puts it into a slot that keeps only the latest; the loop carries
the dream along the flow and lays it onto the frame at the camera's rate, while the dream itself
grows in a thread of its own, as fast as the device allows; each output has a slot and a thread
of its own. No queue of frames lies between source and outputs, so nothing can fall behind.

What may change while running are the live parameters, which every controller sets; the loop takes
one immutable snapshot per frame. `session` puts it all together.
"""
