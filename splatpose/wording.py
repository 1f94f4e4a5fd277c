"""How splatpose names things in sentences, the same in every stage."""

from __future__ import annotations

from collections.abc import Sequence


def list_photos(names: Sequence[str], photos: Sequence[int]) -> str:
    """Names of photos for a person: ranges of neighbours, shortened where there are many."""
    runs: list[list[int]] = []
    for photo in sorted(photos):
        if runs and photo == runs[-1][-1] + 1:
            runs[-1].append(photo)
        else:
            runs.append([photo])
    texts = [
        names[run[0]] if len(run) == 1 else f"{names[run[0]]}..{names[run[-1]]}" for run in runs
    ]
    if len(texts) > 4:
        return ", ".join(texts[:3]) + f" and {len(photos) - sum(map(len, runs[:3]))} more"
    return ", ".join(texts)
