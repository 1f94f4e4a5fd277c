"""Relative poses refined in clusters, against the truth: edges, and the view graph they lead to.

    python tests/benchmarks/local.py --out runs --sets fountain_p11 llff_fern:6 rgbd_room/3
        [--set steps=300 cluster_size=6 ...]

Matches are those of `poses.py --out runs`. Each set is refined without prior depth, and with the
maps of its `depth_mono` where it has them. The truth is for scoring alone.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import machine
import numpy as np
import poses as posing
from photo_sets import SHARED, fresh

from splatpose.events import Event, Message
from splatpose.geometry.epipolar import relative_pose
from splatpose.geometry.rotations import rotation_angle
from splatpose.io.colmap import quiet_colmap
from splatpose.io.colmap_database import read_cameras
from splatpose.scene.capture import Capture
from splatpose.scene.depth_maps import DepthPriors
from splatpose.scene.evidence import LocalEvidence
from splatpose.scene.matches import MatchGraph
from splatpose.sfm.correspondences import match_table
from splatpose.sfm.mapping.global_mapper import reconstructions
from splatpose.sfm.twoview.all_pairs import RelativePoses, relative_poses
from splatpose.sfm.viewgraph.focal_calibration import calibrate_focal_lengths
from splatpose.sfm.viewgraph.focal_priors import write_focal_lengths
from splatpose.sfm.viewgraph.refined_pairs import RefinedPairs
from splatpose.stages.capture.stage import load_capture
from splatpose.stages.depth.config import DepthConfig
from splatpose.stages.depth.stage import build_depth, load_depth
from splatpose.stages.local.config import LocalConfig
from splatpose.stages.local.stage import load_local, refine_pairs
from splatpose.stages.matching.stage import load_matches

SETS = (
    *("fountain_p11", "herz_jesu_p25:6", "llff_fern:6", "dtu_scan24:12"),
    *("hololens_office/2", "rgbd_room/3"),
)
MIN_MATCHES = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--out", type=Path, required=True, help="the --out of poses.py")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-depth", action="store_true")
    args = parser.parse_args()
    config = configured(args.set)
    rows = []
    for name in args.sets:
        home = args.out / name.replace("/", "_every")
        for row in measure(name, home, config, args):
            rows.append(row)
            print(line(row), flush=True)
    print(HEADER, *map(line, rows), sep="\n")
    result = {"version": 1, **machine.describe(), "seed": args.seed, "rows": rows}
    label = machine.label_of(args.sets, SETS)
    machine.write_result(f"local{label}_{result['date']}", result)


def measure(
    name: str, home: Path, config: LocalConfig, args: argparse.Namespace
) -> list[dict[str, Any]]:
    """Rows of one set: without prior depth, and with it."""
    capture = load_capture(home / "splatpose" / "capture")
    graph = load_matches(home / "splatpose" / "matching")
    whole = name.replace("/", ":").partition(":")[0]
    data = SHARED / "data" / whole
    truth = home / "truth.json"
    truth = truth if truth.exists() else next(iter(sorted(data.glob("poses*.json"))))
    true = true_poses(capture, truth)
    table, (cameras, known) = match_table(graph), read_cameras(graph.database)
    index = np.array([photo.group for photo in capture.photos])
    seed = args.seed
    cameras = calibrate_focal_lengths(
        table, cameras, index, known, min_matches=MIN_MATCHES, seed=seed
    )
    plain = relative_poses(table, cameras, index, min_matches=MIN_MATCHES, seed=seed)
    rows = []
    with tempfile.TemporaryDirectory() as scratch, quiet_colmap():
        database = Path(scratch) / "focals.db"
        write_focal_lengths(graph.database, database, cameras)
        calibrated = replace(graph, database=database)
        base = hypothesis(capture, calibrated, cameras, None, truth, seed)
        folders = {"none": None}
        if (data / "depth_mono").is_dir() and not args.no_depth:
            folders["depth_mono"] = data / "depth_mono"
        for source, folder in folders.items():
            priors = None if folder is None else maps_of(capture, folder, Path(scratch) / "maps")
            start = time.perf_counter()
            pairs, evidence = refined(capture, graph, priors, config, seed)
            seconds = time.perf_counter() - start
            common = plain.subset(np.isin(plain.row, pairs.relative.row))
            rows.append(
                {
                    "set": name,
                    "depth": source,
                    "pairs": len(plain),
                    "refined": int(pairs.refined.sum()),
                    "edges_before": edge_errors(common, pairs.refined, true),
                    "edges_after": edge_errors(pairs.relative, pairs.refined, true),
                    "clusters": [vars(cluster) for cluster in evidence.clusters],
                    "hypothesis_before": base,
                    "hypothesis_after": hypothesis(
                        capture, calibrated, cameras, pairs, truth, seed
                    ),
                    "seconds": seconds,
                }
            )
    return rows


def maps_of(capture: Capture, folder: Path, target: Path) -> DepthPriors:
    """Prior depth of the photos from a folder of maps."""
    target.mkdir()
    config = DepthConfig(source=str(folder))
    build_depth(capture, config, target, lambda event: None, weights_dir=None)
    return load_depth(target)


def refined(
    capture: Capture,
    graph: MatchGraph,
    priors: DepthPriors | None,
    config: LocalConfig,
    seed: int,
) -> tuple[RefinedPairs, LocalEvidence]:
    """The stage's result."""

    def tell(event: Event) -> None:
        if isinstance(event, Message):
            print(f"  {event.stage}: {event.text}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        refine_pairs(
            *(capture, graph, config, Path(folder), tell),
            depth=priors,
            backend="cpu",
            min_matches=MIN_MATCHES,
            seed=seed,
        )
        return load_local(Path(folder))


def true_poses(capture: Capture, truth: Path) -> np.ndarray:
    """cam_from_world of each photo; NaN where there is none."""
    frames = {frame["file"]: frame["c2w"] for frame in json.loads(truth.read_text())["frames"]}
    poses = np.full((len(capture.photos), 4, 4), np.nan)
    for i, photo in enumerate(capture.photos):
        if photo.name in frames:
            poses[i] = np.linalg.inv(np.array(frames[photo.name]))
    return poses


def edge_errors(relative: RelativePoses, chosen: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Median and mean error of rotations and directions in degrees."""
    pairs = relative.pairs[chosen]
    R, t = relative_pose(true[pairs[:, 0]], true[pairs[:, 1]])
    turned = rotation_angle(relative.rotation[chosen] @ np.swapaxes(R, 1, 2))
    length = np.linalg.norm(t, axis=1, keepdims=True)
    cosine = ((t / np.maximum(length, 1e-12)) * relative.direction[chosen]).sum(1)
    aside = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    if not len(pairs):
        return dict.fromkeys(("rotation", "rotation_mean", "direction", "direction_mean"), np.nan)
    return {
        "rotation": float(np.nanmedian(turned)),
        "rotation_mean": float(np.nanmean(turned)),
        "direction": float(np.nanmedian(aside)),
        "direction_mean": float(np.nanmean(aside)),
    }


def hypothesis(
    capture: Capture,
    graph: MatchGraph,
    cameras: tuple[Any, ...],
    pairs: RefinedPairs | None,
    truth: Path,
    seed: int,
) -> dict[str, Any]:
    """Score of the reconstruction that the view graph leads to."""
    with tempfile.TemporaryDirectory() as folder:
        found = reconstructions(
            graph,
            match_table(graph),
            cameras,
            np.array([photo.group for photo in capture.photos]),
            [photo.name for photo in capture.photos],
            Path(folder),
            min_matches=MIN_MATCHES,
            seed=seed,
            refined=pairs,
        )
        if not found:
            return {"registered": "0"}
        model = fresh(Path(folder) / "model")
        max(found, key=lambda r: (r.num_reg_images(), r.num_points3D())).write_binary(model)
        return posing.score(model, truth)


HEADER = (
    "| set | depth | clusters kept (joint) | pairs refined | rot deg | dir deg | mean rot "
    "| mean dir | held-out px: two views, tracks, joint | ATE % without, with | s |\n"
    + "|---" * 11
    + "|"
)


def line(row: dict[str, Any]) -> str:
    """One row as Markdown; edges are before -> after, of the pairs that were refined."""
    clusters = row["clusters"]
    kept = [cluster["kept"] for cluster in clusters]
    before, after = row["edges_before"], row["edges_after"]
    edges = [
        f"{before[key]:.3f} -> {after[key]:.3f}"
        for key in ("rotation", "direction", "rotation_mean", "direction_mean")
    ]
    errors = [
        float(np.nanmean([cluster[f"match_error_{which}"] for cluster in clusters]))
        for which in ("two_views", "tracks", "joint")
    ]
    ate = [
        f"{row[which].get('ate', float('nan')):.3f} ({row[which]['registered']})"
        for which in ("hypothesis_before", "hypothesis_after")
    ]
    return (
        f"| {row['set']} | {row['depth']} "
        f"| {len(kept) - kept.count('two views')}/{len(kept)} ({kept.count('joint')}) "
        f"| {row['refined']}/{row['pairs']} | {' | '.join(edges)} "
        f"| {', '.join(f'{error:.3f}' for error in errors)} | {', '.join(ate)} "
        f"| {row['seconds']:.0f} |"
    )


def configured(settings: list[str]) -> LocalConfig:
    config = LocalConfig(steps=300)
    for setting in settings:
        name, _, value = setting.partition("=")
        config = replace(config, **{name: type(getattr(config, name))(value)})
    return config


if __name__ == "__main__":
    main()
