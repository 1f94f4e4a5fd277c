"""Reconstructions and their bundle adjustment."""
