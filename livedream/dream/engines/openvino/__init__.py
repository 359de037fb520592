"""The ascent on a CPU through OpenVINO."""
