"""Gaussians in the .ply layout of the INRIA 3DGS reference code, which every splat viewer reads.

Binary little endian, one float32 vertex property after the other: x y z, nx ny nz (zeros, but
readers with a fixed layout want them), f_dc_0..2, f_rest_* channel-major (all red coefficients,
then green, then blue), opacity as a logit, scale_0..2 as logarithms, rot_0..3 as wxyz.

Gaussians that have to be drawn with Mip-Splatting's opacity compensation say so in the header, in a
comment that Brush brought in and SuperSplat and splat-transform read.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from jaxtyping import Bool, Float
from plyfile import PlyData, PlyElement, PlyParseError

from ..errors import SplatposeError
from ..scene.splats import Splats
from .atomic import replacing
from .regular_files import open_regular

_POSITION = ("x", "y", "z")
_NORMAL = ("nx", "ny", "nz")
_DC = ("f_dc_0", "f_dc_1", "f_dc_2")
_SCALE = ("scale_0", "scale_1", "scale_2")
_ROTATION = ("rot_0", "rot_1", "rot_2", "rot_3")
_PACKED = {"packed_position", "packed_rotation", "packed_scale", "packed_color"}
_MIP = "SplatRenderMode: mip"
_MODE = re.compile(r"\s*(?:splatrendermode:\s*(\w+)|antialiased\s+([01]))\s*", re.IGNORECASE)
"""Brush's comment, and Postshot's; where there are several, the last one holds."""
_MOST_LINE = 4096
"""Bytes of a header's line at most."""
_REST_COUNTS = {3 * ((degree + 1) ** 2 - 1): degree for degree in range(4)}


def finite_gaussians(splats: Splats) -> Bool[torch.Tensor, " N"]:
    """True for every Gaussian of which no parameter is NaN or infinite."""
    return (
        splats.means.isfinite().all(dim=1)
        & splats.quats.isfinite().all(dim=1)
        & splats.log_scales.isfinite().all(dim=1)
        & splats.logit_opacities.isfinite()
        & splats.sh.isfinite().flatten(1).all(dim=1)
    )


def write_splat_ply(path: Path, splats: Splats, *, pad_to_degree: int = 3) -> int:
    """Writes the Gaussians atomically and returns how many were left out as not finite.

    Args:
        path: the file; its folder must exist. What was there stays if writing fails.
        splats: any spherical-harmonics degree from 0 to 3. Quaternions are written normalised.
        pad_to_degree: lower degrees are filled up with zeros to this one, because some viewers
            read the 45 `f_rest` properties of degree 3 at fixed places. 0 writes `splats` as is.

    Raises:
        SplatposeError: no Gaussian is finite (an empty file would look like a result).
    """
    keep = finite_gaussians(splats)
    dropped = int((~keep).sum())
    if dropped == len(splats):
        raise SplatposeError(
            f"There is no Gaussian to write to {path}: "
            + ("all are NaN or infinite." if dropped else "the splat is empty."),
            "Train again; if it happens twice, use --preset default and report it.",
        )
    table = _table(splats, keep, pad_to_degree)
    with replacing(Path(path)) as temporary:
        PlyData(
            [PlyElement.describe(table, "vertex")],
            byte_order="<",
            comments=[_MIP] if splats.antialiased else [],
        ).write(str(temporary))
    return dropped


def read_splat_ply(path: Path) -> Splats:
    """Reads a splat of degree 0 to 3, written by us or by another tool; normals may be missing.

    Returns:
        Float32 tensors on the CPU.

    Raises:
        SplatposeError: the file is missing, is no .ply, is truncated, or holds no Gaussians.
    """
    path = Path(path)
    try:
        _check_start(path)
        data = PlyData.read(str(path))
    except FileNotFoundError as error:
        raise SplatposeError(f"{path} does not exist.", "Check the path of the splat.") from error
    except OSError as error:
        raise SplatposeError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path of the splat."
        ) from error
    except (PlyParseError, UnicodeDecodeError, ValueError, IndexError) as error:
        raise SplatposeError(
            f"{path} is not a readable .ply file: {error}.",
            "Give a .ply that a Gaussian splatting tool wrote; copy it again if it is truncated.",
        ) from error
    if "vertex" not in data:
        raise SplatposeError(f"{path} has no vertices.", "Give a Gaussian splat (.ply).")
    table = np.asarray(data["vertex"].data)
    names = set(table.dtype.names or ())
    _check_gaussians(path, len(table), names)
    missing = [n for n in (*_POSITION, *_DC, "opacity", *_SCALE, *_ROTATION) if n not in names]
    if missing:
        raise SplatposeError(
            f"{path} is a .ply file but no Gaussian splat: it lacks {', '.join(missing)}.",
            "A point cloud or mesh cannot be read as a splat; give the splat.ply of a run.",
        )
    rest = sorted(
        (n for n in names if re.fullmatch(r"f_rest_[0-9]{1,4}", n)), key=lambda n: int(n[7:])
    )
    if len(rest) not in _REST_COUNTS:
        raise SplatposeError(
            f"{path} has {len(rest)} f_rest properties; 0, 9, 24 or 45 are expected.",
            "Export it again with spherical harmonics of degree 0 to 3.",
        )
    count = len(table)
    dc = _columns(table, _DC).reshape(count, 1, 3)
    higher = _columns(table, tuple(rest)).reshape(count, 3, len(rest) // 3).transpose(0, 2, 1)
    return Splats(
        means=torch.from_numpy(_columns(table, _POSITION)),
        quats=torch.from_numpy(_columns(table, _ROTATION)),
        log_scales=torch.from_numpy(_columns(table, _SCALE)),
        logit_opacities=torch.from_numpy(_columns(table, ("opacity",))[:, 0]),
        sh=torch.from_numpy(np.concatenate([dc, higher], axis=1)),
        antialiased=_antialiased([*data.comments, *data["vertex"].comments]),
    )


def copy_splat_ply(source: Path, target: Path, *, antialiased: bool) -> None:
    """Copies a splat atomically, byte by byte.

    Args:
        source: as `write_splat_ply` has left it.
        target: the file; its folder must exist.
        antialiased: say in the header that it has to be drawn so, where the header does not.

    Raises:
        OSError: one cannot be read, the other not be written.
    """
    with source.open("rb") as file, replacing(target) as temporary, temporary.open("wb") as copy:
        if antialiased:
            header = _header(file)
            comments = [line[8:] for line in header if line.startswith("comment ")]
            if header and not _antialiased(comments):
                header.insert(-1, f"comment {_MIP}")  # of several the last one holds
            copy.write("".join(f"{line}\n" for line in header).encode("latin-1"))
        shutil.copyfileobj(file, copy)


def _header(file: BinaryIO) -> list[str]:
    """Lines of a header, which is passed over; none where nothing looks like one."""
    lines = []
    for line in iter(lambda: file.readline(_MOST_LINE), b""):
        lines.append(line.decode("latin-1").rstrip("\n"))
        if lines[-1] == "end_header":
            return lines
        if lines[0] != "ply" or not line.endswith(b"\n"):
            break
    file.seek(0)
    return []


def _antialiased(comments: list[str]) -> bool:
    """Whether the header asks for Mip-Splatting's opacity compensation."""
    modes = [match for match in map(_MODE.fullmatch, comments) if match]
    if not modes:
        return False
    brush, postshot = modes[-1].groups()
    return postshot == "1" or (brush or "").lower() == "mip"


def _check_start(path: Path) -> None:
    """Refuses at a look what is no .ply file, by what it is.

    Raises:
        SplatposeError: the file is empty, or something else.
        OSError: it cannot be read.
    """
    with open_regular(path) as file:
        start = file.read(16)
    if not start:
        raise SplatposeError(f"{path} is empty (0 bytes).", "Copy or export it again.")
    if start[:3] != b"ply":
        pictures = (b"\xff\xd8\xff", b"\x89PNG", b"II*\0", b"MM\0*", b"RIFF", b"GIF8")
        what = "a picture, not a" if start.startswith(pictures) or start[4:8] == b"ftyp" else "no"
        raise SplatposeError(
            f"{path} is {what} .ply file.",
            "Give a .ply that a Gaussian splatting tool wrote, or the output folder of a run.",
        )


def _check_gaussians(path: Path, count: int, names: set[str]) -> None:
    """Refuses a .ply of compressed or of no Gaussians.

    Raises:
        SplatposeError: it is one.
    """
    if names >= _PACKED:
        raise SplatposeError(
            f"{path} holds Gaussians in SuperSplat's compressed form, which is not read.",
            "Export it from SuperSplat as an uncompressed .ply, or give the file it was made from.",
        )
    if not count:
        raise SplatposeError(
            f"{path} holds no Gaussian: its header says 0 vertices.",
            "Export it again; the crop or filter that made it left nothing.",
        )


def _table(splats: Splats, keep: Bool[torch.Tensor, " N"], pad_to_degree: int) -> np.ndarray:
    def kept(tensor: torch.Tensor) -> np.ndarray:
        return tensor.detach()[keep].to("cpu", torch.float32).numpy()

    quats = kept(splats.quats)
    norms = np.linalg.norm(quats, axis=1, keepdims=True)
    quats = np.where(
        norms > 0, quats / np.where(norms > 0, norms, 1), np.array([1, 0, 0, 0], np.float32)
    )
    sh = kept(splats.sh)
    width = (max(pad_to_degree, splats.sh_degree) + 1) ** 2
    sh = np.pad(sh, ((0, 0), (0, width - sh.shape[1]), (0, 0)))
    rest = sh[:, 1:].transpose(0, 2, 1).reshape(len(sh), -1)
    columns = {
        _POSITION: kept(splats.means),
        _NORMAL: np.zeros((len(sh), 3), np.float32),
        _DC: sh[:, 0],
        tuple(f"f_rest_{i}" for i in range(rest.shape[1])): rest,
        ("opacity",): kept(splats.logit_opacities)[:, None],
        _SCALE: kept(splats.log_scales),
        _ROTATION: quats,
    }
    names = [name for group in columns for name in group]
    table = np.empty(len(sh), np.dtype([(name, "<f4") for name in names]))
    for group, values in columns.items():
        for index, name in enumerate(group):
            table[name] = values[:, index]
    return table


def _columns(table: np.ndarray, names: tuple[str, ...]) -> Float[np.ndarray, "N C"]:
    if not names:
        return np.empty((len(table), 0), np.float32)
    return np.stack([table[name].astype(np.float32) for name in names], axis=1)
