"""Scenes that we render ourselves, with exact cameras. See README.md beside this file."""
