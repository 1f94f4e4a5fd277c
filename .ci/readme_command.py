"""Prints a command of the README, so that what CI runs and what people read cannot differ.

    python .ci/readme_command.py NAME

The command is the one fenced code block after the comment `<!-- command: NAME -->`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def readme_command(name: str) -> str:
    text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    pattern = rf"<!-- command: {re.escape(name)} -->\s*```bash\n(.*?)\n```"
    found = re.findall(pattern, text, re.DOTALL)
    if len(found) != 1:
        sys.exit(
            f"README.md has {len(found)} code blocks marked <!-- command: {name} -->, not one."
        )
    return found[0]


if __name__ == "__main__":
    print(readme_command(sys.argv[1]))
