"""A box outside of which nothing of the splat is wanted: set in the viewer, honoured by export."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ...errors import SplatposeError
from ...io.atomic import write_json
from ...scene.splats import Splats
from .layout import CROP


@dataclass(frozen=True)
class CropBox:
    """Axis-parallel, in the run's own units whatever its scale."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def __contains__(self, point: Float[np.ndarray, " 3"]) -> bool:
        return bool((point >= np.array(self.low)).all() and (point <= np.array(self.high)).all())

    def scaled(self, factor: float) -> CropBox:
        """The same box in a world in which everything is `factor` times as large."""
        (ax, ay, az), (bx, by, bz) = self.low, self.high
        return CropBox(
            (ax * factor, ay * factor, az * factor), (bx * factor, by * factor, bz * factor)
        )


def cropped(splats: Splats, box: CropBox) -> Splats:
    """The Gaussians whose centres lie in the box."""
    low, high = (splats.means.new_tensor(corner) for corner in (box.low, box.high))
    keep = ((splats.means >= low) & (splats.means <= high)).all(dim=1)
    return replace(
        splats,
        means=splats.means[keep],
        quats=splats.quats[keep],
        log_scales=splats.log_scales[keep],
        logit_opacities=splats.logit_opacities[keep],
        sh=splats.sh[keep],
    )


def write_crop(out: Path, box: CropBox | None) -> None:
    """Writes the box into a run's folder, or removes it."""
    if box is None:
        (out / CROP).unlink(missing_ok=True)
    else:
        write_json(out / CROP, {"low": list(box.low), "high": list(box.high)})


def read_crop(out: Path) -> CropBox | None:
    """The box of a run's folder, or None where there is none.

    Raises:
        SplatposeError: the file is damaged.
    """
    path = out / CROP
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        low, high = ([float(number) for number in value[name]] for name in ("low", "high"))
        (ax, ay, az), (bx, by, bz) = low, high
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SplatposeError(
            f"{path} is no crop box: {error}.", "Set it again in the viewer, or delete the file."
        ) from error
    return CropBox((ax, ay, az), (bx, by, bz))
