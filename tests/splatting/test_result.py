"""The finished training on disk, whole and damaged."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scenes.splats import random_splats

from splatpose.errors import SplatposeError
from splatpose.io.json_fields import field_in
from splatpose.scene.splats import HeldOutScore, OffPath, TrainedSplats
from splatpose.splatting.checkpoint import UnusableCheckpoint, load_checkpoint
from splatpose.splatting.result import load_result, save_result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As an earlier version left it, which told in the manifest alone how to draw it."""
    trained = TrainedSplats(random_splats(5, 0), (), False, "cpu", 3, ((3, 1.0, 0.5, 5),), tmp_path)
    save_result(tmp_path, trained)
    value = json.loads((tmp_path / "result.json").read_text())
    del value["antialiased"]
    (tmp_path / "result.json").write_text(json.dumps(value))
    return tmp_path


@pytest.mark.parametrize(
    ("manifest", "antialiased"),
    [
        ('{"config": {"antialiased": true}}', True),
        ('{"config": {"antialiased": fal', False),
        ('{"config": null}', False),
        ('{"config": [1]}', False),
        ("[]", False),
        ("\xff\xfe", False),
        ("", False),
        (None, False),
    ],
)
def test_a_damaged_manifest_leaves_the_usual_way_to_draw(
    folder: Path, manifest: str | None, antialiased: bool
) -> None:
    if manifest is not None:
        (folder / "manifest.json").write_bytes(manifest.encode("latin-1"))
    assert load_result(folder).splats.antialiased is antialiased


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "{}", '{"held_out": 3}'])
def test_a_damaged_result_is_told_of(folder: Path, text: str) -> None:
    (folder / "result.json").write_text(text)
    with pytest.raises(SplatposeError, match="cannot be read"):
        load_result(folder)


@pytest.mark.parametrize("damage", [b"", b".", b"Jp", b"PK", "bit"])
def test_damaged_tensors_are_told_of(folder: Path, damage: bytes | str) -> None:
    """Those of a result, and of a checkpoint, which is then not taken up."""
    splats, checkpoint = folder / "splats.pt", folder / "checkpoint.pt"
    whole = splats.read_bytes()
    where = range(0, min(len(whole), 600), 7) if damage == "bit" else range(1)
    for place in where:
        text = damage
        if isinstance(text, str):
            text = whole[:place] + bytes([whole[place] ^ 64]) + whole[place + 1 :]
        splats.write_bytes(text)
        checkpoint.write_bytes(text)
        with suppress(SplatposeError) if damage == "bit" else pytest.raises(SplatposeError):
            load_result(folder)
        with pytest.raises(UnusableCheckpoint):
            load_checkpoint(checkpoint, "this one", torch.device("cpu"))


def test_a_field_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert field_in(path, "a") is None
    path.write_text(json.dumps({"a": {"b": [1]}}))
    assert field_in(path, "a", "b") == [1]
    assert field_in(path, "a", "c") is None
    assert field_in(path, "a", "b", "c") is None
    assert field_in(path) == {"a": {"b": [1]}}


def test_scores_and_the_look_from_beside_the_photos_come_back(tmp_path: Path) -> None:
    """NaN in them too; of earlier versions, which measured less, what there is."""
    scores = (HeldOutScore("a.jpg", 20.5, 0.5, 21.5), HeldOutScore("b.jpg", 20.5, 0.5))
    trained = TrainedSplats(random_splats(5, 0), scores, True, "cpu", 3, (), tmp_path / "previews")
    beside = OffPath(1.5, 3, float("nan"), 28.0, 24)
    save_result(tmp_path, replace(trained, off_path=beside))
    assert repr(load_result(tmp_path).held_out) == repr(scores)
    assert repr(load_result(tmp_path).off_path) == repr(beside)
    value = json.loads((tmp_path / "result.json").read_text())
    del value["off_path"]
    value["held_out"] = [row[:3] for row in value["held_out"]]
    (tmp_path / "result.json").write_text(json.dumps(value))
    earlier = load_result(tmp_path)
    assert earlier.off_path is None
    assert [score.psnr for score in earlier.held_out] == [20.5, 20.5]
    assert all(math.isnan(score.color_fitted_psnr) for score in earlier.held_out)
