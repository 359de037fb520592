"""Distilling a network made for dreaming: teachers, pictures, dreams, the training loop."""
