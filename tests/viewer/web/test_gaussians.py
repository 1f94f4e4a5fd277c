"""Gaussians as the browser gets them."""

from __future__ import annotations

import numpy as np
import torch
from scenes.splats import random_splats

from splatpose.geometry.rotations import matrix_from_quat
from splatpose.scene.splats import Splats
from splatpose.viewer.web.gaussians import for_browser


def test_gaussians_for_the_browser_are_the_same_gaussians() -> None:
    splats = random_splats(50, 1)
    shown = for_browser(splats)
    assert len(shown) == 50
    order = [int(np.argmin(np.abs(splats.means.numpy() - c).sum(1))) for c in shown.centers]
    assert sorted(order) == list(range(50))
    rotation = matrix_from_quat(splats.quats.numpy()[order])
    scales = splats.log_scales.exp().numpy()[order]
    expected = rotation @ (scales[:, :, None] ** 2 * np.eye(3)) @ rotation.transpose(0, 2, 1)
    np.testing.assert_allclose(shown.covariances, expected, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(
        shown.opacities[:, 0], splats.logit_opacities.sigmoid().numpy()[order], rtol=1e-5
    )
    zoomed = shown.covariances * shown.zoom(1.0) ** 2
    assert np.isfinite(zoomed.astype(np.float16)).all()


def test_the_largest_contributions_come_first_and_nan_not_at_all() -> None:
    splats = Splats(
        means=torch.tensor([[0.0, 0, 0], [0, 0, 0], [0, 0, 50], [float("nan"), 0, 0]]),
        quats=torch.tensor([[0.0, 0, 0, 0]] * 4),
        log_scales=torch.tensor([-3.0, -1, -1, 5])[:, None].expand(4, 3).clone(),
        logit_opacities=torch.zeros(4),
        sh=torch.zeros(4, 1, 3),
    )
    shown = for_browser(splats)
    assert shown.centers[:, 2].tolist() == [0, 0, 50]
    assert shown.covariances[0, 0, 0] > shown.covariances[1, 0, 0]
    assert len(shown.limited(1)) == 1


def test_huge_gaussians_fit_in_half_floats() -> None:
    splats = random_splats(3, 0)
    splats.log_scales[0] = 6.0
    shown = for_browser(splats)
    assert np.isfinite((shown.covariances * shown.zoom(1.5) ** 2 * 1.5**2).astype(np.float16)).all()
