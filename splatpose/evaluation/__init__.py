"""Measuring results against the truth, and beside other methods."""
