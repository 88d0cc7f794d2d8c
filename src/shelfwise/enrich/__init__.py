"""What models add to a shop's own texts, kept in an ArtifactStore."""
