"""Scenes of the families on disk: photos, the true cameras, and what the scene is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from splatpose.scene.splats import Splats

from ..stress.folders import fresh_folder, photo_names
from .lenses import Lens
from .photos import Label, Shot, World, taken
from .scenes import Scene
from .worlds import splats_of

Say = Callable[[str], None]


class Shelf:
    """Worlds that were asked for lately."""

    def __init__(self, out: Path, village: Path, say: Say) -> None:
        self.splats: Callable[[str], Splats] = lru_cache(maxsize=3)(
            lambda name: splats_of(name, out, village, say)
        )

    def world(self, scene: Scene, place: int) -> World:
        """The scene's world with all that moves or stands still in it."""
        moves = scene.weathers[place] if scene.weathers else None
        behind = None
        if scene.backdrop is not None:
            name, pose = scene.backdrop
            behind = (self.splats(name), pose)
        return World(self.splats(scene.worlds[place]), moves, behind)


def write_scene(out: Path, scene: Scene, shelf: Shelf, say: Say) -> Path:
    """Writes photos/, poses.json and scene.json, unless they are there: whole or not at all."""
    folder = out / scene.name
    if folder.exists():
        return folder
    start = time.perf_counter()
    part = fresh_folder(folder)
    (part / "photos").mkdir()
    names = scene.names or photo_names(len(scene.shots), None)
    files = [f"photos/{name}.jpg" for name in names]
    worlds = [shelf.world(scene, place) for place in range(len(scene.worlds))]
    photos = taken(worlds, scene.shots, seed=scene.seed)
    for file, photo, shot in zip(files, photos, scene.shots, strict=True):
        save_photo(part / file, photo, shot)
    write_truth(part, scene, files)
    part.rename(folder)
    say(f"{folder.name}: {len(files)} photos in {time.perf_counter() - start:.0f} s")
    return folder


def save_photo(path: Path, photo: np.ndarray, shot: Shot) -> None:
    """JPEG with what the label says in its EXIF."""
    exif = _exif(shot.label) if shot.label is not None else None
    more = {} if exif is None else {"exif": exif}
    Image.fromarray(photo).save(path, quality=shot.quality, subsampling=2, optimize=True, **more)


def _exif(label: Label) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = label.make, label.model
    if label.focal_35mm:
        ifd = exif.get_ifd(ExifTags.IFD.Exif)
        ifd[ExifTags.Base.FocalLengthIn35mmFilm] = round(label.focal_35mm)
    return exif


def write_truth(folder: Path, scene: Scene, files: list[str]) -> None:
    """poses.json as the stress suite has it, with each photo's lens, and scene.json."""
    frames = [frame_of(file, shot) for file, shot in zip(files, scene.shots, strict=True)]
    truth = {
        "convention": "c2w: camera-to-world, OpenCV axes (+x right, +y down, +z forward); "
        "the top left pixel's centre is at (0, 0)",
        "pose_source": "rendered from a splat: exact, of the exposure's middle; metres, z up",
        "lens": "radial: r (1 + k1 r^2 + k2 r^4 + ...) of the tangent r from the axis; fisheye: "
        "the same of the angle in place of r",
        "frames": sorted(frames, key=lambda frame: frame["file"]),
    }
    (folder / "poses.json").write_text(json.dumps(truth, indent=1) + "\n")
    lenses = list(dict.fromkeys(shot.lens for shot in scene.shots))
    about = {
        "scene": scene.name,
        "family": scene.family,
        "split": scene.split,
        "seed": scene.seed,
        "about": scene.about,
        "decidable": scene.decidable,
        "worlds": scene.worlds,
        "lens": [lens_entry(lens) for lens in lenses],
    }
    (folder / "scene.json").write_text(json.dumps(about, indent=1) + "\n")


def frame_of(file: str, shot: Shot) -> dict:
    """One entry of poses.json. There the top left pixel's centre is (0, 0), not (0.5, 0.5)."""
    lens = shot.lens
    x, y = lens.principal_point
    return {
        "file": file,
        "fx": lens.focal,
        "fy": lens.focal,
        "cx": x - 0.5,
        "cy": y - 0.5,
        "w": lens.width,
        "h": lens.height,
        "c2w": shot.pose.tolist(),
        "place": shot.place,
        "lens": lens_entry(lens),
    }


def lens_entry(lens: Lens) -> dict:
    x, y = lens.principal_point
    return {
        "kind": lens.kind,
        "focal_ratio": round(lens.focal / max(lens.width, lens.height), 4),
        "k": list(lens.k),
        "off_center": [round(x / lens.width - 0.5, 4), round(y / lens.height - 0.5, 4)],
    }
