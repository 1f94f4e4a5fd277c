"""Names of the files in the stage's folder."""

from __future__ import annotations

DATABASE = "database.db"
RESULT = "matching.json"
WAYS = "ways.csv"
TRIED = "tried.npy"
RAW = "matches.db"
"""What matchers found, before it is aligned on the photos; in a matcher's part of `FEATURES`."""
FEATURES = "features"
"""Folder that is there until the stage is finished."""
