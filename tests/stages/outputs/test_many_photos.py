"""report.html of a thousand photos: small, quick, and none of them missing from it."""

from __future__ import annotations

import base64
import dataclasses
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from scenes.long_walk import Walk, long_name, make_walk, short_name
from scenes.page_browser import Page

from splatpose.stages.outputs.page.build import build_page
from splatpose.stages.outputs.page.cards import Card, Fact
from splatpose.stages.outputs.page.listing import FEW, facts_table, listing_of
from splatpose.stages.outputs.page.pair_picture import packed, pictured
from splatpose.stages.outputs.report import build_report

COUNT = 1000


class Built(NamedTuple):
    walk: Walk
    report: dict[str, Any]
    page: str


def built(walk: Walk) -> Built:
    scene = walk.scene
    facts = (scene.capture, scene.graph, scene.poses, scene.views, scene.trained)
    report = build_report(*facts, verdicts=walk.verdicts)
    return Built(walk, report, build_page("walk", report, *facts))


def small_walk(root: Path, count: int, **options: Any) -> Walk:
    """With fewer points than photos would have: they change nothing in the page but its time."""
    return make_walk(root, count, tracks=4 * count, gaussians=10, **options)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return built(small_walk(tmp_path_factory.mktemp("walk"), COUNT))


class Rows(HTMLParser):
    """Number of elements, and the text of each row of photos by its id, outside of scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements = 0
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.rows: dict[str, str] = {}
        self._row = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements += 1
        values = dict(attrs)
        self.ids.update([values["id"] or ""] if "id" in values else [])
        if (values.get("href") or "").startswith("#"):
            self.links.append((values["href"] or "")[1:])
        if tag == "li":
            in_list = (values.get("class") or "").startswith("row ") and "hidden" not in values
            self._row = (values["id"] or "") if in_list else ""

    def handle_endtag(self, tag: str) -> None:
        self._row = "" if tag == "li" else self._row

    def handle_data(self, data: str) -> None:
        if self._row:
            self.rows[self._row] = self.rows.get(self._row, "") + data + " "


def test_a_thousand_photos_stay_below_three_megabytes_and_few_elements(many: Built) -> None:
    assert len(many.page.encode()) < 3_000_000
    assert Rows(many.page).elements < 20_000


def test_no_photo_is_missing_from_the_list(many: Built) -> None:
    """Without a script too: name, verdict and reason of each are text of its row."""
    rows = Rows(many.page)
    for number, row in enumerate(many.report["photos"], 1):
        text = rows.rows[f"photo-{number}"]
        for words in (row["name"], row["verdict"], row["verdict_reason"], row["advice"] or ""):
            assert words in text, (row["name"], text)
    for number, row in enumerate(many.report["skipped"], 1):
        assert row["name"] in rows.rows[f"skipped-{number}"]
    assert len(rows.rows) == COUNT + len(many.report["skipped"])
    assert set(rows.links) <= set(rows.ids)
    assert max(rows.ids.values()) == 1


def test_what_needs_a_look_has_cards(many: Built) -> None:
    needy = [row["name"] for row in many.report["photos"] if row["verdict"] != "trusted"]
    told = f"100 of {len(needy)} photos to look at first, spread over all of them."
    assert told in many.page
    names = re.findall(r'<h3 title="([^"]*)"', many.page)
    assert len(names) == 100
    assert set(names) <= set(needy)
    assert names[0] == needy[0]
    assert names[-1] == needy[-1]


def test_pictures_are_asked_for_nowhere_outside(many: Built) -> None:
    assert set(re.findall(r'url\("?([a-z]*:|#)', many.page)) == {"data:", "#"}
    sheets = re.findall(r"\.s\d+\{background-image", many.page)
    assert len(sheets) == 2
    assert many.page.count('class="thumb ') == int(many.walk.scene.poses.registered.sum())


def test_a_line_is_short_however_long_names_are(tmp_path: Path) -> None:
    """With its picture and its share of the drawings: a thousand make two megabytes."""
    walk = small_walk(tmp_path, 250, name=long_name, skipped=500)
    assert len(long_name(0)) > 150
    page = built(walk).page
    same_for_any_number = r'<li class="card .*?</li>|<script>.*?</script>|<style>:root.*?</style>'
    lines = re.sub(same_for_any_number, "", page, flags=re.DOTALL)
    assert len(lines.encode()) < 2000 * (250 + 500)
    names = {text.strip() for text in re.findall(r"<b>([^<]*)</b>", page)}
    assert set(walk.scene.poses.names) <= names


def test_few_photos_beside_many_skipped_files_keep_their_cards(tmp_path: Path) -> None:
    page = built(small_walk(tmp_path, 20, skipped=61)).page
    assert page.count('<li class="card ') == 20
    assert page.count('<li class="row v-skipped') == 61


def test_every_camera_of_many_is_told_and_most_are_folded(tmp_path: Path) -> None:
    walk = small_walk(tmp_path, 40)
    capture, poses = walk.scene.capture, walk.scene.poses
    own = dataclasses.replace(
        walk.scene,
        capture=dataclasses.replace(
            capture,
            photos=tuple(dataclasses.replace(p, group=i) for i, p in enumerate(capture.photos)),
            groups=tuple(dataclasses.replace(capture.groups[0], label=f"c {i}") for i in range(40)),
        ),
        poses=dataclasses.replace(
            poses, camera_index=np.arange(40), cameras=(poses.cameras[0],) * 40
        ),
    )
    made = built(dataclasses.replace(walk, scene=own))
    assert [row["photos"] for row in made.report["cameras"]] == [1] * 40
    assert "28 more cameras" in made.page
    assert made.page.count('<th scope="row">c ') == 40


def card(number: int, level: Any, facts: tuple[Fact, ...] = ()) -> Card:
    return Card(f"photo-{number}", short_name(number), level, "why", None, False, (), facts)


@pytest.mark.parametrize(("skipped", "in_rows"), [(60, 0), (61, 61)])
def test_few_photos_have_a_card_each(skipped: int, in_rows: int) -> None:
    photos = [card(i, "weak" if i % 3 else "trusted") for i in range(FEW)]
    files = [card(FEW + i, "skipped") for i in range(skipped)]
    listing = listing_of([*photos, *files])
    assert listing.cards == [*photos, *files[: skipped - in_rows]]
    assert listing.rows == files[:in_rows]
    assert listing.first == ""
    assert len(listing_of([*photos, card(FEW, "trusted")]).rows) == FEW + 1


@pytest.mark.parametrize("weak", [0, 1, 100, 101, 500])
def test_everything_is_listed_once(weak: int) -> None:
    cards = [card(i, "weak" if i < weak else "trusted") for i in range(500)]
    listing = listing_of([*cards, card(500, "skipped")])
    assert [row.anchor for row in listing.rows] == [f"photo-{i}" for i in range(501)]
    assert len(listing.cards) == min(weak, 100)
    assert len({row.anchor for row in [*listing.rows, *listing.cards]}) == 501 + min(weak, 100)
    assert "All 500 are in the list" in listing.first


def test_facts_of_rows_are_those_of_cards() -> None:
    facts = (Fact("a", "1", "of a"), Fact("b", "used", "it fits")), (Fact("b", "dropped", "poor"),)
    table = facts_table([card(1, "weak", facts[0]), card(2, "weak", facts[1]), card(3, "weak")])
    assert table["names"] == ["a", "b"]
    assert table["meanings"] == ["of a", ""]
    read = [
        [values[row] for values, rows in zip(table["values"], table["rows"], strict=True)
         for row in rows[place : place + 1] if row >= 0]
        for place in range(3)
    ]  # fmt: skip
    assert read == [["1", "used: it fits"], ["dropped: poor"], []]


@pytest.mark.parametrize("count", [600, 601, 2500])
def test_a_pair_of_many_photos_is_seen_however_many_share_a_cell(count: int) -> None:
    pairs = np.array([[0, count - 1], [3, 4], [3, 5]])
    cells = pictured(pairs, np.array([2, 1, 5]), count)
    assert len(cells) <= 600
    assert (cells == cells.T).all()
    assert cells[0, -1] == 2
    assert cells.max() == 5


def test_pairs_are_packed_and_the_weakest_of_very_many_are_left_out() -> None:
    rows = np.array([[0, 999, 70_000, -1, -1], [3, 4, 17, 100, 2]])
    text, least = packed(rows)
    data = base64.b64decode(text)
    assert least == 0
    wide = np.frombuffer(data[:12], "<u2").reshape(3, 2).T
    narrow = np.frombuffer(data[12:], "<i1").reshape(2, 2).T
    assert wide.tolist() == [[0, 999, 65_535], [3, 4, 17]]
    assert narrow.tolist() == [[-1, -1], [100, 2]]
    i, j = np.triu_indices(COUNT, 1)
    strength = np.arange(len(i)) // 10
    text, least = packed(np.column_stack([i, j, strength, strength * 0, strength * 0]))
    assert least == strength.max() - 2999
    assert len(text) == 30_000 * 8 * 4 // 3


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 768, 1400])
def test_photos_of_many_are_found(many: Built, browser: Page, tmp_path: Path, width: int) -> None:
    path = tmp_path / "report.html"
    path.write_text(many.page, encoding="utf-8")
    browser.open(path, width, 900)
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    shown = "[...document.querySelectorAll('.row')].filter(r => r.offsetParent).map(r => r.id)"
    browser.evaluate("document.getElementById('show-refused').click()")
    levels = [row["verdict"] for row in many.report["photos"]]
    refused = [f"photo-{i}" for i, level in enumerate(levels, 1) if level == "refused"]
    assert browser.evaluate(shown) == refused
    browser.evaluate(
        "(() => { const f = document.getElementById('find'); f.value = 'img_0123 TRUSTED';"
        "document.getElementById('show-all').click(); f.dispatchEvent(new Event('input'));"
        "return new Promise(done => setTimeout(done, 300)); })()"
    )
    assert browser.evaluate(shown) == ["photo-124"]
    told = browser.evaluate(
        "(async () => { const d = document.querySelector('#photo-124 details'); d.open = true;"
        "await new Promise(done => setTimeout(done, 100)); return d.textContent; })()"
    )
    assert "Size640 × 360 px" in told
    # A camera's photo is not among those that were found: the link shows all again.
    browser.evaluate("document.querySelector('svg a[href=\"#photo-1\"]').dispatchEvent("
                     "new MouseEvent('click', {bubbles: true}))")  # fmt: skip
    browser.evaluate("new Promise(done => setTimeout(done, 300))")
    assert len(browser.evaluate(shown)) == COUNT + 40
    assert browser.evaluate("document.activeElement.id") == "photo-1"
    told = browser.evaluate(
        "(() => { const s = document.querySelector('svg.strip'), b = s.getBoundingClientRect();"
        "const x = b.left + b.width / 2, e = {clientX: x, clientY: b.top + 50, bubbles: true};"
        "s.dispatchEvent(new PointerEvent('pointermove', e));"
        "return document.getElementById('tip').textContent; })()"
    )
    assert re.fullmatch(r"IMG_\d{4}.jpg has a median error of [\d.]+ px", told)
    assert browser.complaints == []
