"""What is said where there is nothing to reconstruct."""

from __future__ import annotations

from pathlib import Path

from scenes.poses import arc, cloud, make_scene

from splatpose.stages.poses.refusal import describe_groups, overlap_groups
from splatpose.wording import list_photos, short_name


def test_groups_and_their_description(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, arc(6), cloud(600), groups=[0, 0, 1, 1, 1, 2])
    groups = overlap_groups(scene.graph, 6, 15)
    assert groups == [[2, 3, 4], [0, 1], [5]]
    names = [photo.name for photo in scene.capture.photos]
    text = describe_groups(names, groups)
    assert "2 groups" in text
    assert "IMG_3.png..IMG_5.png and IMG_1.png..IMG_2.png" in text
    assert "No match with any other photo: IMG_6.png." in text
    assert describe_groups(names, [[0, 1, 2, 3, 4, 5]]) == ""
    assert list_photos([str(i) for i in range(20)], range(0, 20, 2)) == "0, 2, 4 and 7 more"
    long = [f"{'wall/' * 60}shot_{i}.jpg" for i in range(3)]
    text = list_photos(long, range(3))
    assert len(text) <= 2 * 80 + 2
    assert text.startswith("wall/wall/")
    assert text.endswith("/shot_2.jpg")
    assert short_name(long[1]).endswith("/shot_1.jpg")
