"""Verdicts: which poses can be trusted, why, and what to photograph next."""
