"""The ascent on an NVIDIA card, captured as CUDA graphs."""
