"""A trained model's folder, and nothing else on disk is one."""
