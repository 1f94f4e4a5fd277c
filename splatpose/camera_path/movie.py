"""Rendering a finished run along a camera path, into an H.264 mp4 that every player shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
import torch
from av.video.stream import VideoStream
from jaxtyping import Float

from ..errors import SplatposeError
from ..io.atomic import replacing
from ..io.nerfstudio import read_transforms
from ..render import Backend
from ..scene.splats import Splats
from ..stages.outputs.layout import REPORT, SPLAT, TRANSFORMS
from ..stages.outputs.scale import metres_per_unit, scaled_cameras, scaled_splats
from ..stages.outputs.splats import read_splats
from .paths import CameraPath, along, orbit, quarters_to_upright, read_keyframes, through

_QUALITY = "18"
"""Constant rate factor of x264: hardly a difference to be seen."""


@dataclass(frozen=True)
class Shot:
    """What a film is made of."""

    splats: Splats
    path: CameraPath


def shot_of_run(out: Path, path: str, frames: int, aspect: float) -> Shot:
    """Reads a finished run and lays the camera's path, in the run's own units, as keyframes are.

    Args:
        out: the run's folder.
        path: "orbit", "trajectory", or a file with keyframes.
        frames: how many.
        aspect: width over height of the film.

    Raises:
        SplatposeError: the run is not finished, or the keyframes cannot be read.
    """
    missing = [name for name in (SPLAT, TRANSFORMS, REPORT) if not (out / name).is_file()]
    if missing:
        raise SplatposeError(
            f"{out} holds no finished run: {missing[0]} is missing.",
            "Give the output folder of a `splatpose fit` that is done.",
        )
    own = 1 / (metres_per_unit(out) or 1.0)
    splats = scaled_splats(read_splats(out), own)
    cameras = read_transforms(out / TRANSFORMS)
    poses = scaled_cameras(cameras.cam_from_world, own)
    Ks = [cameras.cameras[i].K for i in cameras.camera_index]
    if path == "orbit" or path == "trajectory":
        camera_path = lay_path(path, splats, poses, Ks, frames, aspect)
    else:
        camera_path = through(read_keyframes(Path(path)), frames)
    return Shot(splats, camera_path)


def lay_path(
    kind: Literal["orbit", "trajectory"],
    splats: Splats,
    cam_from_world: Float[np.ndarray, "V 4 4"],
    Ks: Sequence[Float[np.ndarray, "3 3"]],
    frames: int,
    aspect: float,
) -> CameraPath:
    """A path that the photos themselves suggest, with a field of view of theirs."""
    quarters = quarters_to_upright(cam_from_world).tolist()
    sides = [[1, 0, 2] if quarter % 2 else [0, 1, 2] for quarter in quarters]
    upright = [K[side][:, side] for K, side in zip(Ks, sides, strict=True)]
    fov = float(np.median([fitting_fov(K, aspect) for K in upright]))
    if kind == "orbit":
        return orbit(cam_from_world, middle_of(splats, cam_from_world), fov, frames)
    return along(cam_from_world, fov, frames)


def fitting_fov(K: np.ndarray, aspect: float) -> float:
    """Vertical field of view in radians of a film that shows no more than the photos do."""
    width, height = 2 * K[0, 2], 2 * K[1, 2]
    return 2 * math.atan(min(height / 2 / K[1, 1], width / 2 / K[0, 0] / aspect))


def middle_of(splats: Splats, cam_from_world: np.ndarray) -> np.ndarray:
    """What the cameras look at: the median of the visible Gaussians that most of them see."""
    means = splats.means.numpy()
    solid = splats.logit_opacities.numpy() > 0
    means = means[solid] if solid.sum() > 100 else means
    in_cam = np.einsum("vij,nj->vni", cam_from_world[:, :3, :3], means)
    in_cam += cam_from_world[:, None, :3, 3]
    ahead = in_cam[..., 2] > 1e-3
    central = np.hypot(in_cam[..., 0], in_cam[..., 1]) < 0.35 * np.abs(in_cam[..., 2])
    seen = (ahead & central).sum(0)
    return np.median(means[seen >= np.quantile(seen, 0.75)], axis=0)


def write_movie(
    target: Path,
    shot: Shot,
    backend: Backend,
    *,
    size: tuple[int, int],
    rate: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Renders every frame and writes an mp4 atomically.

    Args:
        target: the file; its folder must exist.
        shot: what to show.
        backend: what renders.
        size: width and height in pixels; odd numbers are made even, as H.264 wants them.
        rate: frames a second.
        progress: told how many frames are done, and of how many.

    Raises:
        SplatposeError: the file cannot be written.
    """
    width, height = (max(2, number - number % 2) for number in size)
    frames = len(shot.path.fov)
    try:
        with replacing(target) as temporary, av.open(str(temporary), "w", format="mp4") as file:
            stream = file.add_stream("libx264", rate=Fraction(rate))
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.options = {"crf": _QUALITY, "preset": "medium"}
            for number in range(frames):
                pixels = render_frame(shot, number, backend, width, height)
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                file.mux(stream.encode(frame))
                progress(number + 1, frames)
            file.mux(stream.encode(None))
    except OSError as error:
        raise SplatposeError(
            f"{target} cannot be written: {error.strerror or error}.",
            "Choose another file with -o, or free some space.",
        ) from error


@torch.no_grad()
def render_frame(shot: Shot, number: int, backend: Backend, width: int, height: int) -> np.ndarray:
    """One frame: uint8 RGB [H, W, 3], on black."""
    splats, device = shot.splats, backend.device
    focal = height / 2 / math.tan(shot.path.fov[number] / 2)
    K = torch.tensor([[[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]])
    pose = torch.from_numpy(shot.path.cam_from_world[number])[None].to(device, torch.float32)
    image, _, _ = backend.rasterization(
        splats.means.to(device),
        splats.quats.to(device),
        splats.log_scales.exp().to(device),
        splats.logit_opacities.sigmoid().to(device),
        splats.sh.to(device),
        pose,
        K.to(device, torch.float32),
        width,
        height,
        sh_degree=splats.sh_degree,
        rasterize_mode="antialiased" if splats.antialiased else "classic",
    )
    return (image[0, ..., :3].clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
