"""Measured poses as lines of text that a person reads."""

from __future__ import annotations

import math

from .poses import PhotoPose, PoseEvaluation

_LISTED = 20


def describe_poses(evaluation: PoseEvaluation) -> list[str]:
    """A table of the figures, then the photos that are wrong or missing."""
    m = evaluation.metrics
    rows = [
        ("photos right", f"{m.right} of {m.photos} (within 5 degrees and 5 % of the radius)"),
        ("registered", f"{m.registered} of {m.photos}"),
        ("ATE", f"{_number(m.ate_percent)} % of the radius; {_number(m.ate)} in the truth's unit"),
        (
            "rotation error",
            f"mean {_degrees(m.rotation_mean)}, median {_degrees(m.rotation_median)}",
        ),
        ("RPE, NoPe-NeRF", _rpe(m.rpe_translation, m.rpe_rotation, m.ate)),
        ("RPE, CF-3DGS", _rpe(m.rpe_translation_normalized, m.rpe_rotation, m.ate_normalized)),
        (
            "AUC",
            f"{_number(m.auc5)} / {_number(m.auc10)} / {_number(m.auc30)} % at 5 / 10 / 30 deg",
        ),
        ("focal error", f"{_number(m.focal_percent)} %"),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name:<{width}}  {text}" for name, text in rows]
    if evaluation.matched_by != "path":
        lines.append(f"Photos were matched by {evaluation.matched_by}.")
    for names, text in (
        (evaluation.not_given, "not given to the run, not counted"),
        (evaluation.unknown, "without a true pose, not counted"),
    ):
        if names:
            lines.append(f"{_photos(len(names))} {text}: {_some(list(names))}.")
    missing = [photo.name for photo in evaluation.photos if not photo.registered]
    if missing:
        lines.append(f"{_photos(len(missing))} without a pose: {_some(missing)}.")
    return lines + _wrong(evaluation)


def _wrong(evaluation: PoseEvaluation) -> list[str]:
    wrong = evaluation.wrong
    if not wrong:
        return []
    lines = [f"{_photos(len(wrong))} wrong, beside the alignment that most photos agree on:"]
    width = max(len(photo.name) for photo in wrong[:_LISTED])
    lines += [f"  {photo.name:<{width}}  {_off(photo)}" for photo in wrong[:_LISTED]]
    if len(wrong) > _LISTED:
        lines.append(f"  and {len(wrong) - _LISTED} more (all of them with --json FILE)")
    return lines


def _off(photo: PhotoPose) -> str:
    if math.isnan(photo.rotation_error):
        return f"joined to another place than its own ({photo.place})"
    position = _number(photo.position_error_percent)
    return f"{_degrees(photo.rotation_error)}, {position} % of the radius"


def _rpe(translation: float, rotation: float, ate: float) -> str:
    return f"translation {_number(translation)}, rotation {_degrees(rotation)}, ATE {_number(ate)}"


def _degrees(value: float) -> str:
    return "-" if math.isnan(value) else f"{_number(value)} deg"


def _number(value: float) -> str:
    """Four significant digits; a dash where the figure does not exist."""
    if math.isnan(value):
        return "-"
    return f"{value:.4g}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.3e}"


def _photos(count: int) -> str:
    return f"{count} photo{'' if count == 1 else 's'}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
