"""Learning: the loop, checkpoints, the journal, text alignment, and what becomes a bundle."""
