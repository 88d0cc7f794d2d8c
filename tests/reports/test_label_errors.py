"""Planted label errors are found, and found first; what cannot be judged is left out."""

from __future__ import annotations

import numpy as np
from drawn import KINDS, draw_garment, title_of

from shelfwise.data.pictures import DecodedPicture
from shelfwise.reports.evidence import features, sample_rows, title_topics
from shelfwise.reports.label_errors import find_issues, out_of_fold
from shelfwise.reports.rows import PicturedRow
from shelfwise.reports.survey import Survey

PLANTED = 24


def drawn_rows(count: int, *, titles: bool = False) -> list[PicturedRow]:
    rows = []
    for i in range(count):
        kind = KINDS[i % 4]
        picture = DecodedPicture(np.asarray(draw_garment(kind, i, 48)), "RGB", (), (48, 48), b"%032d" % i)
        rows.append(PicturedRow(f"p{i:04}", picture, {"kind": kind}, title_of(kind, i) if titles else ""))
    return rows


def test_planted_flips_are_found_at_the_top_of_the_ranking() -> None:
    """Precision of the first 24 ranks is at least 0.9 with 24 flips planted among 600 rows (4%)."""
    with Survey("kind") as survey:
        survey.add(drawn_rows(600))
        evidence = features(survey, np.arange(600))
    random = np.random.default_rng(0)
    truth = np.arange(600) % 4
    flipped = random.choice(600, PLANTED, replace=False)
    labels = truth.copy()
    labels[flipped] = (truth[flipped] + random.integers(1, 4, PLANTED)) % 4
    found = find_issues(evidence, labels, np.arange(600) // 4 % 5)
    assert found is not None
    top = found.rows[:PLANTED]
    precision = np.isin(top, flipped).mean()
    assert precision >= 0.9
    hits = np.isin(found.rows, flipped)
    assert (found.suggested[hits] == truth[found.rows[hits]]).mean() >= 0.9
    assert found.judged == 600
    assert found.accuracy > 0.9
    assert (found.quality[:PLANTED] < 0.5).all()


def test_missing_labels_and_rare_classes_are_not_judged() -> None:
    random = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2, -1], [40, 40, 3, 17]).astype(np.int64)
    evidence = (np.eye(4)[labels] + 0.1 * random.normal(size=(100, 4))).astype(np.float32)
    found = find_issues(evidence, labels, np.arange(100) % 5)
    assert found is not None
    assert found.judged == 80
    assert set(labels[found.rows].tolist()) <= {0, 1}


def test_one_class_alone_cannot_be_judged() -> None:
    evidence = np.zeros((30, 2), dtype=np.float32)
    assert find_issues(evidence, np.zeros(30, dtype=np.int64), np.arange(30) % 5) is None
    assert find_issues(evidence, np.full(30, -1), np.arange(30) % 5) is None


def test_a_class_unseen_in_training_folds_keeps_a_small_probability() -> None:
    random = np.random.default_rng(2)
    labels = np.repeat([0, 1, 2], [20, 20, 10]).astype(np.int64)
    folds = np.where(labels == 2, 0, np.arange(50) % 2).astype(np.int64)
    probabilities = out_of_fold(random.normal(size=(50, 3)).astype(np.float32), labels, folds, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities > 0).all()
    assert probabilities[folds == 0, 2].max() < 1e-3


def test_the_sample_is_capped_and_does_not_depend_on_row_order() -> None:
    rows = drawn_rows(40)
    chosen = []
    for order in (rows, rows[::-1]):
        with Survey("kind") as survey:
            survey.add(order)
            chosen.append([survey.prints.ids[row] for row in sample_rows(survey, 15)])
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 15


def test_titles_add_topics_where_there_are_any() -> None:
    assert title_topics(["", "", ""]) is None
    assert title_topics(["alpha", "beta", "gamma"]) is None
    topics = title_topics(["red shirt", "red shoe", "blue shirt", "blue shoe"])
    assert topics is not None
    assert len(topics) == 4
    with Survey("kind") as plain, Survey("kind") as titled:
        plain.add(drawn_rows(20))
        titled.add(drawn_rows(20, titles=True))
        rows = np.arange(20)
        assert features(titled, rows).shape[1] > features(plain, rows).shape[1]
