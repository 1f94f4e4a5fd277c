"""How splatpose names things in sentences, the same in every stage."""

from __future__ import annotations

from collections.abc import Sequence

_MOST_LETTERS = 80


def short_name(name: str) -> str:
    """A photo's name for a sentence: one of many folders keeps its beginning and its end."""
    if len(name) <= _MOST_LETTERS:
        return name
    return f"{name[: _MOST_LETTERS // 4]}...{name[-(3 * _MOST_LETTERS // 4 - 3) :]}"


def groups_of_cameras(groups: Sequence[int], camera_index: Sequence[int], count: int) -> list[int]:
    """The group of the capture that each of a model's cameras is of: its photos', or its own where
    no photo of it is left.

    Args:
        groups: each photo's group.
        camera_index: each photo's camera.
        count: of the model's cameras.
    """
    known: dict[int, int] = {}
    for group, camera in zip(groups, camera_index, strict=True):
        known.setdefault(camera, group)
    return [known.get(camera, camera) for camera in range(count)]


def camera_label(labels: Sequence[str], owners: Sequence[int], camera: int, focal: float) -> str:
    """What a camera of a model is called: its group, and where others are of it too its lens.

    Args:
        labels: of the capture's groups.
        owners: the group of each camera.
        focal: of this one, in pixels.
    """
    label = labels[owners[camera]]
    return f"{label}, {focal:.0f} px" if owners.count(owners[camera]) > 1 else label


def list_photos(names: Sequence[str], photos: Sequence[int]) -> str:
    """Names of photos for a person: ranges of neighbours, shortened where there are many."""
    runs: list[list[int]] = []
    for photo in sorted(photos):
        if runs and photo == runs[-1][-1] + 1:
            runs[-1].append(photo)
        else:
            runs.append([photo])
    ends = [[short_name(names[end]) for end in dict.fromkeys((run[0], run[-1]))] for run in runs]
    texts = ["..".join(end) for end in ends]
    if len(texts) > 4:
        return ", ".join(texts[:3]) + f" and {len(photos) - sum(map(len, runs[:3]))} more"
    return ", ".join(texts)


def duration(seconds: float) -> str:
    """0.4 s, 12 s, 3 min 7 s, 1 h 2 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s"
