"""Long walks through a village, with exact cameras: photos rendered from a splat of it."""
