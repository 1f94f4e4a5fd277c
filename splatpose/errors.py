"""The one exception for what a user can mend."""

from __future__ import annotations


class SplatposeError(Exception):
    """Something the user can put right. The CLI prints it and exits with code 1.

    Args:
        message: What happened, naming the file or photo concerned.
        hint: What to do next, as an instruction. May be empty only where nothing can be done.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
