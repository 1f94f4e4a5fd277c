"""From matches to camera poses: the reconstruction that the evidence supports."""
