"""Renders assets/demo again: `python -m tests.synthetic.render_demo` from the repository's root."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from . import demo_scene
from .cameras import handheld_arc, write_transforms
from .renderer import render

WIDTH, HEIGHT, FOCAL = 640, 480, 540.0
DEMO = Path(__file__).parents[2] / "assets" / "demo"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DEMO)
    parser.add_argument("--photos", type=int, default=22)
    parser.add_argument("--only", type=int, nargs="*", help="render only these photos, from 1")
    parser.add_argument("--samples", type=int, default=40, help="light paths a pixel")
    parser.add_argument("--scale", type=float, default=1.0, help="of the 640x480 pixels")
    parser.add_argument("--quality", type=int, default=88, help="of the JPEG files")
    args = parser.parse_args()

    poses = handheld_arc(
        args.photos, degrees=94, radius=1.52, height=0.52, target=demo_scene.TARGET, seed=1
    )
    chosen = [n - 1 for n in args.only] if args.only else list(range(args.photos))
    names = [f"photo_{number + 1:02d}.jpg" for number in range(args.photos)]
    width, height, focal = (int(WIDTH * args.scale), int(HEIGHT * args.scale), FOCAL * args.scale)
    args.out.mkdir(parents=True, exist_ok=True)
    shots = render(
        demo_scene.things(),
        demo_scene.LAMPS,
        demo_scene.AMBIENT,
        poses[chosen],
        focal=focal,
        width=width,
        height=height,
        samples=args.samples,
        exposure=-0.1,
        seeds=[number + 1 for number in chosen],
    )
    start = time.perf_counter()
    for number, shot in zip(chosen, shots, strict=True):
        path = args.out / names[number]
        Image.fromarray(shot).save(path, quality=args.quality, subsampling=2, optimize=True)
        seconds = time.perf_counter() - start
        mean = float(np.mean(shot))
        print(
            f"{path.name}: {path.stat().st_size / 1024:.0f} KiB, mean {mean:.0f}, {seconds:.0f} s"
        )
        sys.stdout.flush()
    write_transforms(
        args.out / "transforms.json", names, poses, focal=focal, width=width, height=height
    )


if __name__ == "__main__":
    main()
