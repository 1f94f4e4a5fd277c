"""Names of the files in the stage's folder."""

from __future__ import annotations

DATABASE = "database.db"
