"""Depth terms in bundle adjustment: laws of the residual, and what they hold."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyceres
import pycolmap
import pytest
from scenes.loose_scales import grown, largest_shift, maps_of, two_parts
from scenes.poses import CAMERA

from splatpose.depth.keypoints import KeypointPriors, sample_priors
from splatpose.depth.sampling import aligned_depth
from splatpose.events import ignore_events
from splatpose.geometry.centers import centers_of
from splatpose.geometry.projection import project
from splatpose.geometry.rotations import so3_exp
from splatpose.geometry.similarity import umeyama
from splatpose.io.colmap import read_model
from splatpose.scene.depth_maps import DepthKind
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.correspondences import MatchTable
from splatpose.sfm.mapping.depth_bundle_adjustment import (
    bundle_adjust_with_depth,
    held_weakly,
    not_worse,
    refine_with_depth,
)
from splatpose.sfm.mapping.depth_terms import DepthCost, depth_terms
from splatpose.sfm.match_consistency import explain
from splatpose.stages.capture.config import CaptureConfig
from splatpose.stages.capture.stage import build_capture, load_capture
from splatpose.stages.depth.config import DepthConfig
from splatpose.stages.depth.stage import build_depth, load_depth
from splatpose.stages.matching.config import MatchingConfig
from splatpose.stages.matching.stage import load_matches, match_photos
from splatpose.stages.poses.config import PosesConfig
from splatpose.stages.poses.stage import load_poses, solve_poses

KINDS: tuple[DepthKind, ...] = ("depth", "disparity")


def blocks(seed: int) -> list[np.ndarray]:
    """A pose, a point before it, and the ends of a map's line."""
    rng = np.random.default_rng(seed)
    q = rng.standard_normal(4)
    pose = np.concatenate([q / np.linalg.norm(q), rng.standard_normal(3)])
    rotation = pycolmap.Rotation3d(pose[:4]).matrix()
    point = rotation.T @ (np.array([0.3, -0.2, 2.5]) + rng.uniform(-0.3, 0.3, 3) - pose[4:])
    return [pose, point, rng.uniform(-0.5, 1.5, 2)]


def value(cost: DepthCost, parameters: list[np.ndarray]) -> float:
    return cost.evaluate(*parameters)[0].item()


def test_both_packages_share_one_ceres() -> None:
    assert pyceres.__ceres_version__ == pycolmap.__ceres_version__
    reconstruction = pycolmap.synthesize_dataset(pycolmap.SyntheticDatasetOptions())
    adjuster = pycolmap.create_default_ceres_bundle_adjuster(
        pycolmap.BundleAdjustmentOptions(), pycolmap.BundleAdjustmentConfig(), reconstruction
    )
    assert isinstance(adjuster.problem, pyceres.Problem)


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_are_those_of_differences(kind: DepthKind) -> None:
    for seed in range(5):
        parameters = blocks(seed)
        cost = DepthCost(0.2 + 0.15 * seed, kind, 3.0)
        _, jacobians = cost.evaluate(*parameters)
        for block, jacobian in zip(parameters, jacobians, strict=True):
            for k in range(len(block)):
                ends = []
                for step in (-1e-6, 1e-6):
                    moved = [b.copy() for b in parameters]
                    moved[[b is block for b in parameters].index(True)][k] += step
                    ends.append(value(cost, moved))
                slope = (ends[1] - ends[0]) / 2e-6
                assert np.ravel(jacobian)[k] == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_residual_is_what_map_and_projection_say(kind: DepthKind) -> None:
    pose, point, ends = blocks(7)
    matrix = np.vstack(
        [pycolmap.Rigid3d(pycolmap.Rotation3d(pose[:4]), pose[4:]).matrix(), [0, 0, 0, 1]]
    )
    _, depth = project(CAMERA, matrix, point[None])
    # A map from 10 to 50 whose line has these ends; the photo shows 22 there.
    low, high = np.exp(ends)
    alpha = (high - low) / 40
    told = aligned_depth(np.array([22.0]), alpha, low - 10 * alpha, kind)
    expected = 2.0 * math.log(depth[0] / told[0])
    assert value(DepthCost(0.3, kind, 2.0), [pose, point, ends]) == pytest.approx(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_no_similarity_of_the_world_changes_the_residual(kind: DepthKind) -> None:
    pose, point, ends = blocks(3)
    rng = np.random.default_rng(4)
    scale, turn, shift = 3.7, so3_exp(rng.standard_normal(3)), rng.standard_normal(3)
    rotation = pycolmap.Rotation3d(pose[:4]).matrix() @ turn.T
    moved = np.concatenate(
        [
            pycolmap.Rotation3d(rotation).quat,
            scale * pose[4:] - rotation @ shift,
        ]
    )
    grown_ends = ends + (1 if kind == "depth" else -1) * math.log(scale)
    cost = DepthCost(0.6, kind, 1.0)
    before = value(cost, [pose, point, ends])
    after = value(cost, [moved, scale * turn @ point + shift, grown_ends])
    assert after == pytest.approx(before, abs=1e-9)


def test_a_point_behind_the_camera_has_no_residual() -> None:
    pose, point, ends = blocks(1)
    rotation = pycolmap.Rotation3d(pose[:4]).matrix()
    behind = point - 10 * rotation[2]
    residual = np.zeros(1)
    cost = DepthCost(0.5, "depth", 1.0)
    assert cost.Evaluate([pose, point, ends], residual, None)
    assert not cost.Evaluate([pose, behind, ends], residual, None)


def keypoints_of(model: SparseModel) -> list[np.ndarray]:
    found = []
    for photo in range(len(model.names)):
        own = model.observations[:, 1] == photo
        xy = np.zeros((240, 2))
        xy[model.observations[own, 2]] = model.observation_xy[own]
        found.append(xy)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_maps_hold_what_no_track_holds(kind: DepthKind) -> None:
    """A part 15 % too large about the photo it hangs on, which no reprojection tells."""
    truth = two_parts(slope=0.6)
    rng = np.random.default_rng(2)
    exact = maps_of(truth, kind)
    noisy = KeypointPriors(
        tuple(v * np.exp(0.01 * rng.standard_normal(len(v))) for v in exact.values), "auto"
    )
    spoiled = grown(truth, 1.15)
    assert held_weakly(spoiled)
    off = largest_shift(spoiled, truth)
    alone = bundle_adjust_with_depth(spoiled, keypoints_of(truth), [])
    assert alone is not None
    assert largest_shift(alone, truth) == pytest.approx(off, rel=0.05)
    terms = depth_terms(spoiled, noisy)
    assert len(terms) == 7
    held = bundle_adjust_with_depth(spoiled, keypoints_of(truth), terms)
    assert held is not None
    assert largest_shift(held, truth) < 0.25 * off


def test_only_what_few_tracks_hold_asks_for_maps() -> None:
    model = two_parts(slope=0.3)
    assert held_weakly(model)
    left = model.observations[:, 1] <= 3
    one_part = replace(
        model,
        registered=np.arange(7) <= 3,
        observations=model.observations[left],
        observation_xy=model.observation_xy[left],
    )
    assert not held_weakly(one_part)
    apart = replace(one_part, registered=np.arange(7) <= 4)
    assert held_weakly(apart), "photo 4 shares no track with any other"


def matches_of(model: SparseModel) -> MatchTable:
    """What any two photos both observe."""
    seen = [model.observations[model.observations[:, 1] == photo, 0] for photo in range(7)]
    pairs = np.array([(i, j) for i in range(7) for j in range(i + 1, 7)])
    both = [np.intersect1d(seen[i], seen[j]) for i, j in pairs]
    pair = np.repeat(np.arange(len(pairs)), [len(b) for b in both])
    track = np.concatenate(both)
    number = np.full((7, 240), -1)
    number[model.observations[:, 1], model.observations[:, 0]] = model.observations[:, 2]
    pixel = np.zeros((7, 240, 2))
    pixel[model.observations[:, 1], model.observations[:, 0]] = model.observation_xy
    photos = pairs[pair]
    keypoints = number[photos, track[:, None]]
    return MatchTable(pairs, pair, photos, keypoints, pixel[photos, track[:, None]])


def test_the_whole_step_mends_a_scale_and_leaves_maps_alone_that_say_nothing() -> None:
    truth = two_parts(slope=0.6)
    spoiled = grown(truth, 1.15)
    table = matches_of(truth)
    held = refine_with_depth(
        spoiled, keypoints_of(truth), table, maps_of(truth, "depth"), max_error_px=1.0
    )
    assert held is not None
    assert largest_shift(held, truth) < 0.25 * largest_shift(spoiled, truth)
    rng = np.random.default_rng(3)
    useless = KeypointPriors(
        tuple(rng.permutation(v) for v in maps_of(truth, "depth").values), "auto"
    )
    assert refine_with_depth(spoiled, keypoints_of(truth), table, useless, max_error_px=1.0) is None


def test_matches_that_leave_count_against_a_result_and_chance_does_not() -> None:
    model = two_parts(slope=0.3)
    before = explain(model, matches_of(model), max_error_px=1.0)
    rng = np.random.default_rng(5)
    some = rng.permutation(np.flatnonzero(before.explained))
    start, after = before.explained.copy(), before.explained.copy()
    start[some[:50]] = False
    after[some[50:105]] = False
    first = replace(before, explained=start)
    assert not_worse(first, replace(before, explained=after))
    after[some[105:150]] = False
    assert not not_worse(first, replace(before, explained=after))
    alone = before.connected.copy()
    alone[0] = False
    assert not not_worse(before, replace(before, connected=alone))


@pytest.mark.slow
def test_maps_of_a_network_spoil_nothing_on_real_photos(shared: Path, tmp_path: Path) -> None:
    """Four photos from beginning to end, then bundle adjustment with a network's maps."""
    home = shared / "data" / "fountain_p11"
    folders = {part: tmp_path / part for part in ("images", "capture", "matching", "poses", "maps")}
    for folder in folders.values():
        folder.mkdir()
    for photo in sorted((home / "images").iterdir())[2:6]:
        shutil.copyfile(photo, folders["images"] / photo.name)
    build_capture(folders["images"], CaptureConfig(), folders["capture"], ignore_events)
    capture = load_capture(folders["capture"])
    config = MatchingConfig(matcher="sift")
    match_photos(capture, config, folders["matching"], ignore_events, weights_dir=None, seed=0)
    graph = load_matches(folders["matching"])
    solve_poses(capture, graph, PosesConfig(), folders["poses"], ignore_events, seed=0)
    source = DepthConfig(source=str(home / "depth_mono"))
    build_depth(capture, source, folders["maps"], ignore_events, weights_dir=None)
    sizes = [(photo.width, photo.height) for photo in capture.photos]
    priors = sample_priors(load_depth(folders["maps"]), graph.keypoints, sizes)
    names = [photo.name for photo in capture.photos]
    model = read_model(load_poses(folders["poses"]).model_dir, names)
    terms = depth_terms(model, priors)
    assert terms, "maps take part"
    keypoints = [xy.astype(np.float64) for xy in graph.keypoints]
    adjusted = bundle_adjust_with_depth(model, keypoints, terms)
    assert adjusted is not None
    assert not np.array_equal(adjusted.cam_from_world, model.cam_from_world)
    frames = json.loads((home / "poses.json").read_text())["frames"]
    truth = {frame["file"]: np.array(frame["c2w"])[:3, 3] for frame in frames}
    centers = np.stack([truth[name] for name in names])
    radius = np.linalg.norm(centers - centers.mean(0), axis=1).max()
    for one in (model, adjusted):
        fit = umeyama(centers_of(one.cam_from_world), centers)
        off = np.linalg.norm(fit.points(centers_of(one.cam_from_world)) - centers, axis=1).max()
        assert off < 0.01 * radius
