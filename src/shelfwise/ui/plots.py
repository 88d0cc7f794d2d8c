"""Charts of what buyers say, from a summary: values in, altair charts out."""

from __future__ import annotations

import altair as alt

from shelfwise.schema import ProductSummary
from shelfwise.ui.pieces import words
from shelfwise.ui.theme import ACCENT, BAD, GOOD, PALE, SOFT, SURFACE

AnyChart = alt.Chart | alt.LayerChart | alt.FacetChart
LINE, AXES = 30, 70
"""Pixels of one bar with its space, and of the axis below all of them."""


def aspect_chart(summary: ProductSummary) -> AnyChart:
    """Praise to the right and blame to the left of one line, for each aspect."""
    rows = [
        {"aspect": words(one.aspect), "said": said, "reviews": sign * count, "count": count}
        for one in summary.aspects
        for said, sign, count in (("praised", 1, one.positive), ("blamed", -1, one.negative))
    ]
    order = [words(one.aspect) for one in summary.aspects]
    bars = (
        alt.Chart({"values": rows})
        .mark_bar(cornerRadius=3)
        .encode(
            x=alt.X("reviews:Q", title="reviews that blame it ← → that praise it", axis=_counts()),
            y=alt.Y("aspect:N", sort=order, title=None),
            color=alt.Color(
                "said:N",
                scale=alt.Scale(domain=["praised", "blamed"], range=[GOOD, BAD]),
                legend=None,
            ),
            tooltip=["aspect:N", "said:N", "count:Q"],
        )
    )
    middle = alt.Chart({"values": [{"x": 0}]}).mark_rule(color=SOFT).encode(x="x:Q")
    return alt.layer(bars, middle).properties(height=AXES + LINE * len(order), background=SURFACE)


def star_chart(summary: ProductSummary) -> AnyChart:
    """How many reviews were given 1 to 5 stars, and how many read like them."""
    rows = [
        {"stars": f"{star} ★", "which": which, "reviews": count}
        for which, counts in (("given", summary.given), ("reads like", summary.decided))
        for star, count in enumerate(counts, 1)
    ]
    chart: AnyChart = (
        alt.Chart({"values": rows})
        .mark_bar(cornerRadius=3)
        .encode(
            x=alt.X("stars:N", title=None, axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("which:N", sort=["given", "reads like"]),
            y=alt.Y("reviews:Q", axis=_counts(), title="reviews"),
            color=alt.Color(
                "which:N",
                sort=["given", "reads like"],
                scale=alt.Scale(domain=["given", "reads like"], range=[PALE, ACCENT]),
                legend=alt.Legend(orient="top", title=None),
            ),
            tooltip=["stars:N", "which:N", "reviews:Q"],
        )
        .properties(height=260, background=SURFACE)
    )
    return chart


def _counts() -> alt.Axis:
    """Whole numbers, and no sign for what is blamed."""
    return alt.Axis(format=",d", labelExpr="format(abs(datum.value), ',d')", tickMinStep=1, grid=True)
