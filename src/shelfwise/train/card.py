"""The model card: what a bundle is, what it learned from, and what it must not be trusted with."""

from __future__ import annotations

from shelfwise.bundle import BundleInfo
from shelfwise.bundle.serving import NO_TEST_FIGURES
from shelfwise.config import Config

INT8_LINE = "- In 8 bits"
"""How a line of a card on the 8-bit form begins."""


def model_card(info: BundleInfo, config: Config) -> str:
    """Markdown with `{version}` left to be filled in."""
    validation = info.info.get("validation", {})
    training = info.info.get("training", {})
    rows = info.info.get("rows", {})
    preprocess = config.preprocess
    lines = [
        f"# {info.name}@{{version}}",
        "",
        f"Classifies product pictures by `{info.target}` into {len(info.classes)} classes: "
        f"{', '.join(info.classes[:20])}{' ...' if len(info.classes) > 20 else ''}.",
        "",
        "## Training",
        f"- Data: `{info.source}`, {rows.get('train', 0):,} rows to learn from, "
        f"{rows.get('validation', 0):,} held out for validation and calibration.",
        f"- Picture: {preprocess.width}x{preprocess.height}, {preprocess.channels} channel(s), "
        f"prepared by `{preprocess.fit}`; mean {_numbers(info.mean)}, deviation {_numbers(info.std)}.",
        f"- Recipe: tower `{config.model.tower}`, {config.train.epochs:g} epochs, seed {config.train.seed}; "
        "the whole configuration is in `config.json`.",
        f"- Cost: {training.get('cpu_seconds', 0):.0f} CPU-seconds, {training.get('steps', 0)} steps.",
        "",
        "## Figures",
        f"- Validation accuracy {validation['accuracy']:.4f} on {rows.get('validation', 0):,} rows; "
        f"temperature {info.temperature:.3f}."
        if validation
        else "- No validation row had a label: the accuracy is unknown and probabilities are not calibrated.",
        *int8_lines(info),
        *_unlike(info),
        NO_TEST_FIGURES,
        "",
        "## Limits",
        "- It always answers with one of its classes, whatever the picture shows"
        f"{'; see above for what it warns of' if info.unlike else ''}.",
        "- Its probabilities are calibrated for pictures like the validation rows, and for no others.",
    ]
    if info.source == "fashion-mnist":
        lines += [
            "",
            "Fashion-MNIST: Zalando Research, MIT licence, arXiv:1708.07747. Photos in colour are turned "
            "into its form first (section 2 there), which works best on a plain background.",
        ]
    return "\n".join(lines) + "\n"


def int8_lines(info: BundleInfo) -> list[str]:
    """What 8 bits change, in a line; none where that was not measured."""
    found = info.info.get("int8")
    if not found:
        return []
    accuracy = found["accuracy"]
    said = f"accuracy {accuracy['int8']:.4f} where float has {accuracy['fp32']:.4f}; " if accuracy else ""
    return [
        f"{INT8_LINE}, on {found['rows']:,} validation rows: {said}{found['other_answers']:.2%} other "
        f"answers, the largest change of a probability {found['largest_change']:.2g}."
    ]


def _unlike(info: BundleInfo) -> list[str]:
    if info.unlike is None:
        return []
    found = dict(info.unlike.flagged)
    wrongly = found.pop("validation", None)
    named = ", ".join(f"{kind.replace('_', ' ')} {share:.1%}" for kind, share in found.items())
    return [
        "- Pictures unlike the training pictures get the warning `unlike_training`"
        + (
            f": {wrongly:.1%} of the validation pictures for nothing; {named}."
            if wrongly is not None
            else "."
        )
    ]


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)
