"""From the chosen hypothesis to the final model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pycolmap
from jaxtyping import Bool

from ...depth.keypoints import KeypointPriors
from ...geometry.graphs import components
from ...io.colmap import image_id_of, model_from_reconstruction, photo_of
from ...io.colmap_database import read_cameras
from ..correspondences import MatchTable
from ..lens_thresholds import LENS
from ..mapping.bundle_adjustment import (
    FEW_PHOTOS,
    Freedom,
    Mapper,
    Scales,
    least_freedom,
    mapping,
    measure_scales,
)
from ..mapping.camera_model_selection import Choice, choose_freedom
from ..mapping.focal_settlement import focals_by_exif, settle_focal_lengths
from ..mapping.lens_adjustment import adjust_with_lens
from ..match_consistency import explain
from ..thresholds import INLIERS, LATE
from .depth_pnp import absolute_pose_from_depth, aligned_keypoint_depths

_ROUNDS = 3
_RICH_ROUNDS = 2
_MAX_PASSES = 20


@dataclass(frozen=True)
class Refined:
    """The final model."""

    reconstruction: pycolmap.Reconstruction
    choice: Choice
    late: frozenset[int]
    """Indices of photos that were registered after the mapping."""
    contradicted: frozenset[int]
    """Indices of photos whose pose was taken back: their matches contradict it."""


def refine(
    start: pycolmap.Reconstruction,
    database: Path,
    names: Sequence[str],
    table: MatchTable,
    *,
    free_intrinsics: bool,
    max_error_px: float,
    min_matches: int,
    seed: int,
    priors: KeypointPriors | None = None,
    on_selected: bool = False,
) -> Refined:
    """Robust bundle adjustment, with a second chance for photos that were left out.

    Args:
        free_intrinsics: let the evidence decide how rich a camera model is, principal point
            included; otherwise focal length and one distortion coefficient of each camera.
        priors: depth maps, a third chance for photos that were left out.
        on_selected: whether `start` was built on some of the database's matches: points of the
            others come first.
    """
    reconstruction = pycolmap.Reconstruction(start)
    reconstruction.update_point_3d_errors()
    scales = measure_scales(reconstruction)
    late: set[int] = set()
    contradicted: set[int] = set()
    with mapping(reconstruction, database, scales, min_matches=min_matches, seed=seed) as mapper:
        # Only now: the matches bring in cameras of which no photo is placed yet.
        plain = least_freedom(reconstruction)
        if on_selected:
            scales = _take_all_tracks(mapper, plain)
            mapper = mapper.with_scales(scales)
        if reconstruction.num_reg_images() < len(names):
            mapper.refine(plain, rounds=1)
            late = _register_rest(mapper)
            if priors is not None:
                late |= _register_by_depth(mapper, names, table, priors, seed)
            if late:
                mapper.refine(plain, rounds=1)
                contradicted = _take_back(mapper, late, names, table, max_error_px)
        choice = Choice(plain, ())
        if free_intrinsics and reconstruction.num_reg_images() > FEW_PHOTOS:
            choice = choose_freedom(reconstruction, scales, seed=seed)
        # Cameras that came in with late photos were not asked.
        freedom = {i: choice.freedom.get(i, plain[i]) for i in reconstruction.cameras}
        _refine(mapper, freedom, scales, near=freedom == plain)
        if _cropped(reconstruction):
            # Under the wrong principal point, true points and photos were left out.
            late |= _register_rest(mapper)
            scales = measure_scales(reconstruction)
            _refine(mapper, freedom, scales, near=False)
            contradicted = _take_back(mapper, late, names, table, max_error_px)
        if free_intrinsics:
            exif = focals_by_exif(*read_cameras(database))
            told = settle_focal_lengths(reconstruction, names, freedom, scales.loss, exif)
            choice = replace(choice, settled=told)
        contradicted |= _leave_loose(mapper, names, table, max_error_px)
    return Refined(reconstruction, choice, frozenset(late - contradicted), frozenset(contradicted))


def _take_all_tracks(mapper: Mapper, plain: Mapping[int, Freedom]) -> Scales:
    """Triangulates what the start was not built on; thresholds that suit all of it."""
    mapper.triangulate_all()
    mapper.filter_points()
    mapper.refine(plain, rounds=0, rough=1)
    mapper.reconstruction.update_point_3d_errors()
    return measure_scales(mapper.reconstruction)


def _refine(mapper: Mapper, freedom: Mapping[int, Freedom], scales: Scales, *, near: bool) -> None:
    """Robust bundle adjustment; lenses of many terms in one of our own, between COLMAP's.

    Args:
        near: whether the cameras were adjusted as they are before.
    """
    rich = {i: f for i, f in freedom.items() if f.model == "FULL_OPENCV"}
    reconstruction = mapper.reconstruction
    if not rich:
        rough = _ROUNDS - 1 if near else 0
        mapper.with_scales(scales).refine(freedom, rounds=_ROUNDS - rough, rough=rough)
        return
    for _ in range(_RICH_ROUNDS):
        adjust_with_lens(reconstruction, rich, scales.loss, {})
        reconstruction.update_point_3d_errors()
        mapper.with_scales(scales).refine(freedom, rounds=1, held=rich)
    adjust_with_lens(reconstruction, rich, scales.loss, {})
    reconstruction.update_point_3d_errors()


def _cropped(reconstruction: pycolmap.Reconstruction) -> bool:
    """Whether a principal point was found where only that of a cropped photo can be."""
    return any(
        max(
            abs(camera.principal_point_x - camera.width / 2),
            abs(camera.principal_point_y - camera.height / 2),
        )
        > LENS.max_principal_shift * max(camera.width, camera.height)
        for camera in reconstruction.cameras.values()
    )


def _register_rest(mapper: Mapper) -> set[int]:
    """Registers left-out photos from the tracks, with the usual thresholds and then laxer ones."""
    before = set(mapper.reconstruction.reg_image_ids())
    for relaxed in (False, True):
        options = mapper.options()
        options.max_reg_trials = 10
        if relaxed:
            options.abs_pose_min_num_inliers = INLIERS.enough_matches
            options.abs_pose_min_inlier_ratio = LATE.min_inlier_ratio
        for _ in range(_MAX_PASSES):
            if not _register_once(mapper, options):
                break
    return {photo_of(i) for i in set(mapper.reconstruction.reg_image_ids()) - before}


def _register_by_depth(
    mapper: Mapper,
    names: Sequence[str],
    table: MatchTable,
    priors: KeypointPriors,
    seed: int,
) -> set[int]:
    """Registers left-out photos from prior depth of those they match, the best matched first."""
    reconstruction = mapper.reconstruction
    added: set[int] = set()
    tried: set[int] = set()
    while True:
        model = model_from_reconstruction(reconstruction, names)
        known = model.registered[table.photos]
        waiting = table.photos[:, ::-1][known & ~known[:, ::-1]]
        count = np.bincount(waiting, minlength=len(names))
        count[sorted(tried)] = 0
        photo = int(count.argmax())
        if not count[photo]:
            return added
        tried.add(photo)
        depths = aligned_keypoint_depths(model, priors)
        pose = absolute_pose_from_depth(photo, model, table, depths, seed=seed)
        if pose is None or not reconstruction.exists_image(image_id_of(photo)):
            continue
        mapper.register_at(photo, pose)
        added.add(photo)
        tried = set(added)


def _register_once(mapper: Mapper, options: pycolmap.IncrementalMapperOptions) -> bool:
    for image_id in mapper.mapper.find_next_images(options, False):
        if mapper.mapper.register_next_image(options, image_id):
            mapper.mapper.triangulate_image(mapper.triangulation(), image_id)
            return True
    return False


def _take_back(
    mapper: Mapper, late: set[int], names: Sequence[str], table: MatchTable, max_error_px: float
) -> set[int]:
    """Deregisters late photos whose matches with the others do not confirm their new pose.

    Late photos that match each other stand or fall together by what the rest says.
    """
    model = model_from_reconstruction(mapper.reconstruction, names)
    evidence = explain(model, table, max_error_px=max_error_px)
    before = model.registered.copy()
    before[sorted(late)] = False
    bad: set[int] = set()
    for group in _groups(sorted(late), table, evidence.explained):
        own = np.isin(table.photos, group)
        outside = (own[:, 0] & before[table.photos[:, 1]]) | (
            own[:, 1] & before[table.photos[:, 0]]
        )
        agree = int((evidence.explained & outside).sum())
        deny = int((evidence.contradicted & outside).sum())
        if agree < max(INLIERS.enough_matches, LATE.support * deny):
            bad |= set(group)
    mapper.deregister(bad & set(np.flatnonzero(model.registered).tolist()))
    return bad


def _leave_loose(
    mapper: Mapper, names: Sequence[str], table: MatchTable, max_error_px: float
) -> set[int]:
    """Deregisters photos that no pair whose matches agree with the model connects to the rest."""
    model = model_from_reconstruction(mapper.reconstruction, names)
    connected = explain(model, table, max_error_px=max_error_px).connected
    loose = set(np.flatnonzero(model.registered & ~connected).tolist())
    if connected.sum() < 2:
        return set()
    mapper.deregister(loose)
    return loose


def _groups(
    late: Sequence[int], table: MatchTable, explained: Bool[np.ndarray, " M"]
) -> list[list[int]]:
    """Late photos connected by matches that are explained."""
    place = np.full(int(table.pairs.max(initial=0)) + 1, -1)
    place[list(late)] = np.arange(len(late))
    between = place[table.photos[explained]]
    between = between[(between >= 0).all(1)]
    return [[late[n] for n in group] for group in components(between, len(late))]
