"""Poses as parameters: small motions, their gauge, tracks, bundle adjustment of both."""
