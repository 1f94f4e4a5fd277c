"""What is known of every photo of the families' scenes, beside whether its pose is right.

    python -m tests.synthetic.render_families --split tune          # makes the scenes
    python tests/benchmarks/verdict_evidence.py RUNS --families DIR --split tune [--broken 4]

Each scene is solved as `fit` does, and judged; so are models of it that are wrong on purpose
(`wrong_models.py`). RUNS keeps the runs and, of each scene, `evidence/SCENE.jsonl`; a scene whose
file is there is not done again, and `--again` judges anew what has been solved. `--split` chooses
scenes; all their lines together go to RUNS/evidence-SPLIT.jsonl: one for each photo of each model.

A photo is right within 5 degrees and 5 % of the radius after the consensus alignment. One process a
scene, one thread each, two side by side.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import trust
from wrong_models import broken_models, merged_places

from splatpose.config import FitConfig
from splatpose.errors import SplatposeError
from splatpose.evaluation.pose_metrics import PoseScore
from splatpose.evaluation.readers import read_dataset
from splatpose.events import Event, StageFinished
from splatpose.io.colmap import quiet_colmap
from splatpose.pipeline import solve
from splatpose.runs.folder import WORK
from splatpose.scene.verdicts import Verdicts
from splatpose.stages.matching.config import MatchingConfig
from splatpose.stages.poses.config import PosesConfig
from splatpose.stages.trust.config import TrustConfig

CONFIG = FitConfig(poses=PosesConfig(workers=1), trust=TrustConfig(folds=False, workers=1))
"""The verdicts of the run itself are not asked: all models are judged in the same way."""
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "SPLATPOSE_ONE_PROCESS"), "1")
_LIMIT_S = 1800
"""Of one scene."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--families", type=Path, required=True, help="folder of the scenes")
    parser.add_argument("--split", choices=("tune", "test"), default="tune")
    parser.add_argument("--only", help="only scenes of this family")
    parser.add_argument("--broken", type=int, default=4, help="wrong models of each scene")
    parser.add_argument("--again", action="store_true", help="judge again what has been solved")
    parser.add_argument("--matcher", default="auto", help="as of fit; keep other RUNS for each")
    parser.add_argument("--workers", type=int, default=2, help="scenes side by side")
    parser.add_argument("--scene", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.scene:
        write_scene(args.runs, args.scene, args.broken, args.matcher)
        return
    scenes = list(scenes_of(args.families, args.split, args.only))
    for scene in scenes if args.again else ():
        evidence_file(args.runs, scene).unlink(missing_ok=True)
    with ThreadPoolExecutor(args.workers) as pool:
        for line in pool.map(lambda scene: done(scene, args), scenes):
            print(line, flush=True)
    rows = [row for scene in scenes for row in read_rows(evidence_file(args.runs, scene))]
    target = args.runs / f"evidence-{args.split}.jsonl"
    write_rows(target, rows)
    print_table(rows)


def scenes_of(families: Path, split: str, only: str | None) -> Iterator[Path]:
    """Scene folders of a split, one of every family first."""
    found = []
    for file in families.glob("*/scene.json"):
        about = json.loads(file.read_text())
        if about["split"] == split and only in (None, about["family"]):
            found.append((int(about["scene"].rpartition("-")[2]), about["family"], file.parent))
    for _, _, folder in sorted(found):
        yield folder


def evidence_file(runs: Path, scene: Path) -> Path:
    return runs / "evidence" / f"{scene.name}.jsonl"


def done(scene: Path, args: argparse.Namespace) -> str:
    """Does a scene in a process of its own, unless it is done; one line for a person."""
    runs, file = args.runs, evidence_file(args.runs, scene)
    if file.exists():
        return f"{scene.name}: there"
    start = time.perf_counter()
    command = [sys.executable, __file__, str(runs), "--families", str(scene.parent)]
    command += ["--scene", str(scene), "--broken", str(args.broken), "--matcher", args.matcher]
    (runs / "logs").mkdir(parents=True, exist_ok=True)
    with (runs / "logs" / f"{scene.name}.txt").open("w") as log:
        try:
            code = subprocess.run(
                command, env=os.environ | _ONE_THREAD, stdout=log, stderr=log, timeout=_LIMIT_S
            ).returncode
        except subprocess.TimeoutExpired:
            code = -1
    seconds = time.perf_counter() - start
    if code:
        return f"{scene.name}: ended with {code} after {seconds:.0f} s, see {log.name}"
    ours = [row for row in read_rows(file) if row["model"] == "ours"]
    right, trusted = (sum(row[key] for row in ours) for key in ("right", "trusted"))
    wrong = sum(row["trusted"] and not row["right"] for row in ours)
    return (
        f"{scene.name}: {len(ours)} photos, {right} right, {trusted} trusted, "
        f"{wrong} of these wrong; {seconds:.0f} s"
    )


def write_scene(runs: Path, scene: Path, broken: int, matcher: str) -> None:
    """Solves a scene and writes what is known of its photos."""
    about = json.loads((scene / "scene.json").read_text())
    given = {key: about[key] for key in ("scene", "family", "split", "decidable")}
    data = read_dataset(scene)
    rows: list[dict[str, Any]] = []
    run = runs / "runs" / scene.name
    matching = MatchingConfig(matcher=matcher)  # type: ignore[arg-type]
    config = dataclasses.replace(CONFIG, matching=matching)
    try:
        solve(scene / "photos", run, config, emit=tell)
    except SplatposeError as error:
        rows = [refused(given, name, error.message) for name in data.names]
    else:
        subject, _ = trust.subject_of(run / WORK)
        order = trust.rows_of(data, subject.model.names)
        models = [("ours", subject.model), *broken_models(subject, about["seed"], broken)]
        if broken:
            true, place = data.cam_from_world[order], data.place[order]
            models += merged_places(subject, true, place, about["seed"])
        with quiet_colmap(), tempfile.TemporaryDirectory() as scratch:
            for kind, model in models:
                own = Path(scratch) / (kind if kind.startswith("focal") else "ours")
                start = time.perf_counter()
                verdicts = trust.verdicts_on(subject, model, own, seed=0, workers=1)
                print(f"{kind}: {time.perf_counter() - start:.1f} s", flush=True)
                rows += judged(given, kind, trust.scored(data, model), verdicts)
    write_rows(evidence_file(runs, scene), rows)


def tell(event: Event) -> None:
    """Says in the scene's log how long each stage took."""
    if isinstance(event, StageFinished):
        print(f"{event.stage}: {event.seconds:.1f} s", flush=True)


def judged(
    given: dict[str, Any], kind: str, score: PoseScore, verdicts: Verdicts
) -> list[dict[str, Any]]:
    """One row for each photo of a model."""
    radius = score.metrics.radius
    return [
        {
            **given,
            "model": kind,
            "photo": photo.name,
            "photos": len(verdicts.photos),
            "registered": bool(score.registered[i]),
            "right": bool(score.right[i]),
            "trusted": photo.level == "trusted",
            "level": photo.level,
            "reason": photo.reason,
            "rotation_error": float(score.rotation_error[i]),
            "position_error": 100 * float(score.position_error[i]) / radius if radius else None,
            "evidence": dataclasses.asdict(photo.evidence),
        }
        for i, photo in enumerate(verdicts.photos)
    ]


def refused(given: dict[str, Any], name: str, reason: str) -> dict[str, Any]:
    """A photo of a scene that could not be solved."""
    return {
        **given,
        "model": "ours",
        "photo": name,
        "photos": 0,
        "registered": False,
        "right": False,
        "trusted": False,
        "level": "refused",
        "reason": reason,
        "rotation_error": None,
        "position_error": None,
        "evidence": None,
    }


def write_rows(file: Path, rows: list[dict[str, Any]]) -> None:
    """JSON lines, whole or not at all; NaN where a figure does not exist."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    part.write_text("".join(json.dumps(row) + "\n" for row in rows))
    part.rename(file)


def read_rows(file: Path) -> list[dict[str, Any]]:
    """The lines of a scene; none where it is not done."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines()]


def print_table(rows: list[dict[str, Any]]) -> None:
    """Families of our own models, and kinds of broken ones."""
    print("\n| family or kind | scenes | photos | right | of these trusted | wrong and trusted |")
    print("|---|---|---|---|---|---|")
    for name, own in grouped(rows).items():
        right = [row for row in own if row["right"]]
        trusted = sum(row["trusted"] for row in right)
        silent = sum(row["trusted"] and not row["right"] for row in own)
        scenes = len({row["scene"] for row in own})
        print(f"| {name} | {scenes} | {len(own)} | {len(right)} | {trusted} | {silent} |")


def grouped(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows by family for our models, by kind for broken ones, in alphabetical order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        ours = row["model"] == "ours"
        found.setdefault(row["family"] if ours else f"({row['model']})", []).append(row)
    return dict(sorted(found.items()))


if __name__ == "__main__":
    main()
