"""Endpoints in other systems' forms, a file for each, so that their clients work unmodified."""
