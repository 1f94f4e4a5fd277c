"""Differentiable rendering of 3-D Gaussians, on CUDA or on any CPU.

backend = choose_backend("auto")
image, alpha, meta = backend.rasterization(means, quats, ..., width, height)
loss = backend.photometric_loss(image[0], photo)
"""

from __future__ import annotations

import os
import sys

# OpenMP's idle threads spin by default and take the cores from the kernels' own threads. The
# setting is read when torch is loaded.
if "torch" not in sys.modules:
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from splatpose.render.backend import Backend as Backend
from splatpose.render.backend import BackendName as BackendName
from splatpose.render.backend import choose_backend as choose_backend
from splatpose.render.backend import use_backend as use_backend
