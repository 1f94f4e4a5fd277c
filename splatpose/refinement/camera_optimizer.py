"""Camera poses as parameters of a training, with the tracks as points of their own beside them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from ..geometry.twists import Gauge, se3_exp
from ..sfm.tracks import Tracks

_WARM_UP = 0.1
"""Share of the steps over which the rate rises from zero."""
_SETTLED = 0.95
"""Share of the steps after which poses stay as they are."""


@dataclass(frozen=True)
class PoseSchedule:
    """When, and how fast, poses move in a training."""

    steps: int
    start: float
    """Share of the steps before the poses begin to move."""
    rate: float
    """Largest learning rate in pixels of a training photo."""
    track_weight: float
    """Weight of the mean Huber loss of a photo's observations beside its photometric loss."""
    huber: float = 1.0
    """Where the track loss turns linear, in pixels of a photo whose longer side has 1000."""

    def at(self, step: int) -> float:
        """Learning rate at a step: zero, then a linear rise, then half a cosine down to zero."""
        share = step / max(1, self.steps)
        rise = (share - self.start) / _WARM_UP
        fall = (share - self.start - _WARM_UP) / (_SETTLED - self.start - _WARM_UP)
        if rise <= 0 or fall >= 1:
            return 0.0
        return self.rate * min(1.0, rise) * (0.5 + 0.5 * math.cos(math.pi * max(0.0, fall)))


class CameraOptimizer:
    """Poses of V views, each a twist (see `geometry.twists`) away from where it started.

    Twists and points are kept in pixels: 1 is the rotation, or the shift sideways at the scene's
    depth, that moves the picture of a training photo by about one pixel. One learning rate then
    suits all of them and every scene.
    """

    def __init__(
        self,
        cam_from_world: Float[np.ndarray, "V 4 4"],
        tracks: Tracks,
        focal: float,
        schedule: PoseSchedule,
        device: torch.device,
    ) -> None:
        """
        Args:
            cam_from_world: where the views start.
            tracks: what these views see, each point at least twice.
            focal: of the training photos at full size, in pixels.
            schedule: when and how fast they move.
            device: of the training.
        """
        self.schedule = schedule
        self._start = cam_from_world
        self._tracks = tracks
        self._device = device
        depths = tracks.depths(cam_from_world)
        depth = float(np.median(depths)) if len(depths) else 1.0
        self._units = np.array([1, 1, 1, depth, depth, depth]) / focal
        self._gauge = Gauge(cam_from_world, self._units)
        count = np.maximum(1, np.bincount(tracks.track, minlength=len(tracks)))
        mean = np.bincount(tracks.track, depths, minlength=len(tracks)) / count
        self._point_units = torch.from_numpy(mean / focal)[:, None]
        self._base = torch.from_numpy(cam_from_world)
        self._points0 = torch.from_numpy(tracks.points)
        self._seen = [
            (
                torch.from_numpy(tracks.track[rows]),
                torch.from_numpy(tracks.rays[rows]),
                float(tracks.focal[view]),
            )
            for view in range(len(cam_from_world))
            for rows in [np.flatnonzero(tracks.view == view)]
        ]
        self.restart()

    def restart(self) -> None:
        """Goes back to where the views started."""
        # One tensor a view: Adam then leaves the views that a step did not see alone.
        self.twists: list[torch.Tensor] = [
            torch.nn.Parameter(torch.zeros(6, dtype=torch.float64)) for _ in self._start
        ]
        self.offsets = torch.nn.Parameter(torch.zeros(len(self._tracks), 3, dtype=torch.float64))
        self._optimizer = torch.optim.Adam([*self.twists, self.offsets], lr=0.0)
        self._current: tuple[int, int, torch.Tensor] | None = None

    def viewmat(self, view: int, step: int) -> Float[torch.Tensor, "4 4"]:
        """cam_from_world of a view as float32 on the device; differentiable while poses move."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.schedule.at(step) > 0):
            pose = self.pose(view)
        # `term` of the same step goes on from here.
        self._current = view, step, pose
        return pose.to(self._device, torch.float32)

    def wants_depth(self, step: int) -> bool:
        """Tracks do without rendered depth."""
        del step
        return False

    def term(
        self, view: int, step: int, depth: Float[torch.Tensor, "H W"] | None = None
    ) -> Float[torch.Tensor, ""]:
        """What the tracks add to the loss of a step: `track_weight` times `track_loss`."""
        del depth
        if self.schedule.at(step) == 0 or self.schedule.track_weight == 0:
            return torch.zeros((), device=self._device)
        pose = None
        if self._current is not None and self._current[:2] == (view, step):
            pose = self._current[2]
        loss = self.schedule.track_weight * self.track_loss(view, pose)
        return loss.to(self._device, torch.float32)

    def track_loss(
        self, view: int, pose: Float[torch.Tensor, "4 4"] | None = None
    ) -> Float[torch.Tensor, ""]:
        """Mean Huber loss of a view's observations, in squared pixels near zero (double).

        Args:
            pose: the view's, where it has been computed already.
        """
        track, rays, focal = self._seen[view]
        if not len(track):
            return torch.zeros((), dtype=torch.float64)
        pose = self.pose(view) if pose is None else pose
        points = self._points0[track] + self.offsets[track] * self._point_units[track]
        x = points @ pose[:3, :3].T + pose[:3, 3]
        # A point that has come behind the camera must not be thrown across the picture.
        z = x[:, 2:].clamp(min=1e-3 * float(self._units[3] / self._units[0]))
        residual = (x[:, :2] / z - rays) * focal
        squared = residual.square().sum(dim=1)
        bend = self.schedule.huber
        outer = squared > bend**2
        distance = torch.where(outer, squared, bend**2).sqrt()
        return torch.where(outer, bend * distance - 0.5 * bend**2, 0.5 * squared).mean()

    def step(self, view: int, step: int, damping: float = 1.0) -> None:
        """One step of the view that was rendered and of its points; then the gauge's share goes."""
        rate = self.schedule.at(step) * damping
        if rate > 0:
            self._optimizer.param_groups[0]["lr"] = rate
            self._optimizer.step()
            self._remove_gauge()
        self._optimizer.zero_grad(set_to_none=True)
        self._current = None

    def poses(self) -> Float[np.ndarray, "V 4 4"]:
        """cam_from_world of all views."""
        with torch.no_grad():
            return np.stack([self.pose(view).numpy() for view in range(len(self.twists))])

    def points(self) -> Float[np.ndarray, "T 3"]:
        """The tracks' points."""
        with torch.no_grad():
            return (self._points0 + self.offsets * self._point_units).numpy()

    def identity(self) -> str:
        """Hash of what decides how the cameras move."""
        digest = hashlib.sha256(repr(astuple(self.schedule)).encode())
        for array in (self._start, self._tracks.points, self._tracks.track, self._tracks.rays):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def first_not_finite(self) -> str | None:
        """Name of what holds NaN or infinity, or None."""
        twists = all(bool(twist.isfinite().all()) for twist in self.twists)
        return None if twists and bool(self.offsets.isfinite().all()) else "poses"

    def state_dict(self) -> dict[str, Any]:
        """Tensors and numbers only."""
        parameters = [*self.twists, self.offsets]
        moments = {
            index: dict(self._optimizer.state[value])
            for index, value in enumerate(parameters)
            if value in self._optimizer.state
        }
        return {"values": [value.detach() for value in parameters], "moments": moments}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        self.restart()
        parameters = [*self.twists, self.offsets]
        with torch.no_grad():
            for mine, saved in zip(parameters, state["values"], strict=True):
                mine.copy_(saved)
        for index, moments in state["moments"].items():
            self._optimizer.state[parameters[index]] = {
                key: value.cpu().clone() for key, value in moments.items()
            }

    def pose(self, view: int) -> Float[torch.Tensor, "4 4"]:
        """cam_from_world of a view in double precision, attached to the graph."""
        return se3_exp(self.twists[view] * torch.from_numpy(self._units)) @ self._base[view]

    @torch.no_grad()
    def _remove_gauge(self) -> None:
        values = self._gauge.removed(torch.stack(self.twists))
        for twist, value in zip(self.twists, values, strict=True):
            twist.copy_(value)
