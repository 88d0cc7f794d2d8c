"""The benchmark of the products recipe on a drawn catalogue: seeds are kept and merged, words masked."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import product_masks
import products
import pytest
import tables
from product_bars import Bar, told, verdicts
from product_merge import Truth, merged
from product_peers import class_names, digest, peers

from shelfwise.bundle import ProductsBundle
from shelfwise.config import ProductsConfig
from shelfwise.config.reading import load_run
from shelfwise.data.class_words import class_words
from shelfwise.data.product_rows import ProductRows
from shelfwise.evaluate.product_baselines import SUBSETS


@pytest.fixture(scope="module")
def bundle(tiny_products_bundle: Path) -> ProductsBundle:
    return ProductsBundle.open(tiny_products_bundle)


@pytest.fixture(scope="module")
def measured(bundle: ProductsBundle) -> products.Run:
    return products.measure(bundle, "test")


@pytest.fixture
def runs(tiny_products_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for runs that holds two finished ones of the recipe `drawn`."""
    for seed in (0, 3):
        shutil.copytree(tiny_products_bundle, tmp_path / f"drawn-{seed}" / "bundle")
    monkeypatch.setattr("training_runs.RUNS", tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def found(
    bundle: ProductsBundle, measured: products.Run, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Two seeds that answered alike, beside the peers, with separate models."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training_runs.RUNS", tmp_path_factory.mktemp("runs"))
        return products.compared(
            bundle.config, "test", {0: measured, 3: measured}, {"picture": {0: measured}}
        )


def rows_of(bundle: ProductsBundle) -> ProductRows:
    return products.parts_of(products.data_of(bundle.config))["test"]


@pytest.mark.skipif("SHELFWISE_DATA" not in os.environ, reason="needs the catalogue under SHELFWISE_DATA")
def test_the_shipped_words_are_those_of_the_training_products() -> None:
    import polars as pl

    from shelfwise.data.splits import split_products

    folder = Path(os.environ["SHELFWISE_DATA"])
    config = load_run(products_recipe(), folders=(folder,))
    assert isinstance(config, ProductsConfig)
    if not Path(config.data.source).exists():
        pytest.skip("SHELFWISE_DATA has no catalogue-60x80")
    table = pl.read_parquet(config.data.source, columns=["id", "articleType"])
    known = pl.read_csv(config.split.families, schema_overrides={"id": pl.String, "family": pl.String})
    family = dict(zip(known["id"], known["family"], strict=True))
    families = [family.get(str(name), str(name)) for name in table["id"]]
    train = split_products(families, config.split)["train"]
    names = {table["articleType"][row] for row in train.tolist()}
    assert sorted(class_words(names)) == product_masks.WORDS.read_text(encoding="utf-8").split()


def products_recipe() -> Path:
    return Path(products.__file__).parent.parent / "configs" / "catalog.toml"


def test_a_list_of_words_that_went_stale_ends_the_run(
    bundle: ProductsBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = bundle.config.model_copy(update={"name": products.CONFIG})
    with pytest.raises(SystemExit, match=r"product_masks\.py"):
        products.words_of(products.data_of(config))
    words = {"shirt", "shirts", "trouser", "trousers", "shoe", "shoes", "bag", "bags"}
    assert products.words_of(products.data_of(bundle.config)) == words


def test_a_seed_answers_every_product_from_everything(bundle: ProductsBundle, measured: products.Run) -> None:
    rows = rows_of(bundle)
    assert set(measured["said"]) == {"text", "picture", "both", "masked_text", "masked_both"}
    for by_target in measured["said"].values():
        assert {name: len(said) for name, said in by_target.items()} == dict.fromkeys(
            ("category", "colour"), len(rows)
        )
    assert len(measured["ranks"]) == len(rows)
    assert measured["masked"] == {"words": 8, "changed": len(rows), "emptied": 0}
    assert measured["cost"]["cpu_seconds"] >= measured["cost"]["loop_cpu_seconds"] > 0
    json.dumps(measured, allow_nan=False)


def test_answers_are_those_that_evaluate_counts(bundle: ProductsBundle, found: dict[str, Any]) -> None:
    from shelfwise.evaluate.products import evaluate_products
    from shelfwise.predict.products import ProductPredictor

    predictor = ProductPredictor.load(bundle.path, threads=1)
    theirs = evaluate_products(predictor, rows_of(bundle), part="test", source="drawn")
    for target in ("category", "colour"):
        for subset, place in products.PLACES.items():
            figure = found["figures"][target][place]["accuracy"]
            assert figure["value"] == pytest.approx(theirs["targets"][target][subset]["accuracy"]["value"])
    assert found["retrieval"]["mrr"]["value"] == pytest.approx(
        theirs["retrieval"]["title_to_picture"]["mrr"]["value"]
    )


def test_without_its_words_a_title_tells_less(found: dict[str, Any]) -> None:
    figures = {place: one["accuracy"]["value"] for place, one in found["figures"]["category"].items()}
    assert figures["masked_text"] < figures["text"] - 0.3
    assert figures["masked_both"] > figures["masked_text"]


def test_differences_are_paired(
    bundle: ProductsBundle, found: dict[str, Any], measured: products.Run
) -> None:
    both, text = (found["figures"]["category"][place]["accuracy"]["value"] for place in ("both", "text"))
    difference = found["differences"]["category"]["both_minus_text"]["accuracy"]
    assert difference["value"] == pytest.approx(both - text)
    single = found["singles"]["picture"]["category"]["joint_minus_single"]["accuracy"]
    assert (single["value"], single["ci95"]) == (0, [0, 0])
    assert found["seeds"] == [0, 3]
    for target, by_place in found["minus_peers"].items():
        for place, figures in by_place.items():
            theirs = found["peers"][target][place]["accuracy"]["value"]
            ours = found["figures"][target][place]["accuracy"]["value"]
            assert figures["accuracy"]["value"] == pytest.approx(ours - theirs)


def test_a_class_that_was_never_learned_counts_as_missed(
    bundle: ProductsBundle, measured: products.Run, runs: Path
) -> None:
    rows = rows_of(bundle)
    classes = {name: class_names(target, rows) for name, target in bundle.config.effective_targets.items()}
    truth = Truth(classes, np.array(rows.families))
    right = merged("drawn", {0: measured}, truth, {})
    odd = np.where(classes["category"] == "shoe", "moon boot", classes["category"])
    wrong = merged("drawn", {0: measured}, Truth({**classes, "category": odd}, truth.families), {})
    shares = [one["figures"]["category"]["both"]["accuracy"]["value"] for one in (right, wrong)]
    assert shares[1] < shares[0] - 0.1
    unlabelled = Truth({**classes, "category": np.where(odd == "moon boot", "", odd)}, truth.families)
    some = merged("drawn", {0: measured}, unlabelled, {})
    assert some["figures"]["category"]["both"]["accuracy"]["value"] > shares[1]


def test_a_measured_seed_is_kept_until_its_bundle_changes(
    bundle: ProductsBundle, measured: products.Run, tmp_path: Path
) -> None:
    kept = tmp_path / "test.json"
    kept.write_text(json.dumps({**measured, "cost": {"cpu_seconds": 1.5}}))
    assert products.measured(bundle, "test", kept)["cost"] == {"cpu_seconds": 1.5}
    kept.write_text(json.dumps({**measured, "bundle": "another@1"}))
    fresh = products.measured(bundle, "test", kept)
    assert fresh == measured == json.loads(kept.read_text())


def test_seeds_of_other_settings_or_products_are_left_out(
    measured: products.Run, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert products.finished_runs("drawn", measured) == {}
    for seed in (0, 3):
        (runs / f"drawn-{seed}" / "test.json").write_text(json.dumps(measured))
    assert list(products.finished_runs("drawn", measured)) == [0, 3]
    for key in ("settings", "rows", "bundle"):
        (runs / "drawn-3" / "test.json").write_text(json.dumps({**measured, key: "others"}))
        assert list(products.finished_runs("drawn", measured)) == [0]
        assert "drawn seed 3 is left out" in capsys.readouterr().out


def test_settings_are_the_same_for_all_seeds(bundle: ProductsBundle) -> None:
    config = bundle.config
    seeded = config.model_copy(update={"train": config.train.model_copy(update={"seed": 5})})
    single = config.model_copy(update={"fusion": config.fusion.model_copy(update={"kind": "text"})})
    assert products.settings(config) == products.settings(seeded) != products.settings(single)
    assert products.data_of(config) == products.data_of(single)


def test_peers_are_fitted_once_and_go_on_where_they_were_cut(
    bundle: ProductsBundle, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = products.parts_of(products.data_of(bundle.config))
    targets = bundle.config.effective_targets
    first = peers(parts, targets, "test")
    assert set(first) == set(SUBSETS)
    folder = runs / f"baselines-{digest(parts, targets)}"
    assert len(list(folder.iterdir())) == len(targets) * len(SUBSETS)
    (folder / "colour-text.npz").unlink()
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = peers(parts, targets, "test")
    assert (folder / "colour-text.npz").exists()
    assert times == {name: (folder / name).stat().st_mtime_ns for name in times}
    np.testing.assert_array_equal(first["text"]["colour"].classes, again["text"]["colour"].classes)
    fewer = {**parts, "train": parts["train"].take(np.arange(50))}
    assert digest(fewer, targets) != digest(parts, targets)


def test_every_bar_is_a_line(found: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    lines = found["asked"]
    assert {"  beyond the title alone", "base colour from the picture"} <= {line["what"] for line in lines}
    assert "gender from the picture" not in {line["what"] for line in lines}, "nobody was asked"
    assert {line["verdict"] for line in lines} <= {"aim", "ok", "missed", "ahead", "tie", "behind"}
    peers = found["against_peers"]
    assert peers["all"] == peers["ahead"] + peers["ties"] + peers["behind"]
    assert peers["all"] == sum(len(by_place) for by_place in found["minus_peers"].values()) > 0
    products.show(found)
    printed = capsys.readouterr().out
    for line in lines:
        assert told(line) in printed


@pytest.mark.parametrize(
    ("value", "low", "verdict"),
    [(0.4, 0.1, "missed"), (0.6, 0.1, "ok"), (0.8, 0.1, "aim"), (0.8, -0.1, "missed")],
)
def test_a_bar_is_reached_or_missed(value: float, low: float, verdict: str) -> None:
    found = {"x": {"y": {"value": value, "ci95": [low, 1.0]}}, "minus_peers": {}}
    bar = Bar("it", "x.y", 0.5, 0.7, ".1f", beyond_chance=True)
    assert bar.verdict(found)["verdict"] == verdict  # type: ignore[index]
    assert Bar("it", "x.z", 0.5, 0.7).verdict(found) is None
    most = Bar("cost", "x.y", 0.7, 0.5, most=True).verdict(found)
    assert most is not None
    assert most["verdict"] == {0.4: "aim", 0.6: "ok", 0.8: "missed"}[value]
    assert verdicts(found) == []


def test_every_row_of_the_table_finds_its_numbers(found: dict[str, Any], tmp_path: Path) -> None:
    """The drawn shop has no gender, season and usage, and no class large enough to be asked by name."""
    whole = json.loads(json.dumps(found, allow_nan=False))
    for part in ("figures", "peers", "minus_peers", "differences", "peers_chosen"):
        for name in ("gender", "season", "usage"):
            whole[part][name] = whole[part]["colour"]
    whole["singles"]["text"] = whole["singles"]["picture"]
    whole["retrieval"] |= {"name_p_at_1": {"value": 1.0}, "name_p_at_10": {"value": 0.9}, "names": 4}
    (tmp_path / "products.json").write_text(json.dumps(whole))
    assert tables.render("products", tmp_path).count("\n") == 2 + len(tables.FIGURES["products"])
    del whole["singles"]
    (tmp_path / "products.json").write_text(json.dumps(whole))
    assert tables.render("products", tmp_path).count("\n") > 5
