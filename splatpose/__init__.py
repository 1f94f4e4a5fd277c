"""Photos with unknown camera poses in, camera poses and a 3D Gaussian splat out.

    from splatpose import fit
    fit("photos", "runs/photos")

`fit` takes a `FitConfig`; presets are in `splatpose.configs`. What a user can mend is raised as
`SplatposeError`. Progress is a stream of `splatpose.events`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ._version import __version__ as __version__
from .errors import SplatposeError as SplatposeError

if TYPE_CHECKING:
    from .config import FitConfig as FitConfig
    from .pipeline import fit as fit

# OpenMP's idle threads spin by default and take the cores from our own kernels' threads, and from
# whatever else runs. The setting is read when torch is loaded, so it has its place here.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

if os.path.expanduser("~") == "~":  # no $HOME and no entry for this user, as in many containers
    import tempfile

    # Numba and torch would make a folder called "~" where the command happens to run.
    os.environ.setdefault("XDG_CACHE_HOME", tempfile.gettempdir())

__all__ = ["FitConfig", "SplatposeError", "__version__", "fit"]


def __getattr__(name: str) -> Any:
    """Loads the pipeline when it is first asked for, so that using one module stays cheap."""
    if name == "FitConfig":
        from .config import FitConfig

        return FitConfig
    if name == "fit":
        from .pipeline import fit

        return fit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
