"""`make setup` says what is missing on a machine that cannot be set up, and does nothing twice."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("bash", "make", "sed", "rm", "touch", "find", "dirname", "uname", "tail", "cat", "env")
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A copy of what set-up reads, beside a folder that is the whole PATH: no apt-get, no uv, no Python."""
    project, tools = tmp_path / "project", tmp_path / "bin"
    (project / "scripts").mkdir(parents=True)
    tools.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "scripts/setup.sh"):
        shutil.copy(ROOT / name, project / name)
    for name in TOOLS:
        path = shutil.which(name)
        assert path is not None, name
        (tools / name).symlink_to(path)
    script(tools / "id", "echo 1000")
    return tmp_path


def script(path: Path, body: str) -> None:
    path.write_text(f"#!{shutil.which('bash')}\n{body}\n")
    path.chmod(0o755)


def make(machine: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": str(machine / "bin"), "HOME": str(machine)}
    command = [str(machine / "bin" / "make"), *arguments]
    return subprocess.run(
        command, cwd=machine / "project", env=env, capture_output=True, text=True, check=False
    )


def test_a_machine_without_python_is_told_which_one_is_needed(machine: Path) -> None:
    done = make(machine, "setup")
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed" in done.stderr
    assert not (machine / "project" / ".venv").exists()


def test_a_python_that_is_too_old_is_not_taken(machine: Path) -> None:
    script(machine / "bin" / "python3", "exit 1  # as `sys.exit(sys.version_info < (3, 11))` does")
    assert "Python 3.11 or newer is needed" in make(machine, "setup").stderr


def test_a_python_without_venv_is_told_what_to_install(machine: Path) -> None:
    script(machine / "bin" / "python3", '[ "$2" = venv ] && exit 1; exit 0')
    done = make(machine, "setup")
    assert done.returncode != 0
    assert "apt-get install python3-venv" in done.stderr


INSTALLER = """
case "$*" in
  *"-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
  *"-m pip install"*) echo "$*" >> asked; case "$*" in *{refused}*) exit 1 ;; esac ;;
  "- "*) exit 1 ;;
esac
"""


def installed(machine: Path, *arguments: str, refused: str = "nothing-is") -> tuple[str, str]:
    """What pip was asked for, and what was said, with a Python that only writes it down."""
    for tool in ("mkdir", "cp"):
        (machine / "bin" / tool).symlink_to(shutil.which(tool) or "")
    script(machine / "bin" / "python3", INSTALLER.replace("{refused}", refused))
    done = make(machine, "setup", *arguments)
    return (machine / "project" / "asked").read_text(), done.stderr


def test_the_cpu_build_of_torch_is_taken_from_wheels_at_hand(machine: Path) -> None:
    asked, _ = installed(machine)
    assert "+cpu" in asked.splitlines()[0]
    assert "download.pytorch.org" not in asked
    assert "-e .[all,dev]" in asked.splitlines()[-1]


def test_the_index_of_pytorch_is_asked_when_there_is_no_wheel_at_hand(machine: Path) -> None:
    asked, said = installed(machine, refused="+cpu")
    assert "--extra-index-url https://download.pytorch.org/whl/cpu" in asked.splitlines()[-1]
    assert "PIP_FIND_LINKS=FOLDER make setup" in said
    assert "[all,dev]" not in asked


def test_cuda_is_taken_only_where_it_is_asked_for(machine: Path) -> None:
    asked, _ = installed(machine, "TORCH=cuda")
    assert "torch===" in asked
    assert "+cpu" not in asked
    assert make(machine, "setup").stdout == "make: Nothing to be done for 'setup'.\n"  # and is kept


def test_a_second_run_does_nothing_and_changed_pins_do(machine: Path) -> None:
    installed(machine)
    asked = machine / "project" / "asked"
    asked.unlink()
    assert make(machine, "setup").returncode == 0
    assert not asked.exists()
    later = (machine / "project" / ".venv" / ".setup-cpu").stat().st_mtime + 5
    os.utime(machine / "project" / "constraints.txt", (later, later))
    assert make(machine, "setup").returncode == 0
    assert asked.exists()
