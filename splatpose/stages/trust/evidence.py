"""Everything that speaks for and against the poses of a model, photo by photo."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from ...depth.keypoints import KeypointPriors, sample_priors
from ...io.colmap import quiet_colmap
from ...scene.capture import Capture
from ...scene.depth_maps import DepthAlignment, DepthPriors
from ...scene.matches import MatchGraph
from ...scene.sparse_model import SparseModel
from ...scene.verdicts import PhotoTrust
from ...sfm.correspondences import MatchTable, match_table
from ...sfm.lens_doubts import usual_shift
from ...sfm.mapping.focal_settlement import lens_priors
from ...sfm.mapping.lens_prior import LensPrior
from ...sfm.mapping.pose_covariance import pose_uncertainty
from ...sfm.match_consistency import Explanation, explain
from ...sfm.step_lengths import walking_order
from ...sfm.validation.connectivity import PLENTY, Ties, find_bridges, find_ties, spread
from ...sfm.validation.lookalike_pairs import Lookalikes, find_lookalikes
from ...sfm.validation.map_ties import MapTies
from ...sfm.validation.missing_overlap import measure_overlap, missing_share
from ...sfm.validation.pair_residuals import pair_evidence
from ...sfm.validation.reading_motion import reading_motion
from ...sfm.validation.scale_ties import ScaleTies, find_scale_ties
from ...sfm.validation.split_agreement import FoldEvidence, fold_evidence
from ...sfm.validation.split_reconstructions import map_halves
from ...sfm.validation.thresholds import LOOKALIKES, SCALE_TIES
from .config import TrustConfig

_SEVERAL = 0.05
"""Share of the photos for whose sake all ways of mapping are tried on the halves of the matches."""


@dataclass(frozen=True)
class ModelUnderTest:
    """A model to be judged, and the matches that judge it."""

    model: SparseModel
    """Its tracks are of the matches' own keypoints."""
    graph: MatchGraph
    table: MatchTable
    groups: Int[np.ndarray, " V"]
    """Each photo's camera in the database of the matches."""
    sizes: Int[np.ndarray, "V 2"]
    """Width and height of each photo in pixels."""
    max_error_px: float
    """Distance within which a match counts as explained, in pixels of a photo whose longer side
    has 1000."""
    min_matches: int
    """Matches of a pair of photos that counts as overlapping."""
    depth: DepthAlignment | None = None
    maps: KeypointPriors | None = None
    """Values of depth maps at the keypoints of the photos, where there are any."""
    exif: Float[np.ndarray, " V"] | None = None
    """Focal length of each photo by EXIF, in pixels; NaN where it tells none."""
    order: Int[np.ndarray, " V"] | None = None
    """Photos as they were taken, where they are a walk."""


def model_under_test(
    capture: Capture,
    graph: MatchGraph,
    model: SparseModel,
    *,
    max_error_px: float,
    min_matches: int,
    depth: DepthAlignment | None = None,
    maps: DepthPriors | None = None,
) -> ModelUnderTest:
    """A model of a capture's photos with all that is known of them.

    Args:
        model: its tracks are of the graph's keypoints.
        max_error_px, min_matches, depth: as `ModelUnderTest` has them.
        maps: depth priors, where there are any.
    """
    photos, table = capture.photos, match_table(graph)
    groups = np.array([photo.group for photo in photos])
    sizes = [(photo.width, photo.height) for photo in photos]
    exif = np.array([group.focal_prior or np.nan for group in capture.groups], np.float64)
    return ModelUnderTest(
        model=model,
        graph=graph,
        table=table,
        groups=groups,
        sizes=np.array(sizes),
        max_error_px=max_error_px,
        min_matches=min_matches,
        depth=depth,
        maps=sample_priors(maps, graph.keypoints, sizes) if maps else None,
        exif=exif[groups],
        order=walking_order(photos, table),
    )


@dataclass(frozen=True)
class Evidence:
    """What was found."""

    photos: tuple[PhotoTrust, ...]
    ties: Ties
    lookalikes: Lookalikes
    explanation: Explanation
    folds: FoldEvidence | None
    scales: ScaleTies


def collect(
    subject: ModelUnderTest,
    config: TrustConfig,
    folder: Path,
    *,
    seed: int,
    progress: Callable[[str], None],
) -> Evidence:
    """Measures all evidence.

    Args:
        folder: keeps the models of the halves of the matches until the stage is finished.
        progress: is told what is done.
    """
    model, table = subject.model, subject.table
    explanation = explain(model, table, max_error_px=subject.max_error_px)
    ties = find_ties(table, explanation, model.registered, subject.min_matches)
    bridges = find_bridges(table, explanation, model.registered, LOOKALIKES.strong)
    alike = find_lookalikes(model, table, explanation, seed, config.workers)
    with quiet_colmap():
        folds = (
            _folds(subject, config, folder, seed, _calls_for_every_way(alike), progress)
            if config.folds
            else None
        )
    maps = None if subject.maps is None else MapTies(model, subject.maps)
    scales = find_scale_ties(model, subject.order, maps)
    certainty = pose_uncertainty(model, ~(scales.position > SCALE_TIES.guess), _lenses(subject))
    pairs = pair_evidence(
        model, table, min_matches=subject.min_matches, seed=seed, workers=config.workers
    )
    overlap = measure_overlap(model, table, explanation.explained, subject.graph.pairs, seed)
    missing = missing_share(overlap, len(model.names))
    covered = spread(table, explanation.explained, subject.sizes)
    verified, denied = (
        np.bincount(table.photos[rows].ravel(), minlength=len(model.names))
        for rows in (np.ones(len(table), bool), explanation.contradicted)
    )
    photos = []
    for i, registered in enumerate(model.registered.tolist()):
        if not registered:
            photos.append(PhotoTrust(verified_matches=int(verified[i])))
            continue
        cut, scale = ties.weakest[i], scales.weakest[i]
        camera = model.camera_index[i]
        found = PhotoTrust(
            verified_matches=int(verified[i]),
            neighbours=int(ties.neighbours[i]),
            spread=float(covered[i]),
            cycle_error=float(pairs.cycle_error[i]),
            turn_error=float(pairs.turn_error[i]),
            rotation_sigma=float(certainty.rotation[i]),
            position_sigma=float(certainty.position[i]),
            lens_rotation=float(certainty.lens_rotation[i]),
            lens_position=float(certainty.lens_position[i]),
            drift_rotation=float(certainty.drift_rotation[i]),
            drift_position=float(certainty.drift_position[i]),
            focal_sigma=float(certainty.focal[camera]),
            focal_drift=abs(float(certainty.focal_drift[camera])),
            contradicted_share=float(denied[i] / verified[i]) if verified[i] else 1.0,
            missing_overlap=float(missing[i]),
            lookalikes=float(alike.share[i]),
            lookalikes_near=float(alike.near[i]),
            lookalikes_shifted=float(alike.shifted[i]),
            ties=PLENTY if cut is None else min(cut.pairs, PLENTY),
            bridge=float(bridges[i]),
            scale_sigma=float(scales.position[i]),
            scale_hinge="" if scale is None else model.names[scale.hinge],
            scale_points=0 if scale is None else scale.points,
            depth_residual=_depth_residual(subject.depth, i),
        )
        photos.append(found if folds is None else _with_folds(found, folds, i))
    everywhere = {
        "imprecise": _imprecise(photos),
        "reading_motion": reading_motion(model),
        "center_shift": usual_shift(model),
    }
    photos = [
        replace(photo, **everywhere) if registered else photo
        for photo, registered in zip(photos, model.registered, strict=True)
    ]
    return Evidence(tuple(photos), ties, alike, explanation, folds, scales)


def _calls_for_every_way(alike: Lookalikes) -> bool:
    """Whether several photos are near pairs that look alike, of which one way of mapping is not
    believed."""
    near = np.nan_to_num(alike.near)
    return alike.overall > LOOKALIKES.many or bool(np.mean(near > LOOKALIKES.many) >= _SEVERAL)


def _imprecise(photos: Sequence[PhotoTrust]) -> float:
    """As `PhotoTrust.imprecise`; NaN where nothing was kept back."""
    # Where a half has other poses, what does not agree with these says nothing of precision.
    placed = [p for p in photos if not math.isnan(p.held_out_share)]
    agreed = [p for p in placed if not p.folds_denying]
    told = agreed if 2 * len(agreed) >= len(placed) else placed
    shares = [1 - p.held_out_share - p.contradicted_share for p in told]
    known = [share for share in shares if not math.isnan(share)]
    return max(0.0, float(np.median(known))) if known else float("nan")


def _lenses(subject: ModelUnderTest) -> tuple[LensPrior, ...]:
    """What is known beforehand of the lens of each camera of the model."""
    model, exif = subject.model, subject.exif
    known = np.full(len(model.cameras), np.nan)
    if exif is not None:
        # The first photo's, of each camera.
        known[model.camera_index[::-1]] = exif[::-1]
    return lens_priors(model.cameras, [None if np.isnan(f) else f for f in known.tolist()])


def _folds(
    subject: ModelUnderTest,
    config: TrustConfig,
    folder: Path,
    seed: int,
    every: bool,
    progress: Callable[[str], None],
) -> FoldEvidence:
    halves = map_halves(
        subject.graph,
        subject.table,
        subject.model,
        subject.groups,
        folder,
        max_error_px=subject.max_error_px,
        min_matches=subject.min_matches,
        seed=seed,
        workers=config.workers,
        every=every,
        progress=progress,
    )
    return fold_evidence(halves, subject.model, subject.table)


def _with_folds(found: PhotoTrust, folds: FoldEvidence, photo: int) -> PhotoTrust:
    return replace(
        found,
        held_out_share=float(folds.held_out_share[photo]),
        fold_rotation=float(folds.rotation[photo]),
        fold_position=float(folds.position[photo]),
        folds_agreeing=int(folds.agreeing[photo]),
        folds_denying=int(folds.denying[photo]),
        ways=int(folds.ways[photo]),
        rivals=int(folds.rivals[photo]),
        rival_here=float(folds.rival_here[photo]),
    )


def _depth_residual(depth: DepthAlignment | None, photo: int) -> float:
    return float("nan") if depth is None else depth.fits[photo].residual
