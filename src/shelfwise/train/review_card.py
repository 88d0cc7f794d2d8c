"""The model card of a reviews bundle: what it learned from, how well, and what not to trust it with."""

from __future__ import annotations

from shelfwise.bundle import BundleInfo, ReviewsInfo
from shelfwise.bundle.serving import NO_TEST_FIGURES
from shelfwise.config import ReviewsConfig
from shelfwise.train.card import int8_lines


def review_card(info: BundleInfo, config: ReviewsConfig) -> str:
    """Markdown with `{version}` left to be filled in."""
    reading = info.reviews
    assert reading is not None
    lines = [
        f"# {info.name}@{{version}}",
        "",
        f"Reads buyers' reviews: {_answers(reading)}.",
        "",
        "## Training",
        *_training(info, config, reading),
        "",
        "## Figures",
        *_figures(info, reading),
        "",
        "## Limits",
        "- It reads the language and the kind of products of its training reviews; of other texts its "
        "answers may be confidently wrong.",
        "- It says what a text reads like, not whether a buyer wrote it or whether it is true.",
        "- Its probabilities are calibrated for reviews like the validation rows, and for no others.",
        '- Short negations ("not itchy", "no pilling") are often read the wrong way round, mostly by our '
        "own small encoder.",
        "- Irony, comparisons with other products and opinions told across sentences are often missed.",
    ]
    return "\n".join(lines) + "\n"


def _answers(reading: ReviewsInfo) -> str:
    answers = ["stars (1 to 5)", "sentiment (negative, neutral, positive)"]
    if reading.recommends:
        answers.append("whether the buyer recommends the product")
    if reading.aspects is not None:
        named = ", ".join(reading.aspects.aspects)
        answers.append(f"praise and blame of {named}, each with the words that say so")
    return "; ".join(answers)


def _training(info: BundleInfo, config: ReviewsConfig, reading: ReviewsInfo) -> list[str]:
    rows, cost = info.info.get("rows", {}), info.info.get("training", {})
    encoder, train = config.encoder, config.train
    if encoder.kind == "words":
        built = f"our own, {encoder.layers} layers of width {encoder.width}, trained from scratch"
    else:
        built = f"`{encoder.checkpoint}`, {encoder.tuning} tuning"
    lines = [
        f"- Data: `{info.source}`, {rows.get('train', 0):,} rows to learn from, "
        f"{rows.get('validation', 0):,} held out for validation and calibration.",
        f"- Encoder: {built}; {reading.max_tokens} tokens at once, longer reviews in windows.",
        f"- Recipe: {train.epochs:g} epochs, seed {train.seed}; the whole configuration is in `config.json`.",
    ]
    if config.distill.teachers:
        named = ", ".join(f"`{teacher}`" for teacher in config.distill.teachers)
        lines.append(
            f"- Taught by {named}: {config.distill.weight:.0%} of the loss, {config.distill.pieces} pieces "
            "of each review besides."
        )
    if cost:
        lines.append(f"- Cost: {cost.get('cpu_seconds', 0):.0f} CPU-seconds, {cost.get('steps', 0)} steps.")
    return lines


def _figures(info: BundleInfo, reading: ReviewsInfo) -> list[str]:
    validation, rows = info.info.get("validation", {}), info.info.get("rows", {})
    if validation:
        named = ", ".join(f"{name} {value:.4f}" for name, value in validation.items())
        lines = [
            f"- Validation, {rows.get('validation', 0):,} rows: {named}.",
            f"- Temperatures: stars {info.temperature:.3f}, sentiment {reading.sentiment_temperature:.3f}, "
            f"recommended {reading.recommended_temperature:.3f}.",
        ]
    else:
        lines = ["- No validation row had stars: accuracy is unknown and probabilities are not calibrated."]
    if reading.aspects is not None:
        pairs = zip(reading.aspects.aspects, reading.aspects.thresholds, strict=True)
        named = ", ".join(f"{aspect} {threshold:.2f}" for aspect, threshold in pairs)
        lines.append(f"- An opinion is stated from this probability on: {named}.")
    small = {name: value for name, value in info.info.get("parity", {}).items() if name.endswith(".int8")}
    if small:
        named = ", ".join(f"{name}.onnx {value:.2g}" for name, value in small.items())
        lines.append(f"- In 8 bits, the largest change of a probability on sample reviews: {named}.")
    lines += int8_lines(info)
    lines.append(NO_TEST_FIGURES)
    return lines
