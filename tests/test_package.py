"""The package as it ships: its public face, its presets, its help, its files."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
import typing
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from scenes import ROOT
from shape_checking import UNCHECKED, UNCHECKED_PACKAGES, all_modules, checked_modules

import splatpose
from splatpose.cli.arguments import field_docs
from splatpose.cli.fit import Fit
from splatpose.cli.main import COMMANDS, main
from splatpose.config import FitConfig
from splatpose.configs import PRESETS, PresetName
from splatpose.stages.budget.config import USUAL_MINUTES
from splatpose.weights import MATCHER_WEIGHTS, WEIGHTS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_public_face() -> None:
    from splatpose import FitConfig, SplatposeError, fit, pipeline

    assert fit is pipeline.fit
    assert FitConfig is pipeline.FitConfig
    assert issubclass(SplatposeError, Exception)
    assert set(splatpose.__all__) <= set(dir(splatpose))
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(splatpose, "no_such_name")  # noqa: B009 (pyright would refuse the plain access)


def test_importing_splatpose_is_light() -> None:
    code = "import sys, splatpose; print(*{'numpy', 'torch', 'pycolmap'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_presets_are_complete_and_ordered() -> None:
    assert set(PRESETS) == set(typing.get_args(PresetName))
    assert all(isinstance(config, FitConfig) for config in PRESETS.values())
    assert PRESETS["default"] == FitConfig()
    fast, default, quality = (PRESETS[name] for name in ("fast", "default", "quality"))
    assert default.budget.minutes is None
    assert fast.budget.minutes < min(USUAL_MINUTES.values())
    assert max(USUAL_MINUTES.values()) < quality.budget.minutes


def configs() -> list[type[Any]]:
    """`FitConfig`, the command's own options, and every stage's config."""
    parts = [type(getattr(FitConfig(), field.name)) for field in dataclasses.fields(FitConfig)]
    return [Fit, FitConfig, *(part for part in parts if dataclasses.is_dataclass(part))]


@pytest.mark.parametrize("config", configs(), ids=lambda config: config.__name__)
def test_every_field_is_documented(config: type[Any]) -> None:
    docs = field_docs(config)
    for field in dataclasses.fields(config):
        text = docs.get(field.name, "")
        assert text, f"{config.__name__}.{field.name} has no docstring, so no help"
        assert text.endswith((".", ")", ";")), f"{config.__name__}.{field.name}: {text}"
    assert (config.__doc__ or "").strip()
    assert config.__dataclass_params__.frozen, f"{config.__name__} is not frozen"


def test_every_field_is_an_option_with_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--help-all"]) == 0
    text = capsys.readouterr().out
    words = " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())
    for stage in dataclasses.fields(FitConfig):
        part = getattr(FitConfig(), stage.name)
        if not dataclasses.is_dataclass(part):
            continue
        for name, doc in field_docs(type(part)).items():
            assert f"--{stage.name}.{name}".replace("_", "-") in text
            assert doc in words, f"help of --{stage.name}.{name}"


def test_every_folder_ships() -> None:
    """A package that pyproject.toml does not list works here and is missing elsewhere."""
    folders = {path.parent for path in (ROOT / "splatpose").rglob("*.py")}
    packages = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    for name in ("viewer", "configs"):
        beside = {path.parent for path in (ROOT / name).rglob("*.py")}
        packages |= {".".join(("splatpose", *path.relative_to(ROOT).parts)) for path in beside}
        folders |= beside
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == packages
    assert all((folder / "__init__.py").exists() for folder in folders)


def test_every_data_file_ships() -> None:
    """Files beside the code that are not code: each is listed as its package's data."""
    setuptools = PROJECT["tool"]["setuptools"]
    listed = {
        f"{package.replace('.', '/')}/{name}"
        for package, names in setuptools["package-data"].items()
        for name in names
    }
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "splatpose").rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    }
    assert listed == found


def test_every_module_is_shape_checked_or_it_says_why_not() -> None:
    left_out = set(all_modules()) - set(checked_modules())
    assert all({**UNCHECKED, **UNCHECKED_PACKAGES}.values()), "each with its reason"
    assert set(UNCHECKED) <= {module.rpartition(".")[2] for module in left_out}
    assert {f"{package}.__init__" for package in UNCHECKED_PACKAGES} <= left_out
    for module in checked_modules():
        loader = importlib.import_module(module).__loader__
        assert type(loader).__name__ == "_JaxtypingLoader", module


@pytest.mark.slow
def test_the_wheel_holds_everything(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in ("splatpose", "viewer", "configs"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, tree]
    subprocess.run(command, check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {p.relative_to(ROOT).as_posix() for p in (ROOT / "splatpose").rglob("*.py")}
    for name in ("viewer", "configs"):
        sources |= {
            f"splatpose/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / name).rglob("*.py")
        }
    assert sources <= names
    assert "splatpose/py.typed" in names
    assert {f"splatpose/stages/outputs/page/page.{kind}" for kind in ("html", "css", "js")} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests", "viewer", "configs")) for name in names)


def test_constraints_pin_every_dependency() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    versions = {canonical(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}
    assert all(re.fullmatch(r"[0-9.]+", version) for version in versions.values()), (
        "exact, no local"
    )
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    for line in (*project["dependencies"], *extras["dev"], *extras["heic"], *extras["depth"]):
        need = Requirement(line)
        assert need.specifier.contains(versions[canonical(need.name)]), line
    assert not {"torchvision", "torchaudio"} & set(versions)
    assert not any(name.startswith(("nvidia", "triton")) for name in versions)


def test_constraints_pin_what_dependencies_need() -> None:
    """All that is installed with splatpose, but for what a CUDA build of torch brings along."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {canonical(line.partition("==")[0]) for line in lines if not line.startswith("#")}
    needed: set[tuple[str, str]] = set()
    waiting = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
    while waiting:
        need = waiting.pop()
        for extra in ("", *need.extras):
            if (need.name, extra) in needed:
                continue
            needed.add((need.name, extra))
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                for line in importlib.metadata.requires(need.name) or ():
                    further = Requirement(line)
                    if further.marker is None or further.marker.evaluate({"extra": extra}):
                        waiting.append(further)
    loose = {canonical(name) for name, _ in needed} - pinned
    assert not {name for name in loose if not name.startswith(("nvidia", "cuda", "triton"))}


def canonical(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


def requirement_of(weight: str) -> str:
    """The package, with its version, that brings a weight file."""
    carrier = WEIGHTS[weight].carrier
    assert carrier is not None
    return carrier.requirement


def test_learned_features_are_installed_with_the_rest() -> None:
    for weight in MATCHER_WEIGHTS["xfeat"]:
        assert requirement_of(weight) in PROJECT["project"]["dependencies"]


def test_readme_commands() -> None:
    """The commands that were promised, where CI looks for them; and no invented ones."""
    for name, command in {
        "main-job": "pip install -c constraints.txt -e . && splatpose fit assets/demo -o runs/demo",
        "tests": "pip install -c constraints.txt -e '.[dev]' && pytest",
        "aliked": f"pip install --no-deps {requirement_of('aliked')}",
    }.items():
        script = [sys.executable, ROOT / ".ci" / "readme_command.py", name]
        done = subprocess.run(script, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == command
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`splatpose (\w+)", readme))
    assert named == set(COMMANDS)
    assert main(["fit", "--help"]) == 0


def test_readme_options_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--help"]) == 0
    assert main(["fit", "--help-all"]) == 0
    text = capsys.readouterr().out
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for option in re.findall(r"`(--[a-z][a-z.-]*)", readme):
        assert f" {option} " in text, option


def test_the_licence_is_apache() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert PROJECT["project"]["license"] == "Apache-2.0"
