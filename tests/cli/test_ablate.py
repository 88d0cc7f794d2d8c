"""`ablate` through the real command: what it lists, prints, writes and refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from small_products import products_config

Run = Callable[..., tuple[int, str, str]]
SWITCHES = """
[ablate]
seeds = [0]
set = { "train.epochs" = 1 }
[ablate.groups.fusion]
late = { fusion.kind = "late" }
gated = { "fusion.kind" = "gated" }
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def config(products_table: Path, tmp_path: Path) -> Path:
    (tmp_path / "switches.toml").write_text(SWITCHES)
    path = tmp_path / "shop.json"
    path.write_text(products_config(products_table).model_dump_json())
    return path


def test_an_ablation_is_run_once_listed_and_told(run: Run, config: Path, tmp_path: Path) -> None:
    ablate = ("ablate", config, "--switches", "switches.toml", "--out", "found")
    code, out, err = run(*ablate)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "2 cells, 0 done before"
    assert lines[1].startswith("[1/2] as configured, seed 0: category ")
    assert lines[2].startswith("[2/2] fusion: late, seed 0: category ")
    assert lines[-1] == "table:  found/ablation.md"
    assert "| as configured: gated |" in (tmp_path / "found" / "ablation.md").read_text()
    assert (tmp_path / "found" / "ablation.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((tmp_path / "found" / "ablation.json").read_text())
    assert found["groups"]["fusion"]["late"]["seeds"] == [0]

    code, out, _ = run(*ablate, "--list", "--seeds", 2)
    assert out.splitlines() == [
        "done     as configured, seed 0",
        "done     fusion: late, seed 0",
        "to do    as configured, seed 1",
        "to do    fusion: late, seed 1",
        "2 of 4 cells are done, in found",
    ]
    code, out, _ = run(*ablate)
    assert (code, out.splitlines()[0]) == (0, "2 cells, 2 done before")
    _, out, _ = run(*ablate, "--list", "--set", "train.lr=0.02")
    assert out.splitlines()[0] == "changed  as configured, seed 0"


def test_a_cell_that_fails_is_told_at_the_end_with_exit_code_1(run: Run, config: Path) -> None:
    code, out, err = run("ablate", config, "--switches", "switches.toml", "--set", "train.lr=1e30")
    assert code == 1
    assert "[0/2] as configured, seed 0: failed: the loss became" in out
    assert len(err.splitlines()) == 2
    assert "table:  runs/tiny-ablation/ablation.md" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "there is no [ablate.groups] with switches"),
        (("--switches", "none.toml"), "config 'none.toml' not found"),
        (("--switches", "shop.json"), "expected the table [ablate] alone"),
        (("--switches", "switches.toml", "--only", "fusoin"), "did you mean 'fusion'?"),
        (("--switches", "odd.toml"), "config 'odd.toml, ablate.groups.a.b': fusion.kind: "),
    ],
)
def test_what_cannot_be_ablated_is_one_line(
    run: Run, config: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "odd.toml").write_text('[ablate.groups.a]\nb = { "fusion.kind" = "early" }\n')
    code, _, err = run("ablate", config, *arguments)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()
