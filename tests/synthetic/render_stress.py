"""Renders the stress suite: `python -m tests.synthetic.render_stress` from the repository's root.

What lies in the folder already is not rendered again.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from splatpose.weights.resolve import cache_dir

from .stress.folders import render_film, write_scene
from .stress.scenes import SCENES, SPLITS


def default_folder() -> Path:
    """$SPLATPOSE_STRESS, else `stress` in the folder that caches downloads."""
    return Path(os.environ.get("SPLATPOSE_STRESS") or cache_dir().parent / "stress")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    names = [scene.name for scene in SCENES]
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, default=names)
    parser.add_argument("--split", choices=[*SPLITS, "all"], default="all")
    parser.add_argument("--out", type=Path, default=default_folder())
    parser.add_argument("--threads", type=int, default=0, help="0: as many as there are cores")
    args = parser.parse_args()

    for split in SPLITS if args.split == "all" else [args.split]:
        for scene in SCENES:
            if scene.name not in args.only:
                continue
            for source in scene.sources:
                render_film(args.out, source.film, split, threads=args.threads, say=_say)
            write_scene(args.out, scene, split, say=_say)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
