"""Every step gives the same bytes whatever instructions the processor has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pixelproof.core.portable import CAPS

ROOT = Path(__file__).parents[3]
SCRIPT = """
import hashlib
import numpy as np
from pixelproof.augmentation.apply import apply
from pixelproof.augmentation.view import Around
from tests.pixelproof.augmentation.scenes import STEPS, THINGS, scene, step
for settings in STEPS:
    found = hashlib.sha256()
    for seed in range(8):
        view = scene(seed, 131, 117)
        around = Around(None, THINGS, (), 9, lambda index: scene(index, 131, 117))
        out = apply([step(**settings)], view, np.random.default_rng(seed), around)
        for array in (out.image, out.mask, out.instances):
            found.update(array.tobytes())
    print(settings, found.hexdigest())
"""
LEAST = {  # of OpenCV, SSE3, which every x86-64 processor has
    "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,FMA3,AVX,FP16,SSE4.2,SSE4.1,SSSE3",
    "OPENCV_IPP": "disabled",
    "OPENCV_LOG_LEVEL": "ERROR",
}


def digests(**environment: str) -> list[str]:
    """A digest for each step, from a process of its own."""
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_instructions_change_no_byte() -> None:
    """All of this processor's, those of `compute.portable`, and the least that OpenCV and NumPy run with."""
    plain = digests()
    assert len(plain) > 20 and plain == digests(**CAPS) == digests(**(CAPS | LEAST))
