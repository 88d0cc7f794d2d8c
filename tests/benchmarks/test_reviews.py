"""The benchmark of review recipes: the same reviews and decoding for all, seeds kept and merged."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import review_runs
import reviews
import tables
from review_merge import merged
from training_runs import attempt, cpu_seconds, data_folder, finished_bundles

from shelfwise.bundle import ReviewsBundle
from shelfwise.evaluate.review_scores import Answers, Truth, auc, figures, summed, transfer_auc
from shelfwise.evaluate.tfidf import Tfidf
from shelfwise.metrics.ordinal import quadratic_weighted_kappa


@pytest.fixture
def runs(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for runs that holds two finished ones of the recipe `drawn`."""
    for seed in (0, 11):
        shutil.copytree(run, tmp_path / f"drawn-{seed}")
    monkeypatch.setattr("training_runs.RUNS", tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def measured(run: Path, review_files: Path) -> dict[str, Any]:
    return reviews.measure(ReviewsBundle.open(run / "bundle"), "test", review_files / "reviews")


def drawn_answers(rows: int, seed: int = 0) -> tuple[Answers, Truth]:
    random = np.random.default_rng(seed)
    stars = random.dirichlet(np.ones(5), rows)
    truth = Truth(
        random.integers(1, 6, rows), random.integers(-1, 2, rows), random.integers(0, 9, rows).astype(str)
    )
    return Answers(stars, summed(stars), random.random(rows)), truth


def test_figures_are_those_of_the_obvious_loop() -> None:
    answers, truth = drawn_answers(200)
    found = figures(answers, truth)
    said = [int(np.argmax(row)) + 1 for row in answers.stars]
    expected = [sum((k + 1) * p for k, p in enumerate(row)) for row in answers.stars]
    pairs = list(zip(said, truth.stars.tolist(), strict=True))
    assert found["accuracy"] == pytest.approx(np.mean([a == b for a, b in pairs]))
    assert found["mae"] == pytest.approx(np.mean(np.abs(np.array(expected) - truth.stars)))
    assert found["qwk"] == quadratic_weighted_kappa(np.array(said), truth.stars, 5)
    known = truth.recommended >= 0
    liked, disliked = (answers.recommended[known & (truth.recommended == k)] for k in (1, 0))
    assert found["recommended_auc"] == pytest.approx(np.mean(liked[:, None] > disliked[None]))
    assert np.isfinite(list(found.values())).all()


def test_kappa_is_resampled_by_product() -> None:
    answers, truth = drawn_answers(60)
    sample = reviews.kappa(answers, truth)
    assert sample.value == pytest.approx(figures(answers, truth)["qwk"])
    one = Truth(truth.stars, truth.recommended, np.zeros(60, int))
    assert reviews.kappa(answers, one).drawn == pytest.approx(sample.value)
    assert np.std(sample.drawn) > 0


def test_transfer_leaves_out_three_stars() -> None:
    stars = np.array([1, 2, 3, 3, 4, 5])
    assert transfer_auc(np.array([1.0, 2.0, 9.0, 0.0, 3.0, 4.0]), stars) == 1
    assert auc(np.array([0.5, 0.5]), np.array([True, False])) == 0.5


def test_the_baseline_is_the_best_on_validation_and_knows_all_stars() -> None:
    """Its training texts have no 2 stars; the answer still has five numbers."""
    texts = [f"{word} {noun}" for word in ("awful", "fine", "lovely") for noun in ("fit", "cut", "feel")] * 4
    stars = np.array([1, 1, 1, 3, 3, 3, 5, 5, 5] * 4)
    truth = Truth(stars, (stars > 3).astype(int), np.arange(36))
    tfidf = Tfidf.fit(texts, truth, texts, truth)
    answers = tfidf.answers(["awful fit", "lovely cut", "unheard of"])
    assert answers.decided[:2].tolist() == [0, 4]
    assert answers.stars[:, 1] == pytest.approx(0)
    assert answers.stars.sum(1) == pytest.approx(1)
    assert set(tfidf.chosen) == {"c", "class_weight"}
    unknown = Tfidf.fit(texts, Truth(stars, np.full(36, -1), np.arange(36)), texts, truth)
    assert unknown.answers(["awful fit"]).recommended == pytest.approx(0.5)


def test_a_seed_is_measured_beside_its_baselines(measured: dict[str, Any]) -> None:
    assert measured["figures"]["qwk"] > measured["majority"]["qwk"] == 0
    assert set(measured["figures"]) == set(measured["tfidf"]) == set(measured["majority"])
    assert abs(measured["int8_change"]["accuracy"]) < 0.1
    assert set(measured["transfer"]) == set(measured["transfer_tfidf"]) == set(reviews.ABROAD)
    assert measured["cpu_seconds"] > 0
    assert 0 < measured["megabytes"]["int8"] < measured["megabytes"]["bundle"]


def test_merged_seeds_have_both_intervals(measured: dict[str, Any]) -> None:
    other = json.loads(json.dumps(measured))
    other["figures"]["qwk"] = measured["figures"]["qwk"] - 0.1
    found = merged("drawn", {0: measured, 2: other})
    assert found["seeds"] == [0, 2]
    assert found["qwk"]["mean"] == pytest.approx(measured["figures"]["qwk"] - 0.05, abs=1e-5)
    low, high = found["qwk_minus_tfidf"]["ci95_products"]
    assert low < high
    assert merged("drawn", {0: measured})["qwk"]["ci95"] is None


def test_every_row_of_the_table_finds_its_numbers(measured: dict[str, Any], tmp_path: Path) -> None:
    for name in tables.RECIPES:
        (tmp_path / f"{name}.json").write_text(json.dumps(merged(name, {0: measured})))
    table = tables.render("reviews", tmp_path)
    assert table.count("\n") == 2 + len(tables.FIGURES["reviews"])
    (tmp_path / "reviews.json").unlink()
    assert "configs/reviews.toml" not in tables.render("reviews", tmp_path)


def test_a_measured_seed_is_kept_until_its_bundle_changes(
    measured: dict[str, Any], run: Path, tmp_path: Path
) -> None:
    bundle, kept = ReviewsBundle.open(run / "bundle"), tmp_path / "test.json"
    kept.write_text(json.dumps({**measured, "cpu_seconds": 1.5}))
    nowhere = tmp_path / "nowhere"
    assert reviews.measured(bundle, "test", nowhere, kept)["cpu_seconds"] == 1.5
    kept.write_text(json.dumps({**measured, "bundle": "another@1"}))
    fresh = reviews.measured(bundle, "validation", nowhere, kept)
    assert fresh["bundle"] == bundle.label
    assert fresh["transfer"] == {}
    assert json.loads(kept.read_text()) == fresh


def test_seeds_of_other_settings_are_left_out(
    measured: dict[str, Any], runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reviews.finished_runs("drawn", measured) == {}
    (runs / "drawn-0" / "test.json").write_text(json.dumps(measured))
    (runs / "drawn-11" / "test.json").write_text(json.dumps({**measured, "settings": "others"}))
    assert list(reviews.finished_runs("drawn", measured)) == [0]
    assert "seed 11 is left out" in capsys.readouterr().out


def test_seeds_of_a_recipe_are_not_those_of_a_longer_name(runs: Path) -> None:
    (runs / "drawn-0").rename(runs / "drawn-minilm-0")
    assert list(finished_bundles("drawn")) == [11]
    assert list(finished_bundles("drawn-minilm")) == [0]


def test_settings_are_the_same_for_all_seeds_and_teachers(run: Path) -> None:
    config = ReviewsBundle.open(run / "bundle").config
    seeded = config.model_copy(update={"train": config.train.model_copy(update={"seed": 5})})
    taught = config.model_copy(update={"distill": config.distill.model_copy(update={"teachers": (run,)})})
    longer = config.model_copy(update={"train": config.train.model_copy(update={"epochs": 99.0})})
    assert reviews.settings(config) == reviews.settings(seeded) == reviews.settings(taught)
    assert reviews.settings(config) != reviews.settings(longer)


def test_the_cost_is_that_of_all_attempts_and_at_least_that_of_the_loops(run: Path, tmp_path: Path) -> None:
    work = "sum(range(3_000_000))"
    attempt([sys.executable, "-c", work], tmp_path)
    with pytest.raises(Exception, match="non-zero exit status"):
        attempt([sys.executable, "-c", f"{work}; raise SystemExit(3)"], tmp_path)
    noted = json.loads((tmp_path / "cpu_seconds.json").read_text())
    assert len(noted) == 2
    assert cpu_seconds(tmp_path) == pytest.approx(sum(noted))
    loops = cpu_seconds(run)
    assert loops > ReviewsBundle.open(run / "bundle").info["training"]["cpu_seconds"] / 2
    assert not (run / "cpu_seconds.json").exists()


def test_a_finished_run_costs_nothing_more(runs: Path) -> None:
    attempt([sys.executable, "-c", ""], runs / "drawn-0")
    assert not (runs / "drawn-0" / "cpu_seconds.json").exists()


def test_what_is_missing_is_named(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_runs, "ROOT", runs)
    with pytest.raises(SystemExit, match="drawn --seeds 3"):
        review_runs.teacher_bundles("drawn", [0, 3])
    assert review_runs.teacher_bundles("drawn", [0, 11]) == ["drawn-0/bundle", "drawn-11/bundle"]
    monkeypatch.delenv("SHELFWISE_DATA", raising=False)
    with pytest.raises(SystemExit, match="SHELFWISE_DATA must name"):
        data_folder("reviews")
