"""Pairs of photos: relative poses, their kinds and covariances, and which pairs are false."""
