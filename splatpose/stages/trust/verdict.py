"""From a model and its matches to verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ...scene.verdicts import PhotoVerdict, Verdicts
from ...sfm.mapping.bundle_adjustment import FEW_PHOTOS
from ...sfm.validation.thresholds import SCALE_TIES
from ...wording import list_photos
from .advice import advise
from .config import TrustConfig
from .evidence import Evidence, ModelUnderTest, collect
from .judge import judge, only_doubt
from .points import Cause

_LACKING: dict[Cause, str] = {
    "unconfirmed": "no model from a part of the matches confirms them",
    "tie": "single photos or pairs alone hold them to the rest",
    "scale": "too little is seen from both sides of a place to tell how far they are from it",
    "lens": "their places hang on the lens, of which the matches do not tell enough",
    "loose": "their matches leave them free to move a little",
    "patch": "their matches lie in a small part of the photo",
}
"""What is said where most weak photos lack the same and nothing else."""


def assess(
    subject: ModelUnderTest,
    config: TrustConfig,
    folder: Path,
    reasons: Sequence[str],
    *,
    seed: int,
    progress: Callable[[str], None],
) -> Verdicts:
    """Collects the evidence and judges every photo.

    Args:
        folder: for what may be used again after an interruption.
        reasons: of each photo without a pose why it has none.
        progress: is told what is done.
    """
    evidence = collect(subject, config, folder, seed=seed, progress=progress)
    names, registered = subject.model.names, subject.model.registered
    few = int(registered.sum()) <= FEW_PHOTOS
    findings = judge(evidence.photos, registered.tolist(), few=few)
    advice = advise(names, findings, evidence, subject.table)
    photos = tuple(
        PhotoVerdict(
            name=name,
            level=finding.level,
            reason=reasons[i] if finding.level == "refused" else finding.reason,
            advice=advice.photos[i],
            evidence=evidence.photos[i],
            probability=finding.probability,
        )
        for i, (name, finding) in enumerate(zip(names, findings, strict=True))
    )
    cause = only_doubt(findings)
    lacking = _LACKING[cause] if cause is not None else ""
    return Verdicts(photos, advice.overall, _notes(subject, evidence), lacking)


def describe_verdicts(verdicts: Verdicts) -> str:
    """One line: how many photos have which level."""
    total = len(verdicts.photos)
    text = f"{verdicts.count('trusted')} of {total} photos trusted"
    for level in ("weak", "refused"):
        if verdicts.count(level):
            text += f", {verdicts.count(level)} {level}"
    return f"{text} (for one reason: {verdicts.lacking})" if verdicts.lacking else text


def _notes(subject: ModelUnderTest, evidence: Evidence) -> tuple[str, ...]:
    """What holds for the model as a whole."""
    notes = []
    registered = int(subject.model.registered.sum())
    if evidence.folds is not None:
        notes += evidence.folds.notes
        between = evidence.folds.between
        if between is not None:
            known = np.isfinite(between.rotation)
            notes.append(
                f"the models of the two halves of the matches agree with each other on "
                f"{int(between.agrees.sum())} of {int(known.sum())} photos that both place"
            )
    for cut in evidence.ties.cuts:
        if len(cut.part) > 1:
            notes.append(
                f"{len(cut.part)} photos hang on the other {registered - len(cut.part)} by "
                f"{cut.pairs} pair{'s' * (cut.pairs != 1)} only"
            )
    notes += _open_scales(subject, evidence)
    return tuple(notes)


def _open_scales(subject: ModelUnderTest, evidence: Evidence) -> list[str]:
    """Parts of the model whose scale is a guess, each once."""
    names, notes = subject.model.names, []
    doubtful = np.flatnonzero(evidence.scales.position > SCALE_TIES.guess).tolist()
    for tie in dict.fromkeys(evidence.scales.weakest[photo] for photo in doubtful):
        if tie is not None:
            off = "" if tie.sigma >= 1 else f" (standard deviation {100 * tie.sigma:.0f} %)"
            notes.append(
                f"the scale of {list_photos(names, tie.part)} against the others is a guess{off}: "
                f"they hang on {names[tie.hinge]}"
            )
    return notes
