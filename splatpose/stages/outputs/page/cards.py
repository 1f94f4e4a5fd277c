"""One card a photo: verdict, reason, and the evidence in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ....sfm.validation.thresholds import LOOKALIKES, SCALE_TIES
from ..formatting import known, percent, plural, quantity

Level = Literal["trusted", "weak", "refused", "registered", "missing", "skipped"]
"""The verdict; or, where none was made, whether there is a pose. Skipped: not used at all."""

LABELS: dict[Level, str] = {
    "trusted": "trusted",
    "weak": "weak",
    "refused": "refused",
    "registered": "has a pose",
    "missing": "no pose",
    "skipped": "skipped",
}
MEANINGS: dict[Level, str] = {
    "trusted": "The pose may be relied upon.",
    "weak": "There is a pose, but too little or contradictory evidence for it.",
    "refused": "No pose is given: it could only have been guessed.",
    "registered": "The photo is part of the model.",
    "missing": "The photo could not be placed.",
    "skipped": "The file could not be used.",
}


@dataclass(frozen=True)
class Fact:
    """One piece of evidence."""

    name: str
    value: str
    """Figure with its unit, or "not measured"."""
    meaning: str
    """Explanation for people who do not know the term."""


@dataclass(frozen=True)
class Card:
    """What the contact sheet says of one photo or skipped file."""

    anchor: str
    """Id of the card in the page."""
    name: str
    level: Level
    reason: str
    advice: str | None
    held_out: bool
    key_facts: tuple[str, ...]
    """The most telling numbers, always shown."""
    facts: tuple[Fact, ...]
    picture: str | None = None
    """Thumbnail as a data URI."""
    hangs_on: str = ""
    """From which photo on its distance is a guess; empty where it is known."""

    @property
    def label(self) -> str:
        """The verdict in a word or two."""
        return LABELS[self.level]


def photo_cards(report: Mapping[str, Any]) -> list[Card]:
    """Cards without pictures of all photos in order, then of the files that were skipped.

    Args:
        report: what report.json says. Verdicts are shown where it has any.
    """
    cards = [_photo(number, row) for number, row in enumerate(report["photos"], 1)]
    for number, row in enumerate(report["skipped"], 1):
        anchor = f"skipped-{number}"
        cards.append(Card(anchor, row["name"], "skipped", row["reason"], None, False, (), ()))
    return cards


def _photo(number: int, row: Mapping[str, Any]) -> Card:
    level: Level = row.get("verdict") or ("registered" if row["registered"] else "missing")
    return Card(
        anchor=f"photo-{number}",
        name=row["name"],
        level=level,
        reason=row.get("verdict_reason") or row["reason"],
        advice=row.get("advice"),
        held_out=bool(row["held_out"]),
        key_facts=_key_facts(row),
        facts=_facts(row),
        hangs_on=_hinge(row.get("evidence") or {}),
    )


def _hinge(evidence: Mapping[str, Any]) -> str:
    sigma = evidence.get("scale_sigma")
    is_guess = sigma is not None and known(sigma) and sigma > SCALE_TIES.guess
    return evidence["scale_hinge"] if is_guess else ""


def _key_facts(row: Mapping[str, Any]) -> tuple[str, ...]:
    words = [f"{row['verified_matches']:,} matches"]
    if known(row["inlier_share"]):
        words.append(f"{percent(row['inlier_share'])} agree")
    if known(row["reprojection_error"]):
        words.append(f"{row['reprojection_error']:.2f} px")
    if known(row["held_out_psnr"]):
        words.append(f"{row['held_out_psnr']:.1f} dB")
    return tuple(word.replace(" ", "\N{NO-BREAK SPACE}") for word in words)


def _facts(row: Mapping[str, Any]) -> tuple[Fact, ...]:
    facts = [
        Fact("Size", f"{row['width']} × {row['height']} px", "Of the photo as given."),
        Fact(
            "Verified matches", f"{row['verified_matches']:,}",
            "Points found in this photo and another one, which fit the geometry of two views.",
        ),
    ]  # fmt: skip
    if row["registered"]:
        facts += [
            _fact(
                row, "inlier_share", "Agree with its pose", percent,
                "Share of its verified matches that the poses explain, used or not.",
            ),
            _fact(
                row, "reprojection_error", "Reprojection error", _pixels,
                "Median distance between where its points are seen and where the model puts them.",
            ),
            Fact(
                "Triangulated points", f"{row['triangulated_keypoints']:,}",
                "Points of the sparse model that are seen in this photo.",
            ),
        ]  # fmt: skip
    if known(row.get("probability")):
        meaning = "That the pose is right, within 5 degrees and 5 % of the radius of the path."
        facts.append(Fact("Probability", _probability(row["probability"]), meaning))
    evidence = row.get("evidence") or {}
    facts += [
        _fact(evidence, key, name, say, meaning)
        for key, (name, say, meaning) in _EVIDENCE.items()
        # Of a photo without a pose most cannot be measured, which goes without saying.
        if key in evidence and (row["registered"] or known(evidence[key]))
    ]
    if row["held_out"] and known(row["held_out_psnr"]):
        score = f"{row['held_out_psnr']:.2f} dB PSNR"
        if known(row["held_out_ssim"]):
            score += f", {row['held_out_ssim']:.3f} SSIM"
        meaning = "How close its rendering comes to it, when the splat had not seen it."
        facts.append(Fact("Held-out rendering", score, meaning))
    prior = row.get("depth_prior")
    if prior:
        facts.append(Fact("Depth map", "used" if prior["kept"] else "dropped", prior["reason"]))
    return tuple(facts)


def _fact(
    values: Mapping[str, Any], key: str, name: str, say: Callable[[float], str], meaning: str
) -> Fact:
    value = values.get(key)
    words = say(value) if value is not None and known(value) else "not measured"
    return Fact(name, words, meaning)


def _probability(value: float) -> str:
    """More digits where they say something: 99.9 % is ten times as sure as 99 %."""
    if value > 0.999:
        return "over 99.9 %"
    if value < 0.001:
        return "under 0.1 %"
    return f"{100 * value:.1f} %" if value > 0.98 or value < 0.02 else percent(value)


def _degrees(value: float) -> str:
    return f"{quantity(value)}°"


def _radius(value: float) -> str:
    return f"{quantity(value)} % of the radius"


def _pixels(value: float) -> str:
    return f"{value:.2f} px"


def _number(value: float) -> str:
    return f"{value:.0f}"


def _photos(value: float) -> str:
    return plural(round(value), "photo")


_EVIDENCE: dict[str, tuple[str, Callable[[float], str], str]] = {
    "neighbours": (
        "Confirmed by", _photos,
        "Photos with poses that share enough matches with it which agree.",
    ),
    "spread": (
        "Spread of matches", percent,
        "Share of its area that has matches which agree: those in one corner fix a pose poorly.",
    ),
    "held_out_share": (
        "Unused matches agree", percent,
        "Share of the matches that no computation used and that agree with the result.",
    ),
    "contradicted_share": (
        "Matches against it", percent,
        "Share of its matches that are far from what the poses say.",
    ),
    "imprecise": (
        "Matches that agree roughly", percent,
        "Share of all photos' matches (median) that are off by little: rolling shutter, or blur.",
    ),
    "reading_motion": (
        "Errors as of a rolling shutter", percent,
        "Share of the errors of all photos' points (median) that a motion while reading explains.",
    ),
    "center_shift": (
        "Middle of the lens moves by", lambda v: f"{100 * v:.2g} % of the longer side",
        "What the points of each photo call for (median): stabilised video, or rolling shutter.",
    ),
    "fold_rotation": (
        "Half models: turned by", _degrees,
        "Rotation between two models made from separate halves of the matches.",
    ),
    "fold_position": (
        "Half models: moved by", _radius,
        "Distance between the same two models; the radius is that of the camera path.",
    ),
    "folds_agreeing": (
        "Half models that agree", _number,
        "Of two models made from separate halves of the matches, those that place it alike.",
    ),
    "folds_denying": (
        "Half models that deny it", _number,
        "Of two models made from separate halves of the matches, those that place it elsewhere.",
    ),
    "turn_error": (
        "Pairs turned by", _degrees,
        "How far the rotations of its pairs, each by itself, are from the model's; median.",
    ),
    "cycle_error": (
        "Error around triangles", _degrees,
        "Going round three photos by their pairwise rotations should lead back to the start.",
    ),
    "rotation_sigma": (
        "Uncertainty of direction", lambda v: f"± {_degrees(v)}",
        "Standard deviation of the rotation by bundle adjustment.",
    ),
    "position_sigma": (
        "Uncertainty of position", lambda v: f"± {_radius(v)}",
        "Standard deviation of the camera's place by bundle adjustment.",
    ),
    "lens_rotation": (
        "Direction by the lens", lambda v: f"± {_degrees(v)}",
        "How far it may turn with what the matches leave open of the lens.",
    ),
    "lens_position": (
        "Position by the lens", lambda v: f"± {_radius(v)}",
        "How far it may move with what the matches leave open of the lens.",
    ),
    "focal_sigma": (
        "Focal length known to", lambda v: f"± {100 * v:.2g} %",
        "Standard deviation of its camera's focal length.",
    ),
    "missing_overlap": (
        "Expected, not matched", percent,
        "Share of the photos that should overlap it, by the poses, and share no matches with it.",
    ),
    "lookalikes": (
        "Denied, well matched", percent,
        "Share of its pairs with very many matches that the poses deny: things look the same.",
    ),
    "lookalikes_near": (
        "Denied hereabouts", percent,
        "The same of its pairs and those of the photos that overlap it.",
    ),
    "ties": (
        "Held by", lambda v: f"{v:.0f}+ pairs" if v >= 3 else plural(round(v), "pair"),
        "Pairs of photos that hold it, and what hangs on it, at the weakest place.",
    ),
    "bridge": (
        "Joined by", lambda v: f"{v:.0f}{'+' if v >= LOOKALIKES.strong else ''} matches",
        "The strongest pair between its group of photos and the others.",
    ),
    "scale_sigma": (
        "Open scale moves it", lambda v: f"± {_radius(v)}",
        "How far off it may be where too little tells the scale of its part of the path.",
    ),
    "depth_residual": (
        "Depth map differs by", percent, "From the triangulated points.",
    ),
}  # fmt: skip
"""Fields of the verdict's evidence that the report's row does not have under another name."""


def counts(cards: Sequence[Card]) -> dict[Level, int]:
    """How many cards of each level there are, in the order of `LABELS`, none left out with 0."""
    number = Counter(card.level for card in cards)
    return {level: number[level] for level in LABELS if number[level]}
