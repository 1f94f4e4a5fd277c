"""Photos of the shared sets with their true poses: whole, thinned, or under other names."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("SPLATPOSE_SHARED", ROOT.parent / "shared"))
PLACES = (
    "dtu_scan24",
    "fountain_p11",
    "fox",
    "hololens_office",
    "kitchen25",
    "llff_fern",
    "rgbd_room",
    "tt_family24",
)


def photos_of(name: str, home: Path) -> tuple[Path, Path | None]:
    """The folder of photos of a set, and the file of their true poses if they have any."""
    if name == "places":
        folder = fresh(home / "images")
        for other in PLACES:
            photo = sorted((SHARED / "data" / other / "images").iterdir())[2]
            shutil.copyfile(photo, folder / f"{other}{photo.suffix}")
        return folder, None
    whole, separator, number = name.replace("/", ":/").replace("~", ":~").partition(":")
    photos = sorted((SHARED / "data" / whole / "images").iterdir())
    truth = next(iter(sorted((SHARED / "data" / whole).glob("poses*.json"))), None)
    if not separator:
        return photos[0].parent, truth
    if number.startswith("~"):
        return _renamed(photos, truth, int(number[1:]), home)
    if number.startswith("/"):
        photos = photos[:: int(number[1:])]
    else:
        photos = [
            photos[i] for i in np.linspace(0, len(photos) - 1, int(number)).round().astype(int)
        ]
    folder = fresh(home / "images")
    for photo in photos:
        shutil.copyfile(photo, folder / photo.name)
    return folder, truth and _truth_of(photos, truth, home / "truth.json")


def _renamed(
    photos: list[Path], truth: Path | None, seed: int, home: Path
) -> tuple[Path, Path | None]:
    """The photos and their true poses under names in random order."""
    order = np.random.default_rng(seed).permutation(len(photos))
    names = {
        photo.name: f"{place:04d}{photo.suffix}" for place, photo in zip(order, photos, strict=True)
    }
    folder = fresh(home / "images")
    for photo in photos:
        shutil.copyfile(photo, folder / names[photo.name])
    if truth is None:
        return folder, None
    value = json.loads(truth.read_text())
    for frame in value["frames"]:
        frame["file"] = names[frame["file"]]
    (home / "truth.json").write_text(json.dumps(value))
    return folder, home / "truth.json"


def _truth_of(photos: list[Path], truth: Path, target: Path) -> Path:
    """The true poses of some photos of a set, in a file of their own."""
    value = json.loads(truth.read_text())
    names = {photo.name for photo in photos}
    value["frames"] = [frame for frame in value["frames"] if frame["file"] in names]
    target.write_text(json.dumps(value))
    return target


def fresh(folder: Path) -> Path:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder
