"""Stage 5: Gaussians trained on the views."""
