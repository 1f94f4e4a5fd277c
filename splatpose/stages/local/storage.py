"""The local stage on disk: finished clusters one by one, then relative poses and evidence."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from ...io.atomic import replacing, write_json
from ...io.json_numbers import with_nan
from ...refinement.cluster_optimization import Solved
from ...scene.evidence import ClusterEvidence, LocalEvidence
from ...sfm.mapping.pair_covariance import PairCovariance
from ...sfm.twoview.all_pairs import RelativePoses
from ...sfm.viewgraph.refined_pairs import RefinedPairs

_ARRAYS, _EVIDENCE = "local.npz", "local.json"
_PLAIN = ("photos", "cam_from_world", "pairs", "observed", "log_depth")


def cluster_path(folder: Path, number: int) -> Path:
    """Where a finished cluster waits for the others."""
    return folder / "clusters" / f"{number:04d}.npz"


def save_cluster(path: Path, solved: Solved) -> None:
    """Writes one cluster, whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            **{name: getattr(solved, name) for name in _PLAIN},
            covariance=solved.certainty.covariance,
            log_baseline_sigma=solved.certainty.log_baseline_sigma,
            evidence=np.array(json.dumps(dataclasses.asdict(solved.evidence))),
        )


def load_cluster(path: Path) -> Solved:
    """Reads what `save_cluster` wrote."""
    with np.load(path) as file:
        return Solved(
            **{name: file[name] for name in _PLAIN},
            certainty=PairCovariance(file["covariance"], file["log_baseline_sigma"]),
            evidence=_cluster_evidence(json.loads(str(file["evidence"]))),
        )


def save(folder: Path, pairs: RefinedPairs, evidence: LocalEvidence) -> None:
    """Writes everything that `load_local` needs."""
    write_json(folder / _EVIDENCE, dataclasses.asdict(evidence))
    rows = pairs.relative
    with replacing(folder / _ARRAYS) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            refined=pairs.refined,
            baselines=pairs.baselines,
            baseline_sigma=pairs.baseline_sigma,
            **{f"pair_{name}": getattr(rows, name) for name in rows.__dataclass_fields__},
        )


def load_local(folder: Path) -> tuple[RefinedPairs, LocalEvidence]:
    """Reads what `refine_pairs` wrote."""
    value: dict[str, Any] = json.loads((folder / _EVIDENCE).read_text(encoding="utf-8"))
    value.pop("version")
    clusters = tuple(_cluster_evidence(cluster) for cluster in value.pop("clusters"))
    with np.load(folder / _ARRAYS) as file:
        names = RelativePoses.__dataclass_fields__
        pairs = RefinedPairs(
            RelativePoses(*(file[f"pair_{name}"] for name in names)),
            file["refined"],
            file["baselines"],
            file["baseline_sigma"],
        )
    return pairs, LocalEvidence(clusters=clusters, **value)


def _cluster_evidence(value: dict[str, Any]) -> ClusterEvidence:
    return ClusterEvidence(**{**with_nan(value), "photos": tuple(value["photos"])})
