"""The village on disk: pictures of the survey, points, and the splat that the walks go through."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from splatpose.events import Event, TrainingStep
from splatpose.scene.splats import Splats
from splatpose.scene.views import Views
from splatpose.splatting.config import TrainingConfig
from splatpose.splatting.result import load_result
from splatpose.splatting.train import train

from ..things import Thing
from .survey import FOCAL, HEIGHT, WIDTH, survey

Say = Callable[[str], None]

SAMPLES = 2
"""Light paths a pixel, not denoised: every surface is in many pictures."""
EXPOSURE = -0.4
APART = 0.36
"""Metres between the first Gaussians at a distance of 10 metres."""
TRAINING = TrainingConfig(
    backend="cpu",
    steps=5000,
    final_steps=0,
    max_gaussians=750_000,
    refine_every=100,
    growth_share=0.6,
    sh_degree=0,
    coarse_factor=2.0,
    coarse_share=0.25,
    background="black",
    exposure=False,
    initial_opacity=0.6,
    lr_means=2e-4,
    lr_scales=2e-2,
    checkpoint_seconds=120.0,
)
"""Light that does not depend on where one stands, and points that lie where they should."""


def surveyed(out: Path, seed: int, *, threads: int, say: Say) -> Path:
    """The folder with the survey's pictures and points, made unless it is there.

    What was rendered before somebody stopped it is used again.
    """
    folder = out / f".survey-{seed}"
    if folder.exists():
        return folder
    from .points import seen_points  # needs bpy
    from .village import village

    start = time.perf_counter()
    part = folder.with_name(folder.name + ".part")
    (part / "pictures").mkdir(parents=True, exist_ok=True)
    things = list(village(seed))
    poses = survey(seed)
    _render_pictures(part, things, poses, seed, threads=threads, say=say)
    pictures = list(_pictures(part, len(poses)))
    meshes = [thing.mesh for thing in things]
    points, colors = seen_points(meshes, pictures, poses, focal=FOCAL, apart=APART, seed=seed)
    np.savez(part / "points.npz", points=points.astype(np.float32), colors=colors)
    seconds = round(time.perf_counter() - start, 1)
    about = {"seed": seed, "seconds": seconds, "c2w": poses.tolist()}
    (part / "survey.json").write_text(json.dumps(about) + "\n")
    part.rename(folder)
    say(f"{folder.name}: {len(poses)} pictures, {len(points):,} points in {seconds:.0f} s")
    return folder


def _render_pictures(
    folder: Path, things: list[Thing], poses: np.ndarray, seed: int, *, threads: int, say: Say
) -> None:
    """Renders those pictures of the survey that are not there."""
    from ..renderer import render  # needs bpy
    from .village import SKY, sun

    left = [view for view in range(len(poses)) if not picture_path(folder, view).exists()]
    say(f"{folder.name}: {len(left)} of {len(poses)} pictures to render")
    shots = render(
        things,
        sun(),
        SKY,
        poses[left],
        focal=FOCAL,
        width=WIDTH,
        height=HEIGHT,
        samples=SAMPLES,
        exposure=EXPOSURE,
        seeds=[seed * 1000 + view for view in left],
        threads=threads,
        quick=True,
        denoise=False,
    )
    for view, shot in zip(left, shots, strict=True):
        path = picture_path(folder, view)
        Image.fromarray(shot).save(unfinished(path))
        unfinished(path).rename(path)


def splat_of_village(out: Path, seed: int, *, threads: int, say: Say) -> Splats:
    """The splat of the survey's pictures, trained unless it is there."""
    folder = out / f".splat-{seed}"
    if not folder.exists():
        views = survey_views(surveyed(out, seed, threads=threads, say=say))
        start = time.perf_counter()
        part = folder.with_name(folder.name + ".part")
        part.mkdir(parents=True, exist_ok=True)
        if threads:
            torch.set_num_threads(threads)
        line = train(views, TRAINING, part, _teller(say), seed)
        part.rename(folder)
        say(f"{folder.name}: {line}, in {time.perf_counter() - start:.0f} s")
    return load_result(folder).splats


def survey_views(folder: Path) -> Views:
    """The survey as the trainer wants it; every 40th picture measures."""
    poses = np.array(json.loads((folder / "survey.json").read_text())["c2w"])
    stored = np.load(folder / "points.npz")
    count = len(poses)
    camera = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    return Views(
        names=tuple(picture_path(folder, view).name for view in range(count)),
        images=tuple(_pictures(folder, count)),
        masks=(None,) * count,
        Ks=np.tile(camera, (count, 1, 1)),
        cam_from_world=np.linalg.inv(poses),
        held_out=np.arange(count) % 40 == 17,
        points=stored["points"].astype(np.float64),
        point_colors=stored["colors"],
    )


def picture_path(folder: Path, view: int) -> Path:
    return folder / "pictures" / f"{view:03d}.png"


def unfinished(path: Path) -> Path:
    """What a picture is called until it is written whole: a name in the folder above."""
    return path.parent.parent / f"{path.parent.name}-{path.name}"


def _pictures(folder: Path, count: int) -> Iterator[np.ndarray]:
    for view in range(count):
        yield np.array(Image.open(picture_path(folder, view)).convert("RGB"))


def _teller(say: Say) -> Callable[[Event], None]:
    """Says every 500th step."""
    told = 0

    def tell(event: Event) -> None:
        nonlocal told
        if isinstance(event, TrainingStep) and event.step // 500 > told:
            told = event.step // 500
            say(f"step {event.step}: {event.num_gaussians:,} Gaussians, loss {event.loss:.4f}")

    return tell
