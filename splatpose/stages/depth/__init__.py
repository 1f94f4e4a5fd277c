"""Prior depth of each photo, from a network, a sensor or a folder of maps."""
