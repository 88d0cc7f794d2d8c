"""What `shelfwise predict` does with a reviews bundle: one review, or a file of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from shelfwise.cli import data_folders
from shelfwise.cli.predict import PICTURES, progress, tell_counts
from shelfwise.cli.printed import print_table
from shelfwise.errors import DataError

if TYPE_CHECKING:
    from shelfwise.bundle import ReviewsBundle
    from shelfwise.predict.onnx_backend import Precision
    from shelfwise.schema import Review, ReviewPrediction


def answer_reviews(
    bundle: ReviewsBundle,
    files: list[str],
    text: str | None,
    title: str | None,
    out: Path | None,
    *,
    as_json: bool,
    threads: int | None,
    precision: Precision,
) -> int:
    """Print the answer for a review, or stream a file's answers; how many failed.

    DataError where there is neither, or both, or something else."""
    review = _review(text, title)
    _check(bundle, files, review, out)
    from shelfwise.predict.review_backend import OnnxReviewBackend
    from shelfwise.predict.reviews import ReviewPredictor

    predictor = ReviewPredictor(bundle, OnnxReviewBackend(bundle, threads, precision))
    if out is not None:
        from shelfwise.data.suggest_reviews import resolve_reviews
        from shelfwise.predict.review_stream import predict_reviews

        data = resolve_reviews(files[0], folders=data_folders())
        with progress("reviews") as watch:
            counts = predict_reviews(predictor, data, out, watch=watch)
        return tell_counts(counts, out) - counts.unread
    assert review is not None
    from shelfwise.service.analysis import answer_cleaned

    ((_, answer),) = answer_cleaned(predictor, [review])
    if as_json:
        print(answer.model_dump_json())
    else:
        _tell(answer)
    return int(answer.status == "failed")


def _review(text: str | None, title: str | None) -> Review | None:
    """The review that the options tell; None where they tell none."""
    if text is None and title is None:
        return None
    from shelfwise.schema import Review

    return Review(id="text", title=title or "", text=text or "")


def _check(bundle: ReviewsBundle, files: list[str], review: Review | None, out: Path | None) -> None:
    """DataError where it is not clear what to read."""
    pictures = [file for file in files if Path(file).suffix.lower() in PICTURES]
    if pictures:
        raise DataError(f"'{bundle.path}' is a reviews bundle: '{pictures[0]}' is a picture")
    if review is not None and files:
        raise DataError(f"--text and --title are one review, '{files[0]}' is another: give either")
    if review is not None:
        from shelfwise.data.cleaning import clean

        if not any(clean(text, bundle.config.data.clean) for text in (review.title, review.text)):
            raise DataError("--text is empty: give the review's words")
    if out is not None:
        from shelfwise.predict.answer_files import check_suffix

        check_suffix(out)
    elif files:
        raise DataError(f"'{files[0]}' is a reviews file: add --out FILE.parquet or --out FILE.csv")
    if review is None and not files:
        raise DataError(f"'{bundle.path}' is a reviews bundle: give --text, or a reviews file and --out")


def _tell(answer: ReviewPrediction) -> None:
    """What the review reads like, and below it what it praises and blames."""
    if answer.status == "failed":
        print(f"failed: {answer.error}")
        return
    assert answer.rating is not None
    assert answer.sentiment is not None
    sure = max(answer.star_probabilities)
    print(f"stars        {answer.stars:.1f}, most probably {answer.rating} ({sure:.0%})")
    print(f"sentiment    {answer.sentiment} ({max(answer.sentiment_probabilities):.0%})")
    if answer.recommended is not None:
        print(f"recommended  {answer.recommended:.0%}")
    for warning in answer.warnings:
        print(f"warning      {warning}")
    if answer.opinions:
        _opinions(answer)


def _opinions(answer: ReviewPrediction) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("aspect", "opinion", "probability", "in the words"):
        table.add_column(heading, justify="right" if heading == "probability" else "left", overflow="fold")
    for opinion in answer.opinions:
        quote = escape(f'"{opinion.quote}"')
        table.add_row(escape(opinion.aspect), opinion.polarity, f"{opinion.probability:.0%}", quote)
    print()
    print_table(table)
