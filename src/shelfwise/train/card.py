"""The model card: what a bundle is, what it learned from, and what it must not be trusted with."""

from __future__ import annotations

from shelfwise.bundle import BundleInfo
from shelfwise.config import Config


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
        "- Test figures come from `shelfwise evaluate`, which does not write into the bundle.",
        "",
        "## Limits",
        "- It always answers with one of its classes, whatever the picture shows.",
        "- Its probabilities are calibrated for pictures like the validation rows, and for no others.",
    ]
    if info.source == "fashion-mnist":
        lines += [
            "",
            "Fashion-MNIST: Zalando Research, MIT licence, arXiv:1708.07747. Photos in colour are turned "
            "into its form first (section 2 there), which works best on a plain background.",
        ]
    return "\n".join(lines) + "\n"


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)
