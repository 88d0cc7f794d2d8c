"""`shelfwise evaluate` through the real command: a report, a comparison, and errors in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from drawn import draw_catalog

from shelfwise.bundle import Bundle, write_bundle

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config over a drawn catalogue, one of whose pictures is missing."""
    folder = tmp_path_factory.mktemp("shop")
    table = draw_catalog(folder, 120, seed=5)
    with table.open("a", encoding="utf-8") as file:
        file.write("p9999,Lost shirt,shirt,red,images/lost.png\n")
    config = folder / "shop.toml"
    config.write_text(
        '[data]\nsource = "products.csv"\n[data.columns]\nid = "id"\nimages = ["image"]\ntitle = "title"\n'
        'labels = { kind = "category", colour = "colour" }\n'
    )
    return config


def test_one_bundle_gets_a_report_and_a_table(
    run: Run, tiny_bundle: Path, catalog: Path, tmp_path: Path
) -> None:
    code, out, _ = run("evaluate", tiny_bundle, catalog, "--out", tmp_path / "out", "--max-errors", 1)
    assert code == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert f"{metrics['test']['accuracy']['value']:.4f}" in out
    assert metrics["data"]["source"] == "products.csv"
    assert metrics["data"]["read"]["failed"] == 1
    assert metrics["bundle"]["target"] == "kind"
    assert 0 < metrics["data"]["rows"] < 60
    assert "near-identical" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert str(tmp_path / "out" / "report.html") in out.replace("\n", "")


def test_two_bundles_get_their_difference(run: Run, tiny_bundle: Path, catalog: Path, tmp_path: Path) -> None:
    code, out, _ = run(
        *("evaluate", tiny_bundle, tiny_bundle, catalog, "--out", tmp_path, "--part", "train"),
        *("--max-errors", 1),
    )
    assert code == 0
    found = json.loads((tmp_path / "comparison.json").read_text())
    assert found["metrics"]["accuracy"]["difference"] == {"value": 0.0, "ci95": [0.0, 0.0]}
    assert "+0.0000 (+0.0000 to +0.0000)" in out
    assert (tmp_path / "report.html").exists()


def test_rows_that_cannot_be_read_exceed_the_error_budget(
    run: Run, tiny_bundle: Path, catalog: Path, tmp_path: Path
) -> None:
    code, _, err = run("evaluate", tiny_bundle, tiny_bundle, catalog, "--out", tmp_path)
    assert code == 1
    assert "1 rows of the catalogue could not be read" in err


def test_a_bundles_name_is_no_markup(run: Run, tiny_bundle: Path, catalog: Path, tmp_path: Path) -> None:
    whole = Bundle.open(tiny_bundle)
    files = {name: tiny_bundle / name for name in whole.meta.files if name != "config.json"}
    info = whole.meta.model_copy(update={"name": "[red]<b>"})
    bundle = write_bundle(tmp_path / "bundle", info=info, config=whole.config, files=files, card="")
    code, out, _ = run("evaluate", bundle.path, bundle.path, catalog, "--out", tmp_path, "--max-errors", 1)
    assert code == 0
    assert f"A [red]<b>@{bundle.version}" in out
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "[red]&lt;b&gt;" in page
    assert "<b>@" not in page


def test_an_out_below_a_file_is_one_line(run: Run, tiny_bundle: Path, catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "x"
    code, _, err = run("evaluate", tiny_bundle, tiny_bundle, catalog, "--out", out, "--max-errors", 1)
    assert (code, err) == (2, f"shelfwise: '{out}': Not a directory\n")


def test_what_a_user_can_mend_is_one_line_and_exit_code_2(
    run: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    table = draw_catalog(tmp_path, 40)
    table.write_text(table.read_text().replace(",shirt,", ",hat,"))
    empty = tmp_path / "empty.csv"
    empty.write_text("id,title,category,image\n")
    for arguments, words in (
        ((tmp_path / "nowhere", table), "nowhere' not found"),
        ((tiny_bundle, tmp_path / "nowhere.csv"), "nowhere.csv' not found"),
        ((tiny_bundle, empty), "no rows"),
        ((tiny_bundle,), "expected BUNDLE CATALOG"),
        ((tiny_bundle, table, "--part", "train"), "does not know 1 of the catalogue's labels: 'hat'"),
    ):
        code, _, err = run("evaluate", *arguments, "--out", tmp_path / "out")
        assert code == 2
        assert words in err
        assert len(err.strip().splitlines()[-1:]) == 1
    assert not (tmp_path / "out").exists()
