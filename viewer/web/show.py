"""Showing a run, or a file, until told to stop."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import viser

from splatpose.errors import SplatposeError
from splatpose.runs.folder import WORK
from splatpose.runs.steering import Watcher
from splatpose.stages.outputs.scale import Scale, scaled_splats

from .follow import FileFollower, Follower, RunFollower
from .opening import check_target
from .page import Page
from .panels import Controls
from .results import ResultsFollower
from .server import PrivateServer
from .server_render import RenderService

_LOOK_SECONDS = 0.5
_log = logging.getLogger("splatpose.viewer")


class Show:
    """A server with its pages, and the one thread that feeds them all."""

    def __init__(self, server: PrivateServer, follower: Follower, where: str) -> None:
        self._server, self._follower, self._where = server, follower, where
        self._pages: dict[int, Page] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._renderer = RenderService()
        self._watcher: Watcher | None = None
        self._folder = follower.folder
        self._scaling = threading.Lock()
        self._failing: weakref.WeakSet[Page] = weakref.WeakSet()
        self._blind = False
        self._unscaled = False
        """Whether a scale was asked for that the results do not have yet."""
        server.on_client_connect(self._connected)
        server.on_client_disconnect(self._disconnected)

    def run(self, stop: threading.Event, watcher: Watcher | None = None) -> None:
        """Shows what there is until `stop` is set.

        Raises:
            SplatposeError: it is damaged, at the first look.
        """
        self._watcher = watcher
        with contextlib.closing(self._renderer):
            for _ in self._follower.parts():
                self._update()
                if stop.is_set():
                    return
            looked = time.monotonic()
            while not stop.is_set():
                self._wake.wait(_LOOK_SECONDS)
                self._wake.clear()
                if time.monotonic() - looked >= _LOOK_SECONDS:
                    looked = time.monotonic()
                    self._look()
                    self._catch_up_with_scale()
                self._update()

    def _look(self) -> None:
        """Reads what is new; what cannot be read stays as it was shown."""
        try:
            for _ in self._follower.parts():
                self._update()
        except Exception:  # files that another process writes, of any version
            if not self._blind:
                self._blind = True
                _log.warning("The run's folder could not be read.", exc_info=True)

    def wake(self) -> None:
        """Has the pages brought up to date at once."""
        self._wake.set()

    def _update(self) -> None:
        with self._lock:
            pages = list(self._pages.values())
        paused, can_steer = False, False
        if self._watcher is not None:
            self._watcher.set_pages(len(pages))
            can_steer = self._watcher.can_steer
            paused = self._watcher.wishes().pause
        for page in pages:
            self._show(page, paused, can_steer)

    def _show(self, page: Page, paused: bool, can_steer: bool) -> None:
        """Brings one page up to date. A browser that fails, or what it asks for, fails alone."""
        try:
            page.show(self._follower.world, self._follower.progress, paused, can_steer)
        except Exception:  # browsers come, go and send what they like
            if page not in self._failing:
                self._failing.add(page)
                _log.warning("A page could not be brought up to date.", exc_info=True)

    def _connected(self, client: viser.ClientHandle) -> None:
        controls = Controls(
            self._pause,
            self._stop_training,
            lambda: self._save(client),
            lambda metres: self._set_scale(client, metres),
            self._folder,
        )
        page = Page(client, self._where, controls, self._renderer, self.wake)
        with self._lock:
            self._pages[client.client_id] = page
        self.wake()

    def _disconnected(self, client: viser.ClientHandle) -> None:
        with self._lock:
            page = self._pages.pop(client.client_id, None)
        if page is not None:
            page.close()

    def _pause(self, pause: bool) -> None:
        if self._watcher is not None:
            self._watcher.ask(pause=pause)
        self.wake()

    def _stop_training(self) -> None:
        if self._watcher is not None:
            self._watcher.ask(stop=True, pause=False)

    def _save(self, client: viser.ClientHandle) -> None:
        """Writes what is shown beside the results."""
        from splatpose.io.ply import write_splat_ply

        splats = self._follower.world.splats
        if splats is None:
            return
        step = "final" if splats.step is None else f"{splats.step:06d}"
        path = self._folder / f"splat_{step}.ply"
        metres = self._follower.world.metres_per_unit
        try:
            write_splat_ply(path, scaled_splats(splats.full, metres or 1.0))
        except (OSError, SplatposeError) as error:
            client.add_notification("Not saved", str(error), color="red")
            return
        client.add_notification("Saved", str(path), auto_close_seconds=8)

    def _set_scale(self, client: viser.ClientHandle, metres: float | None) -> None:
        """Has all results written in metres, or in the run's own units again."""
        from splatpose.stages.outputs.rescale import set_scale

        poses = self._follower.world.poses
        if poses is None:
            return
        try:
            scale = None if metres is None else Scale.of(metres, poses.names, poses.cam_from_world)
            with self._scaling:
                done = set_scale(self._folder, scale)
                self._unscaled = not done
        except (OSError, SplatposeError) as error:
            client.add_notification("Scale not set", str(error), color="red")
            return
        self._tell_scale(client, metres, done)
        self.wake()

    def _tell_scale(self, client: viser.ClientHandle, metres: float | None, done: bool) -> None:
        units = "the run's own units" if metres is None else "metres"
        when = f"are in {units} now" if done else f"will be in {units} when the fit writes them"
        client.add_notification(
            "Scale", f"All results {when}.", auto_close_seconds=8, color="green"
        )

    def _catch_up_with_scale(self) -> None:
        """A scale that was set just when a fit wrote its results is not in them yet."""
        if self._unscaled and self._follower.progress.is_over:
            from splatpose.stages.outputs.rescale import apply_scale

            with self._scaling:
                try:
                    self._unscaled = not apply_scale(self._folder)
                except (OSError, SplatposeError):
                    self._unscaled = False


def show_in(
    server: PrivateServer, target: Path, stop: threading.Event, *, wait: bool = False
) -> None:
    """Shows a run's folder or a .ply file on a server until `stop` is set.

    Raises:
        SplatposeError: there is nothing to show, or it is damaged.
    """
    follower = follower_of(target, wait=wait)
    with _watching(follower) as watcher:
        Show(server, follower, str(target)).run(stop, watcher)


def follower_of(target: Path, *, wait: bool = False) -> Follower:
    """What reads the target.

    Raises:
        SplatposeError: it is neither a run's folder nor a splat.
    """
    check_target(target, wait=wait)
    if target.is_file():
        return FileFollower(target)
    if wait or (target / WORK).is_dir():
        return RunFollower(target)
    return ResultsFollower(target)


@contextmanager
def _watching(follower: Follower) -> Iterator[Watcher | None]:
    if not isinstance(follower, RunFollower):
        yield None
        return
    with Watcher(follower.work) as watcher:
        yield watcher
