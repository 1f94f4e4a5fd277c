"""The finished training on disk."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

import torch

from ..errors import SplatposeError
from ..io.atomic import write_json
from ..io.json_fields import field_in
from ..io.json_numbers import number, with_nan
from ..runs.folder import MANIFEST
from ..scene.splats import HeldOutScore, OffPath, Splats, TrainedSplats
from .checkpoint import DAMAGES, save_tensors

_SPLATS = "splats.pt"
RESULT = "result.json"
PREVIEWS = "previews"


def save_result(folder: Path, trained: TrainedSplats) -> None:
    """Writes everything but the previews, which lie in `folder` already."""
    splats = trained.splats
    save_tensors(
        folder / _SPLATS,
        {
            "means": splats.means,
            "quats": splats.quats,
            "log_scales": splats.log_scales,
            "logit_opacities": splats.logit_opacities,
            "sh": splats.sh,
        },
    )
    write_json(
        folder / RESULT,
        {
            "held_out": [list(astuple(score)) for score in trained.held_out],
            "final_pass_on_all": trained.final_pass_on_all,
            "backend": trained.backend,
            "antialiased": splats.antialiased,
            "steps": trained.steps,
            "curve": trained.curve,
            "off_path": None if trained.off_path is None else asdict(trained.off_path),
        },
    )


def load_result(folder: Path) -> TrainedSplats:
    """Reads a result back, tensors on the CPU.

    Raises:
        SplatposeError: the result is missing or damaged.
    """
    try:
        tensors = torch.load(folder / _SPLATS, map_location="cpu", weights_only=True)
        value = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        return TrainedSplats(
            splats=Splats(**tensors, antialiased=_antialiased(folder, value)),
            held_out=tuple(
                HeldOutScore(name, *map(number, figures)) for name, *figures in value["held_out"]
            ),
            final_pass_on_all=value["final_pass_on_all"],
            backend=value["backend"],
            steps=value["steps"],
            curve=tuple((s, t, number(loss), n) for s, t, loss, n in value["curve"]),
            previews_dir=folder / PREVIEWS,
            off_path=_off_path(value.get("off_path")),  # earlier versions did not measure it
        )
    except DAMAGES as error:
        raise SplatposeError(
            f"The trained splat in {folder} cannot be read: {error}.",
            "Run the same command again with --overwrite.",
        ) from error


def _off_path(value: dict[str, Any] | None) -> OffPath | None:
    return None if value is None else OffPath(**with_nan(value))


def _antialiased(folder: Path, value: dict[str, Any]) -> bool:
    """Earlier versions told it in the stage's manifest alone; where that says nothing, it was
    trained as most are."""
    if "antialiased" in value:
        return value["antialiased"] is True
    return field_in(folder / MANIFEST, "config", "antialiased") is True
