"""`python -m splatpose` is the same as the `splatpose` command."""

from __future__ import annotations

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
