"""Why a bundle says what it says; what needs answers alone is free of torch (see `by_answers`)."""
