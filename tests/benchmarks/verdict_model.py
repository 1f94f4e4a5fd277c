"""The points of `stages/trust/points.json`: fitted, cross-validated by family, and tested.

    python tests/benchmarks/verdict_model.py EVIDENCE... [--write] [--test EVIDENCE...]

EVIDENCE are files with the evidence on every photo of many models whose true poses are known: as
`verdict_evidence.py` writes them (a line of JSON for each photo) or `trust.py --evidence` (a list).
The fit sees those before `--test`. Cross-validation leaves out a family of scenes at a time, never
photos: photos of a scene, and scenes of a kind, share what deceives them. How far the points may
leave those that are expected is chosen by it. `--write` replaces points.json by the fit of all.
Models that were broken on purpose (`model` is not "ours") count for the points and for silent
failures, and not in the reliability: nobody knows how often they come.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import machine
import numpy as np

from splatpose.io.json_numbers import with_nan
from splatpose.scene.verdicts import PhotoTrust
from splatpose.sfm.mapping.bundle_adjustment import FEW_PHOTOS
from splatpose.sfm.validation.pose_probability import ProbabilityModel, calibrated, fit_probability
from splatpose.stages.trust.points import (
    FILE,
    Points,
    expected_points,
    figures_of,
    fitted_points,
    points_to_json,
)

STIFFNESSES = (1000.0, 1.0, 0.1, 0.03, 0.01, 3e-3, 1e-3)
OF_SUMS = 1e-3
"""Stiffness of what sums of points mean."""
BROKEN = 0.1
"""Weight of a broken model against one of ours."""
TRUSTED = 0.97
"""Probability from which on photos are trusted."""
CUTS = (0.9, 0.93, 0.95, 0.96, 0.97, 0.98, 0.99)
BINS = (0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0000001)


@dataclass(frozen=True)
class Photos:
    """N registered photos of many models."""

    figures: dict[str, np.ndarray]
    right: np.ndarray
    family: np.ndarray
    scene: np.ndarray
    ours: np.ndarray
    decidable: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.right)

    def subset(self, rows: np.ndarray) -> Photos:
        figures = {name: values[rows] for name, values in self.figures.items()}
        rest = (getattr(self, f.name)[rows] for f in fields(self)[1:])
        return Photos(figures, *rest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("evidence", nargs="*", type=Path)
    parser.add_argument("--test", nargs="+", type=Path, default=[])
    parser.add_argument("--write", action="store_true", help="replace points.json by the fit")
    args = parser.parse_args()
    result: dict[str, Any] = {"version": 1, **machine.describe()}
    points = fitted_points()
    if args.evidence:
        photos = read(args.evidence)
        print(f"{len(photos)} photos of {len(set(photos.family))} families")
        best, probability = cross_validated(photos)
        tell_cuts(photos, probability)
        title = "cross-validated by family"
        result["cross-validated"] = summary(title, photos, probability, TRUSTED)
        result["stiffness"] = best
        points = Points(fitted(photos, best), TRUSTED)
        said = points.model.probability(points.model.lost(photos.figures))
        tell_cuts(photos, said)
        result["tune"] = summary("tune, by the fit of all", photos, said, TRUSTED)
        tell_points(points)
        if args.write:
            FILE.write_text(json.dumps(points_to_json(points), indent=1) + "\n")
            print(f"written to {FILE}")
    if args.test:
        photos = read(args.test)
        probability = points.model.probability(points.model.lost(photos.figures))
        result["test"] = summary("test", photos, probability, points.trusted)
    if args.write or args.test:
        path = machine.write_result(f"verdict_model_{result['date']}", result)
        for split in ("cross-validated", "tune", "test"):
            if split in result:
                file = path.with_name(f"{path.stem}_{split}.svg")
                file.write_text(plot(result[split]["reliability"], f"reliability, {split}"))


def read(files: Sequence[Path]) -> Photos:
    """All registered photos of some files of evidence."""
    rows: list[dict[str, Any]] = []
    for file in files:
        text = file.read_text()
        rows += json.loads(text) if text.startswith("[") else map(json.loads, text.splitlines())
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        counts[_model_of(row)] = counts.get(_model_of(row), 0) + bool(row["registered"])
    rows = [row for row in rows if row["registered"]]
    known = {f.name for f in fields(PhotoTrust)}
    told = [row.get("evidence", row) for row in rows]
    if any(known - own.keys() for own in told):
        raise SystemExit(
            "evidence of an earlier state: judge it again (verdict_evidence.py --again)"
        )
    evidence = [
        PhotoTrust(**with_nan({k: v for k, v in own.items() if k in known})) for own in told
    ]
    few = [counts[_model_of(row)] <= FEW_PHOTOS for row in rows]
    ours = np.array([row["model"] == "ours" for row in rows])
    size = np.array([counts[_model_of(row)] for row in rows])
    return Photos(
        figures=figures_of(evidence, few),
        right=np.array([bool(row["right"]) for row in rows]),
        family=np.array([row.get("family", "real " + _scene_of(row)) for row in rows]),
        scene=np.array([_scene_of(row) for row in rows]),
        ours=ours,
        decidable=np.array([row.get("decidable", True) for row in rows]),
        # Scenes count alike, whatever their number of photos; more than that for large ones.
        weight=np.where(ours, 1.0, BROKEN) / np.sqrt(size),
    )


def _model_of(row: dict[str, Any]) -> tuple[str, str]:
    return _scene_of(row), row["model"]


def _scene_of(row: dict[str, Any]) -> str:
    return row.get("scene") or row["set"]


def fitted(photos: Photos, stiffness: float) -> ProbabilityModel:
    """The points that are expected, moved as far as the photos call for, and calibrated."""
    given = photos.figures, photos.right, photos.weight
    model = fit_probability(expected_points(), *given, stiffness=stiffness)
    return calibrated(model, *given, stiffness=OF_SUMS)


def cross_validated(photos: Photos) -> tuple[float, np.ndarray]:
    """The largest stiffness under which families left out are predicted no worse than under the
    best but for a standard error (Breiman et al., 1984), and those predictions."""
    families = np.unique(photos.family)
    found: list[tuple[float, np.ndarray, np.ndarray]] = []
    for stiffness in STIFFNESSES:
        probability = np.zeros(len(photos))
        for family in families:
            out = photos.family == family
            model = fitted(photos.subset(~out), stiffness)
            probability[out] = model.probability(model.lost(photos.subset(out).figures))
        p = np.clip(probability, 1e-6, 1 - 1e-6)
        loss = photos.weight * -np.log(np.where(photos.right, p, 1 - p)) / photos.weight.sum()
        by_family = np.array([loss[photos.family == family].sum() for family in families])
        print(f"stiffness {stiffness:g}: log loss of families left out {loss.sum():.4f}")
        found.append((stiffness, probability, by_family))
    best = min(found, key=lambda one: one[2].sum())
    stiff_enough = (
        one
        for one in sorted(found, key=lambda one: -one[0])
        if (one[2] - best[2]).sum() <= (one[2] - best[2]).std() * len(families) ** 0.5
    )
    return next(stiff_enough)[:2]


def tell_cuts(photos: Photos, probability: np.ndarray) -> None:
    own = photos.right & photos.ours & photos.decidable
    for cut in CUTS:
        silent = int((~photos.right & (probability >= cut)).sum())
        share = float((probability[own] >= cut).mean())
        print(f"cut {cut:g}: {silent} silent failures, {100 * share:.1f} % of right ones trusted")


def summary(title: str, photos: Photos, probability: np.ndarray, cut: float) -> dict[str, Any]:
    """Prints and returns what became of each family, and how far the probabilities hold."""
    trusted = probability >= cut
    print(f"\n## {title}, trusted from {cut:g} on\n")
    print("| family | photos | right | trusted | wrong | trusted | broken ones wrong | trusted |")
    print("|---" * 8 + "|")
    families = {}
    for family in np.unique(photos.family):
        own = photos.family == family
        ours, right = own & photos.ours, photos.right
        row = {
            "photos": int(ours.sum()),
            "right": int((ours & right).sum()),
            "right_trusted": int((ours & right & trusted).sum()),
            "wrong": int((ours & ~right).sum()),
            "wrong_trusted": int((ours & ~right & trusted).sum()),
            "broken_wrong": int((own & ~photos.ours & ~right).sum()),
            "broken_wrong_trusted": int((own & ~photos.ours & ~right & trusted).sum()),
        }
        families[str(family)] = row
        print(f"| {family} | " + " | ".join(map(str, row.values())) + " |")
    bins = reliability(photos, probability)
    error = sum(b["photos"] * abs(b["said"] - b["right"]) for b in bins)
    error /= max(sum(b["photos"] for b in bins), 1)
    own = photos.right & photos.ours & photos.decidable
    silent = int((trusted & ~photos.right).sum())
    share = float(trusted[own].mean())
    print(
        f"\nsilent failures {silent}; of right ones in decidable scenes {100 * share:.1f} % trusted"
    )
    print(f"expected calibration error {100 * error:.1f} %")
    for b in bins:
        print(f"  said {100 * b['said']:5.1f} %: {100 * b['right']:5.1f} % of {b['photos']} right")
    return {
        "cut": cut,
        "families": families,
        "silent_failures": silent,
        "right_trusted_share": share,
        "calibration_error": error,
        "reliability": bins,
    }


def reliability(photos: Photos, probability: np.ndarray) -> list[dict[str, Any]]:
    """Photos of our own models by what was said of them."""
    place = np.digitize(probability, BINS) - 1
    bins = []
    for number in range(len(BINS) - 1):
        own = photos.ours & (place == number)
        if own.any():
            said, right = float(probability[own].mean()), float(photos.right[own].mean())
            bins.append({"said": said, "right": right, "photos": int(own.sum())})
    return bins


def plot(bins: Sequence[dict[str, Any]], title: str) -> str:
    """A reliability diagram as SVG: share that is right over what was said, discs by the number of
    photos. Odds on both axes, so that the ends can be told apart."""
    size, edge = 480, 60
    ticks = (0.02, 0.1, 0.5, 0.9, 0.98, 0.998)

    def at(share: float) -> float:
        odds = np.log(np.clip(share, 1e-3, 1 - 1e-3) / (1 - np.clip(share, 1e-3, 1 - 1e-3)))
        return float(edge + (size - 2 * edge) * (odds / np.log(999) + 1) / 2)

    line = '<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="{}"/>'
    text = '<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>'
    parts = [line.format(edge, size - edge, size - edge, edge, "#999")]
    for tick in ticks:
        x = at(tick)
        parts.append(line.format(x, edge, x, size - edge, "#eee"))
        parts.append(line.format(edge, size - x, size - edge, size - x, "#eee"))
        parts.append(text.format(x, size - edge + 20, f"{100 * tick:g} %"))
        parts.append(text.format(edge - 28, size - x + 5, f"{100 * tick:g} %"))
    for b in bins:
        radius = 2 + 1.5 * np.log2(b["photos"])
        x, y = at(b["said"]), size - at(b["right"])
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="#27c" opacity=".6"/>'
        )
        parts.append(text.format(x, y - radius - 4, b["photos"]))
    parts.append(text.format(size / 2, 30, title))
    parts.append(text.format(size / 2, size - 12, "probability that was said"))
    turn = f'transform="rotate(-90 14 {size / 2})"'
    parts.append(
        f'<text x="14" y="{size / 2}" text-anchor="middle" {turn}>share that is right</text>'
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" font-size="12"'
    return (
        f'{head} font-family="sans-serif">\n<rect width="100%" height="100%" fill="white"/>\n'
        + ("\n".join(parts) + "\n</svg>\n")
    )


def tell_points(points: Points) -> None:
    print(f"\nlog-odds of a pose that nothing speaks against: {points.model.most:.2f}")
    for term in (points.model.link, *points.model.terms):
        shape = ", ".join(f"{k:g}: {p:.1f}" for k, p in zip(term.knots, term.points, strict=True))
        print(f"  {term.figure}: {shape}; unknown {term.unknown:.1f}")


if __name__ == "__main__":
    main()
