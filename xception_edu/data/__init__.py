"""Images for training: where they are found, how they are decoded, and what happens to a batch."""
