"""Two-view geometries of all pairs made consistent: rotations, baselines, positions."""
