"""What faces share: open bundles, a whole product's analysis, search; free of HTTP and terminals."""
