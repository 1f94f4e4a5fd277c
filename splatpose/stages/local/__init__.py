"""Relative poses refined in clusters of neighbouring views, kept where held-out matches gain."""
