"""Watch an unmodified training script, and compare what it learns with a description."""
