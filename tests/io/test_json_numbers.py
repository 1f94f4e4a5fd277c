"""What JSON has no word for comes back, wherever it is stored."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from splatpose.io.atomic import json_text, write_json
from splatpose.io.json_numbers import number, with_nan, without_nan
from splatpose.io.second_round import read_evidence, write_evidence
from splatpose.scene.evidence import ClusterEvidence, JointEvidence
from splatpose.scene.second_round import SecondRoundEvidence
from splatpose.scene.sparse_model import SparseModel
from splatpose.scene.views import Views
from splatpose.stages.joint.storage import load_joint
from splatpose.stages.local.storage import _cluster_evidence

NAN = float("nan")


def test_what_is_not_finite_is_null_and_null_is_nan() -> None:
    value = {"a": NAN, "b": [1.0, float("inf"), {"c": -float("inf")}], "d": (1, "x", None, True)}
    written = {"a": None, "b": [1.0, None, {"c": None}], "d": [1, "x", None, True]}
    assert without_nan(value) == written
    assert json.loads(json_text(value)) == {"version": 1, **written}
    read = with_nan({"a": None, "b": 0, "c": "", "d": False})
    assert math.isnan(read.pop("a"))
    assert read == {"b": 0, "c": "", "d": False}
    assert math.isnan(number(None))
    assert number(np.float64(0.5)) == 0.5


def all_unknown(kind: type, **words: Any) -> dict[str, Any]:
    """Fields of evidence with every figure that may be unknown so."""
    return {f.name: NAN if f.type == "float" else words.get(f.name, 0) for f in fields(kind)}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (JointEvidence, {"decision": "not tried", "reason": "r", "candidate": "none",
                         "validation": ()}),
        (ClusterEvidence, {"photos": ("a",), "kept": "tracks", "reason": "r"}),
        (SecondRoundEvidence, {"decision": "not tried", "reason": "r"}),
    ],
)  # fmt: skip
def test_every_unknown_figure_of_evidence_is_nan_again(
    kind: type, words: dict[str, Any], tmp_path: Path
) -> None:
    value = all_unknown(kind, **words)
    if kind is JointEvidence:
        write_json(tmp_path / "joint.json", value)
        given = object.__new__(SparseModel), object.__new__(Views)
        read = load_joint(tmp_path, *given).evidence
    elif kind is ClusterEvidence:
        read = _cluster_evidence(without_nan(value))
    else:
        write_evidence(tmp_path, SecondRoundEvidence(**value))
        read = read_evidence(tmp_path)
    assert str(read) == str(kind(**value))
