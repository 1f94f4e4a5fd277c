"""Where structure from motion and splatting meet: poses optimised together with Gaussians."""
