"""Making the weights: corpus, labels and the trainer."""
