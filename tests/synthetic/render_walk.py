"""Walks of up to 1,000 photos: `python -m tests.synthetic.render_walk --photos 250`.

What lies in the folder already is not made again; a longer walk begins with a shorter one.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from splatpose.scene.splats import Splats
from splatpose.weights.resolve import cache_dir

SEED = 3


def default_folder() -> Path:
    """$SPLATPOSE_WALKS, else `walks` in the folder that caches downloads."""
    return Path(os.environ.get("SPLATPOSE_WALKS") or cache_dir().parent / "walks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, nargs="+", default=[], help="250, 500, 1000, ...")
    parser.add_argument("--thin", action="store_true", help="the clip with a thin place")
    parser.add_argument("--out", type=Path, default=default_folder())
    parser.add_argument("--seed", type=int, default=SEED, help="of the village and the walk")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as there are cores")
    args = parser.parse_args()
    if not args.photos and not args.thin:
        parser.error("say --photos 250, or --thin")

    from .walks.folders import long_walk, thin_clip, write_walk
    from .walks.world import splat_of_village

    def splats() -> Splats:
        return splat_of_village(args.out, args.seed, threads=args.threads, say=_say)

    try:
        clips = [long_walk(count, args.seed) for count in sorted(args.photos)]
    except ValueError as error:
        parser.error(str(error))
    if args.thin:
        clips.append(thin_clip(args.seed))
    for clip in clips:
        folder = write_walk(args.out, clip, splats, seed=args.seed, say=_say)
        _say(str(folder))


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
