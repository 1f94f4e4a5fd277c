"""How far every photo's pose can be trusted: evidence, verdicts, advice."""
