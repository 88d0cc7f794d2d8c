"""Cells that are really trained: done once, resumed, failing alone, and told together as differences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_products import products_config, shelved_data

from shelfwise.config import AblateConfig, Config
from shelfwise.files import claimed
from shelfwise.train.fit import Watch
from shelfwise.tune.ablate import NOTE, Told, failures, run_cells
from shelfwise.tune.ablation_panels import panels
from shelfwise.tune.ablation_table import markdown, row_counts, write_ablation
from shelfwise.tune.cells import Plan, plan, result_of
from shelfwise.tune.differences import summarise
from shelfwise.tune.processes import run_in_processes

FEW = {"split.train_rows": 60, "train.batch_size": 128}
BROKEN = {"train.lr": 1e30}


def planned(table: Path, groups: dict[str, Any], seeds: tuple[int, ...] = (0, 1)) -> Plan:
    config = products_config(table, train={"epochs": 2, "checkpoint_every": 2})
    return plan(config, AblateConfig(groups=groups, seeds=seeds), where="shop.toml")


@pytest.fixture(scope="module")
def small(products_table: Path) -> Plan:
    return planned(products_table, {"learning curve": {"60": FEW, "all": {}}})


@pytest.fixture(scope="module")
def out(small: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ablation")
    told: list[Told] = []
    run_cells(small.cells, folder, told.append)
    assert [one.done for one in told] == [True] * 4
    assert told[1].cell == "learning curve: 60, seed 0"
    return folder


def test_a_finished_cell_keeps_its_figures_and_not_its_bundle(small: Plan, out: Path) -> None:
    found = result_of(small.cells[1], out)
    assert found is not None
    assert found["rows"] == {"train": 60, "validation": found["rows"]["validation"]}
    assert set(found["figures"]) >= {"accuracy/category/picture", "accuracy/colour/picture+text", "recall@10"}
    assert found["cost"]["cpu_seconds"] > 0
    files = sorted(path.name for path in small.cells[1].path(out).parent.iterdir())
    assert files == ["seed-0.json", "seed-0.npz", "seed-1.json", "seed-1.npz"]


def test_what_is_done_is_not_done_again_unless_it_changed(
    small: Plan, out: Path, products_table: Path
) -> None:
    def fail(told: Told) -> None:
        raise AssertionError(told)

    run_cells(small.cells, out, fail)
    other = planned(products_table, {"learning curve": {"60": {**FEW, "split.train_rows": 61}}})
    assert result_of(other.cells[1], out) is None
    assert result_of(other.cells[0], out) is not None


def test_an_interrupted_cell_goes_on_to_the_same_figures(small: Plan, out: Path, tmp_path: Path) -> None:
    def stop(watch: Watch) -> None:
        if watch.record.step == 7:
            raise KeyboardInterrupt

    cell = small.cells[0]
    with pytest.raises(KeyboardInterrupt):
        run_cells([cell], tmp_path, print, watch=stop)
    assert not cell.path(tmp_path, ".lock").exists()
    steps = []
    run_cells([cell], tmp_path, print, watch=lambda watch: steps.append(watch.record.step), keep=True)
    assert steps[0] == 7
    assert (cell.path(tmp_path) / "bundle").is_dir()
    whole, resumed = result_of(cell, out), result_of(cell, tmp_path)
    assert whole is not None
    assert resumed is not None
    assert whole["figures"] == resumed["figures"]


def test_a_cell_that_another_process_has_is_left_to_it(small: Plan, tmp_path: Path) -> None:
    told: list[Told] = []
    with claimed(small.cells[0].path(tmp_path, ".lock")):
        run_cells(small.cells[:1], tmp_path, told.append)
    assert [(one.done, one.failed) for one in told] == [(False, False)]
    assert told[0].text.endswith("has it")


def test_a_cell_that_fails_does_not_stop_the_others(products_table: Path, tmp_path: Path) -> None:
    found = planned(products_table, {"rate": {"broken": BROKEN, "worse": {"train.lr": 1e31}}}, seeds=(0,))
    told: list[Told] = []
    run_cells(found.cells[1:], tmp_path, told.append)
    assert [one.failed for one in told] == [True, True]
    assert "lower train.lr" in told[0].text
    assert "Traceback" in found.cells[1].path(tmp_path, ".error.txt").read_text()


def test_two_processes_share_the_cells_and_fail_alone(products_table: Path, tmp_path: Path) -> None:
    found = planned(products_table, {"rate": {"broken": BROKEN}}, seeds=(0,))
    told: list[Told] = []
    run_in_processes(found.cells, tmp_path, told.append, jobs=2)
    assert len(told) == 2
    by_cell = {one.cell: one for one in told}
    assert by_cell["as configured, seed 0"].done
    assert by_cell["rate: broken, seed 0"].failed
    result = result_of(found.cells[0], tmp_path)
    assert result is not None
    assert result["cost"]["threads"] == 1


def test_a_second_job_takes_no_failure_from_the_first(
    products_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = planned(products_table, {"rate": {"broken": BROKEN}}, seeds=(0,)).cells[1]
    note = cell.path(tmp_path, NOTE)
    note.parent.mkdir(parents=True)
    tried: list[str] = []

    def fails(*_: object, **__: object) -> str:
        tried.append(note.read_text() if note.exists() else "")
        raise RuntimeError("again")

    monkeypatch.setattr("shelfwise.tune.ablate.run_cell", fails)
    before = failures([cell], tmp_path)  # as the first job saw it when it began
    note.write_text("failed in the first job")
    monkeypatch.setattr("shelfwise.tune.processes._started", lambda *_: {})
    run_in_processes([cell], tmp_path, print, jobs=2)  # a second one begins
    run_cells([cell], tmp_path, print, again=before)
    assert note.read_text() == "failed in the first job"
    assert tried == []
    run_cells([cell], tmp_path, print, again=failures([cell], tmp_path))
    assert tried == [""]
    assert "RuntimeError: again" in note.read_text()


def test_differences_are_paired_and_cover_seeds_and_rows(small: Plan, out: Path, tmp_path: Path) -> None:
    found = summarise(small, out, name="tiny")
    few = found["groups"]["learning curve"]["60"]
    name = "accuracy/category/picture+text"
    base = found["baseline"]["figures"][name]
    change = few["differences"][name]
    assert change["seeds"] == pytest.approx(
        [a - b for a, b in zip(few["figures"][name]["seeds"], base["seeds"], strict=True)]
    )
    assert change["ci95"][0] <= change["value"] <= change["ci95"][1]
    assert found["groups"]["learning curve"]["all"]["same_as_baseline"]
    assert found["cells"] == {"done": 4, "all": 4}
    assert "1,000 resamples of families, half-widths" in found["method"]
    write_ablation(found, tmp_path)
    assert json.loads((tmp_path / "ablation.json").read_text()) == found
    page = (tmp_path / "ablation.md").read_text()
    assert "| as configured: all |" in page
    assert "| Category from all it reads | Category from picture | Category from text |" in page
    assert "Category from picture and text" not in page  # every product has both, so it would say the same
    assert "60 |" in page


@pytest.fixture(scope="module")
def other_inputs(
    products_table: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], str, list[Told], Path]:
    """Switches that read more and less than the baseline: what was found, the table, and what was told."""
    folder = tmp_path_factory.mktemp("inputs")
    data = shelved_data(products_table, folder)
    config = products_config(products_table, data=data, train={"epochs": 4})
    groups: dict[str, Any] = {
        "table": {"shelf": {"table.fields": ["shelf"]}},
        "fusion": {"picture": {"fusion.kind": "picture"}, "text": {"fusion.kind": "text"}},
    }
    found = plan(config, AblateConfig(groups=groups, seeds=(0,)), where="shop.toml")
    told: list[Told] = []
    run_cells(found.cells, folder, told.append)
    assert all(one.done for one in told), told
    result = summarise(found, folder, name="tiny")
    return result, markdown(result), told, folder


def test_a_switch_that_reads_more_is_judged_by_all_that_it_reads(
    other_inputs: tuple[dict[str, Any], str, list[Told], Path],
) -> None:
    found, page, told, _ = other_inputs
    shelf = found["groups"]["table"]["shelf"]
    everything = shelf["figures"]["accuracy/place/all"]
    assert everything == shelf["figures"]["accuracy/place/picture+text+table"]
    assert everything["value"] > shelf["figures"]["accuracy/place/picture+text"]["value"]
    base = found["baseline"]["figures"]["accuracy/place/all"]["value"]
    assert shelf["differences"]["accuracy/place/all"]["value"] == pytest.approx(everything["value"] - base)
    head = next(line for line in page.splitlines() if line.startswith("| switch"))
    assert head.split(" | ")[1:3] == ["Place from all it reads", "Place from picture"]
    line = next(line for line in page.splitlines() if line.startswith("| shelf"))
    assert line.split(" | ")[1].startswith(f"{everything['value']:.1%} (")
    assert f"place {everything['value']:.1%}, " in next(one.text for one in told if "shelf" in one.cell)
    for panel in panels(found):
        assert next(iter(panel["series"])) == "place from all it reads"


def test_a_switch_that_cannot_be_asked_a_subset_has_a_dash(
    other_inputs: tuple[dict[str, Any], str, list[Told], Path],
) -> None:
    found, page, _, _ = other_inputs
    head = next(line for line in page.splitlines() if line.startswith("| switch"))
    text, picture = (head.split(" | ").index(f"Place from {name}") for name in ("text", "picture"))
    titles = head.split(" | ").index("Title finds picture, R@10")
    for name, deaf, hears in (("picture", text, picture), ("text", picture, text)):
        cells = next(line for line in page.splitlines() if line.startswith(f"| {name} |")).split(" | ")
        assert cells[deaf] == cells[titles] == "–"
        assert cells[hears].split()[0] == cells[1].split()[0]
        figures = found["groups"]["fusion"][name]["figures"]
        assert figures["accuracy/place/all"] == figures[f"accuracy/place/{name}"]
        assert "accuracy/colour/picture+text" not in figures
    (fusion,) = (panel for panel in panels(found) if panel["title"] == "fusion")
    assert [point is None for point in fusion["series"]["place from text"]] == [True, False]


def test_cells_that_are_finished_are_never_trained_again_for_a_new_figure(
    other_inputs: tuple[dict[str, Any], str, list[Told], Path],
) -> None:
    *_, folder = other_inputs
    for path in folder.rglob("seed-0.json"):
        cell = json.loads(path.read_text(encoding="utf-8"))
        assert "listens" not in cell["questions"]
        assert {subset for _, subset in cell["questions"]["asked"]} == set(cell["questions"]["subsets"])
        assert "all" not in cell["questions"]["subsets"]


def test_an_older_summary_without_the_figure_of_everything_still_makes_its_table(
    small: Plan, out: Path
) -> None:
    found = summarise(small, out, name="tiny")
    for entry in (found["baseline"], *found["groups"]["learning curve"].values()):
        for what in ("figures", "differences"):
            entry[what] = {name: figure for name, figure in entry[what].items() if "/all" not in name}
    page = markdown(found)
    assert "all it reads" not in page
    assert "Category from picture and text" in page
    assert "Category, macro-F1" in page
    assert "| switch | colour |" in page


def test_a_group_about_numbers_of_rows_is_a_learning_curve(small: Plan, out: Path) -> None:
    found = summarise(small, out, name="tiny")
    counted = row_counts(found, found["groups"]["learning curve"])
    assert counted is not None
    assert counted[0][0] == 60
    (panel,) = panels(found)
    assert panel["rows"] == [rows for rows, _ in counted]
    assert panel["labels"][0] == "60"
    assert len(panel["series"]["category from picture"]) == 2


def test_an_ablation_of_which_nothing_is_done_yet_says_so(small: Plan, tmp_path: Path) -> None:
    found = summarise(small, tmp_path, name="tiny")
    assert markdown(found) == "*No cell is done yet.*\n"
    assert panels(found) == []
    assert len(found["missing"]) == 4


def test_a_table_of_some_cells_says_how_many_there_are(small: Plan, out: Path, tmp_path: Path) -> None:
    for cell in small.cells[1:3]:
        for suffix in (".json", ".npz"):
            there = cell.path(tmp_path, suffix)
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(cell.path(out, suffix).read_bytes())
    page = markdown(summarise(small, tmp_path, name="tiny"))
    assert "2 of 4 cells are done" in page
    assert "| 60 (1 of 2 seeds) |" in page


def test_pictures_are_ablated_alike(products_table: Path, tmp_path: Path) -> None:
    config = Config.model_validate(
        {
            "data": {
                "source": str(products_table),
                "columns": {"images": ["image"], "title": "title", "labels": {"category": "category"}},
            },
            "model": {"tower": "tiny", "widths": [16]},
            "train": {"optimizer": "adamw", "lr": 0.01, "epochs": 1, "precision": "fp32"},
            "text": {"align": False},
        }
    )
    ablation = AblateConfig(groups={"rows": {"60": {"split.train_rows": 60}}}, seeds=(0,))
    found = plan(config, ablation, where="pictures.toml")
    told: list[Told] = []
    run_cells(found.cells[1:], tmp_path, told.append)
    assert told[0].done, told
    result = result_of(found.cells[1], tmp_path)
    assert result is not None
    assert result["rows"]["train"] == 60
    assert set(result["figures"]) == {f"{name}/category/picture" for name in ("accuracy", "ece", "macro_f1")}
    assert "1,000 resamples of rows" in summarise(found, tmp_path, name="tiny")["method"]
