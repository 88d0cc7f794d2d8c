"""How fast are reviews answered on one core: one by one, as a file, and against Hugging Face's pipeline?

    SHELFWISE_DATA=DIR python benchmarks/reviews_speed.py [--own BUNDLE] [--minilm BUNDLE] [--core N]

On one core and thread, wall time, every side in turn in one process; a ratio is the median of the rounds.

latency     one review at a time, tokenizing included: ReviewPredictor.distributions in int8 and fp32 against
            the same weights in eager torch, fp32; beside them the bare int8 session on ready ids. Our own
            encoder on real reviews that it reads whole, MiniLM on texts cut to 64 tokens.
summarize   a CSV file to tables, JSON and page, in reviews per second, over the rate of the bare sessions
            (stars and aspects) on the ready batches of the same texts. Loading the bundle is in neither.
pipeline    transformers' text-classification pipeline on MiniLM with a linear head (untrained: speed does not
            depend on it), at its best batch size, against ReviewPredictor.distributions, on real reviews
            that both read whole.

The bundles come from benchmarks/reviews.py. Writes results/bench/reviews_speed.json.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import record
from in_turn import Side, in_milliseconds, latencies, rates, ratio, stay_on_one_core, summary, times_as_fast
from training_runs import data_folder, run_folder

from shelfwise.bundle import ReviewsBundle
from shelfwise.config import ReviewData
from shelfwise.data.review_tokens import TextReader, load_tokenizer, padded, review_text
from shelfwise.data.reviews import read_reviews
from shelfwise.enrich.summarize import summarize
from shelfwise.predict.onnx_backend import Precision
from shelfwise.predict.review_backend import OnnxReviewBackend, batches, pad_id
from shelfwise.predict.reviews import CHUNK, ReviewPredictor
from shelfwise.schema import Review

BATCH_SIZES = (1, 8, 16, 32, 64)
"""What the pipeline may choose from."""
TOKENS = 64
CALLS, FILE_ROWS, PIPELINE_TEXTS, TUNING_TEXTS = 200, 5000, 500, 200
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")


def main() -> None:
    """Measure, record, print the ratios last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--own", type=Path, default=run_folder("reviews-distilled", 0) / "bundle")
    parser.add_argument("--minilm", type=Path, default=run_folder("reviews-minilm", 0) / "bundle")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core", type=int, default=None)
    options = parser.parse_args()
    core = stay_on_one_core(options.core)
    own, minilm = (opened(path) for path in (options.own, options.minilm))
    source = data_folder("reviews") / own.config.data.source
    values = {
        "core": core,
        "threads": 1,
        "rounds": options.rounds,
        "bundles": {"own": own.label, "minilm": minilm.label},
        **measure(own, minilm, own.config.data.model_copy(update={"source": str(source)}), options.rounds),
    }
    path = record.write("reviews_speed", values)
    show(values)
    print(f"written to {path.relative_to(record.ROOT)}")


def opened(path: Path) -> ReviewsBundle:
    """The bundle, or the command that trains it."""
    if not (path / "bundle.json").exists():
        sys.exit(f"no bundle in {path}; run benchmarks/reviews.py, or name one with --own and --minilm")
    return ReviewsBundle.open(path)


def measure(own: ReviewsBundle, minilm: ReviewsBundle, data: ReviewData, rounds: int) -> dict[str, Any]:
    """The three questions, one after the other."""
    reviews = [item for item in read_reviews(data) if isinstance(item, Review) and item.text]
    texts = [review_text(review) for review in reviews]
    tokenizer = load_tokenizer(minilm.path / "tokenizer.json")
    cut = texts_of_length(texts, TextReader(tokenizer, TOKENS))[:CALLS]
    return {
        "latency": {
            "own": latency(own, read_whole(own, texts)[:CALLS], rounds) | {"texts": "real reviews"},
            "minilm": latency(minilm, cut, rounds) | {"texts": f"{TOKENS} tokens"},
        },
        "summarize": {kind: whole_file(own, data, kind, rounds) for kind in PRECISIONS},
        "pipeline": against_pipeline(minilm, read_whole(minilm, texts)[:PIPELINE_TEXTS], rounds),
    }


def read_whole(bundle: ReviewsBundle, texts: Sequence[str]) -> list[str]:
    """The texts that the bundle need not divide."""
    reader = reader_of(bundle)
    return [text for text, n in zip(texts, reader.lengths(texts), strict=True) if 0 < n <= reader.room]


def reader_of(bundle: ReviewsBundle) -> TextReader:
    """How the bundle reads."""
    return TextReader(load_tokenizer(bundle.path / "tokenizer.json"), bundle.reading.max_tokens)


def texts_of_length(texts: Sequence[str], reader: TextReader) -> list[str]:
    """The beginnings of texts that are exactly `max_tokens` long, special ones included."""
    found = []
    for text, encoding in zip(texts, reader.windows(texts).encodings, strict=True):
        if len(encoding) >= reader.room:
            beginning = text[: encoding.offsets[reader.room - 1][1]]
            if len(reader.tokenizer.encode(beginning).ids) == reader.max_tokens:
                found.append(beginning)
    return found


def latency(bundle: ReviewsBundle, texts: Sequence[str], rounds: int) -> dict[str, Any]:
    """Milliseconds of one text on every side, and how often ours fits into eager torch's."""
    ready = [ids[None] for ids in reader_of(bundle).windows(texts).ids]
    small = OnnxReviewBackend(bundle, 1, "int8")
    sides = {
        "eager_fp32": Side(eager(bundle), texts),
        **{f"shelfwise_{kind}": Side(one_by_one(bundle, kind), texts) for kind in PRECISIONS},
        "bare_int8": Side(small.review, ready),
    }
    taken = latencies(sides, rounds)
    return {
        **{name: in_milliseconds(some) for name, some in taken.items()},
        "int8_over_eager": times_as_fast(taken["shelfwise_int8"], taken["eager_fp32"]),
        "fp32_over_eager": times_as_fast(taken["shelfwise_fp32"], taken["eager_fp32"]),
        "bare_int8_over_eager": times_as_fast(taken["bare_int8"], taken["eager_fp32"]),
        "calls": len(texts),
    }


def one_by_one(bundle: ReviewsBundle, precision: Precision) -> Callable[[str], object]:
    """Ours: a text in, calibrated probabilities out."""
    predictor = ReviewPredictor.load(bundle.path, threads=1, precision=precision)
    return lambda text: predictor.distributions([text])


def eager(bundle: ReviewsBundle) -> Callable[[str], object]:
    """The peer: the same weights and tokenizer in plain torch."""
    import torch

    from shelfwise.nn.review_net import ServedReviewNet
    from shelfwise.predict.torch_reviews import load_review_net

    torch.set_num_threads(1)
    net = ServedReviewNet(load_review_net(bundle)).eval()
    tokenizer = load_tokenizer(bundle.path / "tokenizer.json")

    @torch.inference_mode()
    def ask(text: str) -> object:
        stars, sentiment, recommended = net(torch.tensor([tokenizer.encode(text).ids]))
        return stars.exp(), sentiment.softmax(1), recommended.softmax(1)

    return ask


def whole_file(bundle: ReviewsBundle, data: ReviewData, precision: Precision, rounds: int) -> dict[str, Any]:
    """Reviews per second of `summarize` with its page, and of the bare sessions on ready batches."""
    from shelfwise.reports.reviews_report import write_reviews_report

    predictor = ReviewPredictor.load(bundle.path, threads=1, precision=precision)
    sessions = OnnxReviewBackend(bundle, 1, precision)
    with TemporaryDirectory() as folder:
        file, out = Path(folder) / "reviews.csv", Path(folder) / "out"
        first_rows(Path(data.source), file)
        some = data.model_copy(update={"source": str(file)})
        texts = [review_text(item) for item in read_reviews(some) if isinstance(item, Review)]
        ready = [
            batch
            for start in range(0, len(texts), CHUNK)
            for batch in id_batches(bundle, texts[start : start + CHUNK], tokens=sessions.batch_tokens)
        ]

        def whole() -> None:
            write_reviews_report(summarize(predictor, some, out), out)

        def bare() -> None:
            for ids in ready:
                sessions.review(ids)
                sessions.aspects(ids)

        measured = rates({"bare": bare, "summarize": whole}, len(texts), rounds)
    return summary(measured) | {
        "over_bare": ratio(measured["summarize"], measured["bare"]),
        "reviews": len(texts),
    }


def first_rows(source: Path, file: Path) -> None:
    """The header and the first rows of a CSV file."""
    with (
        source.open(newline="", encoding="utf-8") as read,
        file.open("w", newline="", encoding="utf-8") as to,
    ):
        csv.writer(to).writerows(islice(csv.reader(read), FILE_ROWS + 1))


def id_batches(bundle: ReviewsBundle, texts: Sequence[str], *, tokens: int) -> list[Any]:
    """What `ReviewPredictor` gives its sessions for one chunk of texts."""
    windows = reader_of(bundle).windows(texts)
    worded = [i for i, owner in enumerate(windows.owner) if len(windows.encodings[owner])]
    lengths = np.array([len(windows.ids[i]) for i in worded], np.int64)
    return [
        padded([windows.ids[worded[k]] for k in some], pad_id(bundle)) for some in batches(lengths, tokens)
    ]


def against_pipeline(bundle: ReviewsBundle, texts: Sequence[str], rounds: int) -> dict[str, Any]:
    """Texts per second of ours and of the pipeline at the batch size that is best for it here."""
    ask, few = pipeline_of(bundle), texts[:TUNING_TEXTS]
    tuning = {str(size): lambda size=size: ask(few, size) for size in BATCH_SIZES}
    tuned = rates(tuning, len(few), 2)
    best = max(tuned, key=lambda size: max(tuned[size]))
    exact, small = (ReviewPredictor.load(bundle.path, threads=1, precision=kind) for kind in PRECISIONS)
    sides = {
        "pipeline_fp32": lambda: ask(texts, int(best)),
        "shelfwise_fp32": lambda: exact.distributions(texts),
        "shelfwise_int8": lambda: small.distributions(texts),
    }
    measured = rates(sides, len(texts), rounds)
    return summary(measured) | {
        "batch_size": int(best),
        "batch_sizes_per_second": summary(tuned)["per_second"],
        "fp32_over_pipeline": ratio(measured["shelfwise_fp32"], measured["pipeline_fp32"]),
        "int8_over_pipeline": ratio(measured["shelfwise_int8"], measured["pipeline_fp32"]),
        "texts": len(texts),
    }


def pipeline_of(bundle: ReviewsBundle) -> Callable[[Sequence[str], int], object]:
    """The peer: the checkpoint that the bundle started from, as its library's users run it."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, logging, pipeline

    from shelfwise.nn.pretrained import checkpoint_path

    logging.set_verbosity_error()
    path = checkpoint_path(bundle.config.encoder.checkpoint)
    model = AutoModelForSequenceClassification.from_pretrained(path, num_labels=5, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(path)
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu", top_k=None)
    longest = bundle.reading.max_tokens
    return lambda texts, size: classify(list(texts), batch_size=size, truncation=True, max_length=longest)


def show(values: dict[str, Any]) -> None:
    """Milliseconds and rates, then the ratios."""
    for name, found in values["latency"].items():
        for side in ("eager_fp32", "shelfwise_fp32", "shelfwise_int8", "bare_int8"):
            p50, p95 = found[side]["p50_ms"], found[side]["p95_ms"]
            print(f"{name} one review, {side:15s} p50 {p50:8.2f} ms  p95 {p95:8.2f} ms")
    found = {f"summarize {kind}": one for kind, one in values["summarize"].items()}
    for name, one in {**found, "pipeline": values["pipeline"]}.items():
        print(f"{name}: {', '.join(f'{side} {rate:,.0f}/s' for side, rate in one['per_second'].items())}")
    for name, one in values["latency"].items():
        print(f"{name}: int8 over eager torch {one['int8_over_eager']:.1f}x")
    for name, one in found.items():
        print(f"{name}: {one['over_bare']:.2f} of the bare model's rate")
    one = values["pipeline"]
    print(f"over the pipeline (batches of {one['batch_size']}): fp32 {one['fp32_over_pipeline']:.2f}x")
    print(f"over the pipeline (batches of {one['batch_size']}): int8 {one['int8_over_pipeline']:.2f}x")


if __name__ == "__main__":
    main()
