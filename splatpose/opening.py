"""How every run begins: arguments that can be right, an open folder, and the photos."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .bounds import check_bounds, check_paths
from .config import FitConfig
from .events import EventSink
from .host import expanded
from .keys import Keyed, key_of
from .runs import RunFolder
from .scene.capture import Capture
from .stages.capture.stage import capture_stage, fingerprint

AnyPath = str | Path


@contextmanager
def opened(
    images: AnyPath, out: AnyPath, config: FitConfig, overwrite: bool, emit: EventSink
) -> Iterator[tuple[RunFolder, Keyed[Capture]]]:
    """A run with its photos, its folder held until the block ends.

    Raises:
        SplatposeError: an argument is wrong, which is told before anything is opened; the folder
            or the photos cannot be used.
    """
    images, out = expanded(images), expanded(out)
    check_bounds(config)
    check_paths(images=images, out=out)
    source = Keyed(images, key_of(fingerprint(images)))
    with RunFolder.open(out, overwrite=overwrite, emit=emit) as run:
        yield run, run.stage(capture_stage(images), config.capture, source)
