"""A real network's depth maps: the good ones are kept, the poor ones are dropped.

True depths are read here only, to tell which is which.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from splatpose.depth.map_fit import fit_map
from splatpose.depth.sampling import aligned_depth, sample_map
from splatpose.events import ignore_events
from splatpose.io.depthmaps import read_depth_map
from splatpose.scene.depth_maps import DepthAlignment, DepthFit
from splatpose.stages.capture.config import CaptureConfig
from splatpose.stages.capture.stage import build_capture, load_capture
from splatpose.stages.depth.config import DepthConfig
from splatpose.stages.depth.stage import align_depth, build_depth, load_depth, resolve_depth
from splatpose.stages.matching.config import MatchingConfig
from splatpose.stages.matching.stage import load_matches, match_photos
from splatpose.stages.poses.config import PosesConfig
from splatpose.stages.poses.stage import load_poses, solve_poses


def true_ratio(fit: DepthFit, values: np.ndarray, truth: np.ndarray, kind, free: bool) -> float:
    """Median error of the aligned map over that of the best constant depth.

    Args:
        free: the truth has another unit than the alignment.
    """
    y, x = (at[::9] for at in np.nonzero(np.isfinite(truth)))
    sampled = sample_map(values, np.stack([x + 0.5, y + 0.5], 1), truth.shape[1], truth.shape[0])
    ratio = truth[y, x] / aligned_depth(sampled, fit.alpha, fit.beta, kind)
    ratio = np.where(np.isfinite(ratio), ratio, np.inf)
    scale = np.median(ratio) if free else 1.0
    flat = np.median(truth[y, x]) / truth[y, x]
    return float(np.median(np.abs(scale / ratio - 1)) / np.median(np.abs(flat - 1)))


@pytest.mark.parametrize(("name", "good"), [("hololens_office", 45), ("rgbd_room", 5)])
def test_kept_maps_are_better_than_dropped_ones(shared: Path, name: str, good: int) -> None:
    """From 300 noisy depths a photo, a fifth of them wrong, judged by all the others."""
    folder = shared / "data" / name
    rng = np.random.default_rng(0)
    kept, dropped = [], []
    for path in sorted((folder / "depth_mono").iterdir()):
        values = read_depth_map(path)
        truth = read_depth_map(folder / "depth" / path.name)
        y, x = np.nonzero(np.isfinite(truth))
        some = rng.permutation(len(y))[:300]
        pixels = np.stack([x[some] + 0.5, y[some] + 0.5], 1)
        depth = truth[y[some], x[some]] * np.exp(0.03 * rng.standard_normal(len(some)))
        wrong = rng.random(len(some)) < 0.2
        depth[wrong] *= np.exp(rng.normal(size=wrong.sum()))
        sampled = sample_map(values, pixels, truth.shape[1], truth.shape[0])
        fit = fit_map(sampled, depth.astype(np.float64), "depth")
        if fit.kept:
            kept.append(true_ratio(fit, values, truth, "depth", free=False))
        elif np.isfinite(fit.alpha):
            dropped.append(true_ratio(fit, values, truth, "depth", free=False))
    assert len(kept) >= good
    assert np.median(kept) < 0.7
    assert np.mean(np.array(kept) > 0.95) < 0.05
    assert not dropped or np.median(dropped) > np.median(kept) + 0.2


def reconstruct(
    dataset: Path, chosen: slice, maps: str, work: Path
) -> tuple[DepthAlignment, list[str], list]:
    """Capture, matches, poses and the alignment of the maps, of a few neighbouring photos."""
    images = work / "images"
    images.mkdir()
    for path in sorted((dataset / "images").iterdir())[chosen]:
        shutil.copy(path, images)
    for stage in ("capture", "matching", "poses", "depth"):
        (work / stage).mkdir()
    build_capture(images, CaptureConfig(), work / "capture", ignore_events)
    capture = load_capture(work / "capture")
    config = resolve_depth(DepthConfig(str(dataset / maps)), None, ignore_events)
    build_depth(capture, config, work / "depth", ignore_events, weights_dir=None)
    matching = MatchingConfig(matcher="sift", refine=False)
    match_photos(capture, matching, work / "matching", ignore_events, weights_dir=None, seed=0)
    graph = load_matches(work / "matching")
    solve_poses(capture, graph, PosesConfig(), work / "poses", ignore_events, seed=0)
    priors = load_depth(work / "depth")
    alignment = align_depth(priors, capture, load_poses(work / "poses"), ignore_events)
    names = [photo.name for photo in capture.photos]
    return alignment, names, [priors.values(i) for i in range(len(names))]


@pytest.mark.slow
def test_an_office_keeps_its_maps(shared: Path, tmp_path: Path) -> None:
    dataset = shared / "data" / "hololens_office"
    alignment, names, maps = reconstruct(dataset, slice(17, 25), "depth_mono", tmp_path)
    assert alignment.kind == "depth"
    assert alignment.kept.sum() >= 6
    ratios = [
        true_ratio(
            fit,
            maps[i],
            read_depth_map(dataset / "depth" / f"{Path(name).stem}.png"),
            "depth",
            True,
        )
        for i, (name, fit) in enumerate(zip(names, alignment.fits, strict=True))
        if fit.kept
    ]
    assert np.median(ratios) < 0.5


@pytest.mark.slow
def test_a_sensors_depth_is_kept_with_one_scale(shared: Path, tmp_path: Path) -> None:
    """Millimetres are millimetres in every photo, and the shift is small."""
    dataset = shared / "data" / "hololens_office"
    alignment, _, _ = reconstruct(dataset, slice(17, 25), "depth", tmp_path)
    assert alignment.kind == "depth"
    assert alignment.kept.sum() >= 7
    kept = alignment.alpha[alignment.kept]
    assert np.std(np.log(kept)) < 0.1
    assert max(fit.residual for fit in alignment.fits if fit.kept) < 0.05


@pytest.mark.slow
def test_a_facade_drops_the_maps_of_an_indoor_network(shared: Path, tmp_path: Path) -> None:
    dataset = shared / "data" / "herz_jesu_p25"
    alignment, _, _ = reconstruct(dataset, slice(14, 20), "depth_mono", tmp_path)
    assert alignment.kept.sum() <= 1
    assert all(fit.reason for fit in alignment.fits)
