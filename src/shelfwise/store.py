"""ArtifactStore: named arrays, tables and JSON shared between stages and notebooks."""
