"""LeNet-5 of 1998, coded by hand in PyTorch: the same net as nets/lenet-5.sn, also with a plain output layer.

`snsim compare nets/lenet-5.sn examples/lenet5_torch.py:Net --sgd 0.001` compares it with snsim under plain gradient
descent. nets/lenet-5.sn itself learns by a second-order rule, as lecun89_lm_torch.py does by hand.
"""

import torch
from torch import nn
from torch.nn import functional as F

# Table I of the paper: the S2 maps that each of the 16 C3 maps reads.
TABLE = (
    [0, 1, 2],
    [1, 2, 3],
    [2, 3, 4],
    [3, 4, 5],
    [4, 5, 0],
    [5, 0, 1],
    [0, 1, 2, 3],
    [1, 2, 3, 4],
    [2, 3, 4, 5],
    [3, 4, 5, 0],
    [4, 5, 0, 1],
    [5, 0, 1, 2],
    [0, 1, 3, 4],
    [1, 2, 4, 5],
    [0, 2, 3, 5],
    [0, 1, 2, 3, 4, 5],
)
SCALE = 1 / torch.tanh(torch.tensor(2 / 3, dtype=torch.float64)).item()  # so that f(1) = 1 and f(-1) = -1


def squash(x: torch.Tensor) -> torch.Tensor:
    return SCALE * torch.tanh(2 / 3 * x)


class Subsample(nn.Module):
    """Subsample: multiply the sum of each 2x2 block of a map by the map's coefficient, and add its bias."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((maps,), 0.25))
        self.bias = nn.Parameter(torch.zeros(maps))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sums = F.avg_pool2d(x, 2, divisor_override=1)
        return sums * self.weight[:, None, None] + self.bias[:, None, None]


class Features(nn.Module):
    """32x32 -> C1 6 maps 28x28 -> S2 14x14 -> C3 16 maps 10x10 -> S4 5x5 -> C5 120 -> F6 84."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 5)
        self.s2 = Subsample(6)
        self.c3 = nn.Conv2d(6, 16, 5)
        self.s4 = Subsample(16)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, 84)
        read = torch.tensor([[float(source in maps) for source in range(6)] for maps in TABLE])
        self.register_buffer("read", read[:, :, None, None])

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """x: (patterns, 1, 32, 32), background -1. Returns F6, (patterns, 84)."""
        s2 = squash(self.s2(squash(self.c1(x))))
        c3 = squash(F.conv2d(s2, self.c3.weight * self.read, self.c3.bias))
        c5 = squash(self.c5(squash(self.s4(c3))))
        return squash(self.f6(c5.flatten(1)))


class Net(Features):
    """The layers up to F6 -> 10."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(84, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (patterns, 1, 32, 32), background -1. Returns (patterns, 10)."""
        return squash(self.output(self.features(x)))

    def cost(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return 0.5 * F.mse_loss(outputs, targets, reduction="sum")
