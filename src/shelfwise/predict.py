"""The one inference path: raw pixels or products in, logits, probabilities and vectors out."""
