"""A viewer in a process of its own, beside a fit that knows nothing of it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_GRACE_SECONDS = 5.0


class Companion:
    """The running viewer."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def wait(self) -> None:
        """Returns when the viewer ends; Ctrl-C ends it."""
        with contextlib.suppress(KeyboardInterrupt):
            self._process.wait()

    @property
    def is_running(self) -> bool:
        """Whether there still is a page to look at."""
        return self._process.poll() is None


@contextmanager
def companion_viewer(
    out: Path, *, host: str, port: int, say: Callable[[str], None]
) -> Iterator[Companion]:
    """Starts `splatpose view` on a run's folder that need not exist yet, and ends it at the exit.

    It is not in our process group, so that Ctrl-C reaches the fit alone, and it holds the other
    end of a pipe, so that it ends with us however we end. If it fails, it says so and that is all.

    Args:
        out: the run's folder.
        host: address to listen on.
        port: the first port to try.
        say: receives what the viewer says, line by line, from another thread.
    """
    command = [sys.executable, "-m", "splatpose", "view", str(out.absolute())]
    command += ["--host", host, "--port", str(port), "--for-fit"]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    reader = threading.Thread(target=_pass_on, args=(process, say), daemon=True, name="viewer")
    reader.start()
    try:
        yield Companion(process)
    finally:
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(_GRACE_SECONDS)


def _pass_on(process: subprocess.Popen[str], say: Callable[[str], None]) -> None:
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            say(line.rstrip())
