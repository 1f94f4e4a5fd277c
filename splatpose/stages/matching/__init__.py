"""Local features, and verified matches of pairs of photos, in a COLMAP database."""
