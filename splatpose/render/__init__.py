"""Differentiable rendering of 3-D Gaussians, on CUDA or on any CPU.

backend = choose_backend("auto")
image, alpha, meta = backend.rasterization(means, quats, ..., width, height)
loss = backend.photometric_loss(image[0], photo)
"""

from __future__ import annotations

from .backend import choose_backend as choose_backend
from .backend import use_backend as use_backend
from .interface import Backend as Backend
from .interface import BackendName as BackendName
