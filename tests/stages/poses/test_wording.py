"""What the poses stage says of hypotheses and focal lengths is what the figures say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest

from splatpose.scene.camera import Camera
from splatpose.scene.capture import CameraGroup, Capture, Photo
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.mapping.focal_settlement import SettledFocal
from splatpose.sfm.mapping.hypotheses import Hypothesis, ranked
from splatpose.sfm.match_consistency import Explanation
from splatpose.stages.outputs.report import _cameras
from splatpose.stages.poses.focal_lengths import left_by_the_estimate
from splatpose.stages.poses.hypothesis_evidence import decided_by_steps, hypothesis_evidence
from splatpose.stages.poses.search import SearchResult
from splatpose.stages.poses.sentences import told_focal_lengths
from splatpose.wording import camera_label, groups_of_cameras

COUNT = 4


def model(focal: float, turn: float = 0.0) -> SparseModel:
    """Photos in a row, the last ones turned."""
    poses = np.tile(np.eye(4), (COUNT, 1, 1))
    poses[:, 0, 3] = np.arange(COUNT)
    poses[:, 1, 3] = np.arange(COUNT) ** 2
    c, s = np.cos(turn), np.sin(turn)
    poses[2:, :3, :3] = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return SparseModel(
        names=tuple("abcd"),
        registered=np.ones(COUNT, bool),
        cam_from_world=poses,
        camera_index=np.zeros(COUNT, np.int64),
        cameras=(Camera("SIMPLE_RADIAL", 1200, 900, np.array([focal, 600.0, 450.0, 0.0])),),
        points=np.zeros((0, 3)),
        point_colors=np.zeros((0, 3), np.uint8),
        point_errors=np.zeros(0),
        observations=np.zeros((0, 3), np.int64),
        observation_xy=np.zeros((0, 2)),
    )


def hypothesis(
    name: str, share: float, balanced: float, against: float, turn: float, jump: float = 0.0
) -> Hypothesis:
    some = np.ones(3, bool)
    explanation = Explanation(np.ones(COUNT, bool), some, some, share, balanced, against, 1.2, 20.0)
    empty = pycolmap.Reconstruction()
    jumps = np.array([np.nan, 0.1, jump, np.nan])
    return Hypothesis(name, name, empty, model(1440, turn), explanation, 0.5, 1.0, jumps)


@pytest.mark.parametrize(
    ("share", "against", "said"),
    [
        (0.60, 0.1, "explains 10.0 % fewer of the matches"),
        (
            0.79,
            0.4,
            "explains 9.0 % more of the matches, and more contradict it (40 % against 5 %)",
        ),
        (0.79, 0.0, "explains 9.0 % more of the matches, but in fewer of the pairs"),
    ],
)
def test_no_hypothesis_explains_a_negative_share_fewer(
    share: float, against: float, said: str
) -> None:
    chosen = hypothesis("global", 0.7, 0.7, 0.05, 0.0)
    rival = hypothesis("incremental", share, 0.3, against, 0.6)
    found = SearchResult((chosen, rival), (), False, ())
    first, second = (row.note for row in hypothesis_evidence(found, chosen))
    assert second.startswith(said)
    assert "-" not in second
    most = "explains the most matches" if share < 0.7 else "explains the matches best, all told"
    assert first == f"{most}; no other confirms it"


def test_a_walk_whose_steps_jump_loses_to_an_even_one_that_explains_a_little_less() -> None:
    even = hypothesis("global", 0.865, 0.865, 0.0, 0.0)
    wrong = hypothesis("incremental", 0.884, 0.884, 0.0, 0.6, jump=-3.0)
    assert ranked([wrong, even]) == [even, wrong]
    found = SearchResult((even, wrong), (), False, ())
    first, second = hypothesis_evidence(found, even)
    assert first.note == "its steps are more even; no other confirms it"
    assert second.note.startswith(
        "explains 1.9 % more of the matches, but all steps after c are 8.0 times shorter than "
        "those before;"
    )
    assert (first.step_jump, second.step_jump) == pytest.approx((1.07, 8.0), abs=0.01)
    assert decided_by_steps(found, even) == (
        "incremental mapping explains 88.4 % of the matches and global mapping 86.5 %, but with "
        "the former all steps after c are 8.0 times shorter than those before: nobody walks like "
        "that, global mapping is taken"
    )


def test_steps_decide_nothing_where_they_double_or_jump_in_both() -> None:
    more, less = (
        [hypothesis(name, share, share, 0.0, 0.0, jump=jump) for jump in (0.0, 1.0, 3.0)]
        for name, share in (("incremental", 0.884), ("global", 0.865))
    )
    assert ranked([less[0], more[1]])[0] is more[1]
    assert ranked([less[2], more[2]])[0] is more[2]
    assert decided_by_steps(SearchResult((more[2], less[2]), (), False, ()), more[2]) is None
    clear = hypothesis("global", 0.8, 0.8, 0.0, 0.0)
    assert ranked([clear, more[2]])[0] is more[2], "matches weigh more"


def capture(prior: float | None) -> Capture:
    photos = tuple(Photo(name, Path(name), 1200, 900, 0, "") for name in "abcd")
    return Capture(photos, (CameraGroup("Phone 4 mm", 1200, 900, prior),))


def test_a_focal_length_that_the_estimate_left_is_told() -> None:
    (said,) = left_by_the_estimate(capture(1511.0), model(575.0))
    assert "EXIF gives Phone 4 mm a focal length of 1511 px" in said
    assert "call for 575 px" in said
    assert left_by_the_estimate(capture(1511.0), model(1450.0)) == []
    assert left_by_the_estimate(capture(None), model(575.0)) == []
    lost = replace(model(575.0), registered=np.zeros(COUNT, bool))
    assert left_by_the_estimate(capture(1511.0), lost) == []


def test_a_focal_length_that_was_settled_is_told_of_the_camera_that_the_report_names() -> None:
    one = SettledFocal(0, 0.121, 908.2, 575.4, 569.0)
    (said,) = told_focal_lengths([one], capture(569.0), model(575.0))
    assert said == (
        "Phone 4 mm: matches leave the focal length open by 12 %: 908 px by them alone, 575 px "
        "with EXIF (569 px)"
    )
    # Two lenses behind one label: each is told by its focal length, as in the report.
    two = model(575.0)
    other = replace(two.cameras[0], params=two.cameras[0].params * (1.5, 1, 1, 1))
    index = np.array([0, 1, 0, 1])
    two = replace(two, cameras=(*two.cameras, other), camera_index=index)
    settled = [one, SettledFocal(1, 0.3, 900.0, 862.5, None)]
    first, second = told_focal_lengths(settled, capture(569.0), two)
    assert first.startswith("Phone 4 mm, 575 px: matches leave")
    assert second.startswith("Phone 4 mm, 862 px: matches leave")
    assert second.endswith("862 px with what lenses are like")
    report = _cameras(capture(569.0), two)
    assert [row["label"] for row in report] == ["Phone 4 mm, 575 px", "Phone 4 mm, 862 px"]


def test_a_lens_without_photos_takes_no_name_from_others() -> None:
    assert groups_of_cameras([0, 0, 1], [2, 0, 1], 4) == [0, 1, 0, 3]
    assert camera_label(["a", "b"], [0, 1, 0, 3], 1, 500.0) == "b"
    assert camera_label(["a", "b"], [0, 1, 0, 3], 2, 499.6) == "a, 500 px"
