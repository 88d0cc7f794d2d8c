"""The model card of a products bundle: what it says of a product, what it learned from, its limits."""

from __future__ import annotations

from shelfwise.bundle import BundleInfo, ProductsInfo, TargetInfo
from shelfwise.bundle.serving import NO_TEST_FIGURES
from shelfwise.config import ProductsConfig
from shelfwise.train.card import INT8_LINE

LIMITS = (
    "- It always answers with classes that it has learned, whatever the product is.",
    "- It learned the labels that the shop had, with their mistakes.",
)
CALIBRATED = "- Its probabilities are calibrated for products like the validation rows, and for no others."
LIMITS_ALONE = (
    "- It has learned no classes: what it says is which products are alike, and it says so of any product.",
    "- It learned what the shop's titles say of its pictures, with their mistakes.",
)


def product_card(info: BundleInfo, config: ProductsConfig) -> str:
    """Markdown with `{version}` left to be filled in."""
    reading = info.products
    assert reading is not None
    rows, cost = info.info.get("rows", {}), info.info.get("training", {})
    recipe, preprocess = config.train, config.preprocess
    lines = [
        f"# {info.name}@{{version}}",
        "",
        *_does(reading),
        "",
        "## Training",
        f"- Data: `{info.source}`, {rows.get('train', 0):,} products to learn from, "
        f"{rows.get('validation', 0):,} held out for validation and calibration.",
        f"- Pictures: {preprocess.width}x{preprocess.height}, {preprocess.channels} channel(s), "
        f"prepared by `{preprocess.fit}`.",
        *_towers(info),
        f"- Recipe: fusion `{config.fusion.kind}`, {recipe.epochs:g} epochs, seed {recipe.seed}; "
        "the whole configuration is in `config.json`.",
        *([f"- Cost: {cost['cpu_seconds']:.0f} CPU-seconds, {cost['steps']} steps."] if cost else []),
        "",
        "## Figures",
        *_figures(info),
        *_int8(info),
        "",
        "## Limits",
        *(LIMITS if reading.targets else LIMITS_ALONE),
        *([CALIBRATED] if reading.targets and info.info.get("validation") else []),
    ]
    return "\n".join(lines) + "\n"


def _does(reading: ProductsInfo) -> list[str]:
    """What the bundle is for."""
    listed = f"from {_listed(reading.modalities)} or whichever of these there are"
    if not reading.targets:
        return [f"Makes vectors of products, {listed}, in a space where what belongs together is near."]
    return [
        f"Says what a product is, {listed}:",
        *(f"- {name}: {_said(target)}" for name, target in reading.targets.items()),
    ]


def _said(target: TargetInfo) -> str:
    kind = "several of" if target.several else "one of"
    path = f" ({' > '.join(target.levels)})" if len(target.levels) > 1 else ""
    return f"{kind} {len(target.paths)} classes{path}"


def _towers(info: BundleInfo) -> list[str]:
    """A line for each tower that others trained, and one for how far the network was moved back to them."""
    lines = [
        f"- The {name} tower is from `{told['checkpoint']}` ({told['tuning']}; sha256 of its weights "
        f"`{told['weights_sha256'][:16]}...`): its licence and its biases come with it."
        for name, told in info.info.get("checkpoints", {}).items()
    ]
    if wise := info.info.get("wise"):
        lines.append(f"- Weights: {wise['alpha']:g} of the way from zero-shot to trained (WiSE-FT).")
    return lines


def _figures(info: BundleInfo) -> list[str]:
    if search := info.info.get("search"):
        found = f"- Titles find their pictures on validation: mean reciprocal rank {search['mrr']:.4f}."
        return [found, NO_TEST_FIGURES]
    validation: dict[str, dict[str, float]] = info.info.get("validation", {})
    if not validation and info.products and not info.products.targets:
        return ["- No validation product has both a picture and a title: its search was not measured."]
    if not validation:
        return ["- No validation product had a label: probabilities are not calibrated."]
    assert info.products is not None
    kinds = {name: " (micro-F1)" if one.several else "" for name, one in info.products.targets.items()}
    return [
        f"- Validation accuracy from {subset.replace('+', ' and ')}: "
        + ", ".join(f"{name} {value:.4f}{kinds[name]}" for name, value in found.items())
        + "."
        for subset, found in validation.items()
    ] + [NO_TEST_FIGURES]


def _int8(info: BundleInfo) -> list[str]:
    """A line for each set of modalities: what 8 bits change."""
    found = info.info.get("int8", {})
    lines = []
    for subset, targets in found.get("answers", {}).items():
        said = [
            f"{name} {one['accuracy']['int8']:.4f} (float {one['accuracy']['fp32']:.4f})"
            for name, one in targets.items()
            if one["accuracy"]
        ]
        largest = max(one["largest_change"] for one in targets.values())
        lines.append(
            f"{INT8_LINE}, from {subset.replace('+', ' and ')}, on {found['rows']:,} validation products: "
            + "; ".join([*said, f"the largest change of a probability {largest:.2g}"])
            + "."
        )
    for subset, cosine in found.get("vectors", {}).items():
        lines.append(
            f"{INT8_LINE}, from {subset.replace('+', ' and ')}, on {found['rows']:,} validation products: "
            f"the cosine of a vector with the float one is {cosine:.4f} at least."
        )
    return lines


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
