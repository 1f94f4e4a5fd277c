"""JSON schemas of what programs read of a run: its report, and its events as lines."""

from .load import load_schema as load_schema
