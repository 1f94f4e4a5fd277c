"""Gaussians: their parameters, training and measurement."""
