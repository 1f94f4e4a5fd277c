"""Names of the files in a finished run's folder."""

from __future__ import annotations

SPLAT = "splat.ply"
MODEL = "sparse/0"
POINTS = "sparse_pc.ply"
TRANSFORMS = "transforms.json"
TRAJECTORY = "trajectory.tum"
TRAJECTORY_NAMES = "trajectory.csv"
"""Timestamp and photo of each line of the trajectory."""
PREVIEWS = "previews"
PAGE = "report.html"
REPORT = "report.json"
CROP = "crop.json"
"""Crop box; not written by a run, but set in the viewer."""
SCALE = "scale.json"
"""Scale in metres, set in the viewer or by `splatpose scale`; a run only carries it over to its own
cameras."""

FILES = (
    *(MODEL, PREVIEWS, SPLAT, POINTS, TRANSFORMS),
    *(TRAJECTORY, TRAJECTORY_NAMES, PAGE, REPORT),
)
"""Files that a run writes, the report last: files beside a report belong together."""
