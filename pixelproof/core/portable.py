"""`compute.portable`: the same bytes from every x86-64 processor that has AVX2.

Libraries choose their kernels by the instructions that a processor has, and kernels differ in the last bits: a sum
taken 16 numbers at a time is rounded in other places than one taken 8 at a time. Here each library is told to use what
all of these processors have. The variables, and what each is needed for, were found by running operations one by one on
several processors (benchmarks/portable.py); docs/reproducibility.md lists what stays different.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping

from pixelproof.core.machine import processor
from pixelproof.core.progress import say

NEEDED = {"avx2", "fma"}
CAPS = {
    "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch's own kernels
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # convolutions
    "MKL_CBWR": "COMPATIBLE",  # matrix products, exp, log: with AVX2, AMD and Intel processors differ
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",  # exp, log, pow, ties in sorting
    "OPENBLAS_CORETYPE": "Haswell",  # NumPy's matrix products
    "OPENBLAS_NUM_THREADS": "1",  # another number of cores would add up in another order
    "OPENCV_CPU_DISABLE": "AVX512-SKX",  # see `caps`
    "OPENCV_IPP": "avx2",  # Intel's library inside OpenCV
}


def missing_instructions() -> list[str]:
    """The instructions that `compute.portable` needs and this processor lacks.

    Returns:
        `["x86-64"]` on another type of processor; an empty list also where the system does not tell (macOS).
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return ["x86-64"]
    _, flags = processor()
    return sorted(NEEDED - flags) if flags else []


def caps() -> dict[str, str]:
    """What is set on this processor: OpenCV complains of being told to leave out instructions that are not there."""
    _, flags = processor()
    unneeded = "OPENCV_CPU_DISABLE" if flags and "avx512bw" not in flags else None
    return {name: value for name, value in CAPS.items() if name != unneeded}


def start_again_capped(environ: Mapping[str, str] = os.environ) -> None:
    """Replace this process by one in which the libraries' instructions are capped, unless they are already.

    Libraries read the variables when they are loaded, which in this process may have happened.

    Args:
        environ: the variables of this process.
    """
    capped = caps()
    if all(environ.get(name) == value for name, value in capped.items()):
        return
    if missing := missing_instructions():
        say(f"compute.portable: this processor lacks {' and '.join(missing)}; results will differ in their last digits")
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, sys.orig_argv, {**environ, **capped})
