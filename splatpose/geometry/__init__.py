"""Rotations, similarities, cameras and two-view geometry: numpy, batched, no files."""
