"""The `splatpose` command."""
