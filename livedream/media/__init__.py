"""What reading and writing video share: containers, timing, colour, tags."""
