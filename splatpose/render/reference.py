"""The rasterizer as its equations: dense, slow, in any dtype, differentiated by autograd.

It is the oracle of the fast backends and has gsplat's semantics: EWA splatting with a screen
space blur (Zwicker et al. 2001; Kerbl et al. 2023), opacity compensation of Mip-Splatting (Yu et
al. 2024), spherical harmonics as of Sloan 2013. Every Gaussian is evaluated at every pixel, so
memory grows as N x H x W: use it on small scenes only.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

RenderMode = Literal["RGB", "D", "ED", "RGB+D", "RGB+ED"]
RasterizeMode = Literal["classic", "antialiased"]

ALPHA_THRESHOLD = 1.0 / 255.0
"""A Gaussian fainter than this at a pixel leaves the pixel alone."""
MAX_ALPHA = 0.999
"""No Gaussian hides more than this of what is behind it."""
MIN_TRANSMITTANCE = 1e-4
"""A pixel is finished before the Gaussian that would take its transmittance to this or below."""
SH_BASES = {0: 1, 1: 4, 2: 9, 3: 16}
"""Number of spherical harmonics up to each degree."""


class Projected(NamedTuple):
    """M Gaussians on one image plane."""

    means2d: Float[Tensor, "M 2"]
    """Pixels; the centre of the top-left pixel is (0.5, 0.5)."""
    covariances2d: Float[Tensor, "M 2 2"]
    """Square pixels, screen space blur included."""
    depths: Float[Tensor, " M"]
    """z in the camera frame."""
    compensations: Float[Tensor, " M"]
    """Share of the peak that the blur would take: sqrt(det before / det after)."""


def spherical_harmonics(
    degree: int, directions: Float[Tensor, "N 3"], coefficients: Float[Tensor, "N K 3"]
) -> Float[Tensor, "N 3"]:
    """Sum of real spherical harmonics up to `degree` (0-3) in the given directions.

    Args:
        degree: Highest degree to use; later coefficients are left out.
        directions: From the camera to the Gaussian, of any length.
        coefficients: In the order and with the signs of 3DGS .ply files.
    """
    x, y, z = torch.nn.functional.normalize(directions, dim=-1).unbind(-1)
    bases = [torch.full_like(x, 0.28209479177387814)]
    if degree >= 1:
        bases += [-0.4886025119029199 * y, 0.4886025119029199 * z, -0.4886025119029199 * x]
    if degree >= 2:
        bases += [
            1.0925484305920792 * x * y,
            -1.0925484305920792 * y * z,
            0.31539156525252005 * (3 * z * z - 1),
            -1.0925484305920792 * x * z,
            0.5462742152960396 * (x * x - y * y),
        ]
    if degree >= 3:
        bases += [
            -0.5900435899266435 * y * (3 * x * x - y * y),
            2.890611442640554 * x * y * z,
            -0.4570457994644658 * y * (5 * z * z - 1),
            0.3731763325901154 * z * (5 * z * z - 3),
            -0.4570457994644658 * x * (5 * z * z - 1),
            1.445305721320277 * z * (x * x - y * y),
            -0.5900435899266435 * x * (x * x - 3 * y * y),
        ]
    return torch.einsum("nk,nkc->nc", torch.stack(bases, -1), coefficients[:, : len(bases)])


def rotation_from_quaternion(quats: Float[Tensor, "N 4"]) -> Float[Tensor, "N 3 3"]:
    """Rotation matrices of quaternions wxyz, which are normalised first."""
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], -1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], -1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], -1),
    ]
    return torch.stack(rows, -2)


def project(
    means: Float[Tensor, "M 3"],
    quats: Float[Tensor, "M 4"],
    scales: Float[Tensor, "M 3"],
    viewmat: Float[Tensor, "4 4"],
    K: Float[Tensor, "3 3"],
    width: int,
    height: int,
    eps2d: float = 0.3,
) -> Projected:
    """EWA projection of Gaussians in front of one camera.

    The Jacobian is taken where the ray leaves a border of 15 % of the image around it, at most
    (gsplat's guard against the linearisation's blow-up far off the image).
    """
    camera = means @ viewmat[:3, :3].T + viewmat[:3, 3]
    x, y, z = camera.unbind(-1)
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    margin_x, margin_y = 0.15 * width / fx, 0.15 * height / fy
    slope_x = (x / z).clamp(-cx / fx - margin_x, (width - cx) / fx + margin_x)
    slope_y = (y / z).clamp(-cy / fy - margin_y, (height - cy) / fy + margin_y)
    zero = torch.zeros_like(z)
    jacobian = torch.stack(
        [
            torch.stack([fx / z, zero, -fx * slope_x / z], -1),
            torch.stack([zero, fy / z, -fy * slope_y / z], -1),
        ],
        -2,
    )
    root = jacobian @ viewmat[:3, :3] @ (rotation_from_quaternion(quats) * scales[:, None, :])
    sharp = root @ root.mT
    blurred = sharp + eps2d * torch.eye(2, dtype=means.dtype, device=means.device)
    det_sharp = torch.linalg.cross(root[:, 0], root[:, 1]).square().sum(-1)
    # The root of zero has no gradient: a line or a point is faded out altogether.
    kept = (det_sharp / torch.linalg.det(blurred)).clamp(min=torch.finfo(means.dtype).tiny)
    return Projected(
        torch.stack([fx * x / z + cx, fy * y / z + cy], -1),
        blurred,
        z,
        kept.sqrt(),
    )


def rasterization(
    means: Float[Tensor, "N 3"],
    quats: Float[Tensor, "N 4"],
    scales: Float[Tensor, "N 3"],
    opacities: Float[Tensor, " N"],
    colors: Float[Tensor, "N D"] | Float[Tensor, "N K 3"],
    viewmats: Float[Tensor, "C 4 4"],
    Ks: Float[Tensor, "C 3 3"],
    width: int,
    height: int,
    *,
    near_plane: float = 0.01,
    far_plane: float = 1e10,
    eps2d: float = 0.3,
    sh_degree: int | None = None,
    backgrounds: Float[Tensor, "C D"] | None = None,
    render_mode: RenderMode = "RGB",
    rasterize_mode: RasterizeMode = "classic",
) -> tuple[Float[Tensor, "C H W X"], Float[Tensor, "C H W 1"]]:
    """Render all Gaussians at all pixels; see `splatpose.render` for the arguments."""
    finite = torch.cat([means, quats, scales, opacities[:, None], colors.flatten(1)], 1)
    finite = finite.detach().isfinite().all(1)
    images, alphas = [], []
    for c in range(len(viewmats)):
        depths = (means.detach() @ viewmats[c, :3, :3].T + viewmats[c, :3, 3])[:, 2]
        keep = (finite & (depths >= near_plane) & (depths <= far_plane)).nonzero()[:, 0]
        keep = keep[torch.argsort(depths[keep], stable=True)]
        projected = project(
            means[keep], quats[keep], scales[keep], viewmats[c], Ks[c], width, height, eps2d
        )
        peak = opacities[keep]
        if rasterize_mode == "antialiased":
            peak = peak * projected.compensations
        channels = []
        if "RGB" in render_mode:
            channels.append(_view_colors(means[keep], colors[keep], viewmats[c], sh_degree))
        if "D" in render_mode:
            channels.append(projected.depths[:, None])
        weights, transmittance = _blend_weights(projected, peak, width, height)
        image = torch.einsum("nhw,nd->hwd", weights, torch.cat(channels, 1))
        if backgrounds is not None and "RGB" in render_mode:
            behind = transmittance[..., None] * backgrounds[c]
            missing = image.shape[-1] - behind.shape[-1]
            image = image + torch.nn.functional.pad(behind, (0, missing))
        alpha = 1 - transmittance[..., None]
        if "ED" in render_mode:
            image = torch.cat([image[..., :-1], image[..., -1:] / alpha.clamp(min=1e-10)], -1)
        images.append(image)
        alphas.append(alpha)
    return torch.stack(images), torch.stack(alphas)


def _view_colors(
    means: Tensor, colors: Tensor, viewmat: Tensor, sh_degree: int | None
) -> Float[Tensor, "M D"]:
    if sh_degree is None:
        return colors
    center = torch.linalg.inv(viewmat)[:3, 3]
    return (spherical_harmonics(sh_degree, means - center, colors) + 0.5).clamp(min=0)


def _blend_weights(
    projected: Projected, peak: Float[Tensor, " M"], width: int, height: int
) -> tuple[Float[Tensor, "M H W"], Float[Tensor, "H W"]]:
    """Weight of each Gaussian at each pixel, nearest first, and what light is left behind all."""
    like = projected.means2d
    rows = torch.arange(height, dtype=like.dtype, device=like.device) + 0.5
    columns = torch.arange(width, dtype=like.dtype, device=like.device) + 0.5
    dx = columns - like[:, 0, None, None]
    dy = rows[:, None] - like[:, 1, None, None]
    conic = torch.linalg.inv(projected.covariances2d)[..., None, None]
    sigma = 0.5 * (conic[:, 0, 0] * dx * dx + conic[:, 1, 1] * dy * dy) + conic[:, 0, 1] * dx * dy
    alpha = (peak[:, None, None] * torch.exp(-sigma)).clamp(max=MAX_ALPHA)
    alpha = torch.where(alpha >= ALPHA_THRESHOLD, alpha, torch.zeros_like(alpha))
    left = torch.cumprod(1 - alpha, 0)
    alpha = torch.where(left > MIN_TRANSMITTANCE, alpha, torch.zeros_like(alpha))
    nothing_yet = like.new_ones(1, height, width)
    after = torch.cumprod(torch.cat([nothing_yet, 1 - alpha]), 0)
    return alpha * after[:-1], after[-1]
