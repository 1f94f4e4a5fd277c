"""The judge's laws: figures in, level and sentence out."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatpose.scene.verdicts import PhotoTrust, PhotoVerdict, Verdicts
from splatpose.stages.trust.judge import Finding, judge, only_doubt, worse_rendering
from splatpose.stages.trust.points import FIGURES, Points, expected_points, fitted_points
from splatpose.stages.trust.storage import load, save
from splatpose.stages.trust.verdict import describe_verdicts

GOOD = PhotoTrust(
    verified_matches=2000,
    neighbours=9,
    spread=0.8,
    held_out_share=0.95,
    imprecise=0.03,
    reading_motion=0.1,
    center_shift=0.001,
    fold_rotation=0.1,
    fold_position=0.2,
    folds_agreeing=2,
    folds_denying=0,
    cycle_error=0.2,
    turn_error=0.1,
    rotation_sigma=0.05,
    position_sigma=0.1,
    lens_rotation=0.1,
    lens_position=0.2,
    drift_rotation=0.1,
    drift_position=0.1,
    focal_sigma=0.003,
    focal_drift=0.001,
    contradicted_share=0.02,
    missing_overlap=0.0,
    lookalikes=0.6,
    lookalikes_near=0.3,
    lookalikes_shifted=0.0,
    ways=2,
    rivals=0,
    rival_here=0.0,
    ties=3,
    bridge=80.0,
    scale_sigma=0.0,
)
HIGHER_IS_WORSE = {
    "fold_rotation": 180.0,
    "fold_position": 500.0,
    "folds_denying": 2,
    "cycle_error": 180.0,
    "turn_error": 180.0,
    "rotation_sigma": 90.0,
    "position_sigma": 500.0,
    "lens_rotation": 90.0,
    "lens_position": 500.0,
    "drift_rotation": 90.0,
    "drift_position": 500.0,
    "focal_drift": 1.0,
    "contradicted_share": 1.0,
    "missing_overlap": 1.0,
    "imprecise": 1.0,
    "reading_motion": 1.0,
    "center_shift": 0.1,
    "lookalikes": 1.0,
    "lookalikes_near": 1.0,
    "lookalikes_shifted": 1.0,
    "rivals": 2,
    "rival_here": 1.0,
    "scale_sigma": 300.0,
}
LOWER_IS_WORSE = {
    "neighbours": 20,
    "spread": 1.0,
    "held_out_share": 1.0,
    "folds_agreeing": 2,
    "ties": 3,
    "bridge": 80.0,
    "ways": 3,
}
EXCUSED = {"lookalikes", "lookalikes_near", "rivals", "rival_here", "turn_error", "cycle_error"}
"""Nothing to object to where both halves, and several ways of mapping, agree."""
GIVE_WEIGHT = {"ways", "reading_motion"}
"""What other figures count by."""
EXPECTED = Points(expected_points(), 0.95)
"""What is known beforehand, so that what is fitted does not change what is tested here."""
RANK = {"refused": 0, "weak": 1, "trusted": 2}


def judged(
    evidence: PhotoTrust, registered: bool = True, *, few: bool = False, points: Points = EXPECTED
) -> Finding:
    return judge([evidence], [registered], few=few, points=points)[0]


def value(name: str) -> st.SearchStrategy[float]:
    most = (HIGHER_IS_WORSE | LOWER_IS_WORSE)[name]
    if isinstance(most, int):
        return st.integers(0, most)
    # Most draws near the good end, where levels change.
    return st.floats(0, 1).map(lambda x: float(most) * x**4 if name in HIGHER_IS_WORSE else x)


@st.composite
def evidence_and_worse(draw: st.DrawFn) -> tuple[PhotoTrust, PhotoTrust]:
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for name in (*HIGHER_IS_WORSE, *LOWER_IS_WORSE):
        if draw(st.booleans()):
            first, second = sorted((draw(value(name)), draw(value(name))))
            better, worse = (first, second) if name in HIGHER_IS_WORSE else (second, first)
            before[name], after[name] = better, worse
    return replace(GOOD, **before), replace(GOOD, **after)


@given(evidence_and_worse(), st.booleans(), st.booleans(), st.sampled_from([0, 1]))
def test_worse_evidence_never_raises_the_probability(
    pair: tuple[PhotoTrust, PhotoTrust], registered: bool, few: bool, which: int
) -> None:
    points = (EXPECTED, fitted_points())[which]
    before, after = (judged(e, registered, few=few, points=points) for e in pair)
    assert RANK[after.level] <= RANK[before.level]
    if registered:
        assert after.probability <= before.probability


@pytest.mark.parametrize("points", [EXPECTED, fitted_points()], ids=["expected", "fitted"])
def test_good_evidence_is_trusted(points: Points) -> None:
    finding = judged(GOOD, points=points)
    assert (finding.level, finding.cause) == ("trusted", None)
    assert "two disjoint halves" in finding.reason
    assert finding.probability > 0.99


def test_no_pose_is_refused_whatever_speaks_for_it() -> None:
    finding = judged(GOOD, registered=False)
    assert finding.level == "refused"
    assert finding.probability != finding.probability


@pytest.mark.parametrize(
    "name", sorted({*HIGHER_IS_WORSE, *LOWER_IS_WORSE} - EXCUSED - GIVE_WEIGHT)
)
def test_each_figure_alone_can_make_a_photo_weak(name: str) -> None:
    worst = HIGHER_IS_WORSE.get(name, 0 * LOWER_IS_WORSE.get(name, 0))
    evidence = replace(GOOD, **{name: worst})
    finding = judged(evidence)
    assert finding.level == "weak", name
    assert finding.reason
    # The reason is of the figure that takes most.
    (figure,) = (f for f in FIGURES if f.name == name)
    assert finding.cause == figure.cause


@pytest.mark.parametrize("points", [EXPECTED, fitted_points()], ids=["expected", "fitted"])
def test_what_no_half_confirms_is_not_trusted(points: Points) -> None:
    assert judged(replace(GOOD, folds_agreeing=0), points=points).level == "weak"
    denied = replace(GOOD, folds_agreeing=0, folds_denying=2, fold_position=50.0)
    assert judged(denied, points=points).probability < 0.8
    assert judged(replace(GOOD, scale_sigma=12.0), points=points).level == "weak"
    assert judged(PhotoTrust(), points=points).level == "weak"


def test_every_figure_of_the_evidence_is_known_here() -> None:
    """A new one must be put to the laws as well."""
    told = {"verified_matches", "depth_residual", "held_out_psnr", "scale_hinge", "scale_points"}
    # Where it is large, drifts say less, and the photo goes with the lens.
    told |= {"focal_sigma"}
    assert {f.name for f in fields(PhotoTrust)} == {*HIGHER_IS_WORSE, *LOWER_IS_WORSE, *told}
    figures = {f.name for f in FIGURES}
    assert figures == {*HIGHER_IS_WORSE, *LOWER_IS_WORSE} - {"rivals", "rival_here", *GIVE_WEIGHT}
    assert [t.figure for t in fitted_points().model.terms] == [f.name for f in FIGURES]


def test_matches_that_agree_roughly_count_where_the_errors_are_of_a_moving_camera() -> None:
    rough = replace(GOOD, imprecise=0.35)
    assert judged(rough).level == "weak"
    assert judged(replace(rough, reading_motion=0.02)).level == "trusted"
    assert judged(replace(rough, reading_motion=float("nan"))).level == "weak", "not known"
    found = [judged(replace(rough, reading_motion=share)).probability for share in (0, 0.04, 0.05)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[2]


@pytest.mark.parametrize("name", ["turn_error", "cycle_error"])
def test_pairs_that_err_need_both_halves(name: str) -> None:
    assert judged(replace(GOOD, **{name: 60.0})).level == "trusted"
    assert judged(replace(GOOD, folds_agreeing=1)).level == "trusted"
    assert judged(replace(GOOD, **{name: 60.0}, folds_agreeing=1)).level == "weak"


@pytest.mark.parametrize("name", ["lookalikes", "lookalikes_near"])
def test_lookalikes_need_ways_that_agree(name: str) -> None:
    alone = replace(GOOD, lookalikes=0.0, lookalikes_near=0.0, ways=1)
    assert judged(alone).level == "trusted"
    assert judged(replace(alone, **{name: 0.6})).cause == "alike"
    assert judged(replace(alone, **{name: 0.6}, ways=2)).level == "trusted"
    assert judged(replace(alone, **{name: 0.6}, ways=2, rivals=1)).level == "trusted"
    rivalled = replace(alone, **{name: 0.6}, ways=2, rivals=1)
    assert judged(replace(rivalled, rival_here=1.0)).cause == "alike"
    assert judged(replace(rivalled, rival_here=0.05)).level == "trusted", "it explains less"


def test_shifted_lookalikes_count_less_where_all_ways_agree() -> None:
    """Blank walls have them, and so has a row of bays, of which some way finds another model."""
    shifted = replace(GOOD, lookalikes=0.0, lookalikes_near=0.0, lookalikes_shifted=0.15, ways=3)
    assert judged(shifted).level == "trusted"
    assert judged(replace(shifted, ways=2)).cause == "alike"
    assert judged(replace(shifted, rivals=1)).cause == "alike"
    assert judged(replace(shifted, lookalikes_shifted=0.6)).cause == "alike"


@pytest.mark.parametrize(
    ("points", "why"),
    [
        (0, "no point is seen well from both sides"),
        (1, "only 1 point is seen well from both sides"),
        (4, "only 4 points are seen well from both sides"),
        (200, "what is seen from both sides does not agree on its scale"),
    ],
)
def test_an_open_scale_is_told_with_the_place_where_it_begins(points: int, why: str) -> None:
    open_one = replace(GOOD, scale_sigma=12.0, scale_hinge="18.jpg", scale_points=points)
    finding = judged(open_one)
    assert finding.cause == "scale"
    assert finding.reason == f"its distance from 18.jpg on is a guess: {why}"
    elsewhere = replace(open_one, folds_agreeing=0, folds_denying=2, fold_position=40.0)
    assert judged(elsewhere).doubts == ("scale", "denied", "unconfirmed")
    assert judged(replace(open_one, scale_sigma=2.4)).level == "trusted"
    assert judged(replace(open_one, scale_sigma=float("nan"))).level == "trusted"


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"lens_position": 2.6, "focal_sigma": 0.06}, "the focal length is known to 6 % only"),
        ({"lens_rotation": 2.1, "focal_sigma": 0.04}, "the focal length is known to 4 % only"),
        (
            {
                "lens_position": 1.9,
                "drift_position": 1.6,
                "position_sigma": 1.7,
                "focal_sigma": 0.03,
            },
            "the focal length is known to 3 % only",
        ),
        ({"drift_position": 4.5}, "a lens that fits the matches better has it elsewhere"),
        ({"focal_drift": 0.05}, "call for another focal length than the model has, by 5 %"),
    ],
)
def test_a_lens_that_matches_do_not_tell_is_a_doubt(figures: dict[str, float], words: str) -> None:
    finding = judged(replace(GOOD, **figures))
    assert (finding.level, finding.cause) == ("weak", "lens")
    assert words in finding.reason


def test_another_focal_length_is_none_where_it_is_as_uncertain() -> None:
    assert judged(replace(GOOD, focal_drift=0.05, focal_sigma=0.02)).level == "trusted"
    assert judged(replace(GOOD, focal_drift=0.05, focal_sigma=0.01)).level == "weak"


def test_three_photos_need_no_third_neighbour() -> None:
    sparse = replace(GOOD, neighbours=1, ties=1)
    assert judged(sparse).level == "weak"
    assert judged(sparse, few=True).level == "trusted"
    assert judged(replace(sparse, neighbours=0), few=True).level == "weak"


def test_renderings_are_compared_with_the_usual() -> None:
    assert worse_rendering(12.0, 27.0)
    assert not worse_rendering(24.0, 27.0)
    assert not worse_rendering(12.0, float("nan"))


def test_counts_and_share() -> None:
    def photo(level: Any) -> PhotoVerdict:
        return PhotoVerdict(level, level, "reason", None, GOOD)

    verdicts = Verdicts(tuple(map(photo, ["trusted", "weak", "trusted", "refused"])), (), ())
    assert [verdicts.count(level) for level in ("trusted", "weak", "refused")] == [2, 1, 1]
    assert verdicts.trusted_share == 0.5
    assert Verdicts((), (), ()).trusted_share == 0


def test_what_alone_is_missing_is_told_of_all() -> None:
    unconfirmed = judged(replace(GOOD, folds_agreeing=0))
    several = judged(replace(GOOD, folds_agreeing=0, spread=0.01))
    good = judged(GOOD)
    assert unconfirmed.doubts == ("unconfirmed",)
    assert several.doubts == ("patch", "unconfirmed")
    assert only_doubt([unconfirmed] * 9 + [several, good]) == "unconfirmed"
    assert only_doubt([unconfirmed] * 3 + [several] * 2) is None
    assert only_doubt([good]) is None
    denied = judged(replace(GOOD, folds_denying=2))
    assert only_doubt([denied] * 4) is None  # speaks against them


def test_what_is_missing_survives_the_disk_and_is_said_in_the_line(tmp_path: Path) -> None:
    photo = PhotoVerdict("a", "weak", "because", None, GOOD)
    verdicts = Verdicts((photo, photo), (), (), "no model confirms them")
    save(tmp_path, verdicts)
    assert load(tmp_path).lacking == "no model confirms them"
    assert describe_verdicts(verdicts) == (
        "0 of 2 photos trusted, 2 weak (for one reason: no model confirms them)"
    )
    assert describe_verdicts(replace(verdicts, lacking="")) == "0 of 2 photos trusted, 2 weak"
