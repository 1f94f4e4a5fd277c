"""One odd thing among many costs itself only."""

from __future__ import annotations

import errno
import logging
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from splatpose.events import Event, Message, Progress, Unharmed
from splatpose.geometry.centers import centers_of
from splatpose.runs import RunFolder
from splatpose.tolerance import Tolerance


def fail(error: BaseException) -> int:
    raise error


def test_what_fails_is_left_out_and_told() -> None:
    tolerance = Tolerance()
    results = [
        tolerance.attempt(f"photo {i}", lambda i=i: fail(ValueError("odd")) if i == 3 else i, -1)
        for i in range(6)
    ]
    assert results == [0, 1, 2, -1, 4, 5]
    tolerance.check()
    assert tolerance.told("could not be read") == "photo 3 could not be read (ValueError: odd)"
    assert Tolerance().told("could not be read") == ""


def test_a_wrong_shape_is_our_own_fault() -> None:
    """Of a real function: what the tests' shape checks find is not left out as an odd photo."""
    with pytest.raises(TypeCheckError):
        Tolerance().attempt("a photo", lambda: centers_of(np.zeros((2, 3))), None)


def test_what_fails_for_most_is_no_oddity() -> None:
    tolerance = Tolerance()
    for name in "abc":
        tolerance.attempt(name, lambda: fail(KeyError("pose")), None)
    assert tolerance.told("failed") == "a and 2 more failed (KeyError: 'pose')"
    with pytest.raises(KeyError, match="pose"):
        tolerance.check()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate"),
        AssertionError("our own"),
        KeyboardInterrupt(),
    ],
)
def test_what_concerns_all_goes_through(error: BaseException) -> None:
    with pytest.raises(type(error)):
        Tolerance().attempt("photo", lambda: fail(error), None)


def test_a_listener_that_fails_is_not_told_any_more(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []

    def listen(event: Event) -> None:
        heard.append(event)
        raise AttributeError("no such thing")

    emit = Unharmed(listen)
    with caplog.at_level(logging.WARNING, "splatpose"):
        for i in range(3):
            emit(Progress("views", i, 3))
    assert len(heard) == 1
    assert "AttributeError: no such thing" in caplog.text
    with pytest.raises(KeyboardInterrupt):
        Unharmed(lambda _: fail(KeyboardInterrupt()))(Message("views", "end"))  # pyright: ignore


def test_a_run_goes_on_without_its_listener(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path, emit=lambda _: fail(ZeroDivisionError())) as run:  # pyright: ignore
        run.emit(Message("capture", "first"))
        run.emit(Message("capture", "second"))
    assert (tmp_path / ".splatpose" / "events.jsonl").read_text().count("capture") == 2
