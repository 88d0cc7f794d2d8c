"""Rows on speed in use, for `tables.py`: the server, search, and pictures in 8 bits."""

from __future__ import annotations

from figure import Figure

SHARES = ("1%", "10%", "50%", "100%")
"""Of the products that a filter leaves."""


def _upload(name: str, what: str) -> Figure:
    """Our route over an empty one, from `benchmarks/serve.py`."""
    place = f"serve.pictures.{name}"
    return Figure(
        f"`POST /v1/classify`, a small picture as {what}, {{serve.callers:d}} callers",
        f"{{{place}.per_second:,.0f}} a second, p99 {{{place}.p99_ms:.1f}} ms",
        f"an empty FastAPI route that reads the same: {{{place}.compared.per_second:,.0f}}; {_ratio(place)}",
    )


def _texts(precision: str, peer: str, what: str) -> Figure:
    """Embeddings against one peer, from `benchmarks/serve.py`."""
    place = f"serve_texts.{precision}.{peer}"
    return Figure(
        f"`POST /v1/embeddings`, a text of {{serve_texts.tokens:d}} tokens by MiniLM, {precision}",
        f"{{{place}.per_second:,.0f}} a second, p99 {{{place}.p99_ms:.0f}} ms",
        f"{what}: {{{place}.compared.per_second:,.0f}}; {_ratio(place)}",
    )


def _ratio(place: str) -> str:
    return f"{{{place}.ratio:.2f}} of it ({{{place}.ratio_low:.2f}} to {{{place}.ratio_high:.2f}})"


def _mixed(file: str, what: str) -> Figure:
    """One run of `benchmarks/serve_mixed.py`; without growth where it was too short to tell."""
    head = f"{{{file}.requests:,d}} mixed requests, {{{file}.rate:g}} a second{what}, 5% of them hostile"
    measured = f"p50 {{{file}.all_good.p50_ms:.0f}} ms, p99 {{{file}.all_good.p99_ms:.0f}} ms"
    faults = f"answers from 500 on but 503: {{{file}.faults:d}}, and 503: {{{file}.all_good.refused:,d}}"
    return Figure(
        head,
        f"{measured}; memory {{{file}.memory.highest_mb:,.0f}} MB, {{{file}.memory.growth:+.1%}}",
        faults,
        otherwise=Figure(head, measured, faults),
    )


def _filtered(share: str) -> Figure:
    """Words and vector under a filter, from `benchmarks/search.py`."""
    place = f"search.filters.{share}"
    return Figure(
        f"{{search.products:,d}} products by words and vector, of which a filter leaves {share}",
        f"p50 {{{place}.search_p50_ms:.1f}} ms, p99 {{{place}.search_p99_ms:.1f}} ms; recall@10 "
        f"{{{place}.recall@10.hybrid:.3f}}",
        f"a bare numpy scan of the vectors: {{{place}.scan_p50_ms:.1f}} ms; "
        f"{{{place}.p50_over_scan:.2f}} times that",
    )


def _million(share: str) -> Figure:
    """Vectors under a filter against faiss, from `benchmarks/search_million.py`."""
    place = f"search_million.filters.{share}"
    return Figure(
        f"{{search_million.products:,d}} products by vector, of which a filter leaves {share}",
        f"p50 {{{place}.p50_ms:.2f}} ms, p99 {{{place}.p99_ms:.2f}} ms; recall@10 {{{place}.recall@10:.3f}}",
        f"faiss HNSW at recall {{{place}.faiss_recall@10:.3f}}: {{{place}.faiss_p50_ms:.2f}} ms; "
        f"{{{place}.p50_over_faiss:.2f}} times that; "
        f"at recall {{{place}.enough.faiss_recall@10:.3f}}: {{{place}.enough.faiss_p50_ms:.2f}} ms; "
        f"{{{place}.enough.p50_over_faiss:.2f}} times",
    )


SERVING = (
    _upload("body", "the body"),
    _upload("form", "a form"),
    _texts("fp32", "bare", "the bare predictor in batches"),
    _texts("fp32", "litserve", "LitServe {serve_texts.litserve.versions.litserve:} on the same files"),
    _texts("int8", "bare", "the bare predictor in batches"),
    _texts("int8", "litserve", "LitServe in fp32"),
    Figure(
        "from `shelfwise serve` to the first answer of `/health/ready`",
        "{serve.start.seconds:.1f} s, {serve.start.resident_mb:,.0f} MB then",
    ),
    _mixed("serve_mixed", ""),
    _mixed("serve_mixed_twice", " (twice the load)"),
)

SEARCH = (
    *(_filtered(share) for share in SHARES),
    Figure(
        "words alone, of which a filter leaves 50%",
        "p50 {search.words.ours_p50_ms:.1f} ms",
        "LanceDB's full text: {search.words.lancedb_p50_ms:.1f} ms",
    ),
    *(_million(share) for share in SHARES),
    Figure(
        "the index of {search_million.products:,d} products: its build",
        "{search_million.build.put_cpu_s:,.0f} CPU-seconds to put, "
        "{search_million.build.publish_cpu_s:,.0f} to publish; "
        "peak memory {search_million.build.peak_gib:.1f} GiB",
        "faiss HNSW: {search_million.faiss.build.cpu_s:,.0f} CPU-seconds",
    ),
)

INT8 = (
    Figure(
        "the package's own picture bundle in 8 bits, one picture at a time",
        "{int8.single.shelfwise_int8.p50_us:,.0f} us, p99 {int8.single.shelfwise_int8.p99_us:,.0f} us; "
        "from a PNG file {int8.single.predict_int8.p50_us:,.0f} us",
        "the same weights in eager PyTorch: {int8.single.eager_fp32.p50_us:,.0f} us; "
        "{int8.single.int8_over_eager:.1f}x",
    ),
    Figure(
        "it in batches, pictures a second",
        "{int8.batch.per_second.shelfwise_int8:,.0f}; test accuracy {int8.test.int8.accuracy:.2%}",
        "eager PyTorch: {int8.batch.per_second.eager_fp32:,.0f}; {int8.batch.int8_over_eager:.1f}x; "
        "fp32 {int8.test.fp32.accuracy:.2%}",
    ),
)
