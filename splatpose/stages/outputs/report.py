"""The facts of a run as one JSON object: every photo, every stage, every version.

`splatpose/schemas/report.schema.json` describes every field.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ...scene.camera import Camera
from ...scene.capture import Capture
from ...scene.depth_maps import DepthAlignment
from ...scene.evidence import HypothesisEvidence
from ...scene.matches import SIFT_BESIDE, MatchGraph
from ...scene.solved import Solved
from ...scene.sparse_model import SparseModel
from ...scene.splats import TrainedSplats
from ...scene.verdicts import Verdicts
from ...scene.views import Views
from ...wording import camera_label, groups_of_cameras
from .held_out import held_out_means, held_out_row, mean
from .provenance import budget, machine, versions
from .scale import units_in_report
from .trajectory import photo_times


def run_facts(
    images: Path, config: Any, solved: Solved, trained: TrainedSplats, records: Sequence[Any]
) -> dict[str, Any]:
    """What only the run knows: command, options, what was chosen, and each stage's cost.

    Args:
        images: folder of the photos, or the video, as it was given.
        config: the whole config of the run, a plan's numbers in it.
        solved: what was chosen on the way to the poses, and the plan.
        trained: the trained Gaussians.
        records: of the run's stages, dataclasses.
    """
    return {
        "command": sys.argv,
        "images": str(images.absolute()),
        "seed": config.seed,
        "config": asdict(config),
        "matcher": solved.graph.matcher,
        "backend": solved.backend,
        "local": None if solved.local is None else asdict(solved.local),
        "second_round": None if solved.second is None else asdict(solved.second),
        "joint": None if solved.joint is None else asdict(solved.joint),
        "budget": budget(solved, trained, records),
        "stages": [asdict(record) for record in records],
    }


def build_report(
    capture: Capture,
    graph: MatchGraph,
    poses: SparseModel,
    views: Views,
    trained: TrainedSplats,
    *,
    verdicts: Verdicts | None = None,
    depth: DepthAlignment | None = None,
    dropped: int = 0,
) -> dict[str, Any]:
    """Everything that can be said about a finished run from its stages' results.

    Pixel errors are in pixels of the photos as given, PSNR in dB, numbers that do not exist null.

    Args:
        verdicts: on every photo's pose.
        depth: what became of the depth priors, where there were any.
        dropped: Gaussians that were left out of splat.ply as not finite.
    """
    return {
        **units_in_report(None),
        "summary": _summary(capture, poses, trained, dropped),
        "photos": _photos(capture, poses, views, trained, verdicts, depth),
        "verdicts": _verdicts(verdicts),
        "skipped": [asdict(file) for file in capture.skipped],
        "video": None if capture.video is None else asdict(capture.video),
        "cameras": _cameras(capture, poses),
        "trajectory": {"times": photo_times(capture, poses).source},
        "depth": _depth(depth),
        "matching": _matching(graph),
        "hypotheses": [_hypothesis(hypothesis) for hypothesis in poses.hypotheses],
        "training": _training(trained, dropped),
        "versions": versions(),
        "machine": machine(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _summary(
    capture: Capture, poses: SparseModel, trained: TrainedSplats, dropped: int
) -> dict[str, Any]:
    return {
        "photos": len(capture.photos),
        "registered": int(poses.registered.sum()),
        "points": len(poses.points),
        "gaussians": len(trained.splats) - dropped,
        "held_out": len(trained.held_out),
        **held_out_means(trained.held_out),
    }


def _photos(
    capture: Capture,
    poses: SparseModel,
    views: Views,
    trained: TrainedSplats,
    verdicts: Verdicts | None,
    depth: DepthAlignment | None,
) -> list[dict[str, Any]]:
    scores = {score.name: score for score in trained.held_out}
    held_out = {
        name for name, hidden in zip(views.names, views.held_out, strict=True) if bool(hidden)
    }
    observed = np.bincount(poses.observations[:, 1], minlength=len(poses.names))
    rows = []
    for number, (photo, evidence) in enumerate(zip(capture.photos, poses.evidence, strict=True)):
        rows.append(
            {
                "name": photo.name,
                "path": str(photo.path.absolute()),
                "width": photo.width,
                "height": photo.height,
                "orientation": photo.orientation,
                "camera": int(poses.camera_index[number]),
                "registered": evidence.registered,
                "cam_from_world": _pose(poses, number),
                "reason": evidence.reason,
                "verified_matches": evidence.verified_matches,
                "inlier_share": evidence.inlier_share,
                "reprojection_error": evidence.reprojection_error,
                "triangulated_keypoints": int(observed[number]),
                "held_out": photo.name in held_out,
                **held_out_row(scores.get(photo.name)),
                "depth_prior": asdict(depth.fits[number]) if depth else None,
                **_verdict(verdicts, number),
            }
        )
    return rows


def _pose(poses: SparseModel, photo: int) -> list[list[float]] | None:
    return poses.cam_from_world[photo].tolist() if poses.registered[photo] else None


def _verdict(verdicts: Verdicts | None, photo: int) -> dict[str, Any]:
    """What is said of one photo's pose."""
    if verdicts is None:
        names = ("verdict", "verdict_reason", "probability", "advice", "evidence")
        return dict.fromkeys(names)
    verdict = verdicts.photos[photo]
    return {
        "verdict": verdict.level,
        "verdict_reason": verdict.reason,
        "advice": verdict.advice,
        "probability": verdict.probability,
        "evidence": asdict(verdict.evidence),
    }


def _verdicts(verdicts: Verdicts | None) -> dict[str, Any] | None:
    """The verdicts as a whole."""
    if verdicts is None:
        return None
    return {
        "trusted": verdicts.count("trusted"),
        "weak": verdicts.count("weak"),
        "refused": verdicts.count("refused"),
        "trusted_share": verdicts.trusted_share,
        "advice": list(verdicts.advice),
        "notes": list(verdicts.notes),
        "lacking": verdicts.lacking,
    }


def _depth(depth: DepthAlignment | None) -> dict[str, Any] | None:
    """The depth priors as a whole; each photo's row says what became of its own."""
    if depth is None:
        return None
    kept = [fit for fit in depth.fits if fit.kept]
    return {
        "source": depth.source,
        "kind": depth.kind,
        "kept": len(kept),
        "mean_residual": mean([fit.residual for fit in kept]),
    }


def _cameras(capture: Capture, poses: SparseModel) -> list[dict[str, Any]]:
    """The cameras in order, each with what the poses stage made of it.

    They are the capture's, and where photos of one of these are of several lenses the further ones.
    """
    groups = [photo.group for photo in capture.photos]
    own = [np.flatnonzero(poses.camera_index == i).tolist() for i in range(len(poses.cameras))]
    parents = groups_of_cameras(groups, poses.camera_index.tolist(), len(poses.cameras))
    labels = [group.label for group in capture.groups]
    rows = []
    for number, (photos, parent) in enumerate(zip(own, parents, strict=True)):
        if parent >= len(capture.groups):
            continue  # A lens that was told apart and of whose photos none is left.
        group = capture.groups[parent]
        registered = [i for i in photos if poses.registered[i]]
        row: dict[str, Any] = {
            "label": camera_label(labels, parents, number, float(poses.cameras[number].K[0, 0])),
            "width": group.width,
            "height": group.height,
            "photos": len(photos),
            "registered": len(registered),
            "focal_prior": group.focal_prior,
            "estimate": None,
        }
        if registered:
            row["estimate"] = _estimate(poses.cameras[number])
        rows.append(row)
    return rows


def _estimate(camera: Camera) -> dict[str, Any]:
    fx, fy = float(camera.K[0, 0]), float(camera.K[1, 1])
    return {
        "model": camera.model,
        "params": camera.params.tolist(),
        "focal_x": fx,
        "focal_y": fy,
        "horizontal_view_degrees": math.degrees(2 * math.atan(camera.width / 2 / fx)),
    }


def _matching(graph: MatchGraph) -> dict[str, Any]:
    keypoints = [len(points) for points in graph.keypoints]
    verified = graph.num_verified
    return {
        "matcher": graph.matcher,
        "mean_keypoints": mean(keypoints),
        "pairs": len(graph.pairs),
        "verified_pairs": int((verified > 0).sum()),
        "putative_matches": int(graph.num_putative.sum()),
        "verified_matches": int(verified.sum()),
        "ways": _ways(graph),
    }


def _ways(graph: MatchGraph) -> list[dict[str, Any]]:
    """What each way of matching was asked and found, the most frequent first."""
    rows: dict[str, dict[str, Any]] = {}
    for told, verified in zip(graph.ways, graph.num_verified.tolist(), strict=False):
        way = told.removesuffix(SIFT_BESIDE)
        if not way:
            continue
        nothing = {"way": way, "pairs": 0, "verified_pairs": 0, "sift_beside": 0}
        row = rows.setdefault(way, nothing)
        row["pairs"] += 1
        row["verified_pairs"] += int(verified > 0)
        row["sift_beside"] += int(told != way)
    return sorted(rows.values(), key=lambda row: (-row["pairs"], row["way"]))


def _hypothesis(evidence: HypothesisEvidence) -> dict[str, Any]:
    return {
        "name": evidence.name,
        "chosen": evidence.chosen,
        "note": evidence.note,
        "registered": evidence.num_registered,
        "points": evidence.num_points,
        "explained_share": evidence.explained_share,
        "reprojection_error": evidence.reprojection_error,
        "focal_ratio": evidence.focal_ratio,
        "step_jump": evidence.step_jump,
        "seconds": evidence.seconds,
    }


def _training(trained: TrainedSplats, dropped: int) -> dict[str, Any]:
    return {
        "backend": trained.backend,
        "steps": trained.steps,
        "gaussians": len(trained.splats) - dropped,
        "gaussians_dropped": dropped,
        "sh_degree": trained.splats.sh_degree,
        "final_pass_on_all": trained.final_pass_on_all,
        "off_path": None if trained.off_path is None else asdict(trained.off_path),
        "curve": [
            dict(zip(("step", "seconds", "loss", "gaussians"), sample, strict=True))
            for sample in trained.curve
        ],
    }
