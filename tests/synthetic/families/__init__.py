"""Scenes by families of capture: exact truth to fit verdicts on and to test them with."""
