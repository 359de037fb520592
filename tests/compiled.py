"""Triton's kernels compiled without a device, for compute capability 9.0."""

import os
import subprocess
import sys
from pathlib import Path

_COMPILE = """
import torch, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
import livedream.core.kernels
NAMES = {torch.float32: "*fp32", torch.float16: "*fp16", torch.uint8: "*u8", torch.int64: "*i64"}
def name(a):
    return NAMES[a.dtype] if isinstance(a, torch.Tensor) else "fp32" if type(a) is float else "i32"
def launch(kernel, grid, *args, **constants):
    kinds = [name(a) for a in args]
    signature = dict(zip(kernel.arg_names, kinds)) | {name: "constexpr" for name in constants}
    aligned = {(n,): [["tt.divisibility", 16]] for n, a in enumerate(args) if kinds[n][0] == "*"}
    source = ASTSource(kernel, signature, constants, aligned)
    found = triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm
    assert found["cubin"]
    # Channels are read sixteen bytes at a time.
    assert "V" not in constants or "ld.global.v4.b32" in found["ptx"], found["ptx"]
    print(kernel.__name__)
livedream.core.kernels.launch = launch
"""


def compiled(calls: str, cache: Path) -> set[str]:
    """The names of the kernels that those lines of Python launch; each was compiled.

    cache: an empty folder, so that none was compiled before.
    """
    env = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(cache)}
    words = [sys.executable, "-c", _COMPILE + calls]
    ran = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.split())
