"""From scores to decisions: which probability to state, and which answer to trust."""
