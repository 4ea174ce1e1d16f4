"""Where tests marked `gpu` run: on CUDA. `make gpu`'s dry run has them try their own lines on the CPU."""

from __future__ import annotations

import os

DEVICE = os.environ.get("PIXELPROOF_GPU_TESTS_ON", "cuda")
