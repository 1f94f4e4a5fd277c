"""Wrong words on the command line, short help, `--json` and `~`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from splatpose import SplatposeError, fit
from splatpose.cli.fit import read_arguments
from splatpose.cli.main import main
from splatpose.cli.view import View


@pytest.mark.parametrize(
    ("words", "guess"),
    [
        (["fti", "photos"], "Did you mean fit?"),
        (["veiw"], "Did you mean view?"),
        (["zork"], "There are fit, view"),
        (["/dev"], "Did you mean splatpose fit /dev?"),
        (["weights", "lst"], "Did you mean list?"),
        (["scale", "out", "--meters-per-unit", "3"], "Did you mean --metres-per-unit?"),
        (["fit", "photos", "--meters-per-unit", "3"], "--metres-per-unit of splatpose scale?"),
        (["fit", "photos", "--max_szie=3"], "Did you mean --max-size?"),
        (["fit", "photos", "--sh-degree", "3"], "Did you mean --training.sh-degree?"),
        (["fit", "photos", "--training.step", "3"], "Did you mean --training.steps?"),
        (["fit", "photos", "more"], "more is one word too many"),
        (["fit", "photos", "--zork"], "no option --zork. See splatpose fit --help"),
    ],
)
def test_what_was_meant_is_guessed(
    words: list[str], guess: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert guess in err


@pytest.mark.parametrize("words", [["--version"], ["fit", "x", "--version"], ["info", "--version"]])
def test_the_version_may_be_asked_for_anywhere(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("splatpose ")


def test_help_of_fit_is_two_screens_and_all_of_it_is_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["fit", "--help"]) == 0
    short = capsys.readouterr().out
    assert len(short.splitlines()) <= 48
    assert max(map(len, short.splitlines())) <= 80
    assert "--help-all" in short
    assert "--training.sh-degree" not in short
    assert main(["fit", "--help-all"]) == 0
    assert "--training.sh-degree" in capsys.readouterr().out


def test_help_of_view_hides_what_fit_alone_uses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", "--help"]) == 0
    assert "for-fit" not in capsys.readouterr().out
    assert "wait" not in View.__dataclass_fields__


def test_home_is_expanded_in_every_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    read = read_arguments(["~/photos", "--out=~/out", "--depth", "~/maps", "--weights-dir", "~"])
    assert read.images == Path("/home/me/photos")
    assert read.out == Path("/home/me/out")
    assert read.config.depth.source == "/home/me/maps"
    assert read.weights_dir == Path("/home/me")
    assert read_arguments(["./~", "-o", "a~b"]).images == Path("~")


@pytest.mark.parametrize("form", [["--json"], ["--json", "-"], ["--json=-"]])
@pytest.mark.parametrize("command", [["info"], ["weights", "list"]])
def test_json_alone_and_a_dash_are_stdout(
    command: list[str], form: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, *form]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == 1


def test_json_with_a_name_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list", "--json", str(tmp_path / "new" / "w.json")]) == 0
    assert "The cache is" in capsys.readouterr().out
    names = [
        row["name"] for row in json.loads((tmp_path / "new" / "w.json").read_text())["weights"]
    ]
    assert "xfeat" in names


@pytest.mark.parametrize("form", [["--json"], ["--json", "-"], ["--json=-"]])
def test_json_is_a_flag_for_events_in_fit(form: list[str]) -> None:
    assert read_arguments([*form, "photos"]).json
    assert read_arguments(["photos", *form, "--seed", "3"]).config.seed == 3


def test_python_takes_strings_and_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SplatposeError, match=f"{tmp_path}/photos does not exist"):
        fit("~/photos", "~/out", weights_dir="~/weights")
    assert (tmp_path / "out").is_dir() or not list(tmp_path.iterdir())
    assert not Path("~").exists()
