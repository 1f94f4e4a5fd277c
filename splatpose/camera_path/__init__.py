"""Films of a finished splat: camera paths, and rendering along them into an mp4."""
