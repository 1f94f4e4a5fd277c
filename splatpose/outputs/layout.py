"""Names of the files in a finished run's folder."""

from __future__ import annotations

SPLAT = "splat.ply"
MODEL = "sparse/0"
POINTS = "sparse_pc.ply"
TRANSFORMS = "transforms.json"
TRAJECTORY = "trajectory.tum"
PREVIEWS = "previews"
PAGE = "report.html"
REPORT = "report.json"
CROP = "crop.json"
"""Not written by a run: set in the viewer."""
