"""One self-contained page with a run's cameras and Gaussians, for people without splatpose."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

from splatpose.errors import SplatposeError
from splatpose.io.atomic import write_bytes
from splatpose.stages.outputs.crop import read_crop

from .access import Door
from .drawing import Drawer, Shown
from .geometry import UP, first_view
from .reading import cropped_splats
from .server import open_server
from .show import follower_of
from .world import World


def export_page(source: Path, target: Path, *, overwrite: bool = False, crop: bool = True) -> str:
    """Writes an .html that needs neither network nor server, and returns a one-line summary.

    Args:
        source: a run's folder, or a .ply file.
        target: the file to write. Missing parent folders are made.
        overwrite: replace what is at `target`.
        crop: leave out Gaussians outside the box that was set in the viewer, if one was.

    Raises:
        SplatposeError: there is nothing to show, or something is at `target` already.
    """
    if target.exists() and (target.is_dir() or not overwrite):
        raise SplatposeError(
            f"{target} exists already.", "Choose another target, or add --overwrite."
        )
    follower = follower_of(source)
    follower.look()
    world = follower.world
    box = read_crop(follower.folder) if crop else None
    if box is not None and world.splats is not None:
        world = replace(world, splats=cropped_splats(world.splats, box))
    if world.splats is None and world.poses is None:
        raise SplatposeError(
            f"{source} has neither cameras nor Gaussians yet.", "Wait for the fit to get there."
        )
    drawer, page = _recorded(world)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(target, page.encode())
    except OSError as error:
        raise SplatposeError(
            f"{target} cannot be written: {error.strerror or error}.", "Choose another target."
        ) from error
    what = f"{drawer.cameras_shown} cameras, {drawer.splats_shown:,} Gaussians"
    what += ", no true scale" if world.metres_per_unit is None else ", in metres"
    if world.splats is not None and world.splats.full.antialiased:
        what += ", drawn too solid where small: a page's Gaussians are never antialiased"
    return f"{target}: a page with {what} ({target.stat().st_size / 1e6:.1f} MB)"


def _recorded(world: World) -> tuple[Drawer, str]:
    """What was drawn, and the page, recorded from a server that nobody can enter."""
    unit = world.metres_per_unit or 1.0
    server = open_server("127.0.0.1", 0, Door(secrets.token_urlsafe()))
    try:
        drawer = Drawer(server.scene, patient=True)
        view = None if world.poses is None else first_view(world.poses)
        eye = None if view is None else view.position
        drawer.draw(world, Shown(points=world.splats is None), eye)
        drawer.enlarge(unit)
        server.scene.configure_fog(1.0, 2.0, enabled=False)  # its distances are not the scene's
        if view is not None:
            server.initial_camera.position = tuple(unit * view.position)
            server.initial_camera.look_at = tuple(unit * view.look_at)
            server.initial_camera.up = UP
            server.initial_camera.near = 0.01 * unit
            server.initial_camera.far = 1000.0 * unit
        page = server.get_scene_serializer().as_html(dark_mode=True)
    finally:
        server.stop()
    return drawer, page
