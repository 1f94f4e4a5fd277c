"""Walks on disk: photos, the true cameras and the names of the parts."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from splatpose.scene.splats import Splats

from ..stress import effects
from ..stress.stages import Camera
from . import paths, routes, shots
from .world import unfinished

QUALITY = 92
"""Of the JPEGs."""
_THIN_PLACE = (18, 19)


@dataclass(frozen=True)
class Clip:
    """A walk, what it is called and where its exposure is wrong."""

    name: str
    walk: paths.Walk
    jolts: dict[int, float]
    """Stops by which single photos are wrong."""


def long_walk(count: int, seed: int) -> Clip:
    """The first `count` photos of the way through the whole village."""
    return Clip(f"walk{count}", paths.walk(routes.VILLAGE, count, seed=seed), {})


def thin_clip(seed: int, count: int = 62) -> Clip:
    """Two smeared photos of a blank wall are all that joins its beginning to its rest."""
    walk = paths.walk(routes.THIN, count, seed=seed, corner=0.45, blurred=_THIN_PLACE)
    return Clip("thin", walk, dict(zip(_THIN_PLACE, (-1.2, -0.8), strict=True)))


def write_walk(
    out: Path,
    clip: Clip,
    splats: Callable[[], Splats],
    *,
    seed: int,
    say: Callable[[str], None],
    camera: Camera = shots.CAMERA,
) -> Path:
    """Writes images/, poses.json and sections.json, unless they are there.

    Photos of a shorter walk that is there are taken over, and so are those that were made before
    somebody stopped it.
    """
    folder = out / f"{clip.name}-{seed}"
    if folder.exists():
        return folder
    start = time.perf_counter()
    part = folder.with_name(folder.name + ".part")
    (part / "images").mkdir(parents=True, exist_ok=True)
    _take_over(out, part, clip, seed)
    lens = shots.Lens(splats(), camera)
    poses, shutter = clip.walk.poses, clip.walk.shutter
    brightness = np.array([lens.light(pose, 0.125).mean() for pose in poses])
    stops = shots.automatic_exposure(brightness, clip.jolts)
    for photo in range(len(poses)):
        path = part / photo_name(photo)
        if path.exists():
            continue
        light = lens.exposed(*shutter[photo])
        pixels = shots.developed(light, stops[photo], seed=seed * 10_000 + photo)
        effects.save_jpeg(unfinished(path), pixels, QUALITY)
        unfinished(path).rename(path)
    write_truth(part, clip, stops, camera)
    part.rename(folder)
    say(f"{folder.name}: {len(poses)} photos in {time.perf_counter() - start:.0f} s")
    return folder


def photo_name(photo: int) -> str:
    return f"images/{photo:03d}.jpg"


def write_truth(folder: Path, clip: Clip, stops: np.ndarray, camera: Camera) -> None:
    """poses.json as in the project's real photo sets, and sections.json."""
    pinhole = {
        "fx": camera.focal,
        "fy": camera.focal,
        "cx": camera.width / 2 - 0.5,
        "cy": camera.height / 2 - 0.5,
        "w": camera.width,
        "h": camera.height,
    }
    frames = [
        {"file": photo_name(photo), **pinhole, "c2w": pose.tolist(), "stops": round(stop, 3)}
        for photo, (pose, stop) in enumerate(zip(clip.walk.poses, stops.tolist(), strict=True))
    ]
    truth = {
        "convention": "c2w: camera-to-world, OpenCV axes (+x right, +y down, +z forward); "
        "the top left pixel's centre is at (0, 0)",
        "pose_source": "rendered from a splat: exact, of the exposure's middle; metres, z up",
        "frames": frames,
    }
    (folder / "poses.json").write_text(json.dumps(truth, indent=1) + "\n")
    sections = [
        {"name": name, "first": first, "last": last} for name, first, last in clip.walk.sections
    ]
    (folder / "sections.json").write_text(json.dumps({"sections": sections}, indent=1) + "\n")


def _take_over(out: Path, part: Path, clip: Clip, seed: int) -> None:
    """Copies photos that another walk along the same way has."""
    for other in sorted(out.glob(f"walk*-{seed}")) if clip.name != "thin" else []:
        for photo in range(len(clip.walk.poses)):
            source, path = other / photo_name(photo), part / photo_name(photo)
            if source.exists() and not path.exists():
                shutil.copyfile(source, unfinished(path))
                unfinished(path).rename(path)
