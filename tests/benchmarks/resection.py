"""Photos left out on purpose, and placed on the depth of Gaussians: how many, and how well.

    python tests/benchmarks/poses.py --sets llff_fern fountain_p11 --out runs --no-colmap
    python tests/benchmarks/resection.py --runs runs --sets llff_fern fountain_p11

One photo after the other loses its pose. It keeps one match for each of its keypoints, at random,
and what it matches loses its point and all other matches, so that no point is left to place it by.
It is then placed with all of these matches, with those of the three and of the two photos that it
matches best, 40 of each, and again with those of one of three or of one of two shuffled. Errors are
those against the pose that it lost, in degrees and in percent of the RMS radius of the cameras.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import machine
import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from splatpose.geometry.centers import centers_of  # noqa: E402
from splatpose.geometry.rotations import rotation_angle  # noqa: E402
from splatpose.io.colmap import quiet_colmap  # noqa: E402
from splatpose.refinement.late_registration import depths_around  # noqa: E402
from splatpose.scene.sparse_model import SparseModel  # noqa: E402  # noqa: E402
from splatpose.sfm.correspondences import (  # noqa: E402
    MatchTable,
    keypoint_ids,
    match_table,
    with_matches,
)
from splatpose.sfm.registration.from_depth import place  # noqa: E402
from splatpose.stages.capture.stage import load_capture  # noqa: E402
from splatpose.stages.late_registration.config import LateRegistrationConfig  # noqa: E402
from splatpose.stages.matching.stage import load_matches  # noqa: E402
from splatpose.stages.poses.config import PosesConfig  # noqa: E402
from splatpose.stages.poses.stage import load_poses  # noqa: E402

VARIANTS = {
    "all": (10**9, 10**9, False),
    "3 photos": (3, 40, False),
    "2 photos": (2, 40, False),
    "3, 1 false": (3, 40, True),
    "2, 1 false": (2, 40, True),
}
"""Photos that it matches, matches with each, and whether those with one are false."""
WRONG = 5.0
"""Degrees or percent."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=Path, required=True, help="--out of poses.py")
    parser.add_argument("--sets", nargs="+", required=True)
    parser.add_argument("--every", type=int, default=3, help="one photo in so many")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name in args.sets:
        rows += rows_of(name, args.runs / name.replace("/", "_every") / "splatpose", args)
    table(rows)
    result = {"version": 1, **machine.describe(), "seed": args.seed, "rows": rows}
    label = machine.label_of(args.sets)
    machine.write_result(f"resection{label}_{result['date']}", result)


def rows_of(name: str, folder: Path, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Every N-th photo of a set in every variant."""
    capture, graph = load_capture(folder / "capture"), load_matches(folder / "matching")
    poses, matches = load_poses(folder / "poses"), match_table(graph)
    rows = []
    for photo in np.flatnonzero(poses.registered)[:: args.every].tolist():
        rng = np.random.default_rng([args.seed, photo])
        without, own = stranded(photo, poses, matches, rng)
        with quiet_colmap():
            depths = depths_around(
                [photo], capture, graph, without, own, "auto",
                steps=LateRegistrationConfig().steps, min_matches=PosesConfig().min_matches,
                seed=args.seed,
            )  # fmt: skip
            assert depths is not None
            for variant, (photos, most, false) in VARIANTS.items():
                some = thinned(photo, own, photos, most, false, rng)
                model = without
                found = place(photo, model, some, depths, max_error_px=1.0, seed=args.seed)
                row = {
                    "set": name,
                    "photo": poses.names[photo],
                    "variant": variant,
                    "matches": int((some.photos == photo).any(1).sum()),
                    "placed": not found.reason,
                    "reason": found.reason,
                    **errors(poses, photo, found.cam_from_world),
                }
                rows.append(row)
                print(json.dumps(row), flush=True)
    return rows


def stranded(
    photo: int, poses: SparseModel, table: MatchTable, rng: np.random.Generator
) -> tuple[SparseModel, MatchTable]:
    """Poses without a photo, and matches of which none of its own meets a point."""
    ids = keypoint_ids(table)
    mine = (table.photos == photo).any(1)
    known = mine & poses.registered[table.photos].all(1)
    rows = rng.permutation(np.flatnonzero(known))
    side = (table.photos[rows, 1] == photo).astype(int)
    _, first = np.unique(ids[rows, side], return_index=True)
    kept, other = rows[first], ids[rows[first], 1 - side[first]]
    lonely = np.isin(ids, other).any(1)
    lonely[kept] = False
    stride = int(table.keypoints.max()) + 1
    observed = poses.observations[:, 1] * stride + poses.observations[:, 2]
    gone = np.zeros(len(poses.points), bool)
    gone[poses.observations[np.isin(observed, other), 0]] = True
    keep = ~gone[poses.observations[:, 0]] & (poses.observations[:, 1] != photo)
    gone |= np.bincount(poses.observations[keep, 0], minlength=len(gone)) < 2
    keep &= ~gone[poses.observations[:, 0]]
    observations = poses.observations[keep]
    observations[:, 0] = (np.cumsum(~gone) - 1)[observations[:, 0]]
    registered, cameras = poses.registered.copy(), poses.cam_from_world.copy()
    registered[photo], cameras[photo] = False, np.nan
    use = ~mine & ~lonely
    use[kept] = True
    without = replace(
        poses,
        registered=registered,
        cam_from_world=cameras,
        points=poses.points[~gone],
        point_colors=poses.point_colors[~gone],
        point_errors=poses.point_errors[~gone],
        observations=observations,
        observation_xy=poses.observation_xy[keep],
    )
    return without, with_matches(table, use)


def thinned(
    photo: int, table: MatchTable, photos: int, most: int, false: bool, rng: np.random.Generator
) -> MatchTable:
    """With at most so many matches of a photo; those with the best matched one shuffled."""
    mine = (table.photos == photo).any(1)
    ranked = np.argsort(-np.bincount(table.pair[mine]), kind="stable")[:photos]
    use = ~mine
    for pair in ranked:
        use[rng.permutation(np.flatnonzero(table.pair == pair))[:most]] = True
    table = with_matches(table, use)
    if false:
        rows = np.flatnonzero(table.pair == ranked[0])
        order = rng.permutation(len(rows))
        xy, keypoints = table.xy.copy(), table.keypoints.copy()
        xy[rows, 1], keypoints[rows, 1] = xy[rows[order], 1], keypoints[rows[order], 1]
        table = replace(table, xy=xy, keypoints=keypoints)
    return table


def errors(poses: SparseModel, photo: int, found: np.ndarray) -> dict[str, float | None]:
    if not np.isfinite(found).all():
        return {"rotation": None, "position": None}
    centers = centers_of(poses.cam_from_world)
    known = centers[poses.registered]
    radius = np.sqrt(((known - known.mean(0)) ** 2).sum(1).mean())
    shift = np.linalg.norm(-found[:3, :3].T @ found[:3, 3] - centers[photo])
    true = poses.cam_from_world[photo]
    return {
        "rotation": float(rotation_angle(found[:3, :3] @ true[:3, :3].T)),
        "position": float(100 * shift / radius),
    }


def table(rows: list[dict[str, Any]]) -> None:
    """Prints the summary as Markdown."""
    print("\n| set | matches | photos | placed | wrong | median degrees | median % |")
    print("|---" * 7 + "|")
    for name in dict.fromkeys(row["set"] for row in rows):
        for variant in VARIANTS:
            own = [row for row in rows if row["set"] == name and row["variant"] == variant]
            placed = [row for row in own if row["placed"]]
            wrong = sum(max(row["rotation"], row["position"]) > WRONG for row in placed)
            cells = [name, variant, len(own), len(placed), wrong]
            for key in ("rotation", "position"):
                cells.append(f"{np.median([r[key] for r in placed]):.3f}" if placed else "")
            print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
