"""What the page says in words: small pieces of HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from splatpose.events import OPTIONAL_STAGES, Message
from splatpose.scene.sparse_model import SparseModel

from ..plain import duration, finish_line
from .drawing import COLORS, count_levels
from .geometry import changes
from .progress import RunProgress
from .world import PhotoVerdict, World

_MARKS = {
    "waiting": ("○", "#888"),
    "running": ("◐", "#4dabf7"),
    "done": ("●", "#51cf66"),
    "kept": ("●", "#66d9e8"),
    "stopped": ("✕", "#ff6b6b"),
}
_LAST_MESSAGES = 12
_SMALL = "font-size:0.8em;line-height:1.35"
_NAME_CELL = "padding-right:.6em;font-weight:600;white-space:nowrap;vertical-align:top"
_PADDED = _SMALL + ";padding:0 .9em;overflow-wrap:anywhere"


def stage_table(progress: RunProgress) -> str:
    """Every stage with its state, what came out, and how long it took or will take."""
    if progress.header is None and all(s.state == "waiting" for s in progress.stages.values()):
        return ""  # a splat of which nothing else is known
    rows = []
    for name, stage in progress.stages.items():
        if stage.state == "waiting" and name in OPTIONAL_STAGES:
            continue
        mark, color = _MARKS[stage.state]
        text = escape(stage.summary)
        if stage.state == "running":
            text = running_line(progress) or "…"
        elif stage.state == "stopped":
            text = "stopped"
        time = duration(progress.elapsed(name)) if stage.state in ("running", "done") else ""
        rows.append(
            f'<tr data-stage="{name}" data-state="{stage.state}">'
            f'<td style="color:{color};padding-right:.4em;vertical-align:top">{mark}</td>'
            f'<td style="{_NAME_CELL}">{name}</td>'
            f'<td>{text} <span style="opacity:.6;white-space:nowrap">{time}</span></td></tr>'
        )
    style = f"{_SMALL};vertical-align:top;margin-right:.9em"
    return f'<table style="{style}">{"".join(rows)}</table>'


def running_line(progress: RunProgress) -> str:
    """How far the running stage has come."""
    stage = progress.current
    if stage is None:
        return ""
    parts = []
    if stage == "splats" and progress.step is not None:
        step = progress.step
        parts = [f"step {step.step} of {step.total_steps}", f"loss {step.loss:.4f}"]
        if progress.psnr:
            parts.append(f"{progress.psnr[-1][1]:.2f} dB")
        parts.append(f"{step.num_gaussians:,} Gaussians")
    elif (counted := progress.stages[stage].progress) is not None:
        parts = [f"{counted.done} of {counted.total} {escape(counted.text)}"]
    remaining = progress.remaining()
    if remaining is not None:
        parts.append(f"{duration(remaining)} left")
    return " · ".join(parts)


def share_done(progress: RunProgress) -> float:
    """How far the running stage has come, in percent; 100 where none runs and all is over."""
    stage = progress.current
    if stage is None:
        return 100.0 if progress.is_over or progress.header is None else 0.0
    if stage == "splats" and progress.step is not None:
        return 100 * progress.step.step / max(1, progress.step.total_steps)
    counted = progress.stages[stage].progress
    return 100 * counted.done / max(1, counted.total) if counted is not None else 0.0


def message_list(messages: Sequence[Message], problems: Sequence[str]) -> str:
    """The last messages, the newest first, and what the viewer itself could not read."""
    lines = [f'<div style="color:#ff8787">{escape(problem)}</div>' for problem in problems]
    for message in reversed(messages[-_LAST_MESSAGES:]):
        color = "#ffc078" if message.level == "warning" else "inherit"
        lines.append(
            f'<div style="color:{color};margin-bottom:.3em"><b>{message.stage}</b> '
            f"{escape(message.text)}</div>"
        )
    older = len(messages) - _LAST_MESSAGES
    if older > 0:
        lines.append(f'<div style="opacity:.6">and {older} earlier ones</div>')
    body = "".join(lines) or '<span style="opacity:.6">Nothing to report.</span>'
    return f'<div style="{_PADDED}">{body}</div>'


def headline(progress: RunProgress, world: World, where: str) -> str:
    """What is shown, and what state it is in, in a line or two."""
    text = escape(where)
    if progress.error:
        text += f'<div style="color:#ff8787">{escape(progress.error)}</div>'
    elif progress.finished is not None:
        text += (
            f"<div>{escape(finish_line(progress.finished.folder, progress.finished.summary))}</div>"
        )
    elif progress.header is not None and progress.current is None and world.capture is None:
        text += "<div>The run begins.</div>"
    if said := silence_line(progress):
        text += f'<div data-silence style="color:#ffc078">{said}</div>'
    return f'<div style="{_PADDED};padding-top:.5em">{text}</div>'


def silence_line(progress: RunProgress) -> str:
    """That nothing was heard for long, and why if that is known; "" of a run that speaks."""
    seconds = progress.silence()
    minutes = int(seconds // 60)
    if not progress.suspended and minutes < 1:
        return ""
    news = f"No news for {minutes} min." if minutes else "No news."
    if progress.suspended:
        return f"{news} Its process is stopped (by Ctrl-Z or a signal) and goes on with fg."
    return news


def counts(world: World, cameras: int, splats: int, total: int) -> str:
    """How much of everything is on the screen."""
    parts = []
    if world.poses is not None:
        placed = int(world.poses.registered.sum())
        parts.append(f'<span data-cameras="{cameras}">{placed} cameras</span>')
        parts.append(f"{len(world.poses.points):,} points")
    elif world.capture is not None:
        parts.append(f"{len(world.capture.photos)} photos without a place yet")
    if world.splats is not None:
        shown = f"{splats:,} of {total:,} Gaussians" if splats < total else f"{total:,} Gaussians"
        step = "" if world.splats.step is None else f" at step {world.splats.step}"
        parts.append(f'<span data-splats="{splats}" data-total="{total}">{shown}{step}</span>')
    levels = " ".join(
        f'<span style="color:rgb{COLORS[level]};white-space:nowrap">■ {count} {level}</span>'
        for level, count in count_levels(world.verdicts).items()
    )
    return f'<div style="{_PADDED};padding-bottom:.4em">{" · ".join(parts)}<br>{levels}</div>'


CHOOSE_A_PHOTO = f'<div style="{_PADDED};opacity:.7">Choose one, or click a camera.</div>'


def verdict_text(verdict: PhotoVerdict, held_out: bool, *, gone: bool = False) -> str:
    """What is said of one photo."""
    color = "rgb" + str(COLORS[verdict.level])
    lines = [
        f'<b style="color:{color}">{verdict.level}</b> {escape(verdict.name)}',
        escape(verdict.reason),
    ]
    if held_out:
        lines.append("Held out of the training.")
    if gone:
        lines.append("The photo itself is gone: there is nothing to compare.")
    if verdict.advice:
        lines.append(f"<i>{escape(verdict.advice)}</i>")
    name = escape(verdict.name, quote=True)
    return f'<div data-photo="{name}" style="{_PADDED}">{"<br>".join(lines)}</div>'


def rendering_line(note: str, pace: str) -> str:
    """What a picture that was rendered here shows, and what it took."""
    text = f"<span data-note>{escape(note)}</span><br>" if note else ""
    return f'<div style="{_PADDED}">{text}<span style="opacity:.7">{pace}</span></div>'


def length(distance: float, metres_per_unit: float | None) -> str:
    """A distance in the run's own units, in metres where it is known how long they are."""
    if metres_per_unit is None:
        return f"{distance:.4g} units"
    metres = distance * metres_per_unit
    return f"{metres:.4g} m" if metres >= 0.1 else f"{1000 * metres:.4g} mm"


def measured(ends: int, active: bool, distance: float, metres_per_unit: float | None) -> str:
    """How far the measuring is."""
    if ends == 2:
        text = f'<b data-distance="{distance!r}">{length(distance, metres_per_unit)}</b>'
    elif active:
        text = ("Click the first point in the scene.", "Click the second point.")[ends]
    else:
        return ""
    return f'<div style="{_PADDED}">{text}</div>'


def scale_line(metres_per_unit: float | None) -> str:
    """What the scale is."""
    if metres_per_unit is None:
        text = "No true scale: measure something of known length to set it."
    else:
        text = f"The scale is set: a unit here is {length(1.0, metres_per_unit)}."
    return f'<div data-metres="{metres_per_unit or 0!r}" style="{_PADDED}">{text}</div>'


def steering_line(progress: RunProgress, paused: bool, can_steer: bool) -> str:
    """What pausing and stopping come to at this moment."""
    if progress.current in (None, "outputs"):
        return ""
    if not can_steer:
        text = "The run's folder cannot be written to, so it cannot be steered from here."
    elif progress.current == "splats":
        text = "" if paused else "Stopping saves all results; the same command goes on later."
    elif paused:
        text = "It holds as soon as the piece of work under way is done."
    else:
        text = "There are results to stop with once Gaussians are trained."
    return f'<div style="{_PADDED};opacity:.7">{text}</div>' if text else ""


def snapshot_line(poses: SparseModel, index: int) -> str:
    """Which of the saved poses are shown, and how far they are from the final ones."""
    shown = poses.snapshots[index]
    text = f"{shown.stage} poses, {len(shown.points):,} points"
    if index < len(poses.snapshots) - 1:
        moved, turned = changes(shown.cam_from_world, poses.cam_from_world)
        text += f": median {moved:.2g} % of the cameras' RMS distance and {turned:.2g}° from the "
        text += "final ones"
    else:
        text += " (final)"
    return f'<div data-snapshot="{shown.stage}" style="{_PADDED}">{text}</div>'
