"""The page that reads a whole file of reviews, batch by batch: aspects, quotes, contradictions, products."""

from __future__ import annotations

import streamlit as st

from shelfwise.schema import ProductSummary
from shelfwise.schema.serving import GivenReview
from shelfwise.ui import buyers_view, given, pieces, plots
from shelfwise.ui.batches import Run
from shelfwise.ui.client import ApiError, Client
from shelfwise.ui.layout import cards_beside, heading
from shelfwise.ui.session import client, connected, models, show_problem

SHOWN = 20
PRODUCTS = 200
_RUN = "reviews:run"


def page() -> None:
    """Draw the page."""
    heading(
        "Reviews of a catalogue",
        "Drop a file of reviews: what buyers praise and blame, in which words, and where stars contradict.",
    )
    api = client()
    connected(api)
    if not any(card.task == "reviews" for card in models(api)):
        st.html(
            pieces.card(
                "No bundle reads reviews here",
                pieces.missing("Reviews", "the server has no bundle of reviews open"),
                "<p>Train one (<code>shelfwise train reviews.toml</code>), and start the server with it: "
                "<code>shelfwise serve --bundle runs/reviews/bundle</code></p>",
            )
        )
        return
    _upload()
    run: Run | None = st.session_state.get(_RUN)
    if run is None:
        return
    _advance(run, api)
    summary = run.summary()
    if summary is not None:
        _draw(run, summary)


def _upload() -> None:
    """The file, its columns, and the button that begins."""
    file = st.file_uploader(
        "A CSV or JSONL file of reviews", type=["csv", "tsv", "jsonl", "json"], key="reviews:file"
    )
    if file is None:
        st.session_state.pop(_RUN, None)
        st.html(
            pieces.card(
                "No file yet",
                pieces.note(
                    "A row is a review: a text, and where you have them stars, a product and a headline. "
                    "Columns are found by their names, and can be chosen. The file goes to your own API only."
                ),
            )
        )
        return
    try:
        table = given.read_table(file.getvalue(), file.name)
    except ValueError as error:
        st.error(pieces.as_plain_text(f"{error}."))
        return
    columns = _columns(table)
    reviews, bad = given.reviews_of_table(table, columns)
    _rows_line(len(reviews), bad, cut=table.cut)
    if not reviews:
        return
    most = len(reviews)
    if most > 1:
        most = st.slider("How many of them", 1, len(reviews), min(len(reviews), 2_000), key="reviews:most")
    st.button(
        f"Analyse {most:,} reviews",
        type="primary",
        icon=":material/play_arrow:",
        on_click=_begin,
        args=(reviews[:most], file.name),
    )


def _columns(table: given.Table) -> dict[str, str | None]:
    """Which column has which part of a review, guessed and to be changed."""
    guessed = given.guess_columns(table.columns)
    names = {"text": "Text", "title": "Headline", "rating": "Stars", "product": "Product", "id": "Id"}
    chosen: dict[str, str | None] = {}
    with st.expander("Columns", expanded=guessed["text"] is None, icon=":material/view_column:"):
        places = st.columns(len(names))
        for place, (part, name) in zip(places, names.items(), strict=True):
            guess = guessed[part]
            chosen[part] = place.selectbox(
                name,
                table.columns,
                index=table.columns.index(guess) if guess else None,
                placeholder="none",
                key=f"reviews:column:{part}",
            )
    return chosen


def _rows_line(usable: int, bad: tuple[given.BadRow, ...], *, cut: bool) -> None:
    """Rows add up, and each that cannot be used is named."""
    st.caption(
        f"{usable + len(bad):,} rows = {usable:,} reviews + {len(bad):,} that cannot be used"
        + (f"; further rows than {given.ROWS:,} are not read" if cut else "")
    )
    if bad:
        with st.expander(f"{len(bad):,} rows that cannot be used"):
            st.dataframe([{"row": one.row, "why": one.why} for one in bad[:1000]], hide_index=True)


def _begin(reviews: tuple[GivenReview, ...], name: str) -> None:
    st.session_state[_RUN] = Run(reviews, name)


def _advance(run: Run, api: Client) -> None:
    """Go on until the end, a problem, or the button that stops; what is answered stays."""
    total = len(run.reviews)
    if run.problem is not None:
        show_problem(run.problem, api, "reviews:run", again=lambda: _go_on(run))
    elif run.ended:
        return
    elif not run.going:
        st.info(f"Stopped after {run.done:,} of {total:,} reviews.")
        st.button("Go on", key="reviews:on", on_click=_go_on, args=(run,))
    else:
        bar = st.progress(run.done / total, text=_line(run))
        st.button("Stop here", key="reviews:stop", on_click=_stop, args=(run,))
        try:
            while not run.ended:
                run.step(api.reviews)
                bar.progress(run.done / total, text=_line(run))
        except ApiError as problem:
            run.problem = problem
        st.rerun()


def _line(run: Run) -> str:
    return f"{run.done:,} of {len(run.reviews):,} reviews"


def _stop(run: Run) -> None:
    run.going = False


def _go_on(run: Run) -> None:
    run.going, run.problem = True, None


def _draw(run: Run, summary: ProductSummary) -> None:
    """Everything that can be said of the reviews that are answered."""
    sentiment = buyers_view.sentiment_bars(summary)
    cards_beside(
        pieces.card("All reviews", buyers_view.summary_figures(summary)),
        pieces.card("Sentiment", sentiment or pieces.missing("Sentiment", "no review could be read")),
    )
    aspects, stars = st.columns(2, gap="small")
    with aspects.container(border=True, key="sw-chart-aspects"):
        st.html(pieces.plain("<h2>Aspects</h2>"))
        if summary.aspects:
            st.altair_chart(plots.aspect_chart(summary), width="stretch")
        else:
            st.html(pieces.plain(buyers_view.aspect_rows(())))
    with stars.container(border=True, key="sw-chart-stars"):
        st.html(pieces.plain("<h2>Stars</h2>"))
        st.altair_chart(plots.star_chart(summary), width="stretch")
    buyers_view.draw_quotes(summary, "reviews")
    _contradictions(summary)
    _products(run)
    _failed(run)
    if run.by is not None:
        st.caption(pieces.as_plain_text(f"Answered by {run.by.bundle}, trained on {run.by.domain}."))
    st.download_button(
        "Download all answers as JSONL",
        lambda: "\n".join(answer.model_dump_json() for answer in run.answers),
        file_name="answers.jsonl",
        mime="application/jsonl",
        icon=":material/download:",
    )


def _contradictions(summary: ProductSummary) -> None:
    if not summary.contradicting:
        why = "no review's text contradicts its stars" if sum(summary.given) else "no review has stars"
        st.html(pieces.card("Contradictions", pieces.missing("None", why)))
        return
    shown = summary.contradicting[:SHOWN]
    blocks = "".join(map(buyers_view.contradiction_block, shown))
    note = pieces.note(
        f"{summary.contradictions:,} reviews do not read like their stars; the {len(shown)} most extreme."
    )
    st.html(pieces.card("Contradictions", note, blocks))


def _products(run: Run) -> None:
    products = run.products()
    if not products:
        return
    st.html(pieces.plain(f"<h2>Products</h2>{pieces.note(f'{len(products):,}, the most reviewed first.')}"))
    st.dataframe(
        [
            {
                "product": one.product,
                "reviews": one.reviews,
                "reads like": one.stars,
                "given": one.given_mean,
                "praised for": _most(one, "positive"),
                "blamed for": _most(one, "negative"),
                "contradictions": one.contradictions,
            }
            for one in products[:PRODUCTS]
        ],
        hide_index=True,
        column_config={
            "reads like": st.column_config.NumberColumn(format="%.2f ★"),
            "given": st.column_config.NumberColumn(format="%.2f ★"),
        },
    )


def _most(summary: ProductSummary, which: str) -> str:
    """The aspect that is praised, or blamed, most often."""
    count, aspect = max(((getattr(one, which), one.aspect) for one in summary.aspects), default=(0, ""))
    return f"{pieces.words(aspect)} ({count})" if count else ""


def _failed(run: Run) -> None:
    failed = [answer for answer in run.answers if answer.status == "failed"]
    if failed:
        with st.expander(f"{len(failed):,} reviews without an answer"):
            st.dataframe([{"review": one.id, "why": one.error} for one in failed[:1000]], hide_index=True)


if __name__ == "__main__":  # as streamlit runs it
    page()
