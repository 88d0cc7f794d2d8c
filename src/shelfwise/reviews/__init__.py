"""What buyers say, word by word: sentences, a lexicon of opinions, evidence to quote; never torch."""
