"""From a folder of photos or a video to a `Capture`."""
