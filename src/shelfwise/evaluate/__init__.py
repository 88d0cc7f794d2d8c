"""How good a model is, with intervals: `evaluate_bundle` for a bundle, `evaluate_classifier` for arrays."""
