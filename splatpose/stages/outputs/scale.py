"""How long a unit of the world is: set in the viewer or by `splatpose scale`, kept by later runs.

Stages always work in the run's own units, in which the camera centres' RMS radius is about 1, and
so does what the viewer leaves for later (crop box, keyframes). Outputs are in metres once a scale
is set; report.json says so.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ...errors import SplatposeError
from ...geometry.centers import centers_of
from ...io.atomic import write_json
from ...scene.splats import Splats
from .layout import REPORT, SCALE

_MOST_CAMERAS = 200
_SAME = 1e-6
"""Relative difference of units below which two frames are one."""


@dataclass(frozen=True)
class Scale:
    """The length of a unit, and the cameras by which another run knows that unit again."""

    metres_per_unit: float
    """Metres in one of the run's own units."""
    cameras: Mapping[str, tuple[float, float, float]]
    """Photo names and camera centres, in the run's own units."""

    @classmethod
    def of(
        cls,
        metres_per_unit: float,
        names: Sequence[str],
        cam_from_world: Float[np.ndarray, "V 4 4"],
    ) -> Scale:
        """The scale of a frame with cameras in it; those without a pose are left out.

        Raises:
            SplatposeError: no world has such a scale.
        """
        if not (math.isfinite(metres_per_unit) and metres_per_unit > 0):
            raise SplatposeError(
                f"{metres_per_unit} is no length of a unit.", "Give a positive number of metres."
            )
        centers = centers_of(cam_from_world).tolist()
        rows = zip(names, centers, strict=True)
        return cls(
            metres_per_unit, {name: (x, y, z) for name, (x, y, z) in rows if math.isfinite(x)}
        )

    def in_frame_of(
        self, names: Sequence[str], cam_from_world: Float[np.ndarray, "V 4 4"]
    ) -> Scale | None:
        """The same scale for another model of the same place, by the cameras that both have.

        The ratio of units is the median of the ratios of the cameras' longer distances. None where
        fewer than two cameras are common, or all stand in one place.
        """
        other = Scale.of(self.metres_per_unit, names, cam_from_world)
        common = [name for name in other.cameras if name in self.cameras]
        common = common[:: max(1, len(common) // _MOST_CAMERAS)]
        here = _distances([self.cameras[name] for name in common])
        there = _distances([other.cameras[name] for name in common])
        if not len(here) or not here.max() > 0 or not there.max() > 0:
            return None
        longer = here >= max(float(np.median(here)), 1e-9 * float(here.max()))
        ratio = float(np.median(there[longer] / here[longer]))
        if not ratio > 0:
            return None
        if abs(ratio - 1) < _SAME:
            return other
        return dataclasses.replace(other, metres_per_unit=self.metres_per_unit / ratio)


def write_scale(out: Path, scale: Scale | None) -> None:
    """Writes the scale into a run's folder, or removes it. Outputs are not touched."""
    if scale is None:
        (out / SCALE).unlink(missing_ok=True)
    else:
        write_json(out / SCALE, dataclasses.asdict(scale))


def read_scale(out: Path) -> Scale | None:
    """The scale of a run's folder, or None where none is set.

    Raises:
        SplatposeError: the file is damaged.
    """
    path = out / SCALE
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        metres = float(value["metres_per_unit"])
        rows = {str(name): tuple(map(float, row)) for name, row in value["cameras"].items()}
        cameras = {name: (x, y, z) for name, (x, y, z) in rows.items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SplatposeError(
            f"{path} is no scale: {error}.", "Set it again in the viewer, or delete the file."
        ) from error
    if not (math.isfinite(metres) and metres > 0):
        raise SplatposeError(
            f"{path} is no scale: {metres} metres.", "Set it again, or delete the file."
        )
    return Scale(metres, cameras)


def units_in_report(metres_per_unit: float | None) -> dict[str, Any]:
    """What report.json says of the units of the files beside it."""
    units = "arbitrary" if metres_per_unit is None else "metres"
    return {"units": units, "metres_per_unit": metres_per_unit}


def metres_per_unit(out: Path) -> float | None:
    """Metres in one of the run's own units by which the outputs in `out` are scaled.

    None where they are in the run's own units, or nothing says so.
    """
    try:
        report = json.loads((out / REPORT).read_text(encoding="utf-8"))
        value = report.get("metres_per_unit")
    except (OSError, ValueError, AttributeError):
        return None
    return float(value) if value else None


def scaled_splats(splats: Splats, factor: float) -> Splats:
    """The same Gaussians in a world in which everything is `factor` times as large."""
    return dataclasses.replace(
        splats, means=splats.means * factor, log_scales=splats.log_scales + math.log(factor)
    )


def scaled_cameras(
    cam_from_world: Float[np.ndarray, "V 4 4"], factor: float
) -> Float[np.ndarray, "V 4 4"]:
    """The same cameras in a world in which everything is `factor` times as large."""
    scaled = cam_from_world.copy()
    scaled[:, :3, 3] *= factor
    return scaled


def _distances(centers: Sequence[tuple[float, float, float]]) -> Float[np.ndarray, " P"]:
    """Distances of all pairs of camera centres."""
    places = np.array(centers, np.float64).reshape(-1, 3)
    first, second = np.triu_indices(len(places), 1)
    return np.linalg.norm(places[first] - places[second], axis=1)
