"""What a model is worth on a labelled set: one call from logits to a metrics dictionary."""
