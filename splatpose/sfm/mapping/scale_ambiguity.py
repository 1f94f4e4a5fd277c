"""Scales that no track decides, set by what lies side by side in a photo.

Where all that joins two parts of a reconstruction is one photo that both contain, either part can
grow or shrink about that photo's centre without any reprojection changing. Bundle adjustment leaves
such a scale wherever it came from. What is close together in the photo is mostly equally far, and
a depth map, where there is one, says more.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Int
from scipy.sparse import coo_array

from ...depth.keypoints import KeypointPriors
from ...depth.map_fit import kind_of_maps
from ...geometry.centers import centers_of
from ...geometry.graphs import biconnected_blocks
from ...geometry.groups import groups_of
from ...scene.sparse_model import SparseModel
from ..correspondences import REFERENCE_SIDE
from ..thresholds import DEPTH
from ..viewgraph.scale_bridges import Part, relative_scale


def resolve_scale_ambiguity(
    model: SparseModel, priors: KeypointPriors | None = None
) -> tuple[SparseModel, tuple[str, ...]]:
    """Scales each part about the photo it hangs on so that depths in that photo fit together.

    Args:
        priors: of the same photos.

    Returns:
        The model, and a sentence for each part that was scaled.
    """
    shared = shared_tracks(model)
    blocks = biconnected_blocks(shared >= DEPTH.min_shared_tracks)
    if len(blocks) < 2:
        return model, ()
    kind = None
    if priors is not None:
        rows_of_each = groups_of(model.observations[:, 1])
        samples = [_part(model, rows, priors).samples for rows in rows_of_each]
        if any(len(values) for values, _ in samples):
            kind = kind_of_maps(samples, priors.kind)
    notes = []
    done = [max(blocks, key=len)]
    rest = [block for block in blocks if block is not done[0]]
    while rest:
        joined = np.unique(np.concatenate(done))
        following = [block for block in rest if np.isin(block, joined).any()]
        if not following:
            break
        block = max(following, key=len)
        rest = [other for other in rest if other is not block]
        hinge = int(block[np.isin(block, joined)][0])
        sides = (joined[joined != hinge], block[block != hinge])
        fixed, hanging = (_part(model, _shared(model, hinge, own), priors) for own in sides)
        if min(len(fixed.log_depth), len(hanging.log_depth)) >= DEPTH.min_part_points:
            factor = float(np.exp(relative_scale(fixed, hanging, kind)[0]))
            model = _scaled_about(model, hinge, _hanging(block, hinge, rest), factor)
            names = ", ".join(model.names[i] for i in block[block != hinge][:3].tolist())
            notes.append(
                f"nothing but {model.names[hinge]} holds the size of what {names} show: "
                f"scaled by {factor:.2f} to fit the depths beside it"
            )
        done.append(block)
    return model, tuple(notes)


def shared_tracks(model: SparseModel) -> Int[np.ndarray, "V V"]:
    """How many tracks any two photos share."""
    o = model.observations
    seen = coo_array(
        (np.ones(len(o), np.int64), (o[:, 1], o[:, 0])),
        shape=(len(model.names), len(model.points)),
    ).tocsr()
    shared = (seen @ seen.T).toarray()
    np.fill_diagonal(shared, 0)
    return shared


def _hanging(
    block: Int[np.ndarray, " B"], hinge: int, rest: list[Int[np.ndarray, " B"]]
) -> Int[np.ndarray, " H"]:
    """Photos that move with a block: its own but for the hinge, and those of blocks behind it."""
    own = set(block.tolist()) - {hinge}
    grown = True
    while grown:
        behind = [other for other in rest if own & set(other.tolist()) and hinge not in other]
        more = {photo for other in behind for photo in other.tolist()} - own
        own |= more
        grown = bool(more)
    return np.array(sorted(own))


def _scaled_about(
    model: SparseModel, hinge: int, own: Int[np.ndarray, " H"], factor: float
) -> SparseModel:
    """The model with some photos and all their points scaled about the centre of another."""
    center = centers_of(model.cam_from_world)[hinge]
    poses = model.cam_from_world.copy()
    centers = center + factor * (centers_of(model.cam_from_world)[own] - center)
    poses[own, :3, 3] = -np.einsum("vij,vj->vi", poses[own, :3, :3], centers)
    of_own = np.bincount(
        model.observations[np.isin(model.observations[:, 1], own), 0], minlength=len(model.points)
    ).astype(bool)
    points = np.where(of_own[:, None], center + factor * (model.points - center), model.points)
    return replace(model, cam_from_world=poses, points=points)


def _shared(model: SparseModel, photo: int, others: Int[np.ndarray, " J"]) -> Int[np.ndarray, " R"]:
    """Observations in a photo of points that it shares with some others."""
    track, by = model.observations[:, 0], model.observations[:, 1]
    with_others = np.zeros(len(model.points), bool)
    with_others[track[np.isin(by, others)]] = True
    return np.flatnonzero((by == photo) & with_others[track])


def _part(model: SparseModel, rows: Int[np.ndarray, " R"], priors: KeypointPriors | None) -> Part:
    """Depths of what is observed in one photo.

    Args:
        rows: observations in it.
    """
    if not len(rows):
        return Part(-1, -1, np.zeros((0, 2)), np.zeros(0), np.zeros(0))
    track, photo = model.observations[:, 0], int(model.observations[rows[0], 1])
    camera = model.cameras[model.camera_index[photo]]
    pose = model.cam_from_world[photo]
    z = model.points[track[rows]] @ pose[2, :3] + pose[2, 3]
    ahead = z > 0
    xy = model.observation_xy[rows[ahead]] * (REFERENCE_SIDE / max(camera.width, camera.height))
    value = np.full(len(xy), np.nan)
    if priors is not None:
        value = priors.values[photo][model.observations[rows[ahead], 2]]
    return Part(photo, -1, xy, np.log(z[ahead]), value)
