"""Whether there is room on the disk, and what is said where there is none."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import SplatposeError
from ..events import StageName

_FULL_BYTES = 2**20
"""A disk with less free space than this counts as full."""


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """What cannot be written meanwhile below `path`, in words for the user.

    Raises:
        SplatposeError: a disk is full, or nothing may be written there.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM):
            raise disk_error(path, error) from error
        raise
    except RuntimeError as error:
        # torch and pycolmap wrap a failed write in their own words.
        if shutil.disk_usage(path).free < _FULL_BYTES:
            raise disk_error(path, OSError(errno.ENOSPC, str(error))) from error
        raise


def check_space(path: Path, stage: StageName, need: int) -> None:
    """Refuses a stage that the disk has no room for, before its work is done.

    Raises:
        SplatposeError: it has not.
    """
    free = shutil.disk_usage(path).free
    if free < need:
        raise SplatposeError(
            f"The disk is full, or nearly: {stage} needs about {need / 1e6:.0f} MB in {path}, and "
            f"{free / 1e6:.0f} MB are free.",
            "Free some space and run the same command again; finished stages are kept.",
        )


def disk_error(path: Path, error: OSError) -> SplatposeError:
    """The same for one error."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SplatposeError(
            f"The disk is full: {error.filename or path} could not be written.",
            "Free some space and run the same command again; finished stages are kept.",
        )
    return SplatposeError(
        f"{error.filename or path} cannot be written: {error.strerror}.",
        "Choose an output folder that you may write to with -o.",
    )
