"""Elman's net for exclusive or in time, coded by hand in PyTorch: the net of nets/elman-xor.sn.

`snsim compare nets/elman-xor.sn examples/elman_torch.py:Net` compares it with snsim.
"""

import torch
from torch import nn


class Net(nn.Module):
    """One input, two hidden units that read their own states of the step before, one output."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Linear(1, 2)
        self.remember = nn.Linear(2, 2, bias=False)
        self.answer = nn.Linear(2, 1)

    def forward(self, steps: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """steps: (steps, sequences, 1); context: (sequences, 2). Returns the outputs and the new context."""
        outputs = []
        for x in steps:
            context = torch.sigmoid(self.read(x) + self.remember(context))
            outputs.append(torch.sigmoid(self.answer(context)))
        return torch.stack(outputs), context
