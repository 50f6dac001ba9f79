"""Turn patterns.npz into train.pt and test.pt: inputs (patterns, 1, 16, 16) and targets (patterns, 10)."""

import numpy as np
import torch

arrays = np.load("patterns.npz")
for split in ("train", "test"):
    pictures, labels = arrays[f"{split}_inputs"], arrays[f"{split}_labels"]
    inputs = torch.zeros(len(pictures), 1, 16, 16)
    targets = torch.full((len(pictures), 10), -1.0)
    for number in range(len(pictures)):
        inputs[number, 0] = torch.from_numpy(pictures[number].astype(np.float32)).reshape(16, 16)
        targets[number, int(labels[number])] = 1.0
    torch.save((inputs, targets), f"{split}.pt")
