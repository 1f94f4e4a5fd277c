"""Views of a cluster and their prior depth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from scenes.depth import make_depth_scene, priors_of, ray_cast

from splatpose.geometry.projection import pixels_from_normalized
from splatpose.refinement.cluster_photos import Pictures


def test_prior_depth_is_seen_at_the_pixels_of_a_view(tmp_path: Path) -> None:
    """The photo's lens distorts, the view's does not."""
    scene = make_depth_scene(count=2)
    for i, photo in enumerate(scene.capture.photos):
        Image.new("RGB", (photo.width, photo.height)).save(tmp_path / f"{i}.png")
    capture = replace(
        scene.capture,
        photos=tuple(replace(p, path=tmp_path / p.name) for p in scene.capture.photos),
    )
    priors = priors_of(tmp_path, [scene.depth[0], None])
    pictures = Pictures(capture, scene.poses.cameras, priors, 120)
    assert pictures.map(1) is None
    views, found = pictures.views(np.array([0, 1])), pictures.map(0)
    assert found is not None
    assert found.shape == views.images[0].shape[:2]
    y, x = np.mgrid[: found.shape[0], : found.shape[1]] + 0.5
    rays = (np.stack([x.ravel(), y.ravel()], 1) - views.Ks[0, :2, 2]) / views.Ks[0, 0, 0]
    camera = scene.poses.cameras[0]
    depth, _ = ray_cast(scene.poses.cam_from_world[0], pixels_from_normalized(camera, rays))
    off = np.abs(found.ravel() / depth - 1)
    assert np.nanmedian(off) < 2e-3
    assert np.nanquantile(off, 0.9) < 0.02
