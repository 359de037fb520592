"""The gradient step as one ONNX graph, so that a host without PyTorch can dream.

`step.build_step` gives the model; `livedream export` writes it to a file. Its inputs and output
stand in `step.INPUTS` and `step.OUTPUT`, what it dreams in the file's metadata (docs/export.md).
"""
