"""Warp: what is carried from frame to frame, moved to where its frame has moved."""
