"""Product search over rows and vectors: filters, exact and approximate nearest vectors, words, their fusion."""
