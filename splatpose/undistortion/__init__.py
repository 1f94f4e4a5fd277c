"""Photos as pinhole views."""
