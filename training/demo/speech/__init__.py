"""Speech whose phones are known: sentences, synthesizers, mouth targets and the corpus."""
