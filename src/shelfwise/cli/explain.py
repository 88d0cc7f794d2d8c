"""`shelfwise explain`: why a bundle says what it says, as a page, JSON and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shelfwise.cli import app
from shelfwise.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from shelfwise.bundle import Bundle, ProductsBundle, ReviewsBundle
    from shelfwise.explain.result import Explained
    from shelfwise.schema.explanation import Explanation

NO_WEIGHTS = "the bundle is a copy made for serving, without the weights that gradients are taken in"
TOP_WORDS = 5
NEAREST = 3


@app.command()
def explain(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    out: Annotated[
        Path, typer.Option(file_okay=False, help="Folder for explanation.html, explanation.json and PNGs.")
    ],
    files: Annotated[
        list[str] | None, typer.Argument(help="Pictures of one product; of a pictures bundle one picture.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="The product's title; or a review's headline.")] = None,
    text: Annotated[str | None, typer.Option(help="A review's text, of a reviews bundle.")] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Products: one of the shop's own columns, e.g. price=9.5."),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="What to explain, such as colour; the main target when left out.")
    ] = None,
    class_: Annotated[
        str | None, typer.Option("--class", help="Class to explain; the answer when left out.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use; all when left out.")] = None,
) -> None:
    """Say why: where in the picture, which words, which modality.

    Explains the answer that `predict` gives, or another class, and why it is not the runner-up. Writes a
    page, JSON and PNGs."""
    from shelfwise.bundle import ProductsBundle, ReviewsBundle, open_bundle

    opened, given = open_bundle(bundle), files or []
    if field and not isinstance(opened, ProductsBundle):
        raise DataError(f"'{bundle}' is no products bundle: --field is for these")
    if isinstance(opened, ReviewsBundle):
        found = _review(opened, given, text, title, target, class_, threads)
    elif isinstance(opened, ProductsBundle):
        if text is not None:
            raise DataError(f"'{bundle}' is a products bundle: --text is for reviews bundles; give --title")
        found = _product(opened, given, title, field or [], target, class_, threads)
    else:
        found = _picture(opened, given, text or title, target, class_, threads)
    from shelfwise.reports.explanation_page import write_explanation

    written = write_explanation(found, out)
    _tell(found.explanation)
    print(f"page:  {written[0]}")
    print(f"       {written[1].name} and {len(written) - 2} PNGs beside it")


def _product(
    bundle: ProductsBundle,
    files: list[str],
    title: str | None,
    fields: list[str],
    target: str | None,
    class_: str | None,
    threads: int | None,
) -> Explained:
    """Of a product that has pictures, a title, fields, or some of these."""
    from shelfwise.cli.predict_products import one_product

    product = one_product(
        bundle, files, title, fields, catalogue="predict its rows with `shelfwise predict --out`"
    )
    _need_torch()
    from shelfwise.explain.product import ProductExplainer

    return ProductExplainer(bundle, threads).explain(product, target=target, label=class_)


def _picture(
    bundle: Bundle,
    files: list[str],
    words: str | None,
    target: str | None,
    class_: str | None,
    threads: int | None,
) -> Explained:
    """Of one picture."""
    if words is not None:
        raise DataError(f"'{bundle.path}' is a pictures bundle: it reads neither --title nor --text")
    if len(files) != 1:
        raise DataError(f"'{bundle.path}' is a pictures bundle: name one picture, not {len(files)}")
    _one_target(bundle.meta.target, target)
    from shelfwise.schema import Picture, Product

    picture = Picture(path=files[0])
    if not bundle.has_weights:
        from shelfwise.explain.served import picture_by_answers
        from shelfwise.predict import Predictor
        from shelfwise.predict.onnx_backend import OnnxBackend

        predictor = Predictor(bundle, OnnxBackend(bundle, threads))
        product = Product(id=files[0], images=(picture,))
        return picture_by_answers(predictor, product, label=class_, no_gradients=NO_WEIGHTS)
    _need_torch()
    from shelfwise.explain.picture import explain_picture

    return explain_picture(bundle, picture, label=class_, threads=threads)


def _review(
    bundle: ReviewsBundle,
    files: list[str],
    text: str | None,
    title: str | None,
    target: str | None,
    class_: str | None,
    threads: int | None,
) -> Explained:
    """Of one review."""
    if files:
        raise DataError(f"'{bundle.path}' is a reviews bundle: give --text, not '{files[0]}'")
    _one_target("stars", target)
    from shelfwise.data.cleaning import clean
    from shelfwise.explain.review import explain_review
    from shelfwise.schema import Review

    said, headline = (clean(words or "", bundle.config.data.clean) for words in (text, title))
    return explain_review(bundle, Review(id="text", title=headline, text=said), label=class_, threads=threads)


def _one_target(there: str, asked: str | None) -> None:
    if asked not in (None, there):
        raise DataError(f"target '{asked}' is none of the bundle's: {there}")


def _need_torch() -> None:
    """MissingExtraError where gradients cannot be taken."""
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtraError("torch", "train") from None


def _tell(explanation: Explanation) -> None:
    """The most important things, on a terminal."""
    lines = [("answer", f"{explanation.answer.label} {explanation.answer.probability:.1%}")]
    if explanation.label != explanation.answer.label:
        lines.append(("explained", f"{explanation.label} {explanation.probability:.1%}"))
    if explanation.rival is not None:
        lines.append(("runner-up", f"{explanation.rival.label} {explanation.rival.probability:.1%}"))
    if explanation.modalities:
        parts = [f"{name} {100 * value:+.1f}" for name, value in explanation.modalities.items()]
        lines.append(("points", f"{', '.join(parts)}; with nothing known {explanation.prior:.1%}"))
    words = sorted(explanation.words, key=lambda word: -abs(word.weight))[:TOP_WORDS]
    if words:
        lines.append(("words", ", ".join(f"{word.text} {word.weight:+.1f}" for word in words) + " nats"))
    for near in explanation.neighbours[:NEAREST]:
        lines.append(("like", f"{near.id} {near.title} ({near.label or 'unlabelled'}) {near.similarity:.2f}"))
    lines += [("without", f"{part}: {why}") for part, why in explanation.missing.items()]
    lines += [("warning", warning) for warning in explanation.warnings]
    width = max(len(name) for name, _ in lines)
    for name, said in lines:
        print(f"{name:<{width}}  {said}")
