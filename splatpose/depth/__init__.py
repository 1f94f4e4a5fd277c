"""Prior depth maps: sampling, and alignment to a reconstruction."""
