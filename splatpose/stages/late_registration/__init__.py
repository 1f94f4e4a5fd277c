"""Photos that the reconstruction left out, registered on depth that Gaussians render."""
