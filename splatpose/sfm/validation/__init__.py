"""Evidence on how far a reconstruction can be trusted."""
