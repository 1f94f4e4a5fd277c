"""report.html: it says everything, to everybody, and asks for nothing from outside."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from scenes.outputs import COUNT, HELD_OUT, MISSING, Scene, make_scene
from scenes.page_browser import Page

from splatpose.scene.capture import CameraGroup, Photo, SkippedFile, Span, VideoUse
from splatpose.scene.evidence import PhotoEvidence
from splatpose.scene.sparse_model import PoseSnapshot
from splatpose.scene.splats import HeldOutScore
from splatpose.scene.verdicts import PhotoTrust
from splatpose.stages.outputs.layout import PAGE
from splatpose.stages.outputs.page.build import build_page
from splatpose.stages.outputs.page.charts import Dot, curve, histogram, strip
from splatpose.stages.outputs.page.matrix import match_matrix
from splatpose.stages.outputs.page.support import PairSupport
from splatpose.stages.outputs.page.svg import Axis, decimal, element
from splatpose.stages.outputs.page.texts import matching_ways
from splatpose.stages.outputs.page.thumbnails import contact_sheet
from splatpose.stages.outputs.report import build_report
from splatpose.stages.outputs.summary import summary_lines

HOSTILE = "</script><script>alert('x')</script>\"onload=alert(1) <img src=x>.jpg"
LEVELS = ("trusted", "weak", "refused", "trusted", "trusted", "weak")
EXTRAS: dict[str, Any] = {
    "command": ["/a/b/splatpose", "fit", "my photos"],
    "images": "my photos",
    "seed": 3,
    "stages": [
        {"stage": "capture", "summary": "6 photos", "seconds": 0.2, "peak_memory_mb": 80.0},
        {"stage": "poses", "summary": "5/6 placed", "seconds": 75.0, "peak_memory_mb": 1500.0},
    ],
}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return make_scene(tmp_path)


def report_of(scene: Scene, *, judged: bool = False) -> dict[str, Any]:
    report = {
        **EXTRAS,
        **build_report(scene.capture, scene.graph, scene.poses, scene.views, scene.trained),
    }
    if judged:
        for row, level in zip(report["photos"], LEVELS, strict=True):
            evidence = PhotoTrust(verified_matches=11, neighbours=2, fold_rotation=0.1234)
            row |= {
                "verdict": level,
                "verdict_reason": f"because it is {level}",
                "advice": "step to the left" if level == "weak" else None,
                "evidence": dataclasses.asdict(evidence),
            }
        report["verdicts"] = {
            "advice": ["3 photos between photo_1.jpg and photo_3.jpg"],
            "notes": ["two halves of the matches agree"],
            "counts": {"trusted": 3, "weak": 2, "refused": 1},
        }
    return report


def page_of(scene: Scene, report: dict[str, Any] | None = None) -> str:
    report = report_of(scene) if report is None else report
    return build_page(
        "my run", report, scene.capture, scene.graph, scene.poses, scene.views, scene.trained
    )


class Outline(HTMLParser):
    """Elements with their attributes, and the text outside of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._raw = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._raw = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._raw = False

    def handle_data(self, data: str) -> None:
        if not self._raw:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def drawings(page: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg role.*?</svg>|<svg viewBox"
            r"[^>]*role=\"img\".*?</svg>", page, re.DOTALL)]  # fmt: skip


def test_the_page_lies_beside_the_report_and_tells_of_every_photo(scene: Scene) -> None:
    scene.write(**{key: value for key, value in EXTRAS.items() if key != "seed"})
    outline = Outline((scene.out / PAGE).read_text(encoding="utf-8"))
    for name in (*scene.poses.names, "note.jpg"):
        assert name in outline.text
    assert "5 of 6 photos have a pose." in outline.text
    assert "too few matches" in outline.text
    assert "29.4 dB after a colour fit" in outline.text
    assert "veils cover 1.3 % of the picture: Gaussians in the air" in outline.text
    assert "it is text" in outline.text
    assert "splatpose fit 'my photos'" in outline.text
    assert "1 min 15 s" in outline.text
    assert "28.50 dB PSNR" in outline.text
    # Nothing is said of what is not known.
    for word in ("trusted", "weak", "refused", "photograph next", "not measured", "nan", "None"):
        assert not re.search(rf"\b{word}\b", outline.text), word
    cards = [a for a in outline.named("li") if "card" in (a.get("class") or "").split()]
    assert [a["id"] for a in cards] == [f"photo-{i + 1}" for i in range(COUNT)] + ["skipped-1"]
    assert [a["data-level"] for a in cards].count("missing") == 1
    assert cards[MISSING]["data-level"] == "missing"


def test_verdicts_are_told_with_their_reasons_and_evidence(scene: Scene) -> None:
    outline = Outline(page_of(scene, report_of(scene, judged=True)))
    text = outline.text
    assert "In part. 3 of 6 photos are trusted." in text
    assert "2 are weak: posed, on thin or contradictory evidence; 1 was refused a pose." in text
    assert "3 photos between photo_1.jpg and photo_3.jpg" in text
    assert "two halves of the matches agree" in text
    assert text.count("because it is weak") == 2
    assert text.count("step to the left") == 2
    assert text.count("Half models: turned by 0.12°") == COUNT
    assert text.count("Half models: moved by not measured") == COUNT - 1  # not where it is moot
    levels = [a["data-level"] for a in outline.named("li") if "data-level" in a]
    assert levels == [*LEVELS, "skipped"]
    filters = {a["id"] for a in outline.named("input")}
    assert filters == {f"show-{k}" for k in ("all", "trusted", "weak", "refused", "skipped")}


@pytest.mark.parametrize(
    ("levels", "answer"),
    [
        (("trusted",) * 6, "Yes. All 6 photos are trusted."),
        (("trusted", *("weak",) * 5), "Hardly. 1 of 6 photos is trusted."),
        (("refused",) * 6, "No. None of the 6 photos is trusted."),
    ],
)
def test_the_headline_follows_the_verdicts(
    scene: Scene, levels: tuple[str, ...], answer: str
) -> None:
    report = report_of(scene, judged=True)
    for row, level in zip(report["photos"], levels, strict=True):
        row["verdict"] = level
    assert answer in Outline(page_of(scene, report)).text


def test_the_headline_says_what_is_known_and_what_is_missing(scene: Scene) -> None:
    report = report_of(scene, judged=True)
    for row in report["photos"]:
        row["verdict"] = "weak"
    report["verdicts"]["lacking"] = "no model from a part of the matches confirms them"
    text = Outline(page_of(scene, report)).text
    assert "Not confirmed yet. 6 of 6 photos have a pose that all tests but one speak for." in text
    assert "What is missing: no model from a part of the matches confirms them." in text
    assert "None of the" not in text
    assert summary_lines(report, Path("out"))[0] == (
        "photos    0 of 6 trusted, 6 weak, all tests but one are good (no model from a part of the "
        "matches confirms them), 1 file skipped"
    )


def named_badly(scene: Scene) -> Scene:
    """The same with the hostile name for the held-out photo and for the skipped file."""
    names = tuple(HOSTILE if i == HELD_OUT else n for i, n in enumerate(scene.poses.names))
    photos = tuple(
        dataclasses.replace(photo, name=name)
        for photo, name in zip(scene.capture.photos, names, strict=True)
    )
    evidence = tuple(
        dataclasses.replace(row, name=name)
        for row, name in zip(scene.poses.evidence, names, strict=True)
    )
    groups = (dataclasses.replace(scene.capture.groups[0], label=HOSTILE), scene.capture.groups[1])
    skipped = (SkippedFile("x" + HOSTILE, HOSTILE),)
    registered = [name for name, ok in zip(names, scene.poses.registered, strict=True) if ok]
    return dataclasses.replace(
        scene,
        capture=dataclasses.replace(scene.capture, photos=photos, groups=groups, skipped=skipped),
        poses=dataclasses.replace(scene.poses, names=names, evidence=evidence),
        views=dataclasses.replace(scene.views, names=tuple(registered)),
        trained=dataclasses.replace(scene.trained, held_out=(HeldOutScore(HOSTILE, 28.5, 0.9),)),
    )


def test_names_are_text_and_nothing_else(scene: Scene) -> None:
    bad = named_badly(scene)
    report = report_of(bad, judged=True)
    report["verdicts"]["advice"] = [HOSTILE]
    report["command"] = ["splatpose", "fit", HOSTILE]
    plain, outline = (
        Outline(page_of(scene, report_of(scene, judged=True))),
        Outline(page_of(bad, report)),
    )
    assert [tag for tag, _ in outline.tags] == [tag for tag, _ in plain.tags]
    assert not any("onload" in attributes for _, attributes in outline.tags)
    assert " ".join(HOSTILE.split()) in outline.text


def test_the_page_asks_for_nothing_from_outside(scene: Scene) -> None:
    page = page_of(scene, report_of(scene, judged=True))
    for tag, attributes in Outline(page).tags:
        for key in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            value = attributes.get(key)
            assert value is None or value.startswith(("#", "data:")), (tag, key, value)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert "@font-face" not in style[1]
    assert "http" not in re.sub(r'http-equiv="', "", page)


def test_what_is_drawn_is_well_formed_and_finite(scene: Scene) -> None:
    seen = dataclasses.replace(
        scene.poses,
        points=scene.poses.points + np.array([0, 0, 20]),  # in front of all
        observations=np.array([[0, 0, 1], [0, 1, 2], [1, 0, 3], [2, 3, 0], [3, 4, 0]]),
        observation_xy=np.zeros((5, 2)),
    )
    page = page_of(
        with_snapshots(dataclasses.replace(scene, poses=seen)), report_of(scene, judged=True)
    )
    pictures = drawings(page)
    # Above, matrix, three histograms, errors by photo, two of changes, two of training.
    assert len(pictures) == 10
    for picture in pictures:
        for node in picture.iter():
            for key, value in node.attrib.items():
                if key in ("d", "x", "y", "cx", "cy", "r", "width", "height", "viewBox"):
                    assert not re.search(r"nan|inf|e", value), value


def with_snapshots(scene: Scene) -> Scene:
    moved = scene.poses.cam_from_world.copy()
    moved[:, 0, 3] += 0.1
    later = moved.copy()
    later[0, 1, 3] += 0.2
    points = scene.poses.points
    snapshots = (
        PoseSnapshot("initial", moved, points),
        PoseSnapshot("global", scene.poses.cam_from_world, points),
        PoseSnapshot("joint", later, points),
    )
    return dataclasses.replace(scene, poses=dataclasses.replace(scene.poses, snapshots=snapshots))


def test_cameras_and_photos_are_linked(scene: Scene) -> None:
    outline = Outline(page_of(scene, report_of(scene, judged=True)))
    cameras = [a for a in outline.named("a") if "camera" in (a.get("class") or "").split()]
    assert {a["href"] for a in cameras} == {f"#photo-{i + 1}" for i in range(COUNT) if i != MISSING}
    assert sum("v-weak" in (a["class"] or "") for a in cameras) == LEVELS.count("weak")
    targets = {a["id"] for _, a in outline.tags if "id" in a}
    links = {a["href"] for a in outline.named("a")} | {a["href"] for a in outline.named("use")}
    assert {str(link)[1:] for link in links} <= targets


def test_sections_without_content_are_left_out(scene: Scene) -> None:
    trained = dataclasses.replace(scene.trained, held_out=(), curve=())
    capture = dataclasses.replace(scene.capture, skipped=())
    bare = dataclasses.replace(scene, trained=trained, capture=capture)
    report = report_of(bare)
    for key in ("command", "stages"):
        del report[key]
    text = Outline(page_of(bare, report)).text
    for words in ("Worst held-out", "from stage to stage", "Unseen views", "Command", "skipped"):
        assert words not in text, words


def test_the_page_says_what_of_a_video_is_not_used(scene: Scene) -> None:
    unused = (Span(3.0, 603.0, "no frames: a pause"), Span(604.0, 605.0, "black"))
    video = VideoUse("clip.mkv", 606.0, unused, ("its colours are HDR",))
    filmed = dataclasses.replace(scene, capture=dataclasses.replace(scene.capture, video=video))
    report = report_of(filmed)
    assert report["video"]["unused"][0]["end"] == 603.0
    text = Outline(page_of(filmed, report)).text
    assert "Frames of clip.mkv, 606.0 s long. Not used: 3.0 to 603.0 s (no frames: a pause)" in text
    assert "Of the file: its colours are HDR." in text


def test_copies_take_no_room_from_the_photos_pictures(scene: Scene) -> None:
    photo = scene.capture.photos[0].path
    photo.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(photo), np.full((480, 640, 3), 200, np.uint8))
    left_out = SkippedFile(photo.name, "smaller copy of b.jpg", "smaller copy")
    many = dataclasses.replace(scene.capture, skipped=(left_out,) * 900)
    plain = dataclasses.replace(scene.capture, skipped=())
    assert contact_sheet(many, scene.views, photo.parent) == contact_sheet(
        plain, scene.views, photo.parent
    )


def test_pictures_are_of_the_photos(scene: Scene) -> None:
    """A photo without a pose is read from its file; what cannot be read is said to be missing."""
    lost = scene.capture.photos[MISSING]
    lost.path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(lost.path), np.full((480, 640, 3), 200, np.uint8))
    outline = Outline(page_of(scene))
    pictures = [a for a in outline.named("img") if (a["src"] or "").startswith("data:image/jpeg")]
    assert len(pictures) == COUNT
    assert outline.text.count("no picture") == 1


def test_a_hundred_photos_stay_below_three_megabytes(scene: Scene) -> None:
    many = enlarged(scene, 100)
    assert len(page_of(many)) < 3_000_000


def enlarged(scene: Scene, count: int) -> Scene:
    """A scene of `count` registered photos, each a hard one to compress, all pairs matched."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (120, 160, 3)).astype(np.uint8)
    picture = cv2.resize(noise, (640, 480), interpolation=cv2.INTER_CUBIC)
    names = tuple(f"IMG_{i:04}.jpg" for i in range(count))
    folder = scene.capture.photos[0].path.parent
    photos = tuple(Photo(n, folder / n, 640, 480, 0, f"{i:064x}") for i, n in enumerate(names))
    pairs = np.array([(i, j) for i in range(count) for j in range(i + 1, count)])
    total = np.clip(300 // (pairs[:, 1] - pairs[:, 0]), 1, 300)
    graph = dataclasses.replace(
        scene.graph,
        keypoints=tuple(np.zeros((9, 2)) for _ in names),
        pairs=pairs,
        num_putative=total,
        offsets=np.concatenate([[0], np.cumsum(total)]),
        matches=np.zeros((int(total.sum()), 2), np.int64),
        configuration=np.full(len(pairs), 2),
        ways=("network, strongest keypoints, sift beside",) * len(pairs),
    )
    angle = 2 * np.pi * np.arange(count) / count
    cam_from_world = np.tile(np.eye(4), (count, 1, 1))
    cam_from_world[:, 0, 0] = cam_from_world[:, 2, 2] = np.cos(angle)
    cam_from_world[:, 0, 2], cam_from_world[:, 2, 0] = np.sin(angle), -np.sin(angle)
    cam_from_world[:, 2, 3] = 2
    evidence = tuple(PhotoEvidence(n, True, "placed", 900, 0.9, 0.5) for n in names)
    poses = dataclasses.replace(
        scene.poses,
        names=names,
        registered=np.ones(count, bool),
        cam_from_world=cam_from_world,
        camera_index=np.zeros(count, np.int64),
        evidence=evidence,
    )
    views = dataclasses.replace(
        scene.views,
        names=names,
        images=(picture,) * count,
        masks=(None,) * count,
        Ks=np.tile(np.eye(3), (count, 1, 1)),
        cam_from_world=cam_from_world,
        held_out=np.zeros(count, bool),
    )
    capture = dataclasses.replace(
        scene.capture, photos=photos, groups=(CameraGroup("phone", 640, 480, None),)
    )
    trained = dataclasses.replace(scene.trained, held_out=())
    return dataclasses.replace(
        scene, capture=capture, graph=graph, poses=poses, views=views, trained=trained
    )


def test_the_matrix_shades_by_matches_and_outlines_contradictions(scene: Scene) -> None:
    support = PairSupport(np.array([0.9, np.nan, np.nan]), np.array([False, False, True]), 0.5)
    matrix = match_matrix(scene.graph, support, COUNT)
    assert matrix
    assert matrix.pairs == [[0, 1, 6, 90, 0], [1, 3, 5, -1, 1], [2, 3, 0, -1, 0]]
    assert matrix.ways == ["nearest neighbours", "network, all keypoints, sift beside"]
    assert matrix.contradicted == 1
    shades = ElementTree.fromstring(matrix.picture)
    (cells,) = [node for node in shades if node.get("class") == "m1"]
    assert cells.get("d", "").count("M") == 4  # two pairs, either way round
    (outlines,) = [node for node in shades if node.get("class") == "against"]
    assert outlines.get("d", "").count("M") == 2
    assert match_matrix(scene.graph, support, 1) is None


@pytest.mark.parametrize("ways", [(), ("", "", "")])
def test_ways_that_nobody_recorded_are_not_told(scene: Scene, ways: tuple[str, ...]) -> None:
    """Of pairs without matches there is nothing left to tell then."""
    bare = dataclasses.replace(scene, graph=dataclasses.replace(scene.graph, ways=ways))
    support = PairSupport(np.full(3, 0.5), np.zeros(3, bool), 0.5)
    matrix = match_matrix(bare.graph, support, COUNT)
    assert matrix
    assert matrix.pairs == [[0, 1, 6, 50, -1], [1, 3, 5, 50, -1]]
    assert matrix.ways == []
    report = report_of(bare)
    assert report["matching"]["ways"] == []
    assert matching_ways(report["matching"]) == ""
    assert "How they were matched" not in Outline(page_of(bare, report)).text


def test_the_page_says_how_pairs_were_matched(scene: Scene) -> None:
    text = Outline(page_of(scene)).text
    sentence = (
        "2 of 3 pairs by nearest neighbours, 1 by network (all keypoints); 1 with sift beside."
    )
    assert f"How they were matched: {sentence}" in text
    matcher_alone = dataclasses.replace(scene.graph, ways=("sift",) * 3)
    text = Outline(page_of(dataclasses.replace(scene, graph=matcher_alone))).text
    assert "How they were matched" not in text, "the name of the matcher says it"


def test_axes_and_numbers() -> None:
    assert Axis(0, 3.4, 0, 100).ticks(6) == [0, 1, 2, 3]
    assert Axis(0.02, 0.25, 0, 100, log=True).ticks() == pytest.approx([0.02, 0.05, 0.1, 0.2])
    decades = Axis(1e-3, 100, 0, 100, log=True)
    assert decades.ticks(6) == pytest.approx([1e-3, 0.01, 0.1, 1, 10, 100])
    assert decades.ticks(3) == pytest.approx([1e-3, 0.1, 10])
    assert Axis(1, 100, 0, 10, log=True)(10) == pytest.approx(5)
    numbers = [decimal(v) for v in (1.0, -0.001, 2.346, 100, -0.5)]
    assert numbers == ["1", "0", "2.35", "100", "-0.5"]
    with pytest.raises(ValueError, match="drawn"):
        decimal(float("nan"))
    assert element("text", "<b>", class_="a&b") == '<text class="a&amp;b">&lt;b&gt;</text>'


def test_charts_of_nothing_are_none() -> None:
    nan = float("nan")
    assert histogram(np.array([np.inf, nan]), "errors") is None
    assert curve([0, 1], [nan, 1.0], "loss") is None
    assert curve([0, 1, 2], [0.0, 1.0, -1.0], "loss", log=True) is None
    assert strip([("first", [Dot(0, nan, "a", "#a")])], "errors", floor=0.1, unit="") is None
    for values in ([1.0, 1.0], [0.0, 0.0], [1e-9, 1e9]):
        assert curve([0, 1], values, "loss")
        assert histogram(np.array(values), "errors")
        dots = [Dot(i, v, "a", "#a") for i, v in enumerate(values)]
        assert strip([("first", dots)], "errors", floor=0.1, unit="")


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 390, 768, 1400])
@pytest.mark.parametrize("dark", [False, True])
def test_it_opens_without_a_complaint(
    scene: Scene, browser: Page, tmp_path: Path, width: int, dark: bool
) -> None:
    report = report_of(named_badly(scene), judged=True)
    report["photos"][0]["verdict_reason"] = "x" * 300
    path = tmp_path / "report.html"
    path.write_text(page_of(named_badly(with_snapshots(scene)), report), encoding="utf-8")
    browser.open(path, width, 900, dark=dark)
    assert browser.complaints == []
    assert browser.requests == [path.resolve().as_uri()]
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", ground))) < 60) == dark


@pytest.mark.slow
def test_filter_and_links_work(scene: Scene, browser: Page, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page_of(scene, report_of(scene, judged=True)), encoding="utf-8")
    browser.open(path, 1400, 900)
    shown = "[...document.querySelectorAll('.card')].filter(c => c.offsetParent).map(c => c.id)"
    assert len(browser.evaluate(shown)) == COUNT + 1
    browser.evaluate("document.getElementById('show-weak').click()")
    assert browser.evaluate(shown) == ["photo-2", "photo-6"]
    # A camera's photo is hidden by the filter: the link shows all again and goes there.
    browser.evaluate("document.querySelector('svg a[href=\"#photo-1\"]').dispatchEvent("
                     "new MouseEvent('click', {bubbles: true}))")  # fmt: skip
    browser.evaluate("new Promise(done => setTimeout(done, 300))")
    assert len(browser.evaluate(shown)) == COUNT + 1
    assert browser.evaluate("document.activeElement.id") == "photo-1"
    link = "document.querySelector('svg a[href=\"#photo-4\"]')"
    browser.evaluate(f"{link}.focus()")
    assert "photo_3.jpg: trusted" in browser.evaluate("document.getElementById('tip').textContent")
    browser.evaluate(
        "(() => { const m = document.querySelector('svg.matrix'), b = m.getBoundingClientRect();"
        "const s = b.width / m.viewBox.baseVal.width, c = 560 / 6;"
        "m.dispatchEvent(new PointerEvent('pointermove', {clientX: b.left + s * (30 + 1.5 * c),"
        "clientY: b.top + s * (20 + 0.5 * c)})); })()"
    )
    told = browser.evaluate("document.getElementById('pair').textContent")
    assert told.startswith("photo_0.jpg and sub/photo_1.jpg: 6 verified matches")
    assert told.endswith(" Matched by nearest neighbours.")
    assert browser.complaints == []


def test_the_report_is_read_back_as_it_was_told(scene: Scene) -> None:
    """The page is made of the values that report.json holds, NaN there being null."""
    report = json.loads(json.dumps(report_of(scene, judged=True)).replace("NaN", "null"))
    assert page_of(scene, report) == page_of(scene, {**report_of(scene, judged=True), **{
        key: report[key] for key in ("finished", "machine")}})  # fmt: skip
