"""Two towers with the same weights, coded by hand in PyTorch: the net of nets/siamese.sn.

`snsim compare nets/siamese.sn examples/siamese_torch.py:Net` compares it with snsim.
"""

import torch
import torch.nn.functional as F
from torch import nn

A, S = 1.7159047085755392, 2 / 3  # sn-tanh: A tanh(S x) is 1 at 1


def squash(x: torch.Tensor) -> torch.Tensor:
    return A * torch.tanh(S * x)


class Net(nn.Module):
    """A tower of 8 maps and 16 units for each picture, the squared differences of the units, one output."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(1, 8, 6, stride=2, bias=False)
        self.code = nn.Linear(8 * 6 * 6, 16, bias=False)
        self.same = nn.Linear(16, 1)

    def tower(self, x: torch.Tensor) -> torch.Tensor:
        """Return the code of pictures (patterns, 1, 16, 16): (patterns, 16)."""
        return squash(self.code(squash(self.maps(x)).flatten(1)))

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """left, right: (patterns, 1, 16, 16). Returns (patterns, 1), above 0 for the same digit."""
        return squash(self.same((self.tower(left) - self.tower(right)) ** 2))

    def cost(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return 0.5 * F.mse_loss(outputs, targets, reduction="sum")
