"""The net of 1989 with the choices of 2022, coded by hand in PyTorch: the same net as nets/lecun89-2022.sn.

`python examples/lecun89_torch.py` trains it for one pass on the digits of scikit-learn (install it first).
`python examples/lecun89_torch.py init_1337.npz` writes a file for `snsim run nets/lecun89-2022.sn --initial`. The file
holds the initial weights that the script of 2022 draws with its seed 1337.
`snsim compare nets/lecun89-2022.sn examples/lecun89_torch.py:Net` compares net and training with snsim.
"""

import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

# Three groups of four H2 maps; each group reads eight of the twelve H1 maps.
BLOCKS = ([0, 1, 2, 3, 4, 5, 6, 7], [4, 5, 6, 7, 8, 9, 10, 11], [0, 1, 2, 3, 8, 9, 10, 11])


def uniform(fan_in: int, *shape: int) -> nn.Parameter:
    """Draw uniformly in +-2.4/sqrt(fan-in), bias not counted. The order of operations of 2022 gives the same bits."""
    return nn.Parameter((torch.rand(*shape) - 0.5) * 2 * 2.4 / fan_in**0.5)


class Net(nn.Module):
    """16x16 -> 12 maps 8x8 -> 12 maps 4x4 -> 30 -> 10; every unit has its own bias."""

    def __init__(self) -> None:
        super().__init__()
        self.h1_weight = uniform(25, 12, 1, 5, 5)
        self.h1_bias = nn.Parameter(torch.zeros(12, 8, 8))
        self.h2_weight = uniform(200, 12, 8, 5, 5)
        self.h2_bias = nn.Parameter(torch.zeros(12, 4, 4))
        self.h3_weight = uniform(192, 192, 30)
        self.h3_bias = nn.Parameter(torch.zeros(30))
        self.output_weight = uniform(30, 30, 10)
        self.output_bias = nn.Parameter(-torch.ones(10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (patterns, 1, 16, 16) in -1..1. Returns (patterns, 10)."""
        x = F.pad(x, (2, 2, 2, 2), value=-1.0)
        h1 = torch.tanh(F.conv2d(x, self.h1_weight, stride=2) + self.h1_bias)
        h1 = F.pad(h1, (2, 2, 2, 2), value=-1.0)
        groups = [F.conv2d(h1[:, block], self.h2_weight[4 * k : 4 * k + 4], stride=2) for k, block in enumerate(BLOCKS)]
        h2 = torch.tanh(torch.cat(groups, dim=1) + self.h2_bias)
        h3 = torch.tanh(h2.flatten(1) @ self.h3_weight + self.h3_bias)
        return torch.tanh(h3 @ self.output_weight + self.output_bias)

    def cost(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return ((outputs - targets) ** 2).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.03)


def learn(net: Net, inputs: torch.Tensor, targets: torch.Tensor) -> None:
    """Present each pattern once, in order, updating after each: gradient descent on the mean squared error."""
    optimizer = net.configure_optimizers()
    for x, target in zip(inputs, targets):
        optimizer.zero_grad()
        net.cost(net(x[None]), target[None]).backward()
        optimizer.step()


def first_net() -> Net:
    """Return the net with the initial weights of the script of 2022."""
    torch.manual_seed(1337)
    return Net()


def save_initial(path: str, output_bias: float = -1) -> None:
    """Write the weights of the first net under that script's names, H1w ... outb; in its later steps outb is 0."""
    layers = {"h1": "H1", "h2": "H2", "h3": "H3", "output": "out"}
    weights = {}
    for name, value in first_net().named_parameters():
        layer, kind = name.split("_")
        weights[layers[layer] + kind[0]] = value.detach().numpy()
    weights["outb"] = np.full_like(weights["outb"], output_bias)
    np.savez(path, **weights)
    print(f"{path}: {', '.join(weights)}")


def main() -> None:
    if len(sys.argv) > 1:
        save_initial(sys.argv[1], *map(float, sys.argv[2:3]))
        return
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    grey = torch.tensor(pictures, dtype=torch.float32).view(-1, 1, 8, 8) / 8 - 1
    inputs = F.interpolate(grey, size=(16, 16), mode="bilinear")
    targets = F.one_hot(torch.tensor(labels), 10).float() * 2 - 1
    net = first_net()
    learn(net, inputs[:1437], targets[:1437])
    misses = int((net(inputs[1437:]).argmax(1) != targets[1437:].argmax(1)).sum())
    print(f"{misses} of {len(inputs) - 1437} test digits missed after one pass")


if __name__ == "__main__":
    main()
