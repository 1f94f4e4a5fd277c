"""The groups of controls on a page. Each builds its elements once, then keeps them up to date."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np
import viser
import viser.uplot

from splatpose.scene.sparse_model import SparseModel

from .drawing import Shown
from .progress import RunProgress
from .texts import message_list, share_done, snapshot_line, stage_table, steering_line
from .world import World

Rendering = Literal["in the browser", "colour", "depth", "opacity", "error"]
_PLOT_POINTS = 400
_PLOT_SECONDS = 1.0


@dataclass(frozen=True)
class Controls:
    """What the buttons of a page do."""

    pause: Callable[[bool], None]
    stop: Callable[[], None]
    save: Callable[[], None]
    set_scale: Callable[[float | None], None]
    """Takes the metres in one of the units that are shown, or None to forget them."""
    folder: Path
    """Folder for files that a page asks for."""


class RunPanel:
    """Stages, curves, messages, and the buttons that steer the run."""

    def __init__(self, gui: viser.GuiApi, controls: Controls) -> None:
        self._controls = controls
        self._revision = -1
        self._drawn = float("-inf")
        self._paused = False
        self._bar = gui.add_progress_bar(0.0)
        self._stages = gui.add_html("")
        self._steer = gui.add_folder("Steer")
        with self._steer:
            self.pause = gui.add_button("Pause", icon=viser.Icon.PLAYER_PAUSE, visible=False)
            self.resume = gui.add_button("Resume", icon=viser.Icon.PLAYER_PLAY, visible=False)
            self.stop = gui.add_button(
                "Stop and save",
                icon=viser.Icon.PLAYER_STOP,
                visible=False,
                hint="Ends the training now and writes all results. The same command goes on.",
            )
            self._steering = gui.add_html("")
            self.save = gui.add_button("Save .ply now", icon=viser.Icon.DOWNLOAD, visible=False)
        self._curves = gui.add_folder("Curves", visible=False)
        with self._curves:
            self._plots = {
                "loss": Plot(gui, "Loss", "#4dabf7"),
                "psnr": Plot(gui, "Held-out PSNR (dB)", "#51cf66"),
                "count": Plot(gui, "Gaussians (1000)", "#ffa94d"),
            }
        with gui.add_folder("Messages"):
            self._messages = gui.add_html("")
        self.pause.on_click(lambda _: controls.pause(True))
        self.resume.on_click(lambda _: controls.pause(False))
        self.stop.on_click(lambda _: controls.stop())
        self.save.on_click(lambda _: controls.save())

    def update(self, progress: RunProgress, world: World, paused: bool, can_steer: bool) -> None:
        """Shows what has happened since."""
        _set(self._bar, "value", float(np.clip(share_done(progress), 0, 100)))
        _set(self._stages, "content", stage_table(progress))
        running = progress.current not in (None, "outputs") and can_steer
        _set(self.pause, "visible", running and not paused)
        _set(self.resume, "visible", running and paused)
        _set(self.stop, "visible", running)
        _set(self.stop, "disabled", progress.current != "splats")
        _set(self._steering, "content", steering_line(progress, paused, can_steer))
        _set(self.save, "visible", world.splats is not None)
        _set(self._steer, "visible", progress.current is not None or world.splats is not None)
        _set(self._messages, "content", message_list(progress.messages, world.problems))
        now = time.monotonic()
        if progress.revision != self._revision and now - self._drawn >= _PLOT_SECONDS:
            self._revision, self._drawn = progress.revision, now
            self._plots["loss"].show([(step, loss) for step, loss, _ in progress.curve])
            self._plots["count"].show([(step, count / 1000) for step, _, count in progress.curve])
            self._plots["psnr"].show(progress.psnr)
            _set(self._curves, "visible", len(progress.curve) > 1)


class Plot:
    """One curve over the training steps; hidden until it has two samples."""

    def __init__(self, gui: viser.GuiApi, title: str, color: str) -> None:
        self._marked = title.startswith("Held-out")
        points = viser.uplot.Series_Points(show=self._marked, size=4)
        self._handle = gui.add_uplot(
            (np.zeros(2), np.zeros(2)),
            (
                viser.uplot.Series(label="step"),
                viser.uplot.Series(label=title, stroke=color, width=2, points=points),
            ),
            title=title,
            scales={"x": viser.uplot.Scale(time=False, auto=True)},
            legend=viser.uplot.Legend(show=False),
            aspect=2.4,
            visible=False,
        )
        self._samples: tuple[int, float] | None = None

    def show(self, samples: Sequence[tuple[int, float]]) -> None:
        """Draws the samples, thinned out where there are more than pixels."""
        if len(samples) < 2:
            _set(self._handle, "visible", False)
            return
        identity = (len(samples), samples[-1][0])
        if identity == self._samples:
            return
        self._samples = identity
        every = max(1, len(samples) // _PLOT_POINTS)
        table = np.array([*samples[:-1:every], samples[-1]], np.float64)
        self._handle.data = (table[:, 0], table[:, 1])
        _set(self._handle, "visible", True)


class ScenePanel:
    """What is drawn, and how."""

    def __init__(self, gui: viser.GuiApi, shown: Shown, changed: Callable[[], None]) -> None:
        self._shown = shown
        self._changed = changed
        self.rendering: Rendering = "in the browser"
        self._points_hidden = False
        boxes = {}
        for text, name in (
            ("Gaussians", "splats"),
            ("Cameras", "cameras"),
            ("Photos in the cameras", "thumbnails"),
            ("Sparse points", "points"),
            ("Matches", "links"),
            ("Path of the camera", "path"),
            ("Ground", "ground"),
        ):
            box = gui.add_checkbox(text, getattr(shown, name))
            box.on_update(self._setter(name, box))
            boxes[name] = box
        self._points = boxes["points"]
        with gui.add_folder("Gaussians"):
            modes = ("in the browser", "colour", "depth", "opacity", "error")
            self._mode = gui.add_dropdown(
                "Rendered",
                modes,
                hint="In the browser: fast, without view dependence. The others are rendered by "
                "splatpose, with all of it. Error: against the photo taken nearest to this view.",
            )
            self._mode.on_update(lambda _: self._set_mode())
            self.speed = gui.add_html("")
            most = gui.add_slider("At most (1000)", 1, 1000, 1, shown.most_splats // 1000)
            most.on_update(lambda _: self._set("most_splats", int(most.value) * 1000))
            size = gui.add_slider("Size", 0.05, 1.5, 0.05, 1.0)
            size.on_update(lambda _: self._set("splat_size", float(size.value)))
        point = gui.add_slider("Point size", 0.001, 0.03, 0.001, shown.point_size)
        point.on_update(lambda _: self._set("point_size", float(point.value)))
        self._snapshots = gui.add_slider(
            "Poses", 0, 1, 1, 1, visible=False, hint="What each stage made of the poses."
        )
        self._snapshots.on_update(lambda _: self._set_snapshot())
        self._stage = gui.add_html("")
        self._poses: SparseModel | None = None

    def update(self, world: World) -> None:
        """Offers the poses' snapshots, the last of them first; Gaussians take the points' place."""
        if world.splats is not None and not self._points_hidden:
            self._points_hidden = True  # once: they would lie upon the Gaussians like dust
            self._points.value = False
        if world.poses is self._poses:
            return
        self._poses = world.poses
        last = 0 if world.poses is None else len(world.poses.snapshots) - 1
        self._snapshots.visible = last > 0
        if last > 0:
            self._snapshots.max = last
            self._snapshots.value = last
        self._set_snapshot()

    def _setter(self, name: str, box: viser.GuiCheckboxHandle) -> Callable[[object], None]:
        return lambda _: self._set(name, box.value)

    def _set(self, name: str, value: object) -> None:
        setattr(self._shown, name, value)
        self._changed()

    def _set_mode(self) -> None:
        self.rendering = cast(Rendering, self._mode.value)
        self._changed()

    def _set_snapshot(self) -> None:
        count = 0 if self._poses is None else len(self._poses.snapshots)
        index = int(self._snapshots.value)
        if self._poses is not None and count > 1:
            self._stage.content = snapshot_line(self._poses, index)
        else:
            self._stage.content = ""
        self._set("snapshot", -1 if index >= count - 1 else index)


def _set(handle: object, name: str, value: object) -> None:
    """Sends a value to the browser only where it is new."""
    if getattr(handle, name) != value:
        setattr(handle, name, value)
