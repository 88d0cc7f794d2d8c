"""A wheel builds, holds all that the package needs, installs into a clean environment and answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "shelfwise"


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    return subprocess.run(
        list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel is built from, without what else lies in a checkout."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, folder / name)
    shutil.copytree(PACKAGE, folder / "src" / "shelfwise", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    done = run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source, cwd=folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel; what shelfwise depends on is lent by this one, to save minutes."""
    folder = tmp_path_factory.mktemp("clean")
    made = run(
        sys.executable, "-m", "virtualenv", "--no-download", "--no-periodic-update", folder, cwd=folder
    )
    assert made.returncode == 0, made.stderr
    installed = run(
        folder / "bin" / "python", "-m", "pip", "install", "--no-index", "--no-deps", wheel, cwd=folder
    )
    assert installed.returncode == 0, installed.stderr
    site = next(folder.glob("lib/python3*/site-packages"))
    (site / "lent.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder


def test_the_wheel_holds_every_file_of_the_package(wheel: Path, source: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    package = source / "src" / "shelfwise"
    wanted = {f"shelfwise/{path.relative_to(package)}" for path in package.rglob("*") if path.is_file()}
    assert "shelfwise/bundles/pictures/picture.int8.onnx" in wanted
    assert wanted <= held, wanted - held
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert not [name for name in held if name.startswith(("tests", "benchmarks"))]


def test_the_installed_command_answers(clean: Path) -> None:
    answer = run(clean / "bin" / "shelfwise", "--help", cwd=clean)
    assert answer.returncode == 0, answer.stderr
    assert "data" in answer.stdout
    where = run(clean / "bin" / "python", "-c", "import shelfwise; print(shelfwise.__file__)", cwd=clean)
    assert Path(where.stdout.strip()).is_relative_to(clean)


def test_the_installed_command_maps_errors_to_two(clean: Path) -> None:
    answer = run(clean / "bin" / "shelfwise", "data", "get", "unheard-of", cwd=clean)
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)


def test_the_installed_command_predicts(clean: Path, tiny_bundle: Path) -> None:
    pictures = sorted((ROOT / "examples" / "pictures").glob("*.png"))
    answer = run(clean / "bin" / "shelfwise", "predict", tiny_bundle, *pictures, "--json", cwd=clean)
    assert answer.returncode == 0, answer.stderr
    said = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [each["id"] for each in said] == [str(path) for path in pictures]
    assert {each["status"] for each in said} == {"ok"}


def test_what_is_installed_analyzes_a_product_without_a_network(clean: Path) -> None:
    (clean / "reviews.csv").write_text(
        "Review Text,Rating\n"
        '"Lovely colour and so comfortable, I wear them every day.",5\n'
        '"They run small and the sole came apart after a week.",1\n'
    )
    offline = """
import socket, sys
def refuse(*_, **__):
    raise OSError("there is no network here")
class Closed(socket.socket):
    connect = bind = refuse
socket.socket = Closed
socket.create_connection = socket.getaddrinfo = refuse
from shelfwise.cli import main
main()
"""
    picture = ROOT / "examples" / "pictures" / "sneaker.png"
    asked = [picture, "--title", "Black sneaker", "--reviews", "reviews.csv", "--json"]
    answer = run(clean / "bin" / "python", "-c", offline, "analyze", *asked, cwd=clean)
    assert answer.returncode == 0, answer.stderr
    said = json.loads(answer.stdout)
    assert said["category"]["labels"][-1] == "Sneaker"
    assert said["attributes"] is None
    assert "has learned categories only" in said["missing"]["attributes"]
    assert said["reviews"]["reviews"] == 2
    assert {one["aspect"] for one in said["reviews"]["aspects"]} >= {"comfort", "fit", "look"}
