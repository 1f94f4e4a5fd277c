"""Writes splatpose/schemas/*.json: python tests/make_schemas.py. A test tells when they are old.

What is a dataclass in the package is described by its own docstrings; what the report makes itself
is described here.
"""

from __future__ import annotations

import json
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from splatpose.bounds import bounds_of
from splatpose.cli.arguments import field_docs
from splatpose.config import FitConfig
from splatpose.event_lines import event_name
from splatpose.events import Event
from splatpose.io.photo_times import TimeSource
from splatpose.runs.folder import StageRecord
from splatpose.runs.log import LogHeader
from splatpose.scene.capture import SkippedFile, VideoUse
from splatpose.scene.depth_maps import DepthFit
from splatpose.scene.evidence import JointEvidence, LocalEvidence
from splatpose.scene.second_round import SecondRoundEvidence
from splatpose.scene.splats import OffPath
from splatpose.scene.training_plan import TrainingPlan
from splatpose.scene.verdicts import Level, PhotoTrust

FOLDER = Path(__file__).parent.parent / "splatpose" / "schemas"
COLOR_FIT = (
    "of held-out photos after a colour fit: an affine map fitted on each half of a photo (left, "
    "right) and applied to the other."
)
DRAFT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def text(about: str) -> Schema:
    return {"type": "string", "description": about}


def number(about: str, *, null: bool = False) -> Schema:
    return {"type": ["number", "null"] if null else "number", "description": about}


def whole(about: str) -> Schema:
    return {"type": "integer", "minimum": 0, "description": about}


def flag(about: str) -> Schema:
    return {"type": "boolean", "description": about}


def of(hint: Any, about: str, *, null: bool = False) -> Schema:
    """Any of Python's types."""
    return {**type_schema(hint, null=null), "description": about}


def or_null(schema: Schema) -> Schema:
    """The schema of something that may not be there."""
    about = schema.pop("description")
    return {"anyOf": [schema, {"type": "null"}], "description": about}


def rows(about: str, item: Schema) -> Schema:
    return {"type": "array", "items": item, "description": about}


def record(about: str, properties: dict[str, Schema]) -> Schema:
    return {
        "type": "object",
        "description": about,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def of_dataclass(kind: type, about: str | None = None, *, null: bool = True) -> Schema:
    """An object with the fields of a dataclass.

    Args:
        null: numbers that were not measured are null.
    """
    hints, docs = get_type_hints(kind, include_extras=True), field_docs(kind)
    named = {f.name: of(hints[f.name], docs.get(f.name, ""), null=null) for f in fields(kind)}
    return record(" ".join((about or kind.__doc__ or "").split()), named)


def type_schema(hint: Any, *, null: bool) -> Schema:
    """What JSON makes of values of a type."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        schema, bounds = type_schema(inner[0], null=null), bounds_of(hint)
        if bounds is not None and bounds.also is None:
            schema |= {"minimum": bounds.low, "maximum": bounds.high}
        return schema
    if origin in (Union, UnionType):
        found = [type_schema(member, null=null) for member in inner]
        if all(set(schema) == {"type"} for schema in found):
            names = [name for s in found for name in listed(s["type"])]
            return {"type": list(dict.fromkeys(names))}
        return {"anyOf": found}
    if origin is Literal:
        return {"enum": list(inner)}
    if origin is tuple and inner[-1] is not Ellipsis:
        size = len(inner)
        item = type_schema(inner[0], null=null)
        return {"type": "array", "items": item, "minItems": size, "maxItems": size}
    if origin in (tuple, list):
        return {"type": "array", "items": type_schema(inner[0], null=null)}
    if origin is dict:
        values = {} if inner[1] is Any else type_schema(inner[1], null=null)
        return {"type": "object", "additionalProperties": values or True}
    if is_dataclass(hint) and isinstance(hint, type):
        return of_dataclass(hint, null=null)
    if hint is float:
        return {"type": ["number", "null"] if null else "number"}
    return {"type": {int: "integer", bool: "boolean", NoneType: "null"}.get(hint, "string")}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def events() -> Schema:
    """One line of the stream."""
    kinds = {event_name(kind): of_dataclass(kind) for kind in get_args(Event)}
    kinds["error"] = record(
        "The run ended without a result; the last line of its stream.",
        {
            "message": text("What happened."),
            "hint": text("What to do next; may be empty."),
            "exit_code": whole("Exit code of the command."),
        },
    )
    elapsed = number("Seconds since the stream began.")
    for name, schema in kinds.items():
        named = {"event": {"const": name, "description": "Kind of the event."}, "elapsed": elapsed}
        schema["properties"] = named | schema["properties"]
        schema["required"] = list(schema["properties"])
    header = of_dataclass(LogHeader, "First line of OUT/.splatpose/events.jsonl.", null=False)
    named = {
        "event": {"const": "log_started", "description": "Kind of the line."},
        "version": whole("Version of the log's format."),
    }
    header["properties"] = named | header["properties"]
    header["required"] = list(header["properties"])
    kinds["log_started"] = header
    return {
        "$schema": DRAFT,
        "title": "Events of splatpose",
        "description": "A line of `splatpose fit --json` and of OUT/.splatpose/events.jsonl. The "
        "last line is run_finished or error. Kinds that are not known should be passed over.",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in kinds],
        "$defs": kinds,
    }


def report() -> Schema:
    """OUT/report.json."""
    body = record(
        "OUT/report.json of `splatpose fit`. Pixels are those of the photos upright, PSNR in dB; "
        "what does not exist or was not measured is null.",
        {
            "version": {"const": 1, "description": "Version of the report's format."},
            "command": rows("Words of the command that made the run.", {"type": "string"}),
            "images": text("Absolute path of the folder of photos, or of the video."),
            "seed": whole("Seed of everything random."),
            "config": of_dataclass(FitConfig, null=False),
            "matcher": text("Matcher that was used."),
            "backend": text("Rasterizer that was used."),
            "local": or_null(of_dataclass(LocalEvidence)),
            "second_round": or_null(of_dataclass(SecondRoundEvidence)),
            "joint": or_null(of_dataclass(JointEvidence)),
            "budget": or_null(budget()),
            "stages": rows("Stages of the run, in order.", stage()),
            "units": of(Literal["arbitrary", "metres"], "Unit of all lengths of the outputs."),
            "metres_per_unit": number("Metres in one of the run's own units.", null=True),
            **results(),
        },
    )
    return {"$schema": DRAFT, "title": "Report of a run of splatpose", **body}


def budget() -> Schema:
    schema = of_dataclass(TrainingPlan)
    took = number("Seconds that the training took.", null=True)
    schema["properties"] |= {"took_seconds": took}
    schema["required"] = list(schema["properties"])
    return schema


def stage() -> Schema:
    schema = of_dataclass(StageRecord, null=False)
    schema["properties"]["config"]["description"] = "Options of the stage."
    return schema


def results() -> dict[str, Schema]:
    """What `build_report` says."""
    return {
        "summary": record(
            "The run in numbers.",
            {
                "photos": whole("Photos that were used."),
                "registered": whole("Photos that have a pose."),
                "points": whole("Sparse points."),
                "gaussians": whole("Gaussians in splat.ply."),
                "held_out": whole("Photos that were held out and measured."),
                "held_out_psnr": number("Mean PSNR of the held-out photos.", null=True),
                "held_out_color_fitted_psnr": number(f"Mean PSNR {COLOR_FIT}", null=True),
                "held_out_ssim": number("Mean SSIM of the held-out photos.", null=True),
            },
        ),
        "photos": rows("Photos that were used, in natural order of their names.", photo()),
        "verdicts": or_null(
            record(
                "The verdicts as a whole.",
                {
                    "trusted": whole("Photos whose pose can be relied upon."),
                    "weak": whole("Photos with a pose for which too little speaks."),
                    "refused": whole("Photos without a pose."),
                    "trusted_share": number("Share of all photos that are trusted, 0 to 1."),
                    "advice": rows(
                        "What to photograph next, the most useful first.", {"type": "string"}
                    ),
                    "notes": rows("What holds for the model as a whole.", {"type": "string"}),
                    "lacking": text(
                        "The one thing that most weak photos lack where all other tests speak for "
                        "them, as a clause; empty where there is none."
                    ),
                },
            )
        ),
        "skipped": rows(
            "Files that looked like photos and were not used.",
            of_dataclass(SkippedFile, null=False),
        ),
        "video": or_null(of_dataclass(VideoUse)),
        "cameras": rows("Cameras of the photos; `photos[].camera` is a row of these.", camera()),
        "trajectory": record(
            "What trajectory.tum holds.",
            {
                "times": of(
                    TimeSource,
                    "Origin of the timestamps: the video's times, times in the photos' names, "
                    "EXIF, or none (photos are counted).",
                )
            },
        ),
        "depth": or_null(
            record(
                "Depth priors, where there were any.",
                {
                    "source": text("Folder of the maps, or the network's name."),
                    "kind": text("Meaning of the maps' values: depth or disparity."),
                    "kept": whole("Maps that agree with the matches."),
                    "mean_residual": number("Mean residual of the kept maps.", null=True),
                },
            )
        ),
        "matching": record(
            "Keypoints and matches.",
            {
                "matcher": text("Matcher that was used."),
                "mean_keypoints": number("Mean number of keypoints of a photo.", null=True),
                "pairs": whole("Pairs of photos that were matched."),
                "verified_pairs": whole("Pairs with verified matches."),
                "putative_matches": whole("Matches before verification."),
                "verified_matches": whole("Matches after verification."),
                "ways": rows(
                    "Ways in which pairs were matched, the most frequent first; none where nobody "
                    "recorded it.",
                    matching_way(),
                ),
            },
        ),
        "hypotheses": rows("Reconstructions that the model was chosen from.", hypothesis()),
        "training": training(),
        "versions": {
            "type": "object",
            "description": "Versions of splatpose, Python and packages; null where one is missing.",
            "additionalProperties": {"type": ["string", "null"]},
        },
        "machine": machine(),
        "finished": text("Time at which the report was written, ISO 8601 in UTC."),
    }


def photo() -> Schema:
    return record(
        "A photo.",
        {
            "name": text("Path relative to the folder of photos, with forward slashes."),
            "path": text("Absolute path of the file when the run was made."),
            "width": whole("Width of the upright photo in pixels."),
            "height": whole("Height of the upright photo in pixels."),
            "orientation": {
                "type": "integer",
                "minimum": 1,
                "maximum": 8,
                "description": "EXIF orientation of the pixels in the file. sparse/0, transforms."
                "json and trajectory.tum are for the pixels as stored, everything here is for the "
                "upright photo.",
            },
            "camera": whole("Row of the photo's camera in `cameras`."),
            "registered": flag("Whether the photo has a pose."),
            "cam_from_world": or_null(
                {
                    "type": "array",
                    "minItems": 4,
                    "maxItems": 4,
                    "items": {
                        "type": "array",
                        "minItems": 4,
                        "maxItems": 4,
                        "items": {"type": "number"},
                    },
                    "description": "Pose of the upright photo's camera: 4x4 matrix from world to "
                    "camera, rows first; camera axes +x right, +y down, +z forward; lengths in "
                    "`units`. Null without a pose.",
                }
            ),
            "reason": text("Why it has a pose or none, in a sentence."),
            "verified_matches": whole("Verified matches with all other photos."),
            "inlier_share": number(
                "Share of its verified matches that the poses explain, 0 to 1.", null=True
            ),
            "reprojection_error": number(
                "Median reprojection error of its triangulated keypoints, in pixels.", null=True
            ),
            "triangulated_keypoints": whole("Keypoints that see a sparse point."),
            "held_out": flag("Whether it was held out of the training and measured."),
            "held_out_psnr": number("PSNR of its rendering, where it was held out.", null=True),
            "held_out_color_fitted_psnr": number(f"PSNR of its rendering, {COLOR_FIT}", null=True),
            "held_out_ssim": number("SSIM of its rendering, where it was held out.", null=True),
            "depth_prior": or_null(of_dataclass(DepthFit)),
            "verdict": of(Level | None, "Whether its pose can be trusted."),
            "verdict_reason": of(str | None, "Why, in a sentence."),
            "probability": of(
                float | None,
                "That the pose is right, within 5 degrees and 5 % of the radius, 0 to 1; null "
                "without a pose.",
            ),
            "advice": of(str | None, "What to photograph next for this photo's sake."),
            "evidence": or_null(of_dataclass(PhotoTrust)),
        },
    )


def camera() -> Schema:
    return record(
        "A camera: photos that share their intrinsics.",
        {
            "label": text("Make, model and focal length where EXIF tells them, else the size."),
            "width": whole("Width of its upright photos in pixels."),
            "height": whole("Height of its upright photos in pixels."),
            "photos": whole("Photos of the camera."),
            "registered": whole("Photos of the camera that have a pose."),
            "focal_prior": number("Focal length that EXIF tells, in pixels.", null=True),
            "estimate": or_null(
                record(
                    "Intrinsics of the upright photos, where any has a pose.",
                    {
                        "model": text("COLMAP's name of the camera model."),
                        "params": rows(
                            "Parameters in COLMAP's order, in pixels.", {"type": "number"}
                        ),
                        "focal_x": number("Focal length in pixels."),
                        "focal_y": number("Focal length in pixels."),
                        "horizontal_view_degrees": number("Horizontal angle of view in degrees."),
                    },
                )
            ),
        },
    )


def matching_way() -> Schema:
    return record(
        "A way of matching.",
        {
            "way": text(
                'Such as "nearest neighbours", "network, strongest keypoints", "network, all '
                'keypoints"; or the matcher, where it matches all pairs alike.'
            ),
            "pairs": whole("Pairs that were matched this way."),
            "verified_pairs": whole("Of these, pairs with verified matches."),
            "sift_beside": whole("Of these, pairs to which SIFT's matches were added."),
        },
    )


def hypothesis() -> Schema:
    return record(
        "A reconstruction.",
        {
            "name": text("How it was made."),
            "chosen": flag("Whether the model was made from it."),
            "note": text("Why it won or lost."),
            "registered": whole("Photos that it places."),
            "points": whole("Its sparse points."),
            "explained_share": number(
                "Share of all verified matches that it explains, 0 to 1.", null=True
            ),
            "reprojection_error": number("Mean reprojection error in pixels.", null=True),
            "focal_ratio": number(
                "Focal length over the longer side, of the least plausible camera.", null=True
            ),
            "step_jump": number(
                "Largest jump of the step from photo to photo that lasts, as a factor, where what "
                "is seen is farther or nearer by as much; null where the photos are no walk.",
                null=True,
            ),
            "seconds": number("Seconds that it took.", null=True),
        },
    )


def training() -> Schema:
    return record(
        "The training of the Gaussians.",
        {
            "backend": text("Rasterizer that was used."),
            "steps": whole("Steps that were made."),
            "gaussians": whole("Gaussians in splat.ply."),
            "gaussians_dropped": whole("Gaussians that were left out as not finite."),
            "sh_degree": whole("Degree of the spherical harmonics of colour."),
            "final_pass_on_all": flag("Whether a last pass trained on the held-out photos too."),
            "off_path": or_null(of_dataclass(OffPath)),
            "curve": rows(
                "Samples of the training.",
                record(
                    "A sample.",
                    {
                        "step": whole("Step."),
                        "seconds": number("Seconds since the training began.", null=True),
                        "loss": number("Loss.", null=True),
                        "gaussians": whole("Gaussians at the step."),
                    },
                ),
            ),
        },
    )


def machine() -> Schema:
    return record(
        "The machine that made the report.",
        {
            "system": text("Operating system."),
            "processor": text("Processor."),
            "cores": of(int | None, "Logical cores."),
            "usable_cores": of(int | None, "Logical cores that the process may use."),
            "torch_threads": whole("Threads of PyTorch."),
            "memory_gib": number("Memory in GiB."),
            "cuda": rows("CUDA devices.", {"type": "string"}),
        },
    )


def schemas() -> dict[str, str]:
    """The text of each schema by the name of its file."""
    made = {"report.schema.json": report(), "events.schema.json": events()}
    return {
        name: json.dumps(value, indent=1, ensure_ascii=False) + "\n" for name, value in made.items()
    }


def main() -> None:
    for name, content in schemas().items():
        (FOLDER / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
    sys.exit(0)
