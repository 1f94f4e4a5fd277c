"""Verdicts against the truth: photos that are wrong and trusted, and right ones that are not.

    python tests/benchmarks/trust.py RUNS [--sets fox hololens_office ...] [--wrong] [--json FILE]

RUNS holds a folder a set with finished capture, matching and poses: as `poses.py --out` leaves
them, or as `splatpose eval --suite stress -o RUNS` does. The truth is that of the stress suite
($SPLATPOSE_STRESS) or of the real sets ($SPLATPOSE_SHARED), and is read afterwards.

`--wrong` also judges models that are wrong on purpose (one photo turned by 8 degrees, one moved by
an eighth of the radius, half of the photos turned, half of them scaled), and COLMAP's own models
of the same photos where RUNS has them. A photo is right within 5 degrees and 5 % of the radius
after the consensus alignment.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import machine
import numpy as np
from wrong_models import PIXELS, wrong_models

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("SPLATPOSE_SHARED", ROOT.parent / "shared"))
STRESS = Path(os.environ.get("SPLATPOSE_STRESS", "~/.cache/splatpose/stress")).expanduser()
sys.path.insert(0, str(ROOT))

from splatpose.errors import SplatposeError  # noqa: E402
from splatpose.evaluation.dataset import Dataset  # noqa: E402
from splatpose.evaluation.pose_metrics import PoseScore, score_poses  # noqa: E402
from splatpose.evaluation.readers import read_dataset  # noqa: E402
from splatpose.evaluation.verify_model import read_foreign_model  # noqa: E402
from splatpose.io.colmap import quiet_colmap  # noqa: E402
from splatpose.scene.capture import Capture  # noqa: E402
from splatpose.scene.sparse_model import SparseModel  # noqa: E402
from splatpose.scene.verdicts import Verdicts  # noqa: E402
from splatpose.sfm.mapping.retriangulation import with_points  # noqa: E402
from splatpose.stages.capture.stage import load_capture  # noqa: E402
from splatpose.stages.matching.stage import load_matches  # noqa: E402
from splatpose.stages.poses.stage import load_poses  # noqa: E402
from splatpose.stages.trust.config import TrustConfig  # noqa: E402
from splatpose.stages.trust.evidence import ModelUnderTest, model_under_test  # noqa: E402
from splatpose.stages.trust.verdict import assess  # noqa: E402

MIN_MATCHES = 15
COLUMNS = ("right", "right_trusted", "wrong", "wrong_trusted", "seconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--wrong", action="store_true", help="wrong models and COLMAP's too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--evidence", type=Path, help="write every photo's evidence here")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    details: list[dict[str, Any]] = []
    for name in args.sets or sorted(p.name for p in args.runs.iterdir() if p.is_dir()):
        stages = stages_of(args.runs / name)
        if stages is None:
            continue
        for row, photos in judged(name, stages, args):
            rows.append(row)
            details += photos
            print(row["set"], row["model"], *(f"{c} {row[c]}" for c in COLUMNS), flush=True)
    table(rows)
    result = {"version": 1, **machine.describe(), "seed": args.seed, "rows": rows}
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n")
    if args.evidence:
        args.evidence.write_text(json.dumps(details) + "\n")


def stages_of(home: Path) -> Path | None:
    """The folder with the stages of a set; None where the poses are not finished."""
    places = (home, home / "splatpose", home / "splatpose" / "run" / ".splatpose")
    return next((place for place in places if (place / "poses" / "poses.json").exists()), None)


def judged(
    name: str, stages: Path, args: argparse.Namespace
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """A row for each model of a set, and its photos' evidence."""
    subject, capture = subject_of(stages)
    with tempfile.TemporaryDirectory() as scratch:
        models = [("ours", subject.model)]
        if args.wrong:
            models += wrong_models(subject)
            models += foreign_models(args.runs / name, capture, subject)
        for kind, model in models:
            # The halves are mapped once for all models with the same lenses.
            folder = Path(scratch) / (kind if kind.startswith("COLMAP") else "ours")
            start = time.perf_counter()
            verdicts = verdicts_on(subject, model, folder, seed=args.seed)
            seconds = time.perf_counter() - start
            score = scored(truth_of(name), model)
            yield (
                row_of(name, kind, score, verdicts, seconds),
                details_of(name, kind, score, verdicts),
            )


def subject_of(stages: Path) -> tuple[ModelUnderTest, Capture]:
    """The model that a run found, to be judged, and its photos."""
    capture = load_capture(stages / "capture")
    graph = load_matches(stages / "matching")
    poses = load_poses(stages / "poses")
    limits = {"max_error_px": PIXELS, "min_matches": MIN_MATCHES}
    subject = model_under_test(capture, graph, poses, **limits)
    return subject, capture


def verdicts_on(
    subject: ModelUnderTest, model: SparseModel, folder: Path, *, seed: int, workers: int = 2
) -> Verdicts:
    """What is said of another model of the subject's photos."""
    return assess(
        dataclasses.replace(subject, model=model),
        TrustConfig(workers=workers),
        folder,
        [""] * len(model.names),
        seed=seed,
        progress=lambda text: None,
    )


def foreign_models(home: Path, capture, subject: ModelUnderTest) -> list[tuple[str, SparseModel]]:
    """COLMAP's models of the same photos, where an earlier benchmark left them."""
    found = []
    for folder in sorted(home.glob("colmap*/*_best")):
        kind = f"COLMAP {folder.name.removesuffix('_best')}"
        place = folder / "0" if (folder / "0").is_dir() else folder
        try:
            with quiet_colmap():
                bare = read_foreign_model(place, capture)
        except SplatposeError as error:
            print(f"  {home.name}: {kind}: {error.message}")
            continue
        found.append((kind, with_points(bare, subject.table, PIXELS)))
    return found


def truth_of(name: str) -> Dataset:
    """True cameras of a set."""
    stress = STRESS / name.removeprefix("stress_")
    real = SHARED / "data" / name.partition(":")[0].partition("~")[0].partition("_every")[0]
    return read_dataset(stress if stress.is_dir() else next(iter(sorted(real.glob("poses*.json")))))


def rows_of(data: Dataset, names: Sequence[str]) -> list[int]:
    """Where the truth has photos that are called so, whatever folders they lie in; -1 where it
    has none."""
    row = {Path(photo).name: i for i, photo in enumerate(data.names)}
    return [row.get(Path(photo).name, -1) for photo in names]


def scored(data: Dataset, model: SparseModel) -> PoseScore:
    """Which photos are right; those without a true pose are not asked."""
    rows = np.array(rows_of(data, model.names))
    true = np.where((rows >= 0)[:, None, None], data.cam_from_world[rows], np.nan)
    return score_poses(true, model.cam_from_world, data.place[rows])


def row_of(
    name: str, kind: str, score: PoseScore, verdicts: Verdicts, seconds: float
) -> dict[str, Any]:
    trusted = np.array([photo.level == "trusted" for photo in verdicts.photos])
    wrong = score.registered & ~score.right
    return {
        "set": name,
        "model": kind,
        "photos": len(trusted),
        "right": int(score.right.sum()),
        "right_trusted": int((score.right & trusted).sum()),
        "wrong": int(wrong.sum()),
        "wrong_trusted": int((wrong & trusted).sum()),
        "seconds": round(seconds, 1),
    }


def details_of(name: str, kind: str, score: PoseScore, verdicts: Verdicts) -> list[dict[str, Any]]:
    return [
        {
            "set": name,
            "model": kind,
            "photo": photo.name,
            "right": bool(score.right[i]),
            "registered": bool(score.registered[i]),
            "level": photo.level,
            "reason": photo.reason,
            "rotation_error": float(score.rotation_error[i]),
            "position_error": 100 * float(score.position_error[i]) / score.metrics.radius,
            **dataclasses.asdict(photo.evidence),
        }
        for i, photo in enumerate(verdicts.photos)
    ]


def table(rows: list[dict[str, Any]]) -> None:
    """Prints the rows as Markdown, with the totals."""
    print("\n| set | model | " + " | ".join(COLUMNS) + " |")
    print("|---" * (2 + len(COLUMNS)) + "|")
    for row in rows:
        print(
            f"| {row['set']} | {row['model']} | " + " | ".join(str(row[c]) for c in COLUMNS) + " |"
        )
    right, trusted = (sum(row[c] for row in rows) for c in ("right", "right_trusted"))
    silent = sum(row["wrong_trusted"] for row in rows)
    print(f"\nsilent failures: {silent}; of {right} right poses {trusted} are trusted")


if __name__ == "__main__":
    main()
