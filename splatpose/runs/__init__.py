"""Where a run keeps the results of its stages, so that it can be resumed."""

from .folder import RunFolder as RunFolder
