"""How a command ends that cannot go on: signals, processes that die, output that is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from splatpose.event_lines import describe_error
from splatpose.interruption import Ended, end_on_signals, interruptible
from splatpose.native import Died

DIES = """
import os, sys
import splatpose.cli.main as main
def dies(words):
    os.write(2, b"F1130 sqlite3_utils.h:64] database or disk is full\\n    @ 0x7f8 abort\\n")
    print("spoken to the user", file=sys.stderr)
    os.abort()
main._dispatch = dies
sys.exit(main.main())
"""
"""A command whose library ends the process."""

WAITS = """
import os, sys, threading
import splatpose.cli.main as main
def waits(words):
    print("ready", flush=True)
    threading.Event().wait()
main._dispatch = waits
sys.exit(main.main())
"""


def start(code: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_as_in_a_terminal,
    )


def _as_in_a_terminal() -> None:
    """Heeds the signals that `nohup` and shells' background jobs have ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def test_a_library_that_ends_the_process_is_an_error_with_its_reason() -> None:
    process = start(DIES, "fit", "photos", "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.splitlines()[0] == "spoken to the user"
    assert err.splitlines()[1] == "error: The disk is full: a library gave up while writing."
    assert "@ 0x" not in err
    last = json.loads(out.splitlines()[-1])
    assert (last["event"], last["exit_code"]) == ("error", 1)
    assert "run the same command again" in last["hint"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signals_reach_the_work_and_have_their_own_exit_codes(number: int, code: int) -> None:
    process = start(WAITS, "fit", "photos")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("number", "native", "said"),
    [
        (
            signal.SIGABRT,
            ["terminate called: std::bad_alloc", "  @ 0x7 abort"],
            "not enough memory",
        ),
        (signal.SIGABRT, ["cannot allocate memory for thread-local data"], "not enough memory"),
        (signal.SIGKILL, [], "not enough memory"),
        (signal.SIGABRT, ["SQLite error: database or disk is full"], "disk is full"),
        (signal.SIGSEGV, ["*** Aborted at 1", "  @ 0x7 f", ""], r"ended the process \(SIGSEGV\)\."),
        (
            signal.SIGABRT,
            ["Check failed: a == b.", "  @ 0x7 f"],
            r"ABRT\): Check failed: a == b",
        ),
    ],
)
def test_the_reason_of_a_death_is_read_from_what_was_said(
    number: int, native: list[str], said: str
) -> None:
    error = Died(number, native)
    assert error.hint
    with pytest.raises(Died, match=said):
        raise error


@pytest.fixture
def restored():
    """Signals' handlers as they were."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("restored")
def test_a_signal_is_one_wish_however_often_it_comes() -> None:
    end_on_signals()
    with pytest.raises(Ended) as caught:
        os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)  # to every process of the job, once more
    assert describe_error(caught.value)["exit_code"] == 143


@pytest.mark.usefixtures("restored")
def test_ignored_signals_stay_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    end_on_signals()
    os.kill(os.getpid(), signal.SIGHUP)


@pytest.mark.usefixtures("restored")
def test_a_step_of_the_training_is_never_cut_in_two() -> None:
    def train() -> None:
        with interruptible() as asked:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
            assert asked.is_set()
            raise KeyboardInterrupt

    end_on_signals()
    with pytest.raises(Ended, match="SIGTERM"):
        train()


def test_colmap_leaves_sigterm_to_python() -> None:
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "import splatpose.io.colmap\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (7, "")


@pytest.mark.parametrize("words", [["--version"], ["weights", "list"], ["fit", "--help-all"]])
def test_a_full_stdout_is_told(words: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "splatpose", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: The output could not be written to stdout: No space")
    assert "Traceback" not in done.stderr


def test_a_full_stderr_changes_no_exit_code() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "splatpose", "fti"], stderr=full, timeout=60)
    assert done.returncode == 2


def test_a_locale_without_utf8_reads_names_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "fö"
    folder.mkdir()
    env = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "splatpose", "fit", str(folder)],
        capture_output=True,
        timeout=60,
        env=env,
    )
    assert done.returncode == 1
    assert b"There are no photos in" in done.stderr
    assert "UTF-8" not in done.stderr.decode()


def test_nobody_at_home_is_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container's user without $HOME and without an entry in the list of users."""
    import pwd

    from splatpose.host import expanded
    from splatpose.weights import cache_dir

    def unknown(uid: int) -> None:
        raise KeyError(f"uid not found: {uid}")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_dir() == tmp_path / "splatpose" / "weights"
    assert expanded("~/x") == Path("~/x")
