"""Size, steps, Gaussians and degree of colour for a time of training and a memory."""
