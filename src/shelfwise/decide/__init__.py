"""From scores to decisions: temperature scaling."""
