"""What `splatpose eval` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..bounds import SEED, Bounds
from ..configs import PresetName
from ..evaluation.formats import Format, PhotoChoice


@dataclass(frozen=True)
class Eval:
    """Measures cameras against the true ones, splatpose's or anybody's; novel views; whole suites.

    With --truth it prints position and rotation errors, the literature's RPE in both its units,
    AUC, focal error, and which photos are wrong. With --split it measures renderings of test
    photos. With --suite it runs splatpose on many scenes and makes the published kind of table.
    """

    result: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="OUT")] = None
    """What to measure: output folder of `splatpose fit`, folder with a COLMAP model,
    transforms.json, or TUM trajectory."""
    truth: Path | None = None
    """The true cameras: poses.json, transforms.json, COLMAP model, TUM file, or the folder of a
    data set (Tanks and Temples as NoPe-NeRF distributes it, LLFF, Mip-NeRF 360, CO3D, ScanNet,
    7-Scenes, TUM RGB-D, DTU)."""
    format: Format = "auto"
    """Format of the truth, where it is not recognised or taken for another."""
    photos: PhotoChoice = "all"
    """Which photos count: all, or one side of the data set's own split (without one, NoPe-NeRF's:
    every 8th from the fifth is a test photo). The literature measures poses on train."""
    verify_model: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Judge anybody's COLMAP model of the same photos without truth: OUT, a run of `splatpose fit`,
    gives photos and matches. Prints a verdict for every photo; exit code 1 where the model is not
    found right."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE|-")] = None
    """Also write all figures, and every photo's, to this file; - prints them, and the words for
    people go to stderr."""
    split: Annotated[str, tyro.conf.arg(metavar="SPLIT")] = ""
    """Measure novel views: which photos are test photos. every:8 is NoPe-NeRF's, family:2 its one
    for Tanks and Temples Family, a file names them line by line. Where OUT's splat saw them it is
    trained again without them. With --suite stress: tune, test (default) or all."""
    lpips: Literal["auto", "download", "none"] = "auto"
    """LPIPS of novel views: auto measures it where its weights are at hand, download gets them
    (0.5 GB)."""
    images: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """The photos of OUT, where they are no longer where its run had them."""
    weights_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of network weights that were fetched elsewhere."""
    suite: Literal["nope-nerf", "stress"] | None = None
    """Run a whole suite instead: nope-nerf (every scene under --data: poses and novel views beside
    published figures) or stress (scenes that break tools, with COLMAP on the same photos)."""
    data: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Scenes of the suite. Default for stress: $SPLATPOSE_STRESS, then the cache."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="DIR")] = None
    """Folder in which the suite keeps runs and tables; run it again to go on. Default:
    runs/SUITE."""
    only: tuple[str, ...] | None = None
    """Scenes of the suite, by name; all by default."""
    methods: tuple[Literal["splatpose", "incremental", "global"], ...] | None = None
    """Who takes part in the stress suite: splatpose and COLMAP's two mappers by default."""
    train: tyro.conf.FlagCreatePairsOff[bool] = False
    """Stress suite: let splatpose train Gaussians too; poses and verdicts do without."""
    preset: PresetName = "default"
    """Options of splatpose in a suite."""
    max_size: Annotated[int, tyro.conf.arg(metavar="PX"), Bounds(16, 65_536, also=0)] = 0
    """Long side of the photos that a suite trains on, in pixels; 0 leaves it to the preset."""
    max_steps: Annotated[int, tyro.conf.arg(metavar="N"), Bounds(0, 10_000_000)] = 0
    """Training steps in a suite; 0 leaves it to the preset."""
    seed: Annotated[int, SEED] = 0
    """Seed of everything random in a suite."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Forget what an earlier run of the suite left."""
