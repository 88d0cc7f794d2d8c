"""What a face holds open: a predictor and an index that answer together."""
