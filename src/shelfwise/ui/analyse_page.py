"""The page that analyses one product: drop pictures, paste words and reviews, see what can be told of it."""

from __future__ import annotations

import base64
import io
from functools import partial

import streamlit as st
from PIL import Image

from shelfwise.schema.explanation import Explanation
from shelfwise.schema.search import SearchPage
from shelfwise.schema.serving import Analysis, GivenProduct, GivenReview, GivenSearch, ModelCard
from shelfwise.ui import answer_view, buyers_view, example, explain_view, given, hits_view, pieces
from shelfwise.ui.client import Client
from shelfwise.ui.layout import cards_beside, heading
from shelfwise.ui.session import ask, client, connected, kept_question, models, told

PICTURES = ["png", "jpg", "jpeg", "webp", "gif", "bmp"]
MOST_REVIEWS = 64
Asked = tuple[GivenProduct, str | None]
"""A product, and the bundle that is to answer; the server chooses where it is None."""
EXPLAIN, SEARCH = "/v1/explain", "/v1/search"


def page() -> None:
    """Draw the page."""
    heading(
        "Analyse a product",
        "What is it, what do its buyers say, and how sure is that? Give whatever is known of it.",
    )
    api = client()
    paths = connected(api)
    _form(models(api))
    found = told("analyse", partial(_analysis, api), api, waiting="Asking the bundles …")
    if found is not None:
        product: GivenProduct = kept_question("analyse")[0]
        _draw(found, product)
        _explanation(api, kept_question("analyse"), found, paths)
        _similar(api, product, paths)
        st.download_button(
            "Download this answer as JSON",
            found.model_dump_json(indent=2),
            file_name="analysis.json",
            mime="application/json",
            icon=":material/download:",
        )
    elif kept_question("analyse") is None:
        st.html(
            pieces.card(
                "Nothing asked yet",
                pieces.note(
                    "A picture alone gives a category; a title makes it surer; reviews tell what buyers "
                    "like and dislike, in their own words. Nothing leaves for anywhere but your own API."
                ),
            )
        )


def _analysis(api: Client, asked: Asked) -> Analysis:
    return api.analyze(asked[0], model=asked[1])


def product_of(
    pictures: list[bytes], title: str, description: str, fields: str, reviews: tuple[GivenReview, ...]
) -> tuple[GivenProduct, tuple[str, ...]]:
    """The product that a filled form describes, and what of it could not be used."""
    values, bad = given.fields_of_text(fields)
    problems = [f"Fields, line {one.row}: {one.why}." for one in bad]
    if len(reviews) > MOST_REVIEWS:
        problems.append(
            f"The first {MOST_REVIEWS} of {len(reviews):,} reviews are asked; "
            "“Reviews of a catalogue” takes whole files."
        )
    product = GivenProduct(
        pictures=tuple(given.picture_of(data) for data in pictures),
        title=title.strip() or None,
        description=description.strip() or None,
        fields=values,
        reviews=reviews[:MOST_REVIEWS],
    )
    return product, tuple(problems)


def file_reviews(data: bytes, name: str) -> tuple[tuple[GivenReview, ...], tuple[str, ...]]:
    """The reviews of a dropped file, and what of it could not be used."""
    try:
        table = given.read_table(data, name)
    except ValueError as error:
        return (), (f"{error}.",)
    columns = given.guess_columns(table.columns)
    if columns["text"] is None and columns["title"] is None:
        return (), (f"'{name}' has no column of texts; it has: {', '.join(table.columns)}.",)
    reviews, bad = given.reviews_of_table(table, columns)
    return reviews, tuple(f"'{name}', row {one.row}: {one.why}." for one in bad[:3])


def _form(cards: tuple[ModelCard, ...]) -> None:
    """The form; what it sends is kept, and asked by `page`."""
    with st.form("analyse:form"):
        left, right = st.columns(2, gap="medium")
        with left:
            files = st.file_uploader(
                "Pictures", type=PICTURES, accept_multiple_files=True, key="analyse:pictures"
            )
            title = st.text_input("Title", placeholder="Puma men blue running shoe", key="analyse:title")
            fields = st.text_area(
                "Fields", placeholder="brand: Puma\nprice: 79.90", height=96, key="analyse:fields"
            )
        with right:
            reviews = st.text_area(
                "Reviews, one a line; stars may stand in front",
                placeholder="4: Runs small, but lovely.\nThe sole came off after a week.",
                height=150,
                key="analyse:reviews",
            )
            file = st.file_uploader(
                "Or a CSV or JSONL file of reviews", type=["csv", "jsonl", "json", "tsv"], key="analyse:file"
            )
            with st.expander("Description, and which bundle answers"):
                description = st.text_area("Description", height=90, key="analyse:description")
                names = [card.id for card in cards if card.task != "reviews"]
                model = st.selectbox(
                    "Bundle", names, index=None, placeholder="The server's own choice", key="analyse:model"
                )
        sent = st.form_submit_button("Analyse", type="primary", icon=":material/auto_awesome:")
    if st.button("Try an example", icon=":material/science:", key="analyse:example", type="tertiary"):
        ask("analyse", (example.example(), None))
        st.session_state["analyse:notes"] = (example.NOTE,)
    if sent:
        from_file, notes = file_reviews(file.getvalue(), file.name) if file else ((), ())
        product, problems = product_of(
            [one.getvalue() for one in files],
            title,
            description,
            fields,
            (*given.reviews_of_text(reviews), *from_file),
        )
        st.session_state["analyse:notes"] = (*notes, *problems)
        if product == GivenProduct():
            st.session_state.pop("analyse", None)
            st.warning("There is nothing to ask about yet: drop a picture, or paste a title or a review.")
        else:
            ask("analyse", (product, model))
    for line in st.session_state.get("analyse:notes", ()):
        st.info(pieces.as_plain_text(line))


def _draw(found: Analysis, product: GivenProduct) -> None:
    """The answer: pictures and category, attributes, buyers."""
    if found.status == "failed":
        st.warning(
            f"Nothing could be told of this product: {pieces.as_plain_text(found.error or 'no reason')}."
        )
    if product.pictures:
        _draw_pictures([base64.b64decode(one.data) for one in product.pictures if one.data is not None])
    cards_beside(answer_view.category_card(found), answer_view.attributes_card(found))
    if found.reviews is None:
        st.html(answer_view.no_buyers_card(found))
    else:
        _buyers(found, product)
    if found.by:
        st.html(answer_view.by_line(found))


def _draw_pictures(pictures: list[bytes]) -> None:
    """Those that are pictures; how many are none."""
    shown = [picture for picture in pictures if _opens(picture)]
    if shown:
        st.image(shown, width=112)
    if missing := len(pictures) - len(shown):
        st.html(pieces.missing("Pictures", f"{missing} of {len(pictures)} cannot be shown"))


def _opens(picture: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(picture)) as opened:
            opened.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    return True


def _buyers(found: Analysis, product: GivenProduct) -> None:
    assert found.reviews is not None
    cards_beside(
        pieces.card(
            "What buyers say",
            buyers_view.summary_figures(found.reviews),
            "<h3>Sentiment</h3>" + buyers_view.sentiment_bars(found.reviews)
            if found.reviews.sentiment
            else "",
        ),
        pieces.card("Aspects", buyers_view.aspect_rows(found.reviews.aspects)),
    )
    blocks = "".join(
        buyers_view.review_block(review, answer)
        for review, answer in zip(product.reviews, found.opinions, strict=False)
    )
    st.html(pieces.card("In their own words", blocks))


def _explanation(api: Client, asked: Asked, found: Analysis, paths: frozenset[str]) -> None:
    """Why; only where the server can explain, and something was told."""
    if EXPLAIN not in paths or found.category is None:
        return
    if st.button("Explain the category", icon=":material/lightbulb:", key="analyse:explain"):
        ask("analyse:why", asked)
    if kept_question("analyse:why") != asked:
        return
    why = told("analyse:why", partial(_why, api), api, waiting="Leaving parts out, one by one …")
    if why is None:
        return
    best = explain_view.best_map(why)
    first = next((one.data for one in asked[0].pictures if one.data is not None), None)
    if best is not None and first is not None:
        try:
            st.image(
                explain_view.heat_map(base64.b64decode(first), best.grid),
                caption=f"Where {best.method} sees it: teal speaks for {why.label}, red against it.",
            )
        except ValueError as error:
            st.html(pieces.missing("Heat map", str(error)))
    st.html(explain_view.reasons_card(why))


def _similar(api: Client, product: GivenProduct, paths: frozenset[str]) -> None:
    """Products of the index that are like it; only where the server can search."""
    if SEARCH not in paths or not (product.pictures or product.title):
        return
    if st.button("Find similar products", icon=":material/grid_view:", key="analyse:similar"):
        ask("analyse:like", product)
    if kept_question("analyse:like") != product:
        return
    page = told("analyse:like", partial(_like, api), api, waiting="Searching …")
    if page is not None:
        hits_view.draw_hits(page, api, paths)


def _why(api: Client, asked: Asked) -> Explanation:
    return api.explain(asked[0], model=asked[1])


def _like(api: Client, product: GivenProduct) -> SearchPage:
    return api.search(search_for(product))


def search_for(product: GivenProduct) -> GivenSearch:
    """The search for products like one that is not in the index."""
    picture = product.pictures[0] if product.pictures else None
    return GivenSearch(words=product.title, picture=picture, limit=8)


if __name__ == "__main__":  # as streamlit runs it
    page()
