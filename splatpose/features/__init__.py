"""Local features, their matching, and the adjustment of keypoints."""
