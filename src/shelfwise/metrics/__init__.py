"""How good are scores: plain numpy in, plain numbers out, each with its definition and its source."""
