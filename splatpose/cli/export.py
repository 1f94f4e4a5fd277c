"""`splatpose export`: one result of a finished run, as the file that another tool wants."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..stages.outputs.export import PAGE_SUFFIX, ExportFormat, export, needs_no_images
from .arguments import parse
from .main import DONE


@dataclass(frozen=True)
class Export:
    """Copies one result of a finished run to a file of the format that another tool wants.

    The target's ending tells the format: .ply and .splat the Gaussians, .json the cameras for
    nerfstudio, .tum or .txt the camera path, .csv its timestamps with the photos' names, .html a
    page that shows cameras and Gaussians without a network, no ending a folder with a COLMAP model.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """Output folder of an earlier `splatpose fit`."""
    target: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="TARGET")]
    """File to write, or folder for a COLMAP model; -o may stand before it."""
    format: ExportFormat | Literal["html"] = "auto"
    """What to write where the ending does not tell: ply (Gaussians), splat (Gaussians in 32 bytes
    each, for web viewers), points (sparse points as .ply), colmap, colmap-text, nerfstudio, tum,
    names (the camera path's timestamps and photos), html."""
    images: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """The photos' folder, for nerfstudio, where they are no longer where the run had them."""
    crop: bool = True
    """Leave out Gaussians outside the crop box that was set in the viewer, if one was."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Replace what is at TARGET."""


def run(words: list[str]) -> int:
    """Runs `splatpose export` and returns the exit code."""
    words = [word for word in words if word != "-o"]
    arguments = parse(Export, words, prog="splatpose export")
    chosen = arguments.format
    if chosen == "html" or (chosen == "auto" and arguments.target.suffix.lower() == PAGE_SUFFIX):
        if arguments.images is not None:
            raise needs_no_images(arguments.target)
        from ..viewer.web.page_file import export_page

        print(
            export_page(
                arguments.run,
                arguments.target,
                overwrite=arguments.overwrite,
                crop=arguments.crop,
            )
        )
        return DONE
    print(
        export(
            arguments.run,
            arguments.target,
            format=chosen,
            overwrite=arguments.overwrite,
            crop=arguments.crop,
            images=arguments.images,
        )
    )
    return DONE
