"""Net-5 of 1989, coded by hand in PyTorch: the same net as nets/net-5.sn.

`snsim compare nets/net-5.sn examples/net5_torch.py:Net --sgd 0.01` compares it with snsim under plain gradient
descent. nets/net-5.sn itself learns by a second-order rule, as lecun89_lm_torch.py does by hand.
"""

import torch
from torch import nn
from torch.nn import functional as F

SCALE = 1 / torch.tanh(torch.tensor(2 / 3, dtype=torch.float64)).item()  # so that f(1) = 1 and f(-1) = -1


def squash(x: torch.Tensor) -> torch.Tensor:
    return SCALE * torch.tanh(2 / 3 * x)


class Net(nn.Module):
    """16x16 -> 2 maps 8x8, 3x3 windows -> 4 maps 4x4, 5x5 windows -> 10; weights are shared, biases are not."""

    def __init__(self) -> None:
        super().__init__()
        self.h1 = nn.Conv2d(1, 2, 3, stride=2, bias=False)
        self.h1_bias = nn.Parameter(torch.zeros(2, 8, 8))
        self.h2 = nn.Conv2d(2, 4, 5, stride=2, bias=False)
        self.h2_bias = nn.Parameter(torch.zeros(4, 4, 4))
        self.output = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (patterns, 1, 16, 16) in -1..1. Returns (patterns, 10). Outside of a map the background is -1."""
        h1 = squash(self.h1(F.pad(x, (1, 1, 1, 1), value=-1.0)) + self.h1_bias)
        h2 = squash(self.h2(F.pad(h1, (2, 2, 2, 2), value=-1.0)) + self.h2_bias)
        return squash(self.output(h2.flatten(1)))

    def cost(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return 0.5 * F.mse_loss(outputs, targets, reduction="sum")
