"""The page from the run's results: gather, draw, fill in the template."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import jinja2
from markupsafe import Markup

from ....scene.capture import Capture
from ....scene.matches import MatchGraph
from ....scene.sparse_model import SparseModel
from ....scene.splats import TrainedSplats
from ....scene.views import Views
from ....tolerance import Tolerance
from ..formatting import duration, known, memory, percent, quantity
from . import sections, texts
from .cards import LABELS, MEANINGS, Card, counts, photo_cards
from .listing import facts_table, is_many, listing_of
from .matrix import LEVELS, match_matrix
from .pair_picture import STRENGTHS
from .support import pair_support
from .thumbnails import contact_sheet, sprites
from .topview import top_view

T = TypeVar("T")

_MOST_LINES, _MOST_CAMERAS = 8, 12
"""Advice and notes, and cameras, that are shown without being asked for."""


def build_page(
    title: str,
    report: Mapping[str, Any],
    capture: Capture,
    graph: MatchGraph,
    poses: SparseModel,
    views: Views,
    trained: TrainedSplats,
    warn: Callable[[str], None] = lambda text: None,
) -> str:
    """The whole of report.html: one HTML document that refers to nothing outside itself.

    Args:
        title: what the run is called.
        report: what report.json says, verdicts included where there are any.
        capture: the photos, for the contact sheet.
        graph: their verified matches.
        poses: cameras, points, and how they came to be.
        views: what the Gaussians were trained on.
        trained: the held-out scores with their previews.
        warn: is told of sections that could not be made, and are left out.
    """
    tolerance = Tolerance()

    def section(name: str, make: Callable[..., T], *facts: Any) -> T | None:
        return tolerance.attempt(f"The section {name} of the report", partial(make, *facts), None)

    max_error_px = report.get("config", {}).get("poses", {}).get("max_error_px", 1.0)
    support = pair_support(graph, poses, max_error_px)
    bare = photo_cards(report)
    photos = bare[: len(capture.photos)]
    listing = listing_of(bare)
    shape, folder = sections.shape(capture), _folder(capture)
    shown = {card.name for card in listing.cards}
    pictures = contact_sheet(capture, views, folder, shown)
    verdicts = report.get("verdicts") or {}
    script, style = _asset("page.js"), _asset("page.css")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    context = {
        "style": Markup(style),
        "script": Markup(script),
        "script_hash": digest,
        "title": title,
        "report": report,
        "source": _source(report, capture),
        "headline": texts.headline(bare, verdicts.get("lacking", "")),
        "figures": section("figures", texts.figures, report, support.share) or [],
        "judged": bool(verdicts),
        "advice": verdicts.get("advice", ()),
        "notes": verdicts.get("notes", ()),
        "cards": [replace(card, picture=pictures.get(card.name)) for card in listing.cards],
        "rows": listing.rows,
        "first": listing.first,
        "facts": facts_table(photos) if listing.first else None,
        "sprites": section("sprites", sprites, capture, views, folder, listing.pictured, shape),
        "total": len(bare),
        "most_lines": _MOST_LINES,
        "most_cameras": _MOST_CAMERAS,
        "photos_lead": texts.photos_lead(report),
        "counts": counts(bare),
        "labels": LABELS,
        "meanings": MEANINGS,
        "top_view": section("cameras", top_view, poses, photos),
        "guessed": any(card.hangs_on for card in photos),
        "shown_levels": [k for k in LABELS if k in _levels(photos, poses)],
        "unplaced": int((~poses.registered).sum()),
        "matrix": section("matches", match_matrix, graph, support, len(photos)),
        "matching_ways": section("matching", texts.matching_ways, report["matching"]),
        "shades": _shades(),
        "strengths": STRENGTHS if is_many(len(photos)) else None,
        # The names of many photos are in their rows.
        "names": None if listing.first else [card.name for card in photos],
        "hypotheses": report["hypotheses"],
        "residuals": section("residuals", sections.residuals, report, poses),
        "photo_errors": section("photo_errors", sections.photo_errors, report, photos),
        "changes": section("changes", sections.changes, poses, photos),
        "training": section("training", sections.training, report),
        "off_path": section("off_path", texts.off_path, report),
        "worst": section("worst", sections.worst, trained, photos),
        "shape": shape,
        "stages": section("stages", sections.stages, report),
        "command": section("command", sections.command, report),
        "checks": section("checks", sections.checks, report, support),
    }
    if text := tolerance.told("could not be made"):
        warn(text)
    return _environment().get_template("page.html").render(context)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "percent": percent,
        "quantity": quantity,
        "duration": duration,
        "memory": memory,
    }
    environment.tests["known"] = known
    return environment


def _asset(name: str) -> str:
    return (files("splatpose.stages.outputs.page") / name).read_text(encoding="utf-8")


def _levels(photos: Sequence[Card], poses: SparseModel) -> set[str]:
    """The verdicts on photos that have a pose."""
    return {card.level for card, ok in zip(photos, poses.registered, strict=True) if ok}


def _folder(capture: Capture) -> Path | None:
    """The input folder: photos' names are relative to it."""
    if not capture.photos:
        return None
    photo = capture.photos[0]
    return photo.path.parents[photo.name.count("/")]


def _source(report: Mapping[str, Any], capture: Capture) -> str:
    return str(report.get("images") or _folder(capture) or "")


def _shades() -> list[tuple[int, str]]:
    """The matrix's legend: class number and range."""
    ends = [*(f"{a}–{b - 1}" for a, b in pairwise(LEVELS)), f"{LEVELS[-1]}+"]
    return list(enumerate(ends, 1))
