"""ArtifactStore: named arrays, tables and JSON shared between stages and notebooks."""

from shelfwise.store.artifact import Artifact
from shelfwise.store.store import ArtifactStore

__all__ = ["Artifact", "ArtifactStore"]
