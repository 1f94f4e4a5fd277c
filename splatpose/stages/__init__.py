"""The stages of a run. Each reads values, writes a folder, emits events, and imports no other."""
