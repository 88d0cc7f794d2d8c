"""Reports that a person wants to look at: data quality and model quality, as HTML, JSON and PNG."""
