"""Metrics as pure numpy functions, and their bootstrap intervals."""
