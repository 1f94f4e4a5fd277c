"""Models that are wrong on purpose, made from a finished one: what a verdict must not trust.

All have points triangulated anew from the matches that agree with them, as any model has that an
optimiser left: what contradicts them is found in matches alone.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pycolmap

from splatpose.geometry.centers import centers_of, rms_radius
from splatpose.geometry.rotations import so3_exp
from splatpose.geometry.similarity import alignment
from splatpose.io.colmap import (
    camera_from_colmap,
    camera_id_of,
    model_from_reconstruction,
    reconstruction_from_model,
)
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.mapping.bundle_adjustment import bundle_options, measure_scales
from splatpose.sfm.mapping.retriangulation import with_points
from splatpose.sfm.viewgraph.focal_adjustment import with_focal
from splatpose.stages.trust.evidence import ModelUnderTest

Named = tuple[str, SparseModel]

PIXELS = 1.0
"""As `PosesConfig.max_error_px`."""
FOCAL_ERRORS = (0.9, 0.95, 0.97, 1.03, 1.05, 1.1)
_LOOSER = (8.0, 3.0, 1.0)
"""Bends of the loss, one adjustment after the other, against what suits the model."""
_FEWEST = 4
"""Photos of a model of which a part can be wrong."""


def wrong_models(subject: ModelUnderTest) -> list[Named]:
    """The model with one photo or half of them put elsewhere, its points triangulated anew."""
    model = subject.model
    placed = np.flatnonzero(model.registered)
    one, half = placed[[len(placed) // 3]], placed[len(placed) // 2 :]
    centers = centers_of(model.cam_from_world)
    radius = rms_radius(centers[placed])
    turn = so3_exp(np.radians([0.0, 8.0, 0.0]))
    hinge = centers[half[0]]
    found = [
        ("one photo turned", put(model, one, turn, centers)),
        ("one photo moved", put(model, one, np.eye(3), centers + radius / 8)),
    ]
    if len(placed) >= _FEWEST:
        turned, scaled = hinge + (centers - hinge) @ turn, hinge + 1.5 * (centers - hinge)
        found += [
            ("half turned", put(model, half, turn, turned)),
            ("half scaled", put(model, half, np.eye(3), scaled)),
        ]
    return [(kind, with_points(wrong, subject.table, PIXELS)) for kind, wrong in found]


def broken_models(subject: ModelUnderTest, seed: int, count: int) -> list[Named]:
    """`count` of all kinds, which ones and how by the seed; fewer where the photos are few.

    One of them has a wrong focal length, with everything else adjusted to it.
    """
    rng = np.random.default_rng([seed, 41])
    model = subject.model
    placed = np.flatnonzero(model.registered)
    kinds = [moved_photo, turned_photo]
    if len(placed) >= _FEWEST:
        kinds += [false_edge, scaled_part, folded, laid_over, mirrored_part]
    found: list[Named] = []
    factor = float(rng.choice(FOCAL_ERRORS))
    if count and len(model.points) and (wrong := refocused(subject, factor)) is not None:
        found.append((f"focal {100 * factor - 100:+.0f} %", wrong))
    for number in rng.permutation(len(kinds))[: max(count - 1, 0)].tolist():
        kind = kinds[number]
        wrong = with_points(kind(model, placed, rng), subject.table, PIXELS)
        found.append((kind.__name__.replace("_", " "), wrong))
    return found


def moved_photo(model: SparseModel, placed: np.ndarray, rng: np.random.Generator) -> SparseModel:
    """One photo is 8 to 40 % of the radius away from its place."""
    centers = centers_of(model.cam_from_world)
    way = _direction(rng) * rng.uniform(0.08, 0.4) * rms_radius(centers[placed])
    return put(model, rng.choice(placed, 1), np.eye(3), centers + way)


def turned_photo(model: SparseModel, placed: np.ndarray, rng: np.random.Generator) -> SparseModel:
    """One photo is turned by 6 to 30 degrees."""
    turn = so3_exp(_direction(rng) * np.radians(rng.uniform(6, 30)))
    return put(model, rng.choice(placed, 1), turn, centers_of(model.cam_from_world))


def false_edge(model: SparseModel, placed: np.ndarray, rng: np.random.Generator) -> SparseModel:
    """A part hangs on the rest by a relative pose that is false."""
    part, hinge = _part(model, placed, rng)
    turn = so3_exp(_direction(rng) * np.radians(rng.uniform(8, 40)))
    centers = centers_of(model.cam_from_world)
    shift = _direction(rng) * rng.uniform(0.1, 0.5) * rms_radius(centers[placed])
    return put(model, part, turn, hinge + (centers - hinge) @ turn + shift)


def scaled_part(model: SparseModel, placed: np.ndarray, rng: np.random.Generator) -> SparseModel:
    """A part is larger or smaller than the rest, about the photo that joins them."""
    part, hinge = _part(model, placed, rng)
    scale = rng.choice([-1, 1]) * rng.uniform(0.25, 0.7)
    centers = centers_of(model.cam_from_world)
    return put(model, part, np.eye(3), hinge + np.exp(scale) * (centers - hinge))


def folded(model: SparseModel, placed: np.ndarray, rng: np.random.Generator) -> SparseModel:
    """The second half of the way goes back along the first: the last photo stands by the first."""
    poses = model.cam_from_world.copy()
    count = len(placed) // 2
    poses[placed[len(placed) - count :]] = model.cam_from_world[placed[:count][::-1]]
    back = dataclasses.replace(model, cam_from_world=poses)
    centers = centers_of(poses)
    jitter = (
        rng.normal(size=centers.shape) * 0.02 * rms_radius(centers_of(model.cam_from_world)[placed])
    )
    return put(
        back, placed[len(placed) - count :], so3_exp(_direction(rng) * 0.02), centers + jitter
    )


def laid_over(model: SparseModel, placed: np.ndarray, rng: np.random.Generator) -> SparseModel:
    """A part, unchanged in itself, stands where another part does."""
    part, _ = _part(model, placed, rng)
    rest = np.setdiff1d(placed, part)
    first, onto = int(part[len(part) // 2]), int(rng.choice(rest))
    move = np.linalg.inv(model.cam_from_world[first]) @ model.cam_from_world[onto]
    poses = model.cam_from_world.copy()
    poses[part] = poses[part] @ move
    return dataclasses.replace(model, cam_from_world=poses)


def mirrored_part(model: SparseModel, placed: np.ndarray, rng: np.random.Generator) -> SparseModel:
    """The ways of a part are mirrored at an upright plane through the photo that joins them."""
    part, hinge = _part(model, placed, rng)
    ahead = model.cam_from_world[part[0], 2, :3]
    side = np.cross(ahead, _direction(rng))
    side /= np.linalg.norm(side)
    mirror = np.eye(3) - 2 * np.outer(side, side)
    centers = hinge + (centers_of(model.cam_from_world) - hinge) @ mirror
    poses = model.cam_from_world.copy()
    # A mirrored camera would see mirrored photos: its own left and right change sides as well.
    poses[part, :3, :3] = np.diag([-1.0, 1.0, 1.0]) @ poses[part, :3, :3] @ mirror
    poses[part, :3, 3] = -np.einsum("nij,nj->ni", poses[part, :3, :3], centers[part])
    return dataclasses.replace(model, cam_from_world=poses)


def refocused(subject: ModelUnderTest, factor: float) -> SparseModel | None:
    """`factor` times the focal lengths, held while poses, points and distortion are adjusted.

    None where bundle adjustment finds no solution.
    """
    model = dataclasses.replace(
        subject.model, cameras=tuple(with_focal(c, factor) for c in subject.model.cameras)
    )
    reconstruction = reconstruction_from_model(model, subject.graph.keypoints)
    loss = measure_scales(reconstruction_from_model(subject.model, subject.graph.keypoints)).loss
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in sorted(reconstruction.reg_image_ids()):
        config.add_image(image_id)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    for looser in _LOOSER:
        options = bundle_options(looser * loss, principal_point=False)
        options.refine_focal_length = False
        adjuster = pycolmap.create_default_bundle_adjuster(options, config, reconstruction)
        if not adjuster.solve().is_solution_usable():
            return None
    adjusted = model_from_reconstruction(reconstruction, model.names)
    cameras = list(model.cameras)
    for index in range(len(cameras)):
        if (number := camera_id_of(index)) in reconstruction.cameras:
            cameras[index] = camera_from_colmap(reconstruction.cameras[number])
    bare = dataclasses.replace(adjusted, camera_index=model.camera_index, cameras=tuple(cameras))
    return with_points(bare, subject.table, PIXELS)


def merged_places(
    subject: ModelUnderTest, true: np.ndarray, place: np.ndarray, seed: int
) -> list[Named]:
    """Photos of a second place put into the frame of the first: two rooms that became one.

    Args:
        true: cam_from_world [V, 4, 4] of the model's photos, each place in a frame of its own.
        place: [V] which place; nothing can be merged where it is the same for all.
    """
    model = subject.model
    placed = np.flatnonzero(model.registered)
    main = np.bincount(place[placed]).argmax()
    home, other = placed[place[placed] == main], np.flatnonzero(place != main)
    if len(home) < 3 or len(other) < 2:
        return []
    rng = np.random.default_rng([seed, 42])
    frame = alignment(true[home], model.cam_from_world[home])
    poses = model.cam_from_world.copy()
    poses[other] = frame.cam_from_world(true[other])
    centers = centers_of(poses)
    middle = centers[other].mean(0)
    radius = [rms_radius(centers[rows]) for rows in (home, other)]
    turn = so3_exp(_direction(rng) * rng.uniform(0, np.pi))
    scale = radius[0] / max(radius[1], 1e-12)
    together = centers[home].mean(0) + scale * (centers - middle) @ turn
    both = dataclasses.replace(model, cam_from_world=poses, registered=np.isfinite(poses[:, 0, 0]))
    wrong = put(both, other, turn, together)
    return [("two places merged", with_points(wrong, subject.table, PIXELS))]


def put(
    model: SparseModel, photos: np.ndarray, turn: np.ndarray, centers: np.ndarray
) -> SparseModel:
    """The model with some cameras turned in the world (R turn) and put to other centres."""
    poses = model.cam_from_world.copy()
    poses[photos, :3, :3] = poses[photos, :3, :3] @ turn
    poses[photos, :3, 3] = -np.einsum("nij,nj->ni", poses[photos, :3, :3], centers[photos])
    return dataclasses.replace(model, cam_from_world=poses)


def _part(
    model: SparseModel, placed: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The last quarter to half of the photos, and the centre of the photo that it hangs on."""
    size = max(2, round(len(placed) * rng.uniform(0.25, 0.5)))
    size = min(size, len(placed) - 2)
    return placed[-size:], centers_of(model.cam_from_world)[placed[-size - 1]]


def _direction(rng: np.random.Generator) -> np.ndarray:
    vector = rng.normal(size=3)
    return vector / np.linalg.norm(vector)
