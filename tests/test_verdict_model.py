"""The benchmark that fits the points of verdicts: by family, on whole evidence, honestly told."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

import verdict_model

from splatpose.scene.verdicts import PhotoTrust

FAMILIES = ("walk", "night", "orbit")


def photos(right: list[bool], family: list[str], ours: list[bool] | None = None):
    count = len(right)
    return verdict_model.Photos(
        figures={"family": np.array([FAMILIES.index(name) for name in family], float)},
        right=np.array(right),
        family=np.array(family),
        scene=np.array([f"{name}-tune-0" for name in family]),
        ours=np.ones(count, bool) if ours is None else np.array(ours),
        decidable=np.ones(count, bool),
        weight=np.ones(count),
    )


class Fitted:
    """A model that knows the families of its photos and speaks of no others' but theirs."""

    def __init__(self, of: verdict_model.Photos, stiffness: float) -> None:
        self.known, self.stiffness = set(of.family.tolist()), stiffness

    def lost(self, figures: dict[str, np.ndarray]) -> np.ndarray:
        return figures["family"]

    def probability(self, lost: np.ndarray) -> np.ndarray:
        asked = {FAMILIES[int(code)] for code in lost}
        assert asked.isdisjoint(self.known), "a family on both sides"
        assert len(self.known) == len(FAMILIES) - 1, "all the others"
        return np.full(len(lost), 0.9 if self.stiffness == 0.1 else 0.6)


def test_no_family_is_on_both_sides_of_cross_validation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verdict_model, "fitted", Fitted)
    given = photos([True] * 9, [FAMILIES[i % 3] for i in range(9)])
    stiffness, probability = verdict_model.cross_validated(given)
    assert stiffness == 0.1, "what predicts families left out best"
    np.testing.assert_array_equal(probability, np.full(9, 0.9))
    assert "log loss of families left out 0.1054" in capsys.readouterr().out


def test_points_stay_as_expected_where_moving_them_helps_less_than_a_standard_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stiffer points lose a little on two kinds of scenes and win as much on the third."""

    class Wavering(Fitted):
        def probability(self, lost: np.ndarray) -> np.ndarray:
            best = super().probability(lost)
            return np.where(lost == 0, 0.95, 0.87) if self.stiffness == 1.0 else best

    monkeypatch.setattr(verdict_model, "fitted", Wavering)
    given = photos([True] * 9, [FAMILIES[i % 3] for i in range(9)])
    stiffness, probability = verdict_model.cross_validated(given)
    assert stiffness == 1.0
    assert probability.min() == 0.87


def row(**changes: Any) -> dict[str, Any]:
    """A line as the evidence of scenes has it."""
    facts = {"scene": "walk-tune-0", "family": "walk", "model": "ours", "registered": True}
    evidence = json.loads(json.dumps(dataclasses.asdict(PhotoTrust(folds_denying=1))))
    evidence = {k: None if v != v else v for k, v in evidence.items()}
    return {**facts, "right": True, "evidence": evidence, **changes}


def flat(line: dict[str, Any]) -> dict[str, Any]:
    """The same as the evidence of photo sets has it."""
    own = {**line, **line["evidence"], "set": line["scene"]}
    return {k: v for k, v in own.items() if k not in ("evidence", "family", "scene")}


@pytest.mark.parametrize("kind", ["lines", "list"])
def test_evidence_of_an_earlier_state_is_refused(kind: str, tmp_path: Path) -> None:
    def write(rows: list[dict[str, Any]]) -> Path:
        file = tmp_path / "evidence"
        lines = "\n".join(map(json.dumps, rows))
        file.write_text(lines if kind == "lines" else json.dumps([flat(r) for r in rows]))
        return file

    lost = row(registered=False, evidence=row()["evidence"])
    found = verdict_model.read([write([row(), row(right=False, model="folded"), lost])])
    assert len(found) == 2
    assert found.right.tolist() == [True, False]
    assert found.ours.tolist() == [True, False]
    assert found.family[0] == ("walk" if kind == "lines" else "real walk-tune-0")
    np.testing.assert_allclose(found.weight, [1, verdict_model.BROKEN])
    # A figure that is not known is one, and no zero.
    assert np.isnan(found.figures["lens_position"]).all()
    assert found.figures["folds_denying"].tolist() == [1, 1]

    early = row()
    del early["evidence"]["rival_here"]
    with pytest.raises(SystemExit, match="judge it again"):
        verdict_model.read([write([row(), early])])


def test_reliability_is_of_our_own_models_by_what_was_said() -> None:
    said = [0.96, 0.97, 0.97, 0.96, 0.7, 0.7, 0.99]
    right = [True, True, True, False, True, False, False]
    given = photos(right, ["walk"] * 7, [True] * 6 + [False])
    bins = verdict_model.reliability(given, np.array(said))
    assert bins == [
        {"said": pytest.approx(0.7), "right": 0.5, "photos": 2},
        {"said": pytest.approx(0.965), "right": 0.75, "photos": 4},
    ]
    told = verdict_model.summary("known", given, np.array(said), 0.95)
    assert told["calibration_error"] == pytest.approx((2 * 0.2 + 4 * 0.215) / 6)
    # Broken models count as silent failures, and in the share of right ones nowhere.
    assert told["silent_failures"] == 2
    assert told["right_trusted_share"] == pytest.approx(3 / 4)
    family = told["families"]["walk"]
    assert (family["photos"], family["right"], family["right_trusted"]) == (6, 4, 3)
    assert (family["wrong"], family["wrong_trusted"]) == (2, 1)
    assert (family["broken_wrong"], family["broken_wrong_trusted"]) == (1, 1)
    svg = verdict_model.plot(bins, "known")
    assert svg.count("<circle") == 2
