"""What to try where a configuration has no `[tune.space]`: what most often matters, around its own values."""

from __future__ import annotations

from shelfwise.config import AnyConfig, ProductsConfig, Range, ReviewsConfig

FUSIONS = ("late", "concat", "gated")
"""Strategies of about one cost; the others take several times as long to train."""


def with_space(config: AnyConfig) -> AnyConfig:
    """The configuration with a search space: its own, or the usual one; none where nothing is trained."""
    if config.tune.space or not config.train.epochs:
        return config
    tune = config.tune.model_copy(update={"space": usual_space(config)})
    return config.model_copy(update={"tune": tune})


def usual_space(config: AnyConfig) -> dict[str, Range]:
    """Settings and their ranges, by the names that `--set` knows."""
    train = config.train
    space = {"train.lr": _around(train.lr, 3.0)}
    if train.weight_decay:
        space["train.weight_decay"] = _around(train.weight_decay, 10.0)
    if _smooths(config):
        space["train.label_smoothing"] = Range(low=0.0, high=max(0.2, train.label_smoothing))
    if isinstance(config, ProductsConfig):
        if config.fusion.kind in FUSIONS:
            space["fusion.kind"] = Range(choices=FUSIONS)
        contrasts = config.shared.loss != "none" and config.fusion.kind not in ("picture", "text")
        if config.effective_targets and contrasts:
            space["shared.weight"] = _around(config.shared.weight, 5.0)
    return space


def _smooths(config: AnyConfig) -> bool:
    """Whether any of its losses knows `train.label_smoothing`: those of one value out of several."""
    if isinstance(config, ProductsConfig):
        return not all(target.several for target in config.effective_targets.values())
    return not isinstance(config, ReviewsConfig)


def _around(value: float, times: float) -> Range:
    """So many times less and more; small values are tried as finely as large ones."""
    return Range(low=float(f"{value / times:.2g}"), high=float(f"{value * times:.2g}"), log=True)
