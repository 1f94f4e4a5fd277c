"""The version, where a stage's key can read it without importing anything."""

__version__ = "0.1.0"
