"""A cluster's cameras in training: tracks, and prior depth while it is trusted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from ..scene.views import Views
from ..sfm.tracks import Tracks
from .camera_optimizer import CameraOptimizer, PoseSchedule
from .cluster_depth import PriorMaps
from .cluster_losses import cloud_term, depth_term, lifted, moved, surface_term

_REACH = 0.1
"""Clouds are compared where they are nearer to each other than this share of the depth."""


@dataclass(frozen=True)
class PriorWeights:
    """How much prior depth has to say in a cluster's training."""

    depth: float
    """First weight of the difference between rendered and prior depth."""
    cloud: float
    """First weight of the distance between the clouds of two views' prior depth."""
    surface: float
    """First weight of the colour difference between a view and another through its prior depth."""
    anneal: float
    """Share of the steps after which the three weights have come down to zero."""
    rate: float
    """Learning rate of the scale and shift of a view's map, relative to its depths."""


class ClusterCameras(CameraOptimizer):
    """Poses, tracks' points, and scale and shift of prior depth, optimised together.

    The terms of prior depth compare a view with one partner a step, in turn, and anneal linearly
    to zero (NoPe-NeRF, supplement), because a prior helps poses that are far off and spoils those
    that are near (CF-3DGS).
    """

    def __init__(
        self,
        views: Views,
        tracks: Tracks,
        maps: PriorMaps,
        focal: float,
        schedule: PoseSchedule,
        weights: PriorWeights,
    ) -> None:
        """
        Args:
            views: with the poses to start from.
            tracks: of them.
            maps: of the views; those that are dropped take no part.
            focal: of the views in pixels.
            schedule: of the poses; its `track_weight` counts for every 100 observations in a view.
            weights: of prior depth.
        """
        self._maps, self._weights = maps, weights
        self._images = [torch.from_numpy(i.astype(np.float64) / 255) for i in views.images]
        self._Ks = torch.from_numpy(views.Ks)
        self._partners = _partners(tracks, len(views.names))
        hundreds = len(tracks.view) / len(views.names) / 100
        schedule = replace(schedule, track_weight=schedule.track_weight * hundreds)
        super().__init__(views.cam_from_world, tracks, focal, schedule, torch.device("cpu"))

    def restart(self) -> None:
        """Goes back to where the views and their maps started."""
        super().restart()
        self._maps.restart()
        self._scale_optimizer = torch.optim.Adam(self._maps.changes, lr=self._weights.rate)

    def trust(self, step: int) -> float:
        """Factor of the weights of prior depth: from one down to zero."""
        share = step / max(1.0, self._weights.anneal * self.schedule.steps)
        return max(0.0, 1.0 - share)

    def wants_depth(self, step: int) -> bool:
        """While there is prior depth to compare with."""
        return len(self._maps) > 0 and self._weights.depth > 0 and self.trust(step) > 0

    def term(
        self, view: int, step: int, depth: Float[torch.Tensor, "H W"] | None = None
    ) -> Float[torch.Tensor, ""]:
        """Tracks, and the three terms of prior depth while poses move and it is trusted."""
        total = super().term(view, step)
        if self._maps.maps[view] is None or self.trust(step) == 0:
            return total
        if depth is not None:
            prior = self._maps.picture(view, *depth.shape)
            weight = self._weights.depth * self.trust(step)
            total = total + (weight * depth_term(depth.double(), prior)).float()
        if self.schedule.at(step) > 0:
            total = total + (self.trust(step) * self.pair_terms(view, step)).float()
        return total

    def pair_terms(self, view: int, step: int) -> Float[torch.Tensor, ""]:
        """Weighted cloud and surface terms of a view with the partner whose turn it is."""
        partners = self._partners[view]
        if not len(partners):
            return torch.zeros((), dtype=torch.float64)
        other = int(partners[step % len(partners)])
        rays, depth, colors = self._maps.cloud(view)
        points = moved(lifted(rays, depth), self.pose(view), self.pose(other))
        total = self._weights.surface * surface_term(
            points, colors, self._images[other], self._Ks[other]
        )
        if self._maps.maps[other] is not None:
            rays, depth, _ = self._maps.cloud(other)
            clouds = cloud_term(points, lifted(rays, depth), _REACH)
            total = total + self._weights.cloud * clouds
        return total

    def step(self, view: int, step: int, damping: float = 1.0) -> None:
        """One step of poses and points, and of the scales and shifts."""
        super().step(view, step, damping)
        if self.trust(step) > 0:
            self._scale_optimizer.param_groups[0]["lr"] = damping * self._weights.rate
            self._scale_optimizer.step()
        self._scale_optimizer.zero_grad(set_to_none=True)

    def first_not_finite(self) -> str | None:
        """Name of what holds NaN or infinity, or None."""
        if not all(bool(change.isfinite().all()) for change in self._maps.changes):
            return "scales of prior depth"
        return super().first_not_finite()

    def state_dict(self) -> dict[str, Any]:
        """Tensors and numbers only."""
        scales = [change.detach() for change in self._maps.changes]
        return super().state_dict() | {
            "scales": scales,
            "scale_moments": self._scale_optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        super().load_state_dict(state)
        with torch.no_grad():
            for mine, saved in zip(self._maps.changes, state["scales"], strict=True):
                mine.copy_(saved)
        self._scale_optimizer.load_state_dict(state["scale_moments"])


def _partners(tracks: Tracks, count: int) -> list[np.ndarray]:
    """For each view those that share at least half as many tracks with it as the best one."""
    seen = np.zeros((count, len(tracks)))
    seen[tracks.view, tracks.track] = 1
    shared = seen @ seen.T
    np.fill_diagonal(shared, 0)
    return [np.flatnonzero((row > 0) & (row >= 0.5 * row.max())) for row in shared]
