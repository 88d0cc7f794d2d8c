"""Product search over rows and vectors: filters, nearest vectors, words, and their fusion."""
