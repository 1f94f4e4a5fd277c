"""The command line: what it accepts, how fast it answers, how it ends."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from splatpose import __version__
from splatpose.cli.fit import SHORTCUTS, ContradictionError, read_arguments
from splatpose.cli.info import describe_weights
from splatpose.cli.main import COMMANDS, main
from splatpose.configs import PRESETS
from splatpose.weights import WEIGHTS

HEAVY = {
    *("numpy", "torch", "scipy", "cv2", "PIL", "pycolmap", "kornia", "numba", "gsplat"),
    *("jaxtyping", "psutil", "filelock", "rich", "typeguard", "asyncio", "plyfile"),
}
"""Packages that an answer to --help has no use for."""


def splatpose(*words: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Runs the command as a user does, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "splatpose", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        **options,  # pyright: ignore[reportArgumentType]
    )


@pytest.mark.parametrize("words", [[], ["--version"], *([name] for name in COMMANDS)])
def test_help_is_light(words: list[str]) -> None:
    """Nothing heavy is loaded to print help; the time that takes follows from that."""
    asked = words if words == ["--version"] else [*words, "--help"]
    code = (
        "import sys\n"
        "from splatpose.cli.main import main\n"
        f"code = main({asked!r})\n"
        f"print(*sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.strip() == ""
    assert "usage: splatpose" in done.stdout or __version__ in done.stdout


def test_wrong_photos_are_told_of_before_anything_heavy_is_loaded(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from splatpose.cli.main import main\n"
        f"code = main(['fit', {str(tmp_path / 'nothing')!r}, '-o', {str(tmp_path / 'out')!r}])\n"
        "print(*sorted({'torch', 'scipy', 'pycolmap', 'gsplat'} & set(sys.modules)))\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "does not exist" in done.stderr
    assert done.stdout.strip() == ""


def test_help_names_every_promised_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--help"]) == 0
    text = capsys.readouterr().out
    for option in (
        *("-o", "--preset", "--max-size", "--max-steps", "--matcher", "--backend", "--seed"),
        *("--eval-every", "--keep-holdout", "--weights-dir", "--overwrite", "--json"),
    ):
        assert f" {option} " in text or f" {option}\n" in text, option
    assert "{fast,default,quality}" in text
    assert "{auto,xfeat,xfeat+sift,aliked,sift}" in text
    assert "{auto,gsplat,cpu}" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"splatpose {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["fti", "photos"],
        ["fit"],
        ["fit", "photos", "--matcher", "surf"],
        ["fit", "photos", "--max-size", "large"],
        ["fit", "photos", "--preset", "best"],
        ["fit", "photos", "--views.no-such-field", "1"],
        ["fit", "photos", "--max-size", "300", "--views.max-size", "400"],
        ["weights", "--nonsense"],
        ["export"],
    ],
)
def test_wrong_usage_is_2_and_explained_on_stderr(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert err.strip()


def test_options_start_from_the_preset_and_override_it() -> None:
    for name, preset in PRESETS.items():
        arguments = read_arguments(["photos", "--preset", name])
        assert arguments.config == preset
        assert read_arguments([f"--preset={name}", "photos"]).config == preset
    config = read_arguments(["photos", "--preset", "fast", "--seed", "7"]).config
    assert config == replace(PRESETS["fast"], seed=7)


@pytest.mark.parametrize(
    ("words", "share"),
    [
        ([], 0.0),
        (["--strict"], 0.9),
        (["--strict", "0.5"], 0.5),
        (["--strict=1"], 1.0),
        (["--strict", "--preset", "fast"], 0.9),
        (["--strict", "--", "photos"], 0.9),
    ],
)
def test_strict_may_name_a_share(words: list[str], share: float) -> None:
    assert read_arguments(["photos", *words] if "photos" not in words else words).strict == share


def test_strict_is_a_share(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "photos", "--strict", "90"]) == 2
    assert "--strict must be a number from 0 to 1, not 90" in capsys.readouterr().err


def test_short_and_long_names_set_the_same_field() -> None:
    values = {
        "minutes": "2.5",
        "memory": "1.5",
        "max_size": "123",
        "max_steps": "45",
        "depth": "maps",
        "matcher": "sift",
        "backend": "cpu",
        "eval_every": "5",
        "include": "images_2",
        "keep_holdout": None,
    }
    assert set(values) == set(SHORTCUTS)
    for short, path in SHORTCUTS.items():
        given = [] if values[short] is None else [values[short]]
        by_short = read_arguments(["photos", "--" + short.replace("_", "-"), *given]).config
        by_long = read_arguments(["photos", "--" + path.replace("_", "-"), *given]).config
        assert by_short == by_long != PRESETS["default"], short


@pytest.mark.parametrize(
    "words",
    [
        ["photos", "--include", "images_2", "--include", "a b.jpg"],
        ["--include", "images_2", "photos", "--include=a b.jpg"],
        ["--include", "images_2", "--include", "a b.jpg", "photos", "--seed", "7"],
    ],
)
def test_what_is_included_may_be_named_several_times(words: list[str]) -> None:
    arguments = read_arguments(words)
    assert arguments.images == Path("photos")
    assert arguments.config.capture.include == ("images_2", "a b.jpg")


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ([], ()),
        (["--max-size", "640"], ("views.max_size",)),
        (["--views.max_size=640", "--max-steps=2000"], ("views.max_size", "training.steps")),
        (["--training.max-gaussians", "70000"], ("training.max_gaussians",)),
        (["--budget.given", "training.sh_every"], ("training.sh_every",)),
        (["--preset", "quality"], ()),
    ],
)
def test_what_is_given_is_not_planned(words: list[str], given: tuple[str, ...]) -> None:
    """With the value that it has anyway, too."""
    config = read_arguments(["photos", "--minutes", "3", *words]).config
    assert config.budget.minutes == 3
    assert config.budget.given == given
    config = read_arguments(["photos", *words]).config
    assert config.budget.given == given, "nor for the usual time"


def test_minutes_and_memory_have_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "photos", "--minutes", "0.01"]) == 2
    assert "--minutes must be a number: 0, or from 0.1 to 10_000" in capsys.readouterr().err
    assert main(["fit", "photos", "--memory", "-1"]) == 2
    assert main(["fit", "photos", "--budget.given", "views.size"]) == 2


def test_one_option_given_twice_differently_is_refused() -> None:
    same = ["photos", "--max-size", "300", "--views.max-size", "300"]
    assert read_arguments(same).config.views.max_size == 300
    with pytest.raises(ContradictionError, match=r"--max-size 301 and --views\.max-size 300"):
        read_arguments([*same, "--max-size", "301"])


def test_mendable_error_is_1_with_message_and_hint_only(tmp_path: Path) -> None:
    missing = tmp_path / "keine Fotos für ödland"
    done = splatpose("fit", missing, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert done.stdout == ""
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert str(missing) in error
    assert hint.startswith("hint: ")
    assert not (tmp_path / "out").exists()


def test_debug_adds_the_traceback(tmp_path: Path) -> None:
    for words, env in (["--debug"], {}), ([], {"SPLATPOSE_DEBUG": "1"}):
        done = splatpose("fit", tmp_path / "no", *words, env={**os.environ, **env})
        assert done.returncode == 1
        assert "Traceback" in done.stderr
        assert done.stderr.splitlines()[-2].startswith("error: ")


def test_json_ends_with_the_error_and_keeps_people_text_on_stderr(tmp_path: Path) -> None:
    done = splatpose("fit", tmp_path / "no", "--json")
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["event"] == "error"
    assert lines[-1]["exit_code"] == 1
    assert done.stderr.startswith(f"error: {lines[-1]['message']}\nhint: {lines[-1]['hint']}")


def test_results_go_to_runs_when_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    done = splatpose("fit", "holiday", "--json", cwd=tmp_path)
    assert done.returncode == 1  # the folder is empty
    said = json.loads(done.stdout.splitlines()[0])
    assert said["event"] == "message"
    assert str(Path("runs") / "holiday") in said["text"]


def test_ctrl_c_is_130_and_says_how_to_go_on(tmp_path: Path) -> None:
    """Interrupted in the middle of matching, on noise that takes a while."""
    photos = tmp_path / "photos"
    photos.mkdir()
    random = np.random.default_rng(0)
    for i in range(24):
        pixels = random.integers(0, 255, (600, 800, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{i}.png")
    words = ["fit", str(photos), "-o", str(tmp_path / "out"), "--matcher", "sift", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "splatpose", *words, "--overwrite"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts jobs in the background lets them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "stage_started" and event["stage"] == "matching":
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    last = json.loads(out.splitlines()[-1])
    assert (last["event"], last["exit_code"]) == ("error", 130)
    assert "Traceback" not in err
    assert err.splitlines()[-1].strip() == " ".join(["splatpose", *words])


@pytest.mark.parametrize("words", [["fit", "--help"], ["weights", "list"]])
def test_a_reader_that_stops_reading_is_no_error(words: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "splatpose", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=120) == 0
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


def test_closed_stdout_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m splatpose --version >&-"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_export_of_something_else_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(tmp_path), str(tmp_path / "a.ply")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path} holds no finished run")
    assert not list(tmp_path.iterdir())


def test_weights_are_listed_and_verified(
    tmp_path: Path, bare_machine: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", "list"]) == 0
    listed = capsys.readouterr().out
    assert listed.count(" absent ") == len(listed.splitlines()) - 1
    assert str(tmp_path / "cache") in listed
    assert main(["weights", "verify"]) == 0
    assert main(["weights", "verify", "xfeat"]) == 1
    assert main(["weights", "fetch", "xfeat"]) == 1
    assert main(["weights", "fetch", "no-such-file"]) == 1
    assert main(["weights", "fetch", "sift"]) == 1
    damaged = tmp_path / "cache" / "splatpose" / "weights" / "xfeat" / "xfeat.pt"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"not a network")
    capsys.readouterr()
    assert main(["weights", "verify"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("xfeat: damaged (cache). ")
    assert "hint: Run: splatpose weights fetch xfeat" in err


def test_weights_say_where_each_file_is_from(
    tmp_path: Path,
    bare_machine: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    weight = WEIGHTS["lpips-vgg"]
    path = tmp_path / "named" / weight.paths[0]
    path.parent.mkdir(parents=True)
    path.write_bytes(b"small")
    known = replace(weight, sha256=(hashlib.sha256(b"small").hexdigest(),))
    monkeypatch.setitem(WEIGHTS, weight.name, known)
    words = ["--weights-dir", str(tmp_path / "named")]
    assert main(["weights", "list", "--json", *words]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["weights"]}
    found = (rows[weight.name]["origin"], rows[weight.name]["path"])
    assert found == ("weights folder", str(path))
    assert rows["xfeat"]["origin"] is None
    assert main(["weights", "list", *words]) == 0
    assert f"ready    weights folder: {path} (" in capsys.readouterr().out
    assert main(["weights", "verify", weight.name, *words]) == 0
    assert f"{weight.name}: ready (weights folder). {path}" in capsys.readouterr().out
    monkeypatch.setenv("SPLATPOSE_WEIGHTS", str(tmp_path / "named"))
    assert f"folder of $SPLATPOSE_WEIGHTS: {path}" in describe_weights()[weight.name]


def test_info_answers_what_a_bug_report_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    sections = json.loads(capsys.readouterr().out)
    assert sections.pop("version") == 1
    assert sections["splatpose"]["splatpose"] == __version__
    assert sections["packages"]["torch"][0].isdigit()
    assert set(sections) >= {"machine", "cuda", "choices", "weights", "caches"}
    assert sections["choices"]["rasterizer"]
    assert sections["choices"]["matcher"]
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    for facts in sections.values():
        for name in facts:
            assert name in text
