"""Suites: many scenes through many methods, and one table of what came of it."""
