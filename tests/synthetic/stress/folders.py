"""Folders of films and scenes: rendered once, written whole or not at all."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from ..things import Thing
from . import effects
from .scenes import Scene, Source, Split, film_seed
from .stages import FILMS, Camera, Film

SAMPLES = 4
"""Light paths a pixel, before denoising."""


def film_folder(out: Path, film: str, split: Split) -> Path:
    return out / ".films" / f"{film}-{split}"


def scene_folder(out: Path, scene: Scene, split: Split) -> Path:
    return out / f"{scene.name}-{split}"


def render_film(
    out: Path, name: str, split: Split, *, threads: int, say: Callable[[str], None]
) -> None:
    """Renders a film's photos (PNG), depths and cameras.json, unless they lie there."""
    folder = film_folder(out, name, split)
    if folder.exists():
        return
    start = time.perf_counter()
    seed = film_seed(name, split)
    film = FILMS[name](seed)
    part = fresh_folder(folder)
    for camera in dict.fromkeys(film.cameras):
        _render_camera(part, film, camera, seed, threads)
    frames = [
        {"c2w": pose.tolist(), "focal": c.focal, "width": c.width, "height": c.height}
        for pose, c in zip(film.poses, film.cameras, strict=True)
    ]
    seconds = round(time.perf_counter() - start, 1)
    cameras = {"seed": seed, "seconds": seconds, "frames": frames}
    (part / "cameras.json").write_text(json.dumps(cameras, indent=1) + "\n")
    part.rename(folder)
    say(f"{folder.name}: {len(film.poses)} photos in {seconds:.0f} s")


def _render_camera(part: Path, film: Film, camera: Camera, seed: int, threads: int) -> None:
    """The photos and depths of those views that were taken with `camera`."""
    from ..renderer import depths, render  # needs bpy

    views = [v for v, own in enumerate(film.cameras) if own == camera]
    things = [_of_views(thing, views) for thing in film.things()]
    size = {"focal": camera.focal, "width": camera.width, "height": camera.height}
    shots = render(
        things,
        film.lamps,
        film.ambient,
        film.poses[views],
        samples=SAMPLES,
        exposure=film.exposure,
        seeds=[seed * 100 + v for v in views],
        threads=threads,
        quick=True,
        shutter=None if film.shutter is None else film.shutter[views],
        **size,
    )
    for view, shot in zip(views, shots, strict=True):
        shot = effects.sensor_noise(shot, seed=seed * 100 + view)
        Image.fromarray(shot).save(part / f"{view:02d}.png")
    found = depths(things, film.poses[views], threads=threads, **size)
    for view, depth in zip(views, found, strict=True):
        effects.save_depth(part / f"{view:02d}-depth.png", depth)


def _of_views(thing: Thing, views: list[int]) -> Thing:
    """What moves is told where it is in these views alone."""
    if thing.offsets is None:
        return thing
    return replace(thing, offsets=thing.offsets[views])


def write_scene(out: Path, scene: Scene, split: Split, *, say: Callable[[str], None]) -> None:
    """Writes a scene's folder from the films' folders, unless it is there."""
    folder = scene_folder(out, scene, split)
    if folder.exists():
        return
    part = fresh_folder(folder)
    (part / "photos").mkdir()
    (part / "depth").mkdir()
    shots = [
        (place, source.film, photo)
        for place, source in enumerate(scene.sources)
        for photo in _photos(out, source, split)
    ]
    names = photo_names(len(shots), scene.seed(split) if scene.random_names else None)
    frames = []
    for number, (place, film, photo) in enumerate(shots):
        source = film_folder(out, film, split)
        pixels = np.asarray(Image.open(source / f"{photo:02d}.png").convert("RGB"))
        if scene.effect is not None:
            pixels = scene.effect(pixels, number / (len(shots) - 1))
        effects.save_jpeg(part / "photos" / f"{names[number]}.jpg", pixels, scene.quality)
        depth = f"depth/{names[number]}.png"
        shutil.copyfile(source / f"{photo:02d}-depth.png", part / depth)
        camera = json.loads((source / "cameras.json").read_text())["frames"][photo]
        frames.append(_frame(f"photos/{names[number]}.jpg", depth, place, camera))
    truth = {
        "convention": "c2w: camera-to-world, OpenCV axes (+x right, +y down, +z forward); "
        "the top left pixel's centre is at (0, 0)",
        "pose_source": "rendered: exact, metres, z up",
        "depth": "16-bit PNG, millimetres along +z, 0 for none",
        "frames": sorted(frames, key=lambda frame: frame["file"]),
    }
    (part / "poses.json").write_text(json.dumps(truth, indent=1) + "\n")
    about = {
        "scene": scene.name,
        "seed": scene.seed(split),
        "split": split,
        "about": scene.about,
        "reconstructable": scene.reconstructable,
    }
    (part / "scene.json").write_text(json.dumps(about, indent=1) + "\n")
    part.rename(folder)
    say(f"{folder.name}: {len(frames)} photos")


def photo_names(count: int, seed: int | None) -> list[str]:
    """IMG_01, IMG_02, ... in order; with a seed, random names that tell no order."""
    if seed is None:
        return [f"IMG_{number + 1:02d}" for number in range(count)]
    rng = np.random.default_rng(seed)
    return [f"{int(n):08x}" for n in rng.choice(2**31, count, replace=False)]


def _photos(out: Path, source: Source, split: Split) -> tuple[int, ...]:
    if source.photos is not None:
        return source.photos
    cameras = json.loads((film_folder(out, source.film, split) / "cameras.json").read_text())
    return tuple(range(len(cameras["frames"])))


def _frame(file: str, depth: str, place: int, camera: dict) -> dict:
    """One entry of poses.json. There the top left pixel's centre is (0, 0), not (0.5, 0.5)."""
    return {
        "file": file,
        "fx": camera["focal"],
        "fy": camera["focal"],
        "cx": camera["width"] / 2 - 0.5,
        "cy": camera["height"] / 2 - 0.5,
        "w": camera["width"],
        "h": camera["height"],
        "c2w": camera["c2w"],
        "depth": depth,
        "place": place,
    }


def fresh_folder(folder: Path) -> Path:
    """An empty folder beside `folder`, to be renamed to it."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    return part
