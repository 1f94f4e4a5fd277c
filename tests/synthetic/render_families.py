"""Scenes by families of capture: `python -m tests.synthetic.render_families --split tune`.

What lies in the folder already is not made again.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from splatpose.weights.resolve import cache_dir

from .families.catalogue import FAMILIES, scenes
from .render_walk import default_folder as walks_folder
from .stress.scenes import SPLITS


def default_folder() -> Path:
    """$SPLATPOSE_FAMILIES, else `families` in the folder that caches downloads."""
    return Path(os.environ.get("SPLATPOSE_FAMILIES") or cache_dir().parent / "families")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=SPLITS, required=True)
    parser.add_argument("--only", choices=list(FAMILIES), metavar="FAMILY")
    parser.add_argument("--worlds", nargs="+", metavar="WORLD", help="only scenes of these worlds")
    parser.add_argument("--out", type=Path, default=default_folder())
    parser.add_argument("--village", type=Path, default=walks_folder(), help="folder of the walks")
    args = parser.parse_args()

    from .families.folders import Shelf, write_scene

    shelf = Shelf(args.out, args.village, _say)
    for scene in scenes(args.split, args.only):
        if args.worlds and not set(scene.worlds) <= set(args.worlds):
            continue
        write_scene(args.out, scene, shelf, _say)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
