"""What the CUDA ascent does between its convolutions, as kernels of Triton.

PyTorch launches a kernel for every operation, and a small network's step is bound by their number.
Here each of these is one kernel: a pooling, whose backward pass gathers by a place code of a byte;
a bias, a residual and an activation, whose result may be cut into pieces of its channels, and their
backward pass, which adds up the gradients of several that look at the result; margins,
normalisation and cast. The objective's seed of a whole layer takes three, the step's end two.

Convention
    Activations are (N, C, h, w) of one type, fp32, fp16 or bf16, channels last; they are returned
    so. `pitch` is the number of elements from one pixel to the next, more than C where a tensor is
    a slice of others' channels. All sums are fp32, in an order that does not depend on the clock:
    no atomics. Grids follow from shapes, and nothing waits for the device, as a CUDA graph asks.
    Indices are int32: `activate` and `max_pool` leave larger tensors to PyTorch.

Importing this needs Triton; see `fused.open_kernels`. Tried: in Triton's interpreter against
PyTorch's operations, and compiled for compute capability 8.0, 8.9 and 9.0. Not yet run on a device.
"""

from livedream.dream.engines.kernels.activation import Spans, activate
from livedream.dream.engines.kernels.pooling import max_pool
from livedream.dream.engines.kernels.seed import layer_seed
from livedream.dream.engines.kernels.step import climb, see

__all__ = ["Spans", "activate", "climb", "layer_seed", "max_pool", "see"]
