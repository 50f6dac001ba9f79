"""Compare a training on two engines, or on an engine and a hand-coded PyTorch module, step by step."""
