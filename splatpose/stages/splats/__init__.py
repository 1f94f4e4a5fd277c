"""Gaussians trained on the views."""
