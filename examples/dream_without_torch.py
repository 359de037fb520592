"""Dream a picture with the files of `livedream export`, ONNX Runtime and NumPy alone.

livedream export -o dream.onnx
pip install onnxruntime numpy pillow
python -c "import numpy, PIL.Image as p; numpy.save('picture', p.open('photo.jpg').convert('RGB'))"
python examples/dream_without_torch.py picture.npy dream-1.onnx dream-2.onnx out.npy
python -c "import numpy, PIL.Image as p; p.fromarray(numpy.load('out.npy')).save('dream.png')"
"""

import json
import sys

import numpy as np
import onnxruntime


def resized(x, size):
    """Bilinear: (1, 3, H, W) to (1, 3, *size)."""
    for axis, n in ((2, size[0]), (3, size[1])):
        length = x.shape[axis]
        at = ((np.arange(n) + 0.5) * length / n - 0.5).clip(0, length - 1)
        low = at.astype(int)
        part = (at - low).reshape(n, *[1] * (3 - axis))
        x = x.take(low, axis) * (1 - part) + x.take((low + 1).clip(max=length - 1), axis) * part
    return x.astype(np.float32)


picture = np.load(sys.argv[1]).transpose(2, 0, 1)[None] / 255  # from (H, W, 3) bytes, RGB
residual = np.zeros((1, 3, 1, 1))
for step in map(onnxruntime.InferenceSession, sys.argv[2:-1]):  # octaves, the smallest first
    inputs = {port.name: port.shape for port in step.get_inputs()}
    base = resized(picture, inputs["picture"][2:])
    dreamed = (base + resized(residual, base.shape[2:])).clip(0, 1)
    said = step.get_modelmeta().custom_metadata_map
    weights, variety, focus, margins = (
        json.loads(said[f"livedream.{name}"]) for name in ("weights", "variety", "focus", "margins")
    )
    fixed = {
        "step_size": np.float32([1.5]),
        "variety": np.float32([variety]),
        "focus": np.float32([focus]),
        "weights": np.float32(weights),
    }
    for _ in range(10):
        shift = np.random.randint(0, np.add(margins, 1))
        (dreamed,) = step.run(None, {**fixed, "picture": dreamed, "shift": shift})
    residual = dreamed - base
np.save(sys.argv[-1], np.uint8(dreamed[0].transpose(1, 2, 0) * 255 + 0.5))
