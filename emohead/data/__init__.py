"""Training data: the synthetic speech corpus and readers of recorded ones."""
