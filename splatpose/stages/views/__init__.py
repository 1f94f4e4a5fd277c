"""Registered photos undistorted to a pinhole camera and resized, for the trainer."""
