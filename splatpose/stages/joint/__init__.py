"""Poses and Gaussians optimised together, kept only where unseen photos and matches gain."""
